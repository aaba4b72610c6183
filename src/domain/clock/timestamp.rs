//! A moment of the time of day.

use std::time::Duration;

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
        Self(self.0.saturating_add(whole_millis(span))).min(MAX_TIMESTAMP)
    }

    /// The time from `earlier` to this moment; zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

pub(super) fn whole_millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
