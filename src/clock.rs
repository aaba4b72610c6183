//! The time of day: the only place that asks for it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

mod rfc3339;

pub use rfc3339::TimeError;

/// A moment, in milliseconds since the Unix epoch. Displays as RFC 3339 UTC with milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The last moment that RFC 3339 can write, `9999-12-31T23:59:59.999Z`.
pub const MAX_TIMESTAMP: Timestamp = Timestamp(253_402_300_799_999);

impl Timestamp {
    /// A moment from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This moment moved forward; stops at [`MAX_TIMESTAMP`].
    pub fn after(self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis)).min(MAX_TIMESTAMP)
    }

    /// The time from `earlier` to this moment; zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads an RFC 3339 text with any offset; what lies below a millisecond is cut off.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        rfc3339::read(text)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        rfc3339::write(*self, f)
    }
}

/// Tells the time of day: the system's, or one that a test moves by hand.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The system's clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start` until [`Clock::advance`] moves it; its clones move with it.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start.0))))
    }

    /// The present moment.
    #[allow(clippy::disallowed_methods, reason = "this is the one place that reads the time of day")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
            }
            Source::Manual(millis) => Timestamp(millis.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward. The system's clock is left alone.
    pub fn advance(&self, span: Duration) {
        if let Source::Manual(millis) = &self.0 {
            let span = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
            millis.fetch_add(span, Ordering::SeqCst);
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
}
