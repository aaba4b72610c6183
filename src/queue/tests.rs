//! The queue under a clock that the tests move by hand.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn clock() -> Clock {
    Clock::manual(Timestamp::from_millis(1_000_000))
}

fn job(order: u64, priority: Priority) -> Job {
    Job { order: OrderId(order), priority, due: None, placed_at: Timestamp::from_millis(1_000_000) }
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
    assert_eq!(queue.find(&jobs[0]), (JobState::Prioritized, Some(6)));
    assert_eq!(queue.find(&jobs[5]), (JobState::Waiting, Some(5)));
    assert_eq!(numbers(&queue.try_take(4)), [3, 5, 4, 2]);
    assert_eq!(numbers(&queue.try_take(4)), [6, 1]);
}

#[test]
fn a_failed_attempt_waits_for_its_moment_and_then_goes_ahead_of_younger_jobs() {
    let clock = clock();
    let queue = Queue::new(100, clock.clone());
    queue.apply(&[QueueChange::Put(job(1, Priority::Normal))]);
    assert_eq!(numbers(&queue.try_take(1)), [1]);
    let due = clock.now().after(Duration::from_secs(2));
    let again = Job { due: Some(Due::Attempt(due)), ..job(1, Priority::Normal) };
    let moved = QueueChange::Move { before: job(1, Priority::Normal), after: again };
    queue.apply(&[moved, QueueChange::Put(job(2, Priority::Normal))]);
    assert_eq!(queue.find(&again).0, JobState::Delayed);
    assert_eq!(queue.next_due(), Some(due));

    clock.advance(Duration::from_millis(1_999));
    assert_eq!(queue.wake_due(10), []);
    assert_eq!(queue.find(&again).0, JobState::Delayed);
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
    let after = Job { due: Some(Due::Attempt(clock.now().after(Duration::from_secs(2)))), ..before };
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
        let due = Due::Expiry(clock.now().after(Duration::from_secs(seconds)));
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
fn places_are_bounded_and_come_back_when_dropped() {
    let queue = Queue::new(2, clock());
    let first = queue.take_place().unwrap();
    let _second = queue.take_place().unwrap();
    assert!(queue.take_place().is_none());
    let _recovered = queue.force_place();
    drop(first);
    assert!(queue.take_place().is_none(), "a recovered job still fills the place");
    drop(_recovered);
    assert!(queue.take_place().is_some());
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
                    let due = delay.map(|ms| Due::Attempt(clock.now().after(Duration::from_millis(ms))));
                    let job = Job { due, ..job(next, priority) };
                    next += 1;
                    open.push(job);
                    queue.apply(&[QueueChange::Put(job)]);
                }
                Step::Take(most) => {
                    queue.wake_due(usize::MAX);
                    let now = clock.now();
                    let is_due = |job: &Job| job.due.is_none_or(|due| due.at() <= now);
                    let is_ready = |job: &&Job| !active.contains(&job.order.0) && is_due(job);
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
                        job.due = Some(Due::Attempt(clock.now().after(Duration::from_millis(delay))));
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
        }
    }
}
