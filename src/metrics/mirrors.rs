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
use crate::view::text::{AsText, hundredths};

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
    /// Milliseconds since 1970 at which the target was last there, or the mirror began; 0 while it is there.
    away_since: AtomicI64,
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
            away_since: AtomicI64::default(),
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
    /// Since when its target is not there; `None` while it is.
    pub away_since: Option<Timestamp>,
    /// The last record that the target has; `None` while that is not known.
    pub position: Option<u64>,
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
    /// Connections of ours in the target; `None` for a target that counts none.
    pub connections: Option<u64>,
    /// Reads of all clients of the target that found a key, and that found none; `None` for a target that counts none.
    pub reads: Option<[u64; 2]>,
}

impl MirrorState {
    /// How far it is, as it goes out.
    pub fn lag_view(&self) -> MirrorLagView {
        let lag_seconds = hundredths(self.lag.as_secs_f64());
        MirrorLagView { connected: self.connected, lag_events: self.lag_records, lag_seconds }
    }

    /// All of it, as it goes out, with the changes that the target took in the last second.
    pub fn view(self, changes_per_second: f64) -> MirrorView {
        let MirrorLagView { connected, lag_events, lag_seconds } = self.lag_view();
        MirrorView {
            connected,
            away_since: self.away_since.map(AsText),
            position: self.position,
            lag_events,
            lag_seconds,
            rebuilding: self.rebuilding,
            changes: self.changes,
            changes_per_second: hundredths(changes_per_second),
            put_aside: self.put_aside,
            rebuilds: self.rebuilds,
            connections: self.connections,
            hits: self.reads.map(|[hits, _]| hits),
            misses: self.reads.map(|[_, misses]| misses),
            last_error: self.last_error,
        }
    }
}

impl MirrorFigures {
    /// Notes that the mirror is set, and begins now.
    pub fn set(&self, now: Timestamp) {
        self.away_since.store(now.millis(), Ordering::Relaxed);
        self.is_set.store(true, Ordering::Relaxed);
    }

    /// Notes that the target is there, and has everything through this record.
    pub fn connect(&self, position: u64) {
        self.position.store(position, Ordering::Relaxed);
        self.is_rebuilding.store(false, Ordering::Relaxed);
        self.is_connected.store(true, Ordering::Relaxed);
        self.away_since.store(0, Ordering::Relaxed);
        *self.last_error.lock() = None;
    }

    /// Notes that everything is copied into a target, which is there.
    pub fn rebuild(&self) {
        self.is_connected.store(true, Ordering::Relaxed);
        self.away_since.store(0, Ordering::Relaxed);
        self.is_rebuilding.store(true, Ordering::Relaxed);
        self.rebuilds.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes that the target failed, or is not there, unless it was away before: then only why.
    pub fn fail(&self, error: &str, now: Timestamp) {
        let _ = self.away_since.compare_exchange(0, now.millis(), Ordering::Relaxed, Ordering::Relaxed);
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
    fn state(&self, mirror: Mirror, last: u64, now: Timestamp) -> Option<MirrorState> {
        let connected = self.is_connected();
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let lag_records = last.saturating_sub(self.position());
        let since = self.behind_since.load(Ordering::Relaxed);
        let lag =
            if lag_records == 0 || since == 0 { Duration::ZERO } else { now.since(Timestamp::from_millis(since)) };
        self.is_set.load(Ordering::Relaxed).then(|| MirrorState {
            connected,
            away_since: Some(get_time(&self.away_since)).filter(|_| !connected),
            position: Some(self.position()).filter(|position| connected || *position > 0),
            rebuilding: self.is_rebuilding.load(Ordering::Relaxed),
            lag_records,
            lag,
            changes: get(&self.changes),
            put_aside: get(&self.put_aside),
            rebuilds: get(&self.rebuilds),
            last_error: self.last_error.lock().clone(),
            connections: (mirror == Mirror::Postgres).then(|| get(&self.connections)),
            reads: (mirror == Mirror::Redis).then(|| [get(&self.hits), get(&self.misses)]),
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
        let state = |mirror| Some((mirror, self.of(mirror).state(mirror, last, now)?));
        Mirror::ALL.into_iter().filter_map(state).collect()
    }

    /// Changes that each target took since the start, in the order of [`Mirror::ALL`].
    pub fn changes(&self) -> [u64; 3] {
        Mirror::ALL.map(|mirror| self.of(mirror).changes.load(Ordering::Relaxed))
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

fn get_time(millis: &AtomicI64) -> Timestamp {
    Timestamp::from_millis(millis.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn redis(mirrors: &Mirrors, last: u64, now: i64) -> MirrorState {
        mirrors.states(last, at(now)).into_iter().find(|(mirror, _)| *mirror == Mirror::Redis).unwrap().1
    }

    #[test]
    fn a_mirror_lags_by_the_age_of_the_oldest_change_that_its_target_lacks() {
        let mirrors = Mirrors::default();
        assert!(mirrors.states(9, at(5_000)).is_empty(), "none is set");
        let figures = mirrors.of(Mirror::Redis);
        figures.set(at(500));
        figures.connect(7);
        figures.fall_behind(at(1_000));
        figures.fall_behind(at(3_000));
        let state = redis(&mirrors, 9, 5_000);
        assert_eq!((state.connected, state.lag_records, state.lag), (true, 2, Duration::from_secs(4)));
        figures.advance(9, 12, Duration::from_millis(2));
        let state = redis(&mirrors, 9, 6_000);
        assert_eq!((state.lag_records, state.lag, state.changes), (0, Duration::ZERO, 12));
        assert_eq!(mirrors.changes(), [0, 12, 0]);
        figures.fail("gone", at(6_000));
        let state = redis(&mirrors, 9, 6_000);
        assert_eq!((state.connected, state.last_error.as_deref()), (false, Some("gone")));
        assert_eq!(mirrors.states(9, at(6_000)).len(), 1);
    }

    #[test]
    fn a_mirror_is_away_since_it_was_last_there_however_often_it_was_tried() {
        let mirrors = Mirrors::default();
        let figures = mirrors.of(Mirror::Redis);
        figures.set(at(500));
        figures.fail("not there yet", at(700));
        let state = redis(&mirrors, 9, 800);
        assert_eq!((state.away_since, state.position), (Some(at(500)), None), "what it has is not known");
        figures.connect(7);
        let state = redis(&mirrors, 9, 900);
        assert_eq!((state.away_since, state.position), (None, Some(7)));
        figures.fail("gone", at(6_000));
        figures.fail("still gone", at(7_000));
        let state = redis(&mirrors, 9, 8_000);
        assert_eq!((state.away_since, state.position), (Some(at(6_000)), Some(7)));
        figures.rebuild();
        assert_eq!(redis(&mirrors, 9, 9_000).away_since, None);
    }

    #[test]
    fn each_target_has_the_figures_that_it_counts_and_no_others() {
        let mirrors = Mirrors::default();
        Mirror::ALL.into_iter().for_each(|mirror| mirrors.of(mirror).set(at(1)));
        mirrors.of(Mirror::Postgres).set_connections(2);
        mirrors.of(Mirror::Redis).set_reads(30, 4);
        let own = mirrors.states(0, at(2)).into_iter().map(|(_, state)| (state.connections, state.reads));
        assert_eq!(own.collect::<Vec<_>>(), [(Some(2), None), (None, Some([30, 4])), (None, None)]);
    }
}
