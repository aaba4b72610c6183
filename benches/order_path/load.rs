//! A closed loop of orders: so many connections, each with one order outstanding, for so long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::{Connection, STALLED, position, post};

/// Every order has as many digits in its user as the next: the request is formatted once and only these change.
const USER_DIGITS: usize = 12;

/// The orders of one case: all for one product, each from a user of its own.
pub(crate) struct Orders {
    product: u64,
    next_user: AtomicU64,
}

/// What every answer of a server must be.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) status: u16,
    /// A text that stands in the body.
    pub(crate) text: &'static str,
}

/// What one round of orders took.
pub(crate) struct Round {
    pub(crate) elapsed: Duration,
    /// Microseconds from the first byte sent to the last byte read, one value for each answer.
    pub(crate) latency: Histogram<u64>,
}

/// An order's request bytes, ready but for the user.
struct Request {
    bytes: Vec<u8>,
    digits_at: usize,
}

impl Orders {
    pub(crate) fn of(product: u64) -> Arc<Self> {
        Arc::new(Self { product, next_user: AtomicU64::new(0) })
    }

    fn request(&self) -> Request {
        let user = "0".repeat(USER_DIGITS);
        let json = format!(r#"{{"productId":{},"userId":"u{user}","quantity":1}}"#, self.product);
        let bytes = post("/api/v1/orders", &json);
        let digits_at = position(&bytes, user.as_bytes()).expect("the user is in the request");
        Request { bytes, digits_at }
    }
}

impl Request {
    /// The bytes of the order of this user.
    fn of(&mut self, mut user: u64) -> &[u8] {
        for digit in self.bytes[self.digits_at..][..USER_DIGITS].iter_mut().rev() {
            *digit = b'0' + (user % 10) as u8;
            user /= 10;
        }
        &self.bytes
    }
}

impl Expected {
    fn check(self, status: u16, body: &[u8]) {
        let right = status == self.status && position(body, self.text.as_bytes()).is_some();
        assert!(right, "{} with {} was due, {status} came: {}", self.status, self.text, String::from_utf8_lossy(body));
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

/// Orders on every connection until `time` is over, and reads the answers still due then.
pub(crate) async fn drive(
    connections: &mut Vec<Connection>,
    orders: &Arc<Orders>,
    expected: Expected,
    time: Duration,
) -> Round {
    let histogram = Histogram::new_with_max(STALLED.as_micros() as u64 * 2, 3).expect("three digits of a minute");
    let latency = Arc::new(Mutex::new(histogram));
    let start = Instant::now();
    let mut buyers = JoinSet::new();
    for connection in connections.drain(..) {
        buyers.spawn(buy(connection, Arc::clone(orders), expected, Arc::clone(&latency), start + time));
    }
    let all = async {
        while let Some(buyer) = buyers.join_next().await {
            connections.push(buyer.expect("every answer is as expected"));
        }
    };
    timeout(time + STALLED, all).await.expect("every order is answered");
    let elapsed = start.elapsed();
    let latency = latency.lock().clone();
    Round { elapsed, latency }
}

/// One connection's part of a round.
async fn buy(
    mut connection: Connection,
    orders: Arc<Orders>,
    expected: Expected,
    latency: Arc<Mutex<Histogram<u64>>>,
    end: Instant,
) -> Connection {
    let mut request = orders.request();
    let mut sent = Instant::now();
    while sent < end {
        let user = orders.next_user.fetch_add(1, Ordering::Relaxed);
        let answer = connection.exchange(request.of(user)).await;
        expected.check(answer.status, answer.body);
        let now = Instant::now();
        latency.lock().saturating_record((now - sent).as_micros() as u64);
        sent = now;
    }
    connection
}

/// One order outside any round; gives the length of its answer's body in bytes.
pub(crate) async fn one(port: u16, orders: &Orders, expected: Expected) -> usize {
    let mut connection = Connection::open(port).await.expect("the server accepts a connection");
    let user = orders.next_user.fetch_add(1, Ordering::Relaxed);
    let mut request = orders.request();
    let answer = connection.ask(request.of(user)).await;
    expected.check(answer.status, answer.body);
    answer.body.len()
}
