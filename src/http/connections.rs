//! The open connections: how many there are, whose they are, and which of them have to make room.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use ipnet::IpNet;
use tokio::task::{AbortHandle, Id};

use crate::admission::network;
use crate::limits::MAX_LEAVING;
use crate::metrics::{Closed, Metrics};

use super::activity::{Activity, Phase};

/// The least time between two looks at all connections for those that could make room.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// How many connections there may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    /// In all.
    pub(super) total: usize,
    /// For each client address.
    pub(super) per_address: usize,
}

/// The open connections. Owned by the task that accepts them, so nothing is locked.
#[derive(Debug)]
pub(super) struct Connections {
    caps: Caps,
    /// Whose connections are not counted by address, as they carry those of many clients.
    proxies: Vec<IpNet>,
    open: HashMap<Id, Open, RandomState>,
    by_address: HashMap<IpAddr, usize, RandomState>,
    /// Connections that were ended and whose tasks still run.
    leaving: usize,
    metrics: Arc<Metrics>,
    candidates: Candidates,
    /// When the candidates were looked for.
    looked: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    task: AbortHandle,
    activity: Arc<Activity>,
    /// None of a proxy.
    address: Option<IpAddr>,
}

/// Who makes room first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Nothing, a part of a head, or a part of a body has come.
    NoRequest,
    /// It had a response and waits for the next request.
    BetweenRequests,
}

/// Connections that could make room, those that go first in front; as they were at the last look.
#[derive(Debug, Default)]
struct Candidates {
    all: VecDeque<Id>,
    /// Of addresses that have as many connections as they may.
    of_full: HashMap<IpAddr, VecDeque<Id>, RandomState>,
}

/// What becomes of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// It is served.
    Let,
    /// It is served, and another one had to go.
    LetInstead,
    /// Its address has as many connections as it may.
    AddressFull,
    /// There is no room.
    Full,
}

impl Connections {
    pub(super) fn new(caps: Caps, proxies: Vec<IpNet>, metrics: Arc<Metrics>) -> Self {
        let (open, by_address) = (HashMap::default(), HashMap::default());
        Self { caps, proxies, open, by_address, leaving: 0, metrics, candidates: Candidates::default(), looked: None }
    }

    /// Whether one more can be let in, be it that another makes room.
    pub(super) fn has_room(&mut self) -> bool {
        if self.open.len() < self.caps.total {
            return true;
        }
        if self.candidates.all.is_empty() {
            self.look();
        }
        self.leaving < MAX_LEAVING && !self.candidates.all.is_empty()
    }

    /// Decides on a connection of `peer`; where there is no room for it, another makes room, of the same address if
    /// that is what is full.
    pub(super) fn enter(&mut self, peer: IpAddr) -> Entry {
        let full = self.counted(peer).filter(|address| self.is_full(address));
        if full.is_some_and(|address| !self.send_away_of(address)) {
            self.metrics.count_closed(Closed::AddressFull);
            return Entry::AddressFull;
        }
        if self.open.len() < self.caps.total {
            return Entry::Let;
        }
        match self.send_away() {
            true => Entry::LetInstead,
            false => Entry::Full,
        }
    }

    /// Notes a connection that was let in.
    pub(super) fn add(&mut self, task: AbortHandle, peer: IpAddr, activity: Arc<Activity>) {
        let address = self.counted(peer);
        if let Some(address) = address {
            *self.by_address.entry(address).or_default() += 1;
        }
        self.open.insert(task.id(), Open { task, activity, address });
    }

    /// Forgets a connection whose task has ended.
    pub(super) fn ended(&mut self, id: Id) {
        if self.forget(id).is_none() {
            self.leaving = self.leaving.saturating_sub(1);
        }
    }

    /// Ends the connections that are overdue. Called once a second.
    pub(super) fn sweep(&self) {
        for open in self.open.values() {
            if let Some(why) = open.activity.overdue() {
                self.metrics.count_closed(why);
                open.task.abort();
            }
        }
    }

    /// Ends all connections but those whose requests are worked on.
    pub(super) fn end_all_but_working(&self) {
        let others = self.open.values().filter(|open| open.activity.phase() != Phase::Working);
        others.for_each(|open| open.task.abort());
    }

    /// Ends the connection that can be missed most. False if there is none.
    pub(super) fn send_away(&mut self) -> bool {
        if self.candidates.all.is_empty() {
            self.look();
        }
        while let Some(id) = self.candidates.all.pop_front() {
            if self.end(id) {
                return true;
            }
        }
        false
    }

    /// The same among those of one address.
    fn send_away_of(&mut self, address: IpAddr) -> bool {
        if self.candidates.of_full.get(&address).is_none_or(VecDeque::is_empty) {
            self.look();
        }
        while let Some(id) = self.candidates.of_full.get_mut(&address).and_then(VecDeque::pop_front) {
            if self.end(id) {
                return true;
            }
        }
        false
    }

    /// Ends a connection, unless it has got busy since it was looked at.
    fn end(&mut self, id: Id) -> bool {
        let still = self.open.get(&id).is_some_and(|open| rank(&open.activity).is_some());
        if !still || self.leaving >= MAX_LEAVING {
            return false;
        }
        if let Some(open) = self.forget(id) {
            open.task.abort();
            self.metrics.count_closed(Closed::MadeRoom);
            self.leaving += 1;
        }
        true
    }

    fn forget(&mut self, id: Id) -> Option<Open> {
        let open = self.open.remove(&id)?;
        if let Some(address) = open.address
            && let Some(count) = self.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
        Some(open)
    }

    /// Looks for connections that could make room. All of them are looked at, so not too often.
    fn look(&mut self) {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_PAUSE) {
            return;
        }
        self.looked = Some(Instant::now());
        let ranked = self.open.iter().filter_map(|(id, open)| Some((rank(&open.activity)?, *id, open.address)));
        let mut ranked: Vec<_> = ranked.collect();
        ranked.sort_unstable_by_key(|(rank, ..)| *rank);
        self.candidates = Candidates::default();
        for (_, id, address) in ranked {
            self.candidates.all.push_back(id);
            if let Some(address) = address.filter(|address| self.is_full(address)) {
                self.candidates.of_full.entry(address).or_default().push_back(id);
            }
        }
    }

    fn is_full(&self, address: &IpAddr) -> bool {
        self.by_address.get(address).is_some_and(|open| *open >= self.caps.per_address)
    }

    /// What a peer's connections are counted by, unless it is a proxy.
    fn counted(&self, peer: IpAddr) -> Option<IpAddr> {
        let address = peer.to_canonical();
        (!self.proxies.iter().any(|proxy| proxy.contains(&address))).then(|| network(address))
    }
}

/// Whether a connection could make room, and how soon: the least first.
fn rank(activity: &Activity) -> Option<(Rank, Reverse<u64>)> {
    let waited = activity.seconds();
    let (rank, least) = match activity.phase() {
        Phase::Working | Phase::Streaming | Phase::Upgraded => return None,
        // Its response is on its way, at the rate that is asked for.
        _ if activity.is_blocked() => return None,
        Phase::Idle if !activity.has_unread() => (Rank::BetweenRequests, 2),
        Phase::New | Phase::Idle | Phase::Receiving | Phase::Lingering => (Rank::NoRequest, 1),
    };
    // One that has only just come, or that is busy with a short break, has the same right as the new one.
    (waited >= least).then_some((rank, Reverse(waited)))
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::http::activity::Shared;

    struct Hall {
        connections: Connections,
        tasks: tokio::task::JoinSet<()>,
        shared: Arc<Shared>,
    }

    impl Hall {
        fn new(total: usize, per_address: usize) -> Self {
            let proxies = vec!["10.0.0.0/8".parse().unwrap()];
            let connections = Connections::new(Caps { total, per_address }, proxies, Arc::default());
            Self { connections, tasks: tokio::task::JoinSet::new(), shared: Arc::default() }
        }

        /// One connection more, if it is let in.
        fn enter(&mut self, peer: &str) -> Result<Arc<Activity>, Entry> {
            let peer = peer.parse().unwrap();
            match self.connections.enter(peer) {
                Entry::Let | Entry::LetInstead => {
                    let activity = Arc::new(Activity::new(Arc::clone(&self.shared)));
                    let task = self.tasks.spawn(pending());
                    self.connections.add(task, peer, Arc::clone(&activity));
                    Ok(activity)
                }
                other => Err(other),
            }
        }

        fn pass_seconds(&mut self, seconds: u64) {
            (0..seconds).for_each(|_| self.shared.pass_second());
            self.connections.looked = None;
        }

        /// Which of these have been sent away.
        fn sent_away(&self, of: &[&Arc<Activity>]) -> Vec<bool> {
            let is_open =
                |one: &Arc<Activity>| self.connections.open.values().any(|open| Arc::ptr_eq(&open.activity, one));
            of.iter().map(|one| !is_open(one)).collect()
        }
    }

    #[tokio::test]
    async fn one_address_has_its_share_and_a_network_of_ipv6_is_one_address() {
        let mut hall = Hall::new(100, 2);
        for (mine, other) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8:0:1::1")] {
            hall.enter(mine).unwrap();
            hall.enter(mine).unwrap();
            assert_eq!(hall.enter(mine).unwrap_err(), Entry::AddressFull);
            hall.enter(other).unwrap();
        }
        assert_eq!(hall.enter("2001:db8::ffff").unwrap_err(), Entry::AddressFull);
        assert_eq!(hall.enter("::ffff:192.0.2.1").unwrap_err(), Entry::AddressFull);
    }

    #[tokio::test]
    async fn a_proxy_carries_the_connections_of_many() {
        let mut hall = Hall::new(100, 1);
        (0..50).for_each(|_| drop(hall.enter("10.1.2.3").unwrap()));
    }

    #[tokio::test]
    async fn who_has_sent_no_request_makes_room_before_those_between_two_and_the_busy_never_do() {
        let mut hall = Hall::new(3, 3);
        let busy = hall.enter("192.0.2.1").unwrap();
        busy.work();
        let between = hall.enter("192.0.2.2").unwrap();
        between.responded();
        hall.pass_seconds(5);
        let silent = hall.enter("192.0.2.3").unwrap();
        hall.pass_seconds(3);
        hall.enter("192.0.2.4").unwrap().work();
        assert_eq!(hall.sent_away(&[&busy, &between, &silent]), [false, false, true]);
        hall.pass_seconds(1);
        hall.enter("192.0.2.5").unwrap().work();
        assert_eq!(hall.sent_away(&[&busy, &between]), [false, true]);
        hall.pass_seconds(100);
        assert!(!hall.connections.has_room());
        assert_eq!(hall.enter("192.0.2.6").unwrap_err(), Entry::Full);
    }

    #[tokio::test]
    async fn the_longest_wait_goes_first_and_a_new_connection_of_a_full_address_costs_that_address() {
        let mut hall = Hall::new(4, 2);
        let (other, first) = (hall.enter("192.0.2.9").unwrap(), hall.enter("192.0.2.1").unwrap());
        hall.pass_seconds(1);
        let second = hall.enter("192.0.2.1").unwrap();
        assert_eq!(hall.enter("192.0.2.1").map(drop), Ok(()), "the first of its own has waited for a second");
        assert_eq!(hall.sent_away(&[&other, &first, &second]), [false, true, false]);
        hall.pass_seconds(1);
        hall.enter("192.0.2.2").unwrap();
        hall.enter("192.0.2.2").unwrap();
        assert_eq!(hall.sent_away(&[&other, &second]), [true, false], "the longest of all goes");
    }

    #[tokio::test]
    async fn what_has_only_just_come_makes_no_room() {
        let mut hall = Hall::new(1, 1);
        hall.enter("192.0.2.1").unwrap();
        assert!(!hall.connections.has_room());
        hall.pass_seconds(1);
        assert!(hall.connections.has_room());
    }

    #[tokio::test]
    async fn what_ends_is_forgotten() {
        let mut hall = Hall::new(1, 1);
        hall.enter("192.0.2.1").unwrap();
        hall.tasks.abort_all();
        let id = hall.tasks.join_next_with_id().await.unwrap().unwrap_err().id();
        hall.connections.ended(id);
        assert!(hall.connections.by_address.is_empty() && hall.connections.open.is_empty());
        hall.enter("192.0.2.1").unwrap();
    }
}
