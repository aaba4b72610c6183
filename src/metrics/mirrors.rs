//! How far the mirrors are, and what they do.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::family::{Labelled, by, gauge};
use crate::domain::clock::Timestamp;
use crate::domain::mirror::Mirror;
use crate::limits::MAX_ERROR_CHARS;
use crate::view::metrics::{MirrorLagView, MirrorView};
use crate::view::text::hundredths;

/// The figures of each mirror. Those that are not set have none.
#[derive(Debug)]
pub struct Mirrors([MirrorFigures; 3]);

impl Default for Mirrors {
    fn default() -> Self {
        Self(Mirror::ALL.map(|_| MirrorFigures::default()))
    }
}

/// The figures of one mirror, written by the mirror alone.
#[derive(Debug)]
pub struct MirrorFigures {
    is_set: AtomicBool,
    is_connected: AtomicBool,
    is_rebuilding: AtomicBool,
    /// The last record that the target has; 0 while that is not known.
    position: AtomicU64,
    /// Milliseconds since 1970 at which the oldest change was made that the target lacks; 0 where it lacks none.
    behind_since: AtomicI64,
    changes: AtomicU64,
    batches: AtomicU64,
    failures: AtomicU64,
    put_aside: AtomicU64,
    rebuilds: AtomicU64,
    /// Connections of ours in the target.
    connections: AtomicU64,
    /// Reads in the target that found a key, and that found none, as the target counts them.
    hits: AtomicU64,
    misses: AtomicU64,
    batch_duration: Histogram,
    last_error: Mutex<Option<String>>,
}

impl Default for MirrorFigures {
    fn default() -> Self {
        Self {
            is_set: AtomicBool::default(),
            is_connected: AtomicBool::default(),
            is_rebuilding: AtomicBool::default(),
            position: AtomicU64::default(),
            behind_since: AtomicI64::default(),
            changes: AtomicU64::default(),
            batches: AtomicU64::default(),
            failures: AtomicU64::default(),
            put_aside: AtomicU64::default(),
            rebuilds: AtomicU64::default(),
            connections: AtomicU64::default(),
            hits: AtomicU64::default(),
            misses: AtomicU64::default(),
            // From 1 ms to 33 s, doubling.
            batch_duration: Histogram::new(exponential_buckets(0.001, 2.0, 16)),
            last_error: Mutex::default(),
        }
    }
}

/// How far a mirror is at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MirrorState {
    /// Whether its target is there.
    pub connected: bool,
    /// Whether everything is being copied.
    pub rebuilding: bool,
    /// Records of the history that the target lacks.
    pub lag_records: u64,
    /// Age of the oldest change that the target lacks.
    pub lag: Duration,
    /// Changes that the target took, since the start of the server.
    pub changes: u64,
    /// Rows or events that the target rejected, since the start.
    pub put_aside: u64,
    /// How often everything was copied, since the start.
    pub rebuilds: u64,
    /// What went wrong last, since the target was last there.
    pub last_error: Option<String>,
}

impl MirrorState {
    /// How far it is, as it goes out.
    pub fn lag_view(&self) -> MirrorLagView {
        let lag_seconds = hundredths(self.lag.as_secs_f64());
        MirrorLagView { connected: self.connected, lag_events: self.lag_records, lag_seconds }
    }

    /// All of it, as it goes out.
    pub fn view(self) -> MirrorView {
        let MirrorLagView { connected, lag_events, lag_seconds } = self.lag_view();
        let Self { rebuilding, changes, put_aside, rebuilds, last_error, .. } = self;
        MirrorView { connected, lag_events, lag_seconds, rebuilding, changes, put_aside, rebuilds, last_error }
    }
}

impl MirrorFigures {
    /// Notes that the mirror is set.
    pub fn set(&self) {
        self.is_set.store(true, Ordering::Relaxed);
    }

    /// Notes that the target is there, and has everything through this record.
    pub fn connect(&self, position: u64) {
        self.position.store(position, Ordering::Relaxed);
        self.is_rebuilding.store(false, Ordering::Relaxed);
        self.is_connected.store(true, Ordering::Relaxed);
        *self.last_error.lock() = None;
    }

    /// Notes that everything is copied into a target, which is there.
    pub fn rebuild(&self) {
        self.is_connected.store(true, Ordering::Relaxed);
        self.is_rebuilding.store(true, Ordering::Relaxed);
        self.rebuilds.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that the target failed, or is not there.
    pub fn fail(&self, error: &str) {
        self.is_connected.store(false, Ordering::Relaxed);
        self.is_rebuilding.store(false, Ordering::Relaxed);
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.connections.store(0, Ordering::Relaxed);
        *self.last_error.lock() = Some(error.chars().take(MAX_ERROR_CHARS).collect());
    }

    /// Notes when the oldest change was made that the target lacks, unless an older one is known.
    pub fn fall_behind(&self, since: Timestamp) {
        let _ = self.behind_since.compare_exchange(0, since.millis(), Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Notes that the target took a batch through this record.
    pub fn advance(&self, position: u64, changes: u64, took: Duration) {
        self.position.store(position, Ordering::Relaxed);
        self.behind_since.store(0, Ordering::Relaxed);
        self.changes.fetch_add(changes, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.batch_duration.observe(took.as_secs_f64());
    }

    /// Notes rows or events that the target rejected.
    pub fn put_aside(&self, count: u64) {
        self.put_aside.fetch_add(count, Ordering::Relaxed);
    }

    /// Notes connections of ours in the target.
    pub fn set_connections(&self, count: u64) {
        self.connections.store(count, Ordering::Relaxed);
    }

    /// Notes how many reads of the target found a key, and how many found none.
    pub fn set_reads(&self, hits: u64, misses: u64) {
        self.hits.store(hits, Ordering::Relaxed);
        self.misses.store(misses, Ordering::Relaxed);
    }

    /// Whether the target is there.
    pub fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed)
    }

    /// The last record that the target has; 0 while that is not known.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// How far it is, where the last record of the history is `last`; `None` if it is not set.
    pub fn state(&self, last: u64, now: Timestamp) -> Option<MirrorState> {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let lag_records = last.saturating_sub(self.position());
        let since = self.behind_since.load(Ordering::Relaxed);
        let lag =
            if lag_records == 0 || since == 0 { Duration::ZERO } else { now.since(Timestamp::from_millis(since)) };
        self.is_set.load(Ordering::Relaxed).then(|| MirrorState {
            connected: self.is_connected.load(Ordering::Relaxed),
            rebuilding: self.is_rebuilding.load(Ordering::Relaxed),
            lag_records,
            lag,
            changes: get(&self.changes),
            put_aside: get(&self.put_aside),
            rebuilds: get(&self.rebuilds),
            last_error: self.last_error.lock().clone(),
        })
    }
}

impl Mirrors {
    /// The figures of one mirror.
    pub const fn of(&self, mirror: Mirror) -> &MirrorFigures {
        &self.0[mirror as usize]
    }

    /// Those that are set, and how far they are; the last record of the history is `last`.
    pub fn states(&self, last: u64, now: Timestamp) -> Vec<(Mirror, MirrorState)> {
        Mirror::ALL.into_iter().filter_map(|mirror| Some((mirror, self.of(mirror).state(last, now)?))).collect()
    }

    /// The metrics of those that are set.
    pub(super) fn register(&self, registry: &mut Registry, last: u64, now: Timestamp) {
        let states = self.states(last, now);
        if states.is_empty() {
            return;
        }
        let gauges = |value: fn(&MirrorState) -> u64| {
            by("mirror", states.iter().map(|(mirror, state)| (mirror.as_str(), value(state))))
        };
        let counters = |value: fn(&MirrorFigures) -> &AtomicU64| {
            let count = |mirror: Mirror| ConstCounter::new(value(self.of(mirror)).load(Ordering::Relaxed));
            Labelled::new("mirror", states.iter().map(|(mirror, _)| (mirror.as_str(), count(*mirror))))
        };
        let about = "Whether the mirror's target is there (1) or not (0)";
        registry.register("mirror_connected", about, gauges(|state| state.connected.into()));
        let about = "Records of the history that the mirror's target lacks";
        registry.register("mirror_lag_records", about, gauges(|state| state.lag_records));
        let seconds = |state: &MirrorState| ConstGauge::new(state.lag.as_secs_f64());
        let lag = states.iter().map(|(mirror, state)| (mirror.as_str(), seconds(state)));
        let about = "Age of the oldest change that the mirror's target lacks";
        registry.register_with_unit("mirror_lag", about, Unit::Seconds, Labelled::new("mirror", lag));
        let about = "Changes of the history that the mirror's target took";
        registry.register("mirror_changes", about, counters(|figures| &figures.changes));
        registry.register("mirror_batches", "Batches that the mirror's target took", counters(|f| &f.batches));
        let about = "Times that the mirror's target failed or was not there";
        registry.register("mirror_failures", about, counters(|figures| &figures.failures));
        let about = "Rows or events that the mirror's target rejected";
        registry.register("mirror_put_aside", about, counters(|figures| &figures.put_aside));
        let about = "Times that everything was copied to the mirror's target";
        registry.register("mirror_rebuilds", about, counters(|figures| &figures.rebuilds));
        let batches = states.iter().map(|(mirror, _)| (mirror.as_str(), self.of(*mirror).batch_duration.clone()));
        let about = "Time that the mirror's target took for a batch";
        registry.register_with_unit("mirror_batch_duration", about, Unit::Seconds, Labelled::new("mirror", batches));
        self.register_own(registry, &states);
    }

    /// What only one kind of target has.
    fn register_own(&self, registry: &mut Registry, states: &[(Mirror, MirrorState)]) {
        let is_set = |mirror| states.iter().any(|(set, _)| *set == mirror);
        if is_set(Mirror::Postgres) {
            let connections = self.of(Mirror::Postgres).connections.load(Ordering::Relaxed);
            registry.register("postgres_connections", "Connections of ours to PostgreSQL", gauge(connections));
        }
        if is_set(Mirror::Redis) {
            let figures = self.of(Mirror::Redis);
            let count = |count: &AtomicU64| ConstCounter::new(count.load(Ordering::Relaxed));
            let about = "Reads of all clients of Redis that found their key, as Redis counts them";
            registry.register("redis_hits", about, count(&figures.hits));
            let about = "Reads of all clients of Redis that did not find their key, as Redis counts them";
            registry.register("redis_misses", about, count(&figures.misses));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_mirror_lags_by_the_age_of_the_oldest_change_that_its_target_lacks() {
        let mirrors = Mirrors::default();
        assert!(mirrors.states(9, at(5_000)).is_empty(), "none is set");
        let redis = mirrors.of(Mirror::Redis);
        redis.set();
        redis.connect(7);
        redis.fall_behind(at(1_000));
        redis.fall_behind(at(3_000));
        let state = redis.state(9, at(5_000)).unwrap();
        assert_eq!((state.connected, state.lag_records, state.lag), (true, 2, Duration::from_secs(4)));
        redis.advance(9, 12, Duration::from_millis(2));
        let state = redis.state(9, at(6_000)).unwrap();
        assert_eq!((state.lag_records, state.lag, state.changes), (0, Duration::ZERO, 12));
        redis.fail("gone");
        let state = redis.state(9, at(6_000)).unwrap();
        assert_eq!((state.connected, state.last_error.as_deref()), (false, Some("gone")));
        assert_eq!(mirrors.states(9, at(6_000)).len(), 1);
    }
}
