//! The time of day, the only place that asks for it, and the monotonic time beside it, which nobody can set.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

mod rfc3339;
mod timestamp;

pub use rfc3339::TimeError;
pub use timestamp::{MAX_TIMESTAMP, Timestamp};

use timestamp::whole_millis;

/// A moment on the monotonic clock, in milliseconds since its [`Clock`] was made; negative for what came before that.
/// It knows no time of day, and nobody can set it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Steady(i64);

impl Steady {
    /// Milliseconds since the clock was made.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This moment moved forward.
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(span)))
    }

    /// The time from `earlier` to this moment; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// One moment on both clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// The time of day, as the wall clock says.
    pub wall: Timestamp,
    /// The same on the monotonic clock.
    pub steady: Steady,
}

impl Moment {
    /// Milliseconds by which the wall clock is ahead of the monotonic one: what moves when the wall clock is set.
    pub const fn offset(self) -> i64 {
        self.wall.millis().saturating_sub(self.steady.0)
    }

    /// Where a time of day lies on the monotonic clock, if nobody sets the wall clock.
    pub const fn steady_at(self, wall: Timestamp) -> Steady {
        Steady(wall.millis().saturating_sub(self.offset()))
    }

    /// The time of day if the wall clock were ahead of the monotonic one by `offset` milliseconds.
    pub const fn wall_at(self, offset: i64) -> Timestamp {
        Timestamp::from_millis(self.steady.0.saturating_add(offset))
    }

    /// What ends at a time of day, as seen at this moment.
    pub const fn deadline(self, wall: Timestamp) -> Deadline {
        Deadline { wall, steady: self.steady_at(wall) }
    }
}

/// What the present time of day is between: what the wall clock says, and what it said at the start and the time that
/// has passed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The earlier of the two: ages are taken at it.
    pub earliest: Timestamp,
    /// The later of the two: a time after it has come by neither.
    pub latest: Timestamp,
}

impl Bounds {
    /// For a clock that was never set.
    pub const fn exactly(now: Timestamp) -> Self {
        Self { earliest: now, latest: now }
    }
}

/// A moment to come, on both clocks. It is reached when either says so: a wall clock that is set ahead ends what was
/// promised until then, and one that is set back makes nothing last longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// The time of day.
    pub wall: Timestamp,
    /// When so much time has passed.
    pub steady: Steady,
}

impl Deadline {
    /// Whether it is reached.
    pub fn is_reached(self, now: Moment) -> bool {
        now.wall >= self.wall || now.steady >= self.steady
    }

    /// Milliseconds by which the wall clock was ahead of the monotonic one when this was set.
    pub const fn offset(self) -> i64 {
        self.wall.millis().saturating_sub(self.steady.0)
    }
}

/// Gives the time: of day and monotonic. The system's, or one that a test moves by hand.
#[derive(Clone, Debug)]
pub struct Clock {
    hands: Hands,
    /// When this clock was made.
    start: Moment,
}

#[derive(Clone, Debug)]
enum Hands {
    /// With the instant at which its monotonic time is 0.
    System(Instant),
    Manual(Arc<ManualHands>),
}

/// Milliseconds since the epoch, and milliseconds of the monotonic clock.
#[derive(Debug, Default)]
struct ManualHands {
    wall: AtomicI64,
    steady: AtomicI64,
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::from_now(Hands::System(Instant::now()))
    }

    /// A clock that stays at `start` until [`Clock::advance`] or [`Clock::step_wall`] moves it; its clones move
    /// with it.
    pub fn manual(start: Timestamp) -> Self {
        Self::from_now(Hands::Manual(Arc::new(ManualHands { wall: start.millis().into(), steady: 0.into() })))
    }

    /// The same clock as a process sees it that starts now: its monotonic time says nothing of what was before.
    pub fn restarted(&self) -> Self {
        match &self.hands {
            Hands::System(_) => Self::system(),
            Hands::Manual(_) => Self::from_now(self.hands.clone()),
        }
    }

    fn from_now(hands: Hands) -> Self {
        let mut clock = Self { hands, start: Moment::default() };
        clock.start = clock.moment();
        clock
    }

    /// The time of day, as the wall clock says. What ends goes by it: holds, windows, keys.
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the time of day")]
    pub fn now(&self) -> Timestamp {
        match &self.hands {
            Hands::System(_) => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp::from_millis(whole_millis(since_epoch))
            }
            Hands::Manual(hands) => Timestamp::from_millis(hands.wall.load(Ordering::SeqCst)),
        }
    }

    /// The monotonic time. It stops while the machine sleeps.
    pub fn steady(&self) -> Steady {
        match &self.hands {
            Hands::System(zero) => Steady(whole_millis(zero.elapsed())),
            Hands::Manual(hands) => Steady(hands.steady.load(Ordering::SeqCst)),
        }
    }

    /// The present moment on both clocks.
    pub fn moment(&self) -> Moment {
        Moment { wall: self.now(), steady: self.steady() }
    }

    /// The time of day for what is removed for good: the wall clock, but never later than the start of this clock and
    /// the time that has passed since. So a wall clock that is set ahead makes nothing look old, and one that is set
    /// back makes everything look young.
    pub fn cautious_now(&self) -> Timestamp {
        self.bounds().earliest
    }

    /// What the present time of day is between.
    pub fn bounds(&self) -> Bounds {
        let Moment { wall, steady } = self.moment();
        let measured = self.start.wall.after(steady.since(self.start.steady));
        Bounds { earliest: wall.min(measured), latest: wall.max(measured) }
    }

    /// Milliseconds by which the wall clock was set ahead since this clock was made; negative if it was set back.
    pub fn offset(&self) -> i64 {
        self.moment().offset().saturating_sub(self.start.offset())
    }

    /// Moves a manual clock forward. The system's clock is left alone.
    pub fn advance(&self, span: Duration) {
        if let Hands::Manual(hands) = &self.hands {
            hands.steady.fetch_add(whole_millis(span), Ordering::SeqCst);
            hands.wall.fetch_add(whole_millis(span), Ordering::SeqCst);
        }
    }

    /// Sets the wall clock of a manual clock ahead, or back where `millis` is negative; no time passes. The system's
    /// clock is left alone.
    pub fn step_wall(&self, millis: i64) {
        if let Hands::Manual(hands) = &self.hands {
            hands.wall.fetch_add(millis, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adding_a_century_of_centuries_stops_at_the_last_moment() {
        assert_eq!(Timestamp::from_millis(0).after(Duration::MAX), MAX_TIMESTAMP);
        assert_eq!(MAX_TIMESTAMP.to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn for_what_is_removed_a_clock_that_was_set_ahead_is_not_believed_and_one_set_back_is() {
        let clock = Clock::manual(Timestamp::from_millis(1_000_000));
        clock.advance(Duration::from_secs(5));
        clock.step_wall(40 * 86_400_000);
        assert_eq!(clock.cautious_now(), Timestamp::from_millis(1_005_000));
        assert_eq!(clock.offset(), 40 * 86_400_000);
        clock.step_wall(-40 * 86_400_000 - 7_000);
        assert_eq!(clock.cautious_now(), Timestamp::from_millis(998_000));
        clock.advance(Duration::from_secs(1));
        assert_eq!((clock.cautious_now(), clock.offset()), (Timestamp::from_millis(999_000), -7_000));
        // A process that starts with it has nothing else to believe.
        clock.step_wall(60_000);
        let restarted = clock.restarted();
        assert_eq!((restarted.cautious_now(), restarted.offset()), (clock.now(), 0));
    }

    #[test]
    fn a_time_of_day_has_a_place_on_the_monotonic_clock_also_before_the_start() {
        let clock = Clock::manual(Timestamp::from_millis(1_000_000));
        let started = clock.moment();
        let (later, earlier) = (Timestamp::from_millis(1_002_000), Timestamp::from_millis(990_000));
        clock.advance(Duration::from_secs(2));
        clock.step_wall(-30_000);
        assert_eq!(started.steady_at(later), clock.steady());
        assert_eq!(clock.steady().since(started.steady_at(earlier)), Duration::from_secs(12));
    }

    #[test]
    fn the_systems_monotonic_time_goes_forward_and_its_cautious_time_is_the_time_of_day() {
        let clock = Clock::system();
        let (before, steady) = (clock.cautious_now(), clock.steady());
        assert!(clock.now() >= before && clock.steady() >= steady);
        assert!(clock.now().since(before) < Duration::from_secs(600));
    }
}
