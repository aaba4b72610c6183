//! Mirrors give way to orders. Their targets often run on the processors of this server, and what a target takes,
//! orders lack. So while orders come and the processors are busy, a mirror copies no faster than its own
//! measure and falls behind for a while; otherwise it copies as fast as it can.

use std::time::{Duration, Instant};

use sysinfo::System;
use tokio::time::sleep;

use crate::limits::{MIRROR_BUSY_PERCENT, MIRROR_BUSY_SAMPLE};

/// How fast a mirror may copy.
pub(super) struct Pace {
    /// None where the system does not say: then it is never busy.
    system: Option<System>,
    sampled_at: Instant,
    is_busy: bool,
    /// Changes a second on a busy machine.
    changes: u32,
    /// The end of the history when the last step began.
    head: u64,
    began: Instant,
}

impl Pace {
    /// A mirror that copies so many changes a second on a busy machine.
    pub(super) fn new(changes: u32) -> Self {
        let (mut system, now) = (System::new().ok(), Instant::now());
        system.iter_mut().for_each(System::refresh_cpu_usage);
        Self { system, sampled_at: now, is_busy: false, changes, head: 0, began: now }
    }

    /// A step begins that copies some changes; the history ends with `head`.
    pub(super) fn begin(&mut self, head: u64) {
        (self.head, self.began) = (head, Instant::now());
    }

    /// The step has copied so many changes, or rows; rests where it was too fast. The history ends with `head` now.
    pub(super) async fn end(&mut self, copied: u64, head: u64) {
        // A share of the time since the last look: one of a shorter time says nothing.
        if self.sampled_at.elapsed() >= MIRROR_BUSY_SAMPLE
            && let Some(system) = &mut self.system
        {
            system.refresh_cpu_usage();
            self.is_busy = system.global_cpu_usage() >= MIRROR_BUSY_PERCENT;
            self.sampled_at = Instant::now();
        }
        if self.is_busy && head > self.head {
            sleep(rest(copied, self.changes, self.began.elapsed())).await;
        }
    }
}

impl std::fmt::Debug for Pace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pace").field("is_busy", &self.is_busy).finish_non_exhaustive()
    }
}

/// How long to rest after so many changes in this time, to copy `most` a second.
fn rest(copied: u64, most: u32, took: Duration) -> Duration {
    Duration::from_secs(copied).checked_div(most).unwrap_or_default().saturating_sub(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_was_too_fast_rests_for_the_remainder_of_its_time() {
        let millis = Duration::from_millis;
        assert_eq!(rest(1_000, 20_000, millis(10)), millis(40));
        assert_eq!(rest(1_000, 20_000, millis(50)), millis(0));
        assert_eq!(rest(0, 20_000, millis(1)), millis(0));
        assert_eq!(rest(8_192, 20_000, millis(0)), Duration::from_micros(409_600));
    }
}
