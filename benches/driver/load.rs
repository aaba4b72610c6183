//! A closed loop of orders: so many connections, each with one request outstanding, for so long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::client::{Answer, Connection, STALLED, position, post, post_with};

/// Every order has as many digits in its user as the next: a request is formatted once and only these change.
const USER_DIGITS: usize = 12;

/// An accepted order, alone in its request.
pub(crate) const ACCEPTED: Expected = Expected { status: 201, text: "\"orderId\":", times: 1 };

/// The orders of one case: all for one product, each from a user of its own.
pub(crate) struct Orders {
    product: u64,
    next_user: AtomicU64,
}

/// Whether orders come with idempotency keys, each with one of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    None,
    Each,
}

/// What every answer of a server must be.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    /// A text in the body.
    pub(crate) text: &'static str,
    /// How often.
    pub(crate) times: usize,
}

/// How orders travel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trip {
    /// One in a request.
    Single,
    /// So many in a request.
    Batch(usize),
}

/// What the connections of a round send, and what they must be answered.
#[derive(Clone)]
pub(crate) struct Load {
    pub(crate) orders: Arc<Orders>,
    pub(crate) trip: Trip,
    pub(crate) keys: Keys,
    pub(crate) expected: Expected,
}

/// What one round of requests took.
pub(crate) struct Round {
    pub(crate) elapsed: Duration,
    /// Microseconds from the first byte sent to the last byte read, one value for each answer.
    pub(crate) latency: Histogram<u64>,
}

/// A request's bytes, ready but for the users of its orders, and for their keys, which have the same digits.
pub(crate) struct Request {
    bytes: Vec<u8>,
    /// Where the user's digits begin, so many times for each order.
    digits_at: Vec<usize>,
    digits_each: usize,
}

impl Orders {
    pub(crate) fn of(product: u64) -> Arc<Self> {
        Arc::new(Self { product, next_user: AtomicU64::new(0) })
    }

    /// The same orders again, from that of the user `first` on.
    pub(crate) fn again_from(&self, first: u64) -> Arc<Self> {
        Arc::new(Self { product: self.product, next_user: AtomicU64::new(first) })
    }

    /// The user of the next order.
    pub(crate) fn next_user(&self) -> u64 {
        self.next_user.load(Ordering::Relaxed)
    }

    pub(crate) const fn product(&self) -> u64 {
        self.product
    }

    /// A request for the next users' orders.
    pub(crate) fn request(&self, trip: Trip) -> Request {
        self.request_with(trip, Keys::None)
    }

    /// The same with or without keys.
    pub(crate) fn request_with(&self, trip: Trip, keys: Keys) -> Request {
        let user = "0".repeat(USER_DIGITS);
        let (header, field, digits_each) = match (keys, trip) {
            (Keys::None, _) => (String::new(), String::new(), 1),
            (Keys::Each, Trip::Single) => (format!("idempotency-key: order-{user}\r\n"), String::new(), 2),
            (Keys::Each, Trip::Batch(_)) => (String::new(), format!(r#","idempotencyKey":"order-{user}""#), 2),
        };
        let order = format!(r#"{{"productId":{},"userId":"u{user}","quantity":1{field}}}"#, self.product);
        let bytes = match trip {
            Trip::Single => post_with("/api/v1/orders", &header, &order),
            Trip::Batch(orders) => {
                post("/api/v1/orders/batch", &format!(r#"{{"orders":[{}]}}"#, vec![order; orders].join(",")))
            }
        };
        let digits_at = memchr::memmem::find_iter(&bytes, user.as_bytes()).collect();
        Request { bytes, digits_at, digits_each }
    }
}

impl Request {
    /// The bytes for the next users.
    pub(crate) fn next(&mut self, orders: &Orders) -> &[u8] {
        let count = self.digits_at.len() / self.digits_each;
        let first = orders.next_user.fetch_add(count as u64, Ordering::Relaxed);
        for (user, all) in (first..).zip(self.digits_at.chunks_exact(self.digits_each)) {
            let (mut digits, mut rest) = ([0; USER_DIGITS], user);
            for digit in digits.iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            all.iter().for_each(|at| self.bytes[*at..][..USER_DIGITS].copy_from_slice(&digits));
        }
        &self.bytes
    }
}

impl Expected {
    pub(crate) fn check(self, status: u16, body: &[u8]) {
        let found = match self.times {
            1 => usize::from(position(body, self.text.as_bytes()).is_some()),
            _ => memchr::memmem::find_iter(body, self.text).count(),
        };
        assert!(
            status == self.status && found == self.times,
            "{} with {} times {} was due, {status} with {found} came: {:.2000}",
            self.status,
            self.times,
            self.text,
            String::from_utf8_lossy(body)
        );
    }
}

impl Load {
    /// Orders that must all be accepted.
    pub(crate) fn accepted(orders: &Arc<Orders>, trip: Trip, keys: Keys) -> Self {
        let expected = match trip {
            Trip::Single => ACCEPTED,
            Trip::Batch(size) => Expected { status: 200, text: "\"status\":201", times: size },
        };
        Self { orders: Arc::clone(orders), trip, keys, expected }
    }

    /// Orders in one request.
    pub(crate) fn orders_each(&self) -> u64 {
        match self.trip {
            Trip::Single => 1,
            Trip::Batch(orders) => orders as u64,
        }
    }
}

/// Opens the connections of a round. Apart from the round itself, so that accepting them is not measured.
pub(crate) async fn connect(port: u16, connections: u32) -> Vec<Connection> {
    let mut open = Vec::with_capacity(connections as usize);
    for _ in 0..connections {
        open.push(Connection::open(port).await.expect("the server accepts a connection"));
    }
    open
}

/// A histogram for microseconds up to twice the time after which a server has failed.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(STALLED.as_micros() as u64 * 2, 3).expect("three digits of a minute")
}

/// Orders on every connection until `time` is over, and reads the answers still due then. Each must be as expected.
pub(crate) async fn drive(connections: &mut Vec<Connection>, load: &Load, time: Duration) -> Round {
    let latency = Arc::new(Mutex::new(histogram()));
    let (shared, expected) = (Arc::clone(&latency), load.expected);
    let heard = move |answer: &Answer<'_>, took: Duration| {
        expected.check(answer.status, answer.body);
        shared.lock().saturating_record(took.as_micros() as u64);
        None
    };
    let elapsed = closed_loop(connections, load, time, heard).await;
    let latency = latency.lock().clone();
    Round { elapsed, latency }
}

/// The loop itself: each connection orders again when it is answered, until `time` is over. `heard` gets each answer
/// and how long it took, and says for how long that buyer pauses, if it does. Gives the time to the last answer.
pub(crate) async fn closed_loop(
    connections: &mut Vec<Connection>,
    load: &Load,
    time: Duration,
    heard: impl Fn(&Answer<'_>, Duration) -> Option<Duration> + Clone + Send + 'static,
) -> Duration {
    let start = Instant::now();
    let mut buyers = JoinSet::new();
    for mut connection in connections.drain(..) {
        let (load, heard) = (load.clone(), heard.clone());
        buyers.spawn(async move {
            let mut request = load.orders.request_with(load.trip, load.keys);
            let mut sent = Instant::now();
            while sent < start + time {
                let answer = connection.exchange(request.next(&load.orders)).await;
                let now = Instant::now();
                let pause = heard(&answer, now - sent);
                sent = now;
                if let Some(pause) = pause {
                    sleep(pause).await;
                    sent = Instant::now();
                }
            }
            connection
        });
    }
    let all = async {
        while let Some(buyer) = buyers.join_next().await {
            connections.push(buyer.expect("every answer is as expected"));
        }
    };
    timeout(time + STALLED, all).await.expect("every order is answered");
    start.elapsed()
}

/// One request outside any round; gives the length of its answer's body in bytes.
pub(crate) async fn one(port: u16, load: &Load) -> usize {
    let mut connection = Connection::open(port).await.expect("the server accepts a connection");
    let mut request = load.orders.request_with(load.trip, load.keys);
    let answer = connection.ask(request.next(&load.orders)).await;
    load.expected.check(answer.status, answer.body);
    answer.body.len()
}
