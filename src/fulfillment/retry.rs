//! When a failed attempt is repeated.

use std::time::Duration;

use crate::limits::{MAX_JITTER, PROBE_PAUSE};

/// How often an order is tried, and when again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, at least 1.
    pub attempts: u32,
    /// The pause after the first failed attempt, without its jitter; it doubles with each further one.
    pub first_delay: Duration,
    /// The longest pause between two attempts, jitter and the service's wishes included.
    pub max_delay: Duration,
}

impl RetryPolicy {
    /// The pause after failed attempt number `attempt`: doubled each time, and up to a quarter longer by chance, so
    /// that orders that failed together do not come back together. `chance` is evenly spread over 0 to 1. It is not
    /// shorter than the service asked for.
    pub(super) fn delay(&self, attempt: u32, asked: Option<Duration>, chance: f64) -> Duration {
        let doublings = attempt.saturating_sub(1).min(31);
        let doubled = self.first_delay.saturating_mul(1 << doublings).min(self.max_delay.div_f64(1.0 + MAX_JITTER));
        let pause = with_jitter(doubled.max(asked.unwrap_or_default().min(self.max_delay)), chance);
        pause.min(self.max_delay)
    }

    /// The pause before probe number `probe` of a service that is away: the same, but so short at most that its return
    /// is noticed soon, unless it asked for more.
    pub(super) fn probe_delay(&self, probe: u32, asked: Option<Duration>, chance: f64) -> Duration {
        let frequent = Self { max_delay: self.max_delay.min(PROBE_PAUSE), ..*self };
        frequent.delay(probe, None, chance).max(asked.unwrap_or_default().min(self.max_delay))
    }
}

/// A pause, up to a quarter longer by chance.
pub(super) fn with_jitter(pause: Duration, chance: f64) -> Duration {
    pause.mul_f64(1.0 + chance * MAX_JITTER)
}

/// A number evenly spread over 0 to 1; the middle where the system has no randomness to give.
pub(super) fn random() -> f64 {
    getrandom::u32().map_or(0.5, |number| f64::from(number) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RetryPolicy =
        RetryPolicy { attempts: 12, first_delay: Duration::from_secs(2), max_delay: Duration::from_mins(15) };

    #[test]
    fn pauses_double_stay_within_their_jitter_and_never_exceed_the_longest() {
        let secs = Duration::from_secs;
        assert_eq!(POLICY.delay(1, None, 0.0), secs(2));
        assert_eq!(POLICY.delay(1, None, 1.0), Duration::from_millis(2_500));
        assert_eq!(POLICY.delay(4, None, 0.0), secs(16));
        for chance in [0.0, 0.5, 1.0] {
            let longest = POLICY.delay(u32::MAX, None, chance);
            assert!((secs(720)..=secs(900)).contains(&longest), "{longest:?}");
        }
        assert!((0.0..=1.0).contains(&random()));
    }

    #[test]
    fn what_the_service_asks_for_is_waited_for_up_to_the_longest_pause() {
        let secs = Duration::from_secs;
        assert_eq!(POLICY.delay(1, Some(secs(60)), 0.0), secs(60));
        assert_eq!(POLICY.delay(5, Some(secs(1)), 0.0), secs(32), "a shorter wish changes nothing");
        assert_eq!(POLICY.delay(1, Some(secs(1_000_000)), 1.0), POLICY.max_delay);
        assert_eq!(POLICY.probe_delay(9, None, 1.0), PROBE_PAUSE);
        assert_eq!(POLICY.probe_delay(1, Some(secs(100)), 1.0), secs(100));
        assert_eq!(POLICY.probe_delay(1, Some(secs(1_000_000)), 1.0), POLICY.max_delay);
    }
}
