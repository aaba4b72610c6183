//! An open loop of orders: they are sent when they are due, whatever became of those before.
//!
//! An order's latency counts from the moment at which it was due. So an order that waits because the one before it was
//! slow, or because this client was, counts with all of its waiting. How long the client itself took to send it is
//! beside it as its lateness.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use flashsale::rehearsal::pace;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::driver::client::{Answer, Connection, STALLED, position};
use crate::driver::load::{self, Keys, Load, Orders, Trip};
use crate::endpoint::fingerprint;

/// A refused connection of the closed loop orders again after this time.
const RETRY_PAUSE: Duration = Duration::from_millis(5);
/// Bytes of a strange answer that are kept to be shown.
const SHOWN: usize = 500;

/// The jobs of all accepted orders, by the fingerprints of their ids.
pub(crate) type Accepted = Arc<Mutex<HashSet<u128>>>;

/// What became of the orders that were due in some time.
pub(crate) struct Tally {
    pub(crate) due: u64,
    /// Due when every connection had a request outstanding: never sent.
    pub(crate) unsent: u64,
    pub(crate) accepted: u64,
    pub(crate) overloaded: u64,
    pub(crate) other: u64,
    /// The first answer that was neither.
    pub(crate) strange: Option<String>,
    /// Microseconds from when the order was due to its answer.
    pub(crate) accepted_latency: Histogram<u64>,
    pub(crate) overloaded_latency: Histogram<u64>,
    /// Microseconds from when the order was due until it was sent.
    pub(crate) lateness: Histogram<u64>,
}

/// A tally that answers are still coming in for.
pub(crate) type SharedTally = Arc<Mutex<Tally>>;

/// An order that is due.
struct Due {
    at: Instant,
    tally: SharedTally,
}

/// So many keep-alive connections, each with one request outstanding at most. All are open from the start and take
/// turns, so that the server's memory is that of all of them in each step: no pool of the rehearsal's, which opens what
/// it needs and uses the same ones again.
pub(crate) struct Crowd {
    buyers: Vec<mpsc::Sender<Due>>,
    /// Connections without a request, those first that have been so for longest: none idles until it is closed.
    idle: mpsc::Receiver<usize>,
    idled: mpsc::Sender<usize>,
    /// Ends the buyers when this is dropped.
    _tasks: JoinSet<()>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            due: 0,
            unsent: 0,
            accepted: 0,
            overloaded: 0,
            other: 0,
            strange: None,
            accepted_latency: load::histogram(),
            overloaded_latency: load::histogram(),
            lateness: load::histogram(),
        }
    }
}

impl Tally {
    /// Counts an answer, and notes the job of an accepted order.
    fn count(&mut self, answer: &Answer<'_>, latency: Duration, accepted: &Accepted) {
        let latency = latency.as_micros() as u64;
        let has = |bytes, text: &str| position(bytes, text.as_bytes()).is_some();
        if answer.status == 201 {
            self.accepted += 1;
            self.accepted_latency.saturating_record(latency);
            let job = job_id(answer.body).expect("an accepted order has a job");
            assert!(accepted.lock().insert(fingerprint(job)), "two orders were given the same job");
        } else if answer.status == 503 && has(answer.body, "\"overloaded\"") && has(answer.head, "retry-after: ") {
            self.overloaded += 1;
            self.overloaded_latency.saturating_record(latency);
        } else {
            self.other += 1;
            let shown = &answer.body[..answer.body.len().min(SHOWN)];
            self.strange.get_or_insert_with(|| format!("{}: {}", answer.status, String::from_utf8_lossy(shown)));
        }
    }
}

impl Crowd {
    /// Opens so many connections.
    pub(crate) async fn open(port: u16, connections: u32, orders: &Arc<Orders>, accepted: &Accepted) -> Self {
        let (idled, idle) = mpsc::channel(connections as usize);
        let mut tasks = JoinSet::new();
        let mut buyers = Vec::new();
        for (buyer, connection) in load::connect(port, connections).await.into_iter().enumerate() {
            let (sender, due) = mpsc::channel(1);
            tasks.spawn(buy(connection, Arc::clone(orders), Arc::clone(accepted), due, (buyer, idled.clone())));
            buyers.push(sender);
            idled.try_send(buyer).expect("there is room for every connection");
        }
        Self { buyers, idle, idled, _tasks: tasks }
    }

    /// Sends so many orders a second, evenly spaced, for so long. The last answers are still due when this returns.
    pub(crate) async fn offer(&mut self, per_second: f64, time: Duration, tally: &SharedTally) {
        let start = Instant::now();
        let total = (per_second * time.as_secs_f64()) as u64;
        let orders = (0..total).map(|order| ((), Duration::from_secs_f64(order as f64 / per_second)));
        pace(start, orders, |(), at| {
            let due = Due { at, tally: Arc::clone(tally) };
            let sent = self.idle.try_recv().is_ok_and(|buyer| self.buyers[buyer].try_send(due).is_ok());
            let mut tally = tally.lock();
            tally.due += 1;
            tally.unsent += u64::from(!sent);
            ControlFlow::Continue(())
        })
        .await;
        tokio::time::sleep_until((start + time).into()).await;
    }

    /// Returns when nothing is outstanding.
    pub(crate) async fn answered(&mut self) {
        let all = async {
            let mut idle = Vec::new();
            while idle.len() < self.buyers.len() {
                idle.push(self.idle.recv().await.expect("it is open as long as this is"));
            }
            idle
        };
        let idle = timeout(STALLED, all).await.expect("every order is answered in time");
        for buyer in idle {
            self.idled.try_send(buyer).expect("there is room for every connection");
        }
    }
}

/// One connection's part.
async fn buy(
    mut connection: Connection,
    orders: Arc<Orders>,
    accepted: Accepted,
    mut due: mpsc::Receiver<Due>,
    (buyer, idled): (usize, mpsc::Sender<usize>),
) {
    let mut request = orders.request(Trip::Single);
    while let Some(Due { at, tally }) = due.recv().await {
        let lateness = at.elapsed().as_micros() as u64;
        let answer = connection.exchange(request.next(&orders)).await;
        let latency = at.elapsed();
        {
            let mut tally = tally.lock();
            tally.lateness.saturating_record(lateness);
            tally.count(&answer, latency, &accepted);
        }
        idled.try_send(buyer).expect("there is room for every connection");
    }
}

/// Orders on so many connections for so long, closed loop: each orders again when it is answered, and after a pause
/// when it is refused. Everything counts as due when it was sent.
pub(crate) async fn closed_loop(
    port: u16,
    connections: u32,
    orders: &Arc<Orders>,
    accepted: &Accepted,
    time: Duration,
) -> Tally {
    let tally = SharedTally::default();
    let (shared, accepted) = (Arc::clone(&tally), Arc::clone(accepted));
    let heard = move |answer: &Answer<'_>, took: Duration| {
        let mut tally = shared.lock();
        tally.due += 1;
        tally.count(answer, took, &accepted);
        (answer.status != 201).then_some(RETRY_PAUSE)
    };
    let load = Load::accepted(orders, Trip::Single, Keys::None);
    load::closed_loop(&mut load::connect(port, connections).await, &load, time, heard).await;
    std::mem::take(&mut tally.lock())
}

/// The job's id in the answer to an accepted order.
fn job_id(body: &[u8]) -> Option<&[u8]> {
    let start = position(body, b"\"jobId\":\"")? + "\"jobId\":\"".len();
    let len = position(&body[start..], b"\"")?;
    Some(&body[start..start + len])
}
