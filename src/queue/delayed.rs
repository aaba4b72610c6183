//! Jobs that wait for a moment.
//!
//! The moment has come when the wall clock says so, or when the time until it has passed on the monotonic clock: what
//! comes first. Jobs whose moments were set while the two clocks were equally far apart come due in one order on both;
//! so there is a line for each distance, which is one line while nobody sets the wall clock.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use crate::domain::clock::{Deadline, Moment, Timestamp};
use crate::domain::order::OrderId;
use crate::limits::{DELAY_SLACK, MAX_DELAY_LINES};

use super::job::Job;

/// The delayed jobs.
#[derive(Debug, Default)]
pub(super) struct Delayed {
    lines: Vec<Line>,
}

/// The place of a job: its line, and where in it.
pub(super) type Key = (i64, Timestamp, OrderId);

#[derive(Debug)]
struct Line {
    /// How far the wall clock was ahead of the monotonic one when the moments were set, in milliseconds; up to
    /// [`DELAY_SLACK`] less, so that no job is early.
    offset: i64,
    jobs: BTreeMap<(Timestamp, OrderId), Job>,
}

impl Line {
    /// The time of day up to which its jobs are due.
    fn due_until(&self, now: Moment) -> Timestamp {
        now.wall.max(now.wall_at(self.offset))
    }

    /// How long its first job still waits.
    fn wait(&self, now: Moment) -> Option<Duration> {
        let ((due, _), _) = self.jobs.first_key_value()?;
        Some(due.since(self.due_until(now)))
    }
}

impl Delayed {
    /// Adds a job that waits until `due`.
    pub(super) fn put(&mut self, due: Deadline, job: Job) {
        let line = self.line_for(due.offset());
        self.lines[line].jobs.insert((due.wall, job.order), job);
    }

    fn line_for(&mut self, offset: i64) -> usize {
        let slack = i64::try_from(DELAY_SLACK.as_millis()).unwrap_or(i64::MAX);
        if let Some(line) = self.lines.iter().position(|line| (line.offset..=line.offset + slack).contains(&offset)) {
            return line;
        }
        if self.lines.len() < MAX_DELAY_LINES {
            // In the middle, so that readings which differ by a millisecond share a line.
            self.lines.push(Line { offset: offset - slack / 2, jobs: BTreeMap::new() });
            return self.lines.len() - 1;
        }
        // Among those in which the job is late and not early; the lowest is made one of them.
        let below = self.lines.iter().enumerate().filter(|(_, line)| line.offset <= offset);
        if let Some((line, _)) = below.max_by_key(|(_, line)| line.offset) {
            return line;
        }
        let lowest = self.lines.iter().enumerate().min_by_key(|(_, line)| line.offset).map_or(0, |(line, _)| line);
        self.lines[lowest].offset = offset;
        lowest
    }

    /// Removes a job that waits until `due`, if it is here.
    pub(super) fn remove(&mut self, due: Deadline, order: OrderId) {
        let key = (due.wall, order);
        if let Some(line) = self.lines.iter_mut().position(|line| line.jobs.remove(&key).is_some()) {
            self.drop_if_empty(line);
        }
    }

    /// Takes out a job that is due, if there is one; within a line the one that is due longest.
    pub(super) fn pop_due(&mut self, now: Moment) -> Option<Job> {
        let line = self.lines.iter().position(|line| line.wait(now) == Some(Duration::ZERO))?;
        let (_, job) = self.lines[line].jobs.pop_first()?;
        self.drop_if_empty(line);
        Some(job)
    }

    fn drop_if_empty(&mut self, line: usize) {
        if self.lines[line].jobs.is_empty() {
            self.lines.swap_remove(line);
        }
    }

    /// How long it is until a job is due; none where none waits.
    pub(super) fn wait(&self, now: Moment) -> Option<Duration> {
        self.lines.iter().filter_map(|line| line.wait(now)).min()
    }

    pub(super) fn len(&self) -> usize {
        self.lines.iter().map(|line| line.jobs.len()).sum()
    }

    /// The places of jobs behind `from`, in an order of their own that others do not disturb; at most `most` of them.
    pub(super) fn keys_after(&self, from: Option<Key>, most: usize) -> Vec<Key> {
        let mut lines: Vec<_> =
            self.lines.iter().filter(|line| from.is_none_or(|from| line.offset >= from.0)).collect();
        lines.sort_unstable_by_key(|line| line.offset);
        let keys = lines.into_iter().flat_map(|line| {
            let start = match from {
                Some((offset, at, order)) if offset == line.offset => Bound::Excluded((at, order)),
                _ => Bound::Unbounded,
            };
            line.jobs.range((start, Bound::Unbounded)).map(|((at, order), _)| (line.offset, *at, *order))
        });
        keys.take(most).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::domain::clock::{Clock, Steady};
    use crate::domain::order::Priority;
    use crate::queue::Due;

    use super::*;

    fn job(order: u64, due: Deadline) -> Job {
        let due = Some(Due::Expiry(due));
        Job { order: OrderId(order), priority: Priority::Normal, due, placed: Steady::default(), paid: false }
    }

    /// Milliseconds by which the wall clock is set.
    fn any_step() -> impl Strategy<Value = i64> {
        prop_oneof![3 => Just(0_i64), 1 => -60_000..60_000_i64, 1 => -5..5_i64]
    }

    proptest! {
        /// Whatever the wall clock does, a job comes due when it says so or when the time has passed, late by no more
        /// than the slack, and never early.
        #[test]
        fn a_job_is_due_when_one_of_the_clocks_says_so(
            steps in prop::collection::vec(
                (0..3_000_u64, any_step(), 1..5_000_u64, any::<bool>()),
                1..14,
            ),
        ) {
            let clock = Clock::manual(Timestamp::from_millis(10_000_000));
            let (mut delayed, mut waiting) = (Delayed::default(), Vec::new());
            for (order, (passed, step, delay, removed)) in (1..).zip(steps) {
                let now = clock.moment();
                let due = now.deadline(now.wall.after(Duration::from_millis(delay)));
                delayed.put(due, job(order, due));
                waiting.push((OrderId(order), due));
                if removed {
                    let (order, due) = waiting.remove(waiting.len() / 2);
                    delayed.remove(due, order);
                }
                clock.advance(Duration::from_millis(passed));
                clock.step_wall(step);
                let now = clock.moment();
                while let Some(job) = delayed.pop_due(now) {
                    let place = waiting.iter().position(|(order, _)| *order == job.order).unwrap();
                    let (_, due) = waiting.remove(place);
                    prop_assert!(due.is_reached(now), "{due:?} at {now:?}");
                }
                for (_, due) in &waiting {
                    let late = now.steady.since(due.steady);
                    prop_assert!(now.wall < due.wall && late <= DELAY_SLACK, "{due:?} at {now:?}");
                }
                prop_assert_eq!(delayed.len(), waiting.len());
                prop_assert!(delayed.lines.len() <= MAX_DELAY_LINES);
            }
        }
    }

    #[test]
    fn more_jumps_than_lines_make_a_job_late_and_never_early() {
        for step in [-120_000_i64, 120_000] {
            let clock = Clock::manual(Timestamp::from_millis(100_000_000));
            let mut delayed = Delayed::default();
            for order in 0..2 * MAX_DELAY_LINES as u64 {
                let now = clock.moment();
                let due = now.deadline(now.wall.after(Duration::from_secs(3_600)));
                delayed.put(due, job(order, due));
                clock.step_wall(step);
            }
            assert_eq!((delayed.len(), delayed.lines.len()), (2 * MAX_DELAY_LINES, MAX_DELAY_LINES));
            clock.step_wall(-2 * MAX_DELAY_LINES as i64 * step.abs());
            assert_eq!(delayed.pop_due(clock.moment()), None, "early after steps of {step} ms");
            clock.advance(Duration::from_secs(2 * 3_600 + 2 * 3_600));
            while delayed.pop_due(clock.moment()).is_some() {}
            assert_eq!(delayed.len(), 0);
        }
    }
}
