//! What each connection is at, without asking the time for each request.
//!
//! hyper's own time-out for a request's head makes a timer for each request, which costs several per cent of a small
//! response. Here a connection notes what it is at and since which second, and one sweep a second ends those that have
//! been at it for too long.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

use crate::limits::{HEADER_TIMEOUT, LINGER_TIMEOUT, MAX_ARRIVING_BYTES, MIN_WRITE_RATE, UNREAD_TIMEOUT};
use crate::metrics::Closed;

use super::leash::Leash;

/// What all connections of a server share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Whole seconds since the server began to listen, counted by the sweep.
    seconds: AtomicU64,
    /// Bytes of requests that are still arriving, over all connections; at most [`MAX_ARRIVING_BYTES`].
    arriving: AtomicUsize,
}

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It was opened, and no request was complete yet.
    New,
    /// It has had a response, and waits for the next request.
    Idle,
    /// The body of a request is arriving.
    Receiving,
    /// A whole request is being worked on.
    Working,
    /// A response is made while it is sent.
    Streaming,
    /// It has had its last response, and what the client still sends is thrown away.
    Lingering,
    /// It speaks another protocol than HTTP, and its socket belongs to the task that upgraded it.
    Upgraded,
}

const PHASES: [Phase; 7] =
    [Phase::New, Phase::Idle, Phase::Receiving, Phase::Working, Phase::Streaming, Phase::Lingering, Phase::Upgraded];
const PHASE_BITS: u32 = 3;

/// Bytes of a request that every connection may hold: the first buffer of the HTTP parser.
const FREE_BYTES: usize = 8 * 1024;

/// The state of one connection, written by its task and read by the sweep.
#[derive(Debug)]
pub(super) struct Activity {
    shared: Arc<Shared>,
    /// The phase in the lowest bits, above them the second in which it began.
    state: AtomicU64,
    /// Bytes read since the last request that arrived whole.
    received: AtomicUsize,
    /// How many of [`Shared::arriving`] are this connection's.
    held: AtomicUsize,
    /// Whether a response waits for a client that does not read.
    blocked: AtomicBool,
    /// Bytes that such a client has taken since the last sweep.
    taken: AtomicU64,
    /// Seconds for which it has taken nothing, less those that what it took has paid for; written by the sweep.
    owed: AtomicU64,
    /// Whether a response was given although its request has not arrived whole.
    cut_short: AtomicBool,
    /// Whether [`MAX_ARRIVING_BYTES`] kept a request out.
    out_of_room: AtomicBool,
    /// What the connection's socket is held by, once it speaks another protocol.
    leash: OnceLock<Box<Leash>>,
}

impl Shared {
    /// Counts one more second.
    pub(super) fn pass_second(&self) {
        self.seconds.fetch_add(1, Relaxed);
    }
}

impl Activity {
    /// A connection that has just been opened.
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let activity = Self {
            shared,
            state: AtomicU64::new(0),
            received: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            blocked: AtomicBool::new(false),
            taken: AtomicU64::new(0),
            owed: AtomicU64::new(0),
            cut_short: AtomicBool::new(false),
            out_of_room: AtomicBool::new(false),
            leash: OnceLock::new(),
        };
        activity.enter(Phase::New);
        activity
    }

    fn enter(&self, phase: Phase) {
        self.state.store(self.shared.seconds.load(Relaxed) << PHASE_BITS | phase as u64, Relaxed);
    }

    pub(super) fn phase(&self) -> Phase {
        let phase = self.state.load(Relaxed) & ((1 << PHASE_BITS) - 1);
        PHASES[phase as usize]
    }

    /// Whole seconds for which the connection has been at what it is at, with the one under way.
    pub(super) fn seconds(&self) -> u64 {
        self.shared.seconds.load(Relaxed).saturating_sub(self.state.load(Relaxed) >> PHASE_BITS)
    }

    /// So many bytes were read from the client. False if there is no room for them beside those of others.
    pub(super) fn receive(&self, bytes: usize) -> bool {
        let received = self.received.load(Relaxed) + bytes;
        self.received.store(received, Relaxed);
        received <= FREE_BYTES || self.hold(received)
    }

    fn hold(&self, bytes: usize) -> bool {
        if self.leash.get().is_some() {
            // What reads another protocol has bounds of its own.
            self.received.store(0, Relaxed);
            return true;
        }
        let more = bytes.saturating_sub(self.held.load(Relaxed));
        if self.shared.arriving.fetch_add(more, Relaxed) + more > MAX_ARRIVING_BYTES {
            self.shared.arriving.fetch_sub(more, Relaxed);
            self.out_of_room.store(true, Relaxed);
            return false;
        }
        self.held.fetch_add(more, Relaxed);
        true
    }

    fn release(&self) {
        if self.held.load(Relaxed) > 0 {
            self.shared.arriving.fetch_sub(self.held.swap(0, Relaxed), Relaxed);
        }
    }

    /// A head has arrived.
    pub(super) fn head_arrived(&self) {
        self.received.store(0, Relaxed);
        self.release();
    }

    /// The body has not arrived whole, and is waited for.
    pub(super) fn await_body(&self) {
        self.enter(Phase::Receiving);
    }

    /// The body has arrived whole.
    pub(super) fn body_arrived(&self) {
        self.received.store(0, Relaxed);
        if self.phase() == Phase::Receiving {
            self.work();
        }
    }

    /// A request is worked on; until its body is missed, it counts as whole.
    pub(super) fn work(&self) {
        self.enter(Phase::Working);
    }

    /// The response is being made while it is sent.
    pub(super) fn stream(&self) {
        self.release();
        self.enter(Phase::Streaming);
    }

    /// The response is made, and the next request is awaited.
    pub(super) fn responded(&self) {
        self.release();
        self.enter(Phase::Idle);
    }

    /// The response that goes out is the last one in HTTP: from here on the socket can only be cut off.
    pub(super) fn upgrade(&self) {
        self.release();
        self.leash.get_or_init(Box::default);
        self.enter(Phase::Upgraded);
    }

    /// What the socket is held by, if the connection was upgraded.
    pub(super) fn leash(&self) -> Option<&Leash> {
        self.leash.get().map(|leash| &**leash)
    }

    /// A response is given to a request that has not arrived whole.
    pub(super) fn cut_short(&self) {
        self.cut_short.store(true, Relaxed);
    }

    /// Whether [`MAX_ARRIVING_BYTES`] kept a request out.
    pub(super) fn is_out_of_room(&self) -> bool {
        self.out_of_room.load(Relaxed)
    }

    /// Whether the client may still be sending what nobody reads.
    pub(super) fn has_unread(&self) -> bool {
        self.leash.get().is_none() && (self.cut_short.load(Relaxed) || self.received.load(Relaxed) > 0)
    }

    /// The last response is out; what still comes is thrown away.
    pub(super) fn linger(&self) {
        self.enter(Phase::Lingering);
    }

    /// The client does not take what is written.
    pub(super) fn block(&self) {
        self.blocked.store(true, Relaxed);
    }

    /// It took so many bytes of it.
    pub(super) fn take(&self, bytes: usize) {
        self.taken.fetch_add(bytes as u64, Relaxed);
    }

    /// It took all of it.
    pub(super) fn unblock(&self) {
        self.blocked.store(false, Relaxed);
        // It had no cause to send the next request before.
        if self.phase() == Phase::Idle {
            self.enter(Phase::Idle);
        }
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Relaxed)
    }

    /// Whether a request is worked on or its response is on its way: what a server that stops still waits for.
    pub(super) fn is_owed_a_response(&self) -> bool {
        match self.phase() {
            Phase::Working | Phase::Streaming => true,
            Phase::Idle => self.is_blocked(),
            Phase::New | Phase::Receiving | Phase::Lingering | Phase::Upgraded => false,
        }
    }

    /// Called once a second: whether the connection has been at what it is at for too long.
    pub(super) fn overdue(&self) -> Option<Closed> {
        let most = match self.phase() {
            // Who does not read is due by what was read; the next request cannot be asked for before.
            Phase::New | Phase::Idle if !self.is_blocked() => HEADER_TIMEOUT.as_secs(),
            Phase::Lingering => LINGER_TIMEOUT.as_secs(),
            _ => u64::MAX,
        };
        match self.count_owed() > UNREAD_TIMEOUT.as_secs() {
            true => Some(Closed::Unread),
            false => (self.seconds() > most).then_some(Closed::Idle),
        }
    }

    /// A second in which a client leaves bytes waiting is owed; [`MIN_WRITE_RATE`] bytes taken pay for one, as does a
    /// second in which nothing waits for it.
    fn count_owed(&self) -> u64 {
        let owed = self.owed.load(Relaxed);
        let owed = match self.is_blocked() {
            true => {
                let paid = self.taken.load(Relaxed) / MIN_WRITE_RATE;
                self.taken.fetch_sub(paid * MIN_WRITE_RATE, Relaxed);
                (owed + 1).saturating_sub(paid)
            }
            false => {
                self.taken.store(0, Relaxed);
                owed.saturating_sub(1)
            }
        };
        self.owed.store(owed, Relaxed);
        owed
    }
}

impl Drop for Activity {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn activity() -> Activity {
        Activity::new(Arc::default())
    }

    /// How often the sweep looks until the connection is overdue, at most `most` times.
    fn sweeps(activity: &Activity, most: u64, mut before_each: impl FnMut()) -> u64 {
        let overdue = |_: &u64| {
            before_each();
            activity.shared.pass_second();
            activity.overdue().is_some()
        };
        (1..=most).find(overdue).unwrap_or(most)
    }

    #[test]
    fn seconds_count_from_the_last_response_and_a_request_under_way_is_never_overdue() {
        let activity = activity();
        activity.work();
        assert_eq!(sweeps(&activity, 1_000, || {}), 1_000);
        activity.responded();
        assert_eq!(activity.seconds(), 0);
        assert_eq!(sweeps(&activity, 1_000, || {}), HEADER_TIMEOUT.as_secs() + 1);
    }

    #[test]
    fn a_client_that_takes_nothing_is_overdue_after_the_floor() {
        let activity = activity();
        activity.work();
        activity.block();
        assert_eq!(sweeps(&activity, 1_000, || {}), UNREAD_TIMEOUT.as_secs() + 1);
    }

    #[test]
    fn a_client_that_reads_at_the_least_rate_is_never_overdue_and_one_at_half_of_it_is() {
        let reading = activity();
        reading.responded();
        reading.block();
        assert_eq!(sweeps(&reading, 1_000, || reading.take(MIN_WRITE_RATE as usize)), 1_000);
        let slow = activity();
        slow.responded();
        slow.block();
        let half = sweeps(&slow, 1_000, || slow.take(MIN_WRITE_RATE as usize / 2));
        assert!((UNREAD_TIMEOUT.as_secs() * 2 - 2..UNREAD_TIMEOUT.as_secs() * 2 + 4).contains(&half), "{half}");
    }

    #[test]
    fn who_has_read_all_of_a_slow_response_has_the_whole_time_for_the_next_request() {
        let activity = activity();
        activity.responded();
        activity.block();
        sweeps(&activity, UNREAD_TIMEOUT.as_secs(), || {});
        activity.unblock();
        assert_eq!(activity.seconds(), 0);
        assert_eq!(sweeps(&activity, 1_000, || {}), HEADER_TIMEOUT.as_secs() + 1);
    }

    #[test]
    fn requests_that_arrive_share_one_bound_and_give_their_part_back() {
        let shared = Arc::<Shared>::default();
        let (first, second) = (Activity::new(Arc::clone(&shared)), Activity::new(Arc::clone(&shared)));
        assert!(first.receive(FREE_BYTES), "a small request needs no room");
        assert_eq!(shared.arriving.load(Relaxed), 0);
        assert!(first.receive(MAX_ARRIVING_BYTES - FREE_BYTES));
        assert!(second.receive(FREE_BYTES), "a small request needs no room");
        assert!(!second.receive(1) && second.is_out_of_room());
        first.responded();
        assert!(second.receive(1));
        drop(second);
        drop(first);
        assert_eq!(shared.arriving.load(Relaxed), 0);
    }

    #[test]
    fn an_upgraded_connection_is_never_idle_and_its_bytes_take_no_room_of_requests() {
        let activity = activity();
        activity.work();
        activity.upgrade();
        assert!(activity.receive(MAX_ARRIVING_BYTES) && activity.receive(MAX_ARRIVING_BYTES));
        assert_eq!(activity.shared.arriving.load(Relaxed), 0);
        assert!(!activity.is_owed_a_response() && !activity.has_unread());
        assert_eq!(sweeps(&activity, 1_000, || {}), 1_000);
        activity.block();
        assert_eq!(sweeps(&activity, 1_000, || {}), UNREAD_TIMEOUT.as_secs() + 1, "who does not read is ended");
    }

    #[test]
    fn only_a_request_that_is_whole_is_owed_a_response() {
        let activity = activity();
        assert!(!activity.is_owed_a_response());
        activity.work();
        assert!(activity.is_owed_a_response());
        activity.await_body();
        assert!(!activity.is_owed_a_response());
        activity.body_arrived();
        assert!(activity.is_owed_a_response());
        activity.responded();
        assert!(!activity.is_owed_a_response());
        activity.block();
        assert!(activity.is_owed_a_response(), "a part of it is not sent");
    }
}
