//! The queue under a clock that the tests move by hand.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::domain::clock::{Deadline, Steady, Timestamp};
use crate::domain::job::JobState;

use super::*;

fn clock() -> Clock {
    Clock::manual(Timestamp::from_millis(1_000_000))
}

fn job(order: u64, priority: Priority) -> Job {
    Job { order: OrderId(order), priority, due: None, placed: Steady::default(), paid: false }
}

/// What is due so long after the present moment.
fn deadline(clock: &Clock, span: Duration) -> Deadline {
    clock.moment().deadline(clock.now().after(span))
}

fn numbers(jobs: &[Job]) -> Vec<u64> {
    jobs.iter().map(|job| job.order.0).collect()
}

#[test]
fn higher_priorities_go_first_and_equals_in_order_of_acceptance() {
    let queue = Queue::new(100, clock());
    let jobs = [
        job(1, Priority::Low),
        job(2, Priority::Normal),
        job(3, Priority::Critical),
        job(4, Priority::High),
        job(5, Priority::Critical),
        job(6, Priority::Normal),
    ];
    queue.apply(&jobs.map(QueueChange::Put));
    assert_eq!(queue.find(jobs[0].order, jobs[0].priority), (JobState::Prioritized, Some(6)));
    assert_eq!(queue.find(jobs[5].order, jobs[5].priority), (JobState::Waiting, Some(5)));
    assert_eq!(numbers(&queue.try_take(4)), [3, 5, 4, 2]);
    assert_eq!(numbers(&queue.try_take(4)), [6, 1]);
}

#[test]
fn a_failed_attempt_waits_for_its_moment_and_then_goes_ahead_of_younger_jobs() {
    let clock = clock();
    let queue = Queue::new(100, clock.clone());
    queue.apply(&[QueueChange::Put(job(1, Priority::Normal))]);
    assert_eq!(numbers(&queue.try_take(1)), [1]);
    let due = deadline(&clock, Duration::from_secs(2));
    let again = Job { due: Some(Due::Attempt(due)), ..job(1, Priority::Normal) };
    let moved = QueueChange::Move { before: job(1, Priority::Normal), after: again };
    queue.apply(&[moved, QueueChange::Put(job(2, Priority::Normal))]);
    assert_eq!(queue.find(again.order, again.priority).0, JobState::Delayed);
    assert_eq!(queue.time_to_next_due(), Some(Duration::from_secs(2)));

    clock.advance(Duration::from_millis(1_999));
    assert_eq!(queue.wake_due(10), []);
    assert_eq!(queue.find(again.order, again.priority).0, JobState::Delayed);
    clock.advance(Duration::from_millis(1));
    assert_eq!(queue.wake_due(10), []);
    assert_eq!(numbers(&queue.try_take(10)), [1, 2]);
}

#[test]
fn a_late_report_of_a_failed_attempt_moves_a_job_that_is_back_in_line() {
    let clock = clock();
    let queue = Queue::new(100, clock.clone());
    // Taken before a recovery, put in line again by it, and reported after it.
    let before = job(1, Priority::Normal);
    queue.apply(&[QueueChange::Put(before)]);
    let after = Job { due: Some(Due::Attempt(deadline(&clock, Duration::from_secs(2)))), ..before };
    queue.apply(&[QueueChange::Move { before, after }]);
    assert_eq!(queue.try_take(10), []);
    clock.advance(Duration::from_secs(2));
    queue.wake_due(10);
    assert_eq!(numbers(&queue.try_take(10)), [1]);
    queue.apply(&[QueueChange::End { job: after, completed: true }]);
    assert_eq!(queue.counts().active + queue.counts().delayed, 0);
}

#[test]
fn holds_expire_in_order_of_time_and_a_bounded_number_at_once() {
    let clock = clock();
    let queue = Queue::new(100, clock.clone());
    let held = |order, seconds| {
        let due = Due::Expiry(deadline(&clock, Duration::from_secs(seconds)));
        QueueChange::Put(Job { due: Some(due), ..job(order, Priority::Normal) })
    };
    queue.apply(&[held(1, 30), held(2, 10), held(3, 20), held(4, 99)]);
    clock.advance(Duration::from_secs(30));
    assert_eq!(queue.wake_due(2), [OrderId(2), OrderId(3)]);
    assert_eq!(queue.wake_due(2), [OrderId(1)]);
    assert_eq!(queue.wake_due(2), []);
    assert_eq!(queue.counts().delayed, 1);
}

#[test]
fn a_paused_queue_gives_nothing_out_and_takes_on() {
    let queue = Queue::new(100, clock());
    queue.set_paused(true);
    queue.apply(&[QueueChange::Put(job(1, Priority::Normal))]);
    assert_eq!(queue.try_take(1), []);
    assert!(queue.counts().paused);
    queue.set_paused(false);
    assert_eq!(numbers(&queue.try_take(1)), [1]);
}

#[test]
fn slots_are_bounded_by_kind_and_come_back_when_dropped() {
    let queue = Queue::new(2, clock()).with_hold_capacity(1);
    let first = queue.take_slot(SlotKind::Work).unwrap();
    let _second = queue.take_slot(SlotKind::Work).unwrap();
    assert!(queue.take_slot(SlotKind::Work).is_none());
    let hold = queue.take_slot(SlotKind::Hold).expect("work takes no slot from holds");
    assert!(queue.take_slot(SlotKind::Hold).is_none());
    let recovered = queue.force_slot(SlotKind::Work);
    drop(first);
    assert!(queue.take_slot(SlotKind::Work).is_none(), "a recovered job still fills the slot");
    drop(hold);
    assert!(queue.take_slot(SlotKind::Work).is_none(), "holds take no slot from work");
    drop(recovered);
    assert!(queue.take_slot(SlotKind::Work).is_some());
}

#[test]
fn where_all_slots_are_taken_the_next_hold_to_end_says_when_to_try_again() {
    let clock = clock();
    let queue = Queue::new(100, clock.clone());
    assert_eq!(queue.retry_after(SlotKind::Hold), Duration::from_secs(1));
    let due = Due::Expiry(deadline(&clock, Duration::from_millis(6_500)));
    queue.apply(&[QueueChange::Put(Job { due: Some(due), ..job(1, Priority::Normal) })]);
    assert_eq!(queue.retry_after(SlotKind::Hold), Duration::from_secs(7));
    assert_eq!(queue.retry_after(SlotKind::Work), Duration::from_secs(10));
}

#[test]
fn attempts_that_are_due_together_are_woken_a_bounded_number_at_a_time() {
    let clock = clock();
    let queue = Queue::new(100, clock.clone());
    let due = Due::Attempt(deadline(&clock, Duration::from_secs(1)));
    let delayed = (1..=5).map(|order| QueueChange::Put(Job { due: Some(due), ..job(order, Priority::Normal) }));
    queue.apply(&delayed.collect::<Vec<_>>());
    clock.advance(Duration::from_secs(1));
    let woken = [2, 4, 5].map(|_| {
        assert_eq!(queue.wake_due(2), []);
        queue.counts().waiting
    });
    assert_eq!(woken, [2, 4, 5]);
    assert_eq!(queue.time_to_next_due(), None);
}

#[test]
fn the_oldest_age_is_that_of_the_oldest_ready_or_active_job() {
    let clock = clock();
    let queue = Queue::new(100, clock.clone());
    assert_eq!(queue.counts().oldest_age, None);
    queue.apply(&[QueueChange::Put(job(1, Priority::Normal))]);
    queue.try_take(1);
    clock.advance(Duration::from_secs(7));
    assert_eq!(queue.counts().oldest_age, Some(Duration::from_secs(7)));
}

#[test]
fn a_worker_that_waits_is_woken_by_a_job() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let queue = Arc::new(Queue::new(100, clock()));
        let worker = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.take(10).await }
        });
        tokio::task::yield_now().await;
        queue.apply(&[QueueChange::Put(job(1, Priority::Normal))]);
        assert_eq!(numbers(&worker.await.unwrap()), [1]);
    });
}

/// What a test does to a queue and to its model.
#[derive(Clone, Debug)]
enum Step {
    Put { priority: Priority, delay: Option<u64> },
    Take(usize),
    Retry { which: usize, delay: u64 },
    End { which: usize },
    Advance(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let priority = prop::sample::select(&Priority::ALL[..]);
    prop_oneof![
        (priority, prop::option::of(0..50u64)).prop_map(|(priority, delay)| Step::Put { priority, delay }),
        (1..4usize).prop_map(Step::Take),
        (0..100usize, 1..50u64).prop_map(|(which, delay)| Step::Retry { which, delay }),
        (0..100usize).prop_map(|which| Step::End { which }),
        (0..30u64).prop_map(Step::Advance),
    ]
}

proptest! {
    /// Against a model that keeps all jobs in one list and sorts it whenever it is asked.
    #[test]
    fn the_queue_does_what_a_sorted_list_would(steps in prop::collection::vec(any_step(), 1..120)) {
        let clock = clock();
        let queue = Queue::new(1_000, clock.clone());
        let mut open: Vec<Job> = Vec::new();
        let mut active: BTreeSet<u64> = BTreeSet::new();
        let mut next = 1;
        for step in steps {
            match step {
                Step::Put { priority, delay } => {
                    let due = delay.map(|ms| Due::Attempt(deadline(&clock, Duration::from_millis(ms))));
                    let job = Job { due, ..job(next, priority) };
                    next += 1;
                    open.push(job);
                    queue.apply(&[QueueChange::Put(job)]);
                }
                Step::Take(most) => {
                    queue.wake_due(usize::MAX);
                    let now = clock.moment();
                    let is_ready = |job: &&Job| !active.contains(&job.order.0) && job.is_due(now);
                    let mut ready: Vec<Job> = open.iter().filter(is_ready).copied().collect();
                    ready.sort_by_key(|job| (std::cmp::Reverse(job.priority), job.order));
                    ready.truncate(most);
                    prop_assert_eq!(numbers(&queue.try_take(most)), numbers(&ready));
                    active.extend(ready.iter().map(|job| job.order.0));
                }
                Step::Retry { which, delay } => {
                    if let Some(order) = active.iter().copied().nth(which % active.len().max(1)) {
                        active.remove(&order);
                        let job = open.iter_mut().find(|job| job.order.0 == order).unwrap();
                        let before = *job;
                        job.due = Some(Due::Attempt(deadline(&clock, Duration::from_millis(delay))));
                        queue.apply(&[QueueChange::Move { before, after: *job }]);
                    }
                }
                Step::End { which } => {
                    if !open.is_empty() {
                        let job = open.remove(which % open.len());
                        active.remove(&job.order.0);
                        queue.apply(&[QueueChange::End { job, completed: true }]);
                    }
                }
                Step::Advance(ms) => clock.advance(Duration::from_millis(ms)),
            }
            let counts = queue.counts();
            prop_assert_eq!(counts.active, active.len());
            prop_assert_eq!(counts.waiting + counts.prioritized + counts.delayed + counts.active, open.len());
            check_lists(&queue, &open)?;
        }
    }
}

/// Every open job is in the list of its state and in no other, in pages of any size; and its rank is its place there.
fn check_lists(queue: &Queue, open: &[Job]) -> Result<(), TestCaseError> {
    let mut listed = Vec::new();
    for state in [JobState::Waiting, JobState::Prioritized, JobState::Delayed, JobState::Active] {
        let all = queue.list(state, None, usize::MAX);
        prop_assert!(all.is_sorted());
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = queue.list(state, after, 3);
            let Some(last) = page.last() else { break };
            after = Some(*last);
            paged.extend(page);
        }
        prop_assert_eq!(&paged, &all);
        let is_in = |job: &&Job| queue.find(job.order, job.priority).0 == state;
        let mut expected: Vec<_> = open.iter().filter(is_in).map(|job| job.order).collect();
        expected.sort_unstable();
        prop_assert_eq!(&all, &expected);
        listed.extend(all);
    }
    prop_assert_eq!(listed.len(), open.len());
    let mut places: Vec<_> = open.iter().filter_map(|job| queue.find(job.order, job.priority).1).collect();
    places.sort_unstable();
    prop_assert!(places.iter().copied().eq(1..=places.len() as u64));
    Ok(())
}
