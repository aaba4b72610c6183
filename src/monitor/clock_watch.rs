//! Watches the wall clock, which can be set and no request shows it.

use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::alerts::Alerts;
use crate::domain::alert::{Alert, AlertCode};
use crate::domain::clock::{Clock, Moment, Steady, Timestamp};
use crate::limits::{CLOCK_LOOK, CLOCK_STEP, STEP_ALERT};
use crate::metrics::Metrics;

/// The running watch of the wall clock. Dropping it ends it.
#[derive(Debug)]
pub struct ClockWatch(JoinHandle<()>);

impl ClockWatch {
    /// Starts to compare the wall clock with the monotonic one. `last_record` is when the store says that it was
    /// written last, if it ever was: a clock that is earlier was set back.
    pub fn start(alerts: Arc<Alerts>, metrics: Arc<Metrics>, clock: Clock, last_record: Option<Timestamp>) -> Self {
        let now = clock.moment();
        let mut watched = Watched { alerts, metrics, offset: now.offset(), raised: None };
        if let Some(last_record) = last_record {
            watched.start(last_record, now);
        }
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(CLOCK_LOOK).await;
                watched.look(clock.moment());
            }
        }))
    }

    /// Returns when the watch has ended, which is a defect.
    pub async fn ended(&mut self) {
        let _ = (&mut self.0).await;
    }
}

impl Drop for ClockWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Watched {
    alerts: Arc<Alerts>,
    metrics: Arc<Metrics>,
    /// Milliseconds by which the wall clock was ahead of the monotonic one at the last look.
    offset: i64,
    raised: Option<Raised>,
}

/// The alert that is raised.
#[derive(Clone, Copy)]
struct Raised {
    /// The offset before the clock was set for the first time.
    before: i64,
    /// When it was set last.
    last: Steady,
}

impl Watched {
    /// Compares the clock of a server that starts with what its store says.
    fn start(&mut self, last_record: Timestamp, now: Moment) {
        let back = last_record.millis().saturating_sub(now.wall.millis());
        // A server that was stopped for a while starts long after its last record.
        if back > 0 && is_step(back) {
            let back = span(back);
            tracing::warn!(last_record = %last_record, "the clock is {back} behind the last record of the history");
            let message = format!("The clock is {back} behind the last record of the history: it was set back");
            self.raise(Raised { before: self.offset, last: now.steady }, message, now);
        }
    }

    /// A difference that grows slowly is not a step: a clock that is slewed takes the monotonic one with it.
    fn look(&mut self, now: Moment) {
        let before = std::mem::replace(&mut self.offset, now.offset());
        let step = self.offset.saturating_sub(before);
        if is_step(step) {
            self.step(step, before, now);
        } else if self.raised.is_some_and(|raised| now.steady.since(raised.last) >= STEP_ALERT) {
            self.resolve();
        }
    }

    fn step(&mut self, step: i64, offset_before: i64, now: Moment) {
        let what = match step > 0 {
            true => format!("{} ahead, or the machine slept", span(step)),
            false => format!("{} back", span(step)),
        };
        tracing::error!(step_ms = step, "the clock was set {what}");
        let before = self.raised.map_or(offset_before, |raised| raised.before);
        if is_step(now.offset().saturating_sub(before)) {
            self.raise(Raised { before, last: now.steady }, format!("The clock was set {what}"), now);
        } else {
            self.metrics.count_clock_step();
            self.resolve();
        }
    }

    fn raise(&mut self, raised: Raised, message: String, now: Moment) {
        self.metrics.count_clock_step();
        self.raised = Some(raised);
        self.alerts.raise(Alert { code: AlertCode::ClockStepped, product: None, message, since: now.wall });
    }

    fn resolve(&mut self) {
        self.raised = None;
        self.alerts.resolve(None, AlertCode::ClockStepped);
    }
}

fn is_step(millis: i64) -> bool {
    u128::from(millis.unsigned_abs()) > CLOCK_STEP.as_millis()
}

/// How long so many milliseconds are, in the unit that shows it best.
fn span(millis: i64) -> String {
    let seconds = millis.unsigned_abs() as f64 / 1_000.0;
    match seconds {
        ..120.0 => format!("{seconds:.1} seconds"),
        ..7_200.0 => format!("{:.1} minutes", seconds / 60.0),
        ..172_800.0 => format!("{:.1} hours", seconds / 3_600.0),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::metrics::{Format, Gauges};

    use super::*;

    const DAY: i64 = 86_400_000;

    fn watched(clock: &Clock) -> Watched {
        let offset = clock.moment().offset();
        Watched { alerts: Arc::default(), metrics: Arc::default(), offset, raised: None }
    }

    fn clock() -> Clock {
        Clock::manual(Timestamp::from_millis(1_700_000_000_000))
    }

    fn message(watched: &Watched) -> Option<String> {
        watched.alerts.alerts().pop().map(|alert| alert.message)
    }

    fn counted(watched: &Watched, steps: u32) -> bool {
        let text = watched.metrics.text(&Gauges::default(), Format::Prometheus);
        text.contains(&format!("flash_sale_clock_steps_total {steps}\n"))
    }

    #[test]
    fn a_clock_that_is_set_raises_an_alert_until_it_is_set_back_again() {
        let (clock, second) = (clock(), Duration::from_secs(1));
        let mut watched = watched(&clock);
        clock.advance(second);
        watched.look(clock.moment());
        assert!(message(&watched).is_none() && counted(&watched, 0));
        clock.advance(second);
        clock.step_wall(40 * DAY);
        watched.look(clock.moment());
        let alert = watched.alerts.alerts().pop().unwrap();
        assert_eq!((alert.code, alert.product, alert.since), (AlertCode::ClockStepped, None, clock.now()));
        assert_eq!(alert.message, "The clock was set 40.0 days ahead, or the machine slept");
        clock.advance(second);
        watched.look(clock.moment());
        clock.step_wall(-40 * DAY - 1_000);
        watched.look(clock.moment());
        assert!(message(&watched).is_none() && counted(&watched, 2));
    }

    #[test]
    fn an_alert_of_a_clock_that_stays_where_it_was_set_ends_after_a_while() {
        let clock = clock();
        let mut watched = watched(&clock);
        clock.step_wall(-30_000);
        watched.look(clock.moment());
        clock.advance(STEP_ALERT - Duration::from_secs(1));
        watched.look(clock.moment());
        assert_eq!(message(&watched).as_deref(), Some("The clock was set 30.0 seconds back"));
        clock.advance(Duration::from_secs(1));
        watched.look(clock.moment());
        assert!(message(&watched).is_none() && counted(&watched, 1));
        clock.step_wall(5 * 60_000);
        watched.look(clock.moment());
        assert_eq!(message(&watched).as_deref(), Some("The clock was set 5.0 minutes ahead, or the machine slept"));
    }

    #[test]
    fn a_clock_that_drifts_is_not_set() {
        let clock = clock();
        let mut watched = watched(&clock);
        for _ in 0..1_000 {
            clock.advance(Duration::from_secs(1));
            clock.step_wall(900);
            watched.look(clock.moment());
        }
        assert!(message(&watched).is_none() && counted(&watched, 0));
    }

    #[test]
    fn a_server_that_starts_before_its_last_record_says_by_how_much() {
        let clock = clock();
        let mut watched = watched(&clock);
        let last_record = clock.now();
        watched.start(last_record, clock.moment());
        clock.advance(Duration::from_secs(3 * 3_600));
        watched.start(last_record, clock.moment());
        assert!(message(&watched).is_none() && counted(&watched, 0), "a start after a pause is no step");
        watched.start(clock.now().after(Duration::from_secs(3 * 3_600)), clock.moment());
        let expected = "The clock is 3.0 hours behind the last record of the history: it was set back";
        assert_eq!(message(&watched).as_deref(), Some(expected));
        assert!(counted(&watched, 1));
    }
}
