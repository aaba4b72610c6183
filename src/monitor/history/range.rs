//! Which part of the history is asked for, checked.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::refusal::Refusal;
use crate::limits::{DEFAULT_HISTORY_SPAN, MAX_HISTORY_POINTS, MAX_HISTORY_STEP};

/// Steps that are taken where the request does not say, in seconds.
const STEPS: [i64; 17] =
    [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, MAX_HISTORY_STEP.as_secs() as i64];

/// A range of whole steps, with a bounded number of points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryRange {
    /// The second in which it starts.
    first: i64,
    step: i64,
    points: i64,
}

impl HistoryRange {
    /// Checks a range: by default the last two minutes until `now`, with the finest step that gives few enough points.
    pub fn of(
        now: Timestamp,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        step: Option<Duration>,
    ) -> Result<Self, Refusal> {
        let span = i64::try_from(DEFAULT_HISTORY_SPAN.as_millis()).unwrap_or(i64::MAX);
        let before = |at: Timestamp| Timestamp::from_millis(at.millis().saturating_sub(span));
        let (from, to) = match (from, to) {
            (Some(from), Some(to)) => (from, to),
            (Some(from), None) => (from, now),
            (None, to) => (before(to.unwrap_or(now)), to.unwrap_or(now)),
        };
        if from >= to {
            return Err(Refusal::invalid("from", "must be earlier than the end, which is the present if unset"));
        }
        let most = MAX_HISTORY_POINTS.cast_signed();
        match step {
            Some(step) if step.as_secs() == 0 || step > MAX_HISTORY_STEP => {
                let longest = MAX_HISTORY_STEP.as_secs();
                Err(Refusal::invalid("step", format!("must be a whole number of seconds from 1 to {longest}")))
            }
            Some(step) => {
                let step = step.as_secs().cast_signed();
                let range = Self::whole(from, to, step);
                let needed = STEPS.into_iter().find(|step| Self::whole(from, to, *step).points <= most);
                match needed {
                    _ if range.points <= most => Ok(range),
                    Some(needed) => Err(Refusal::invalid(
                        "step",
                        format!("gives {} points for this range, more than {most}; {needed} is enough", range.points),
                    )),
                    None => Err(too_long()),
                }
            }
            None => STEPS
                .into_iter()
                .map(|step| Self::whole(from, to, step))
                .find(|range| range.points <= most)
                .ok_or_else(too_long),
        }
    }

    /// The whole steps that a range touches.
    fn whole(from: Timestamp, to: Timestamp, step: i64) -> Self {
        let millis = step * 1_000;
        let first = from.millis().div_euclid(millis);
        let last = (to.millis() - 1).div_euclid(millis);
        Self { first: first * step, step, points: last - first + 1 }
    }

    /// Points in it.
    pub const fn points(&self) -> u64 {
        self.points.unsigned_abs()
    }

    /// Seconds of one point.
    pub const fn step_seconds(&self) -> i64 {
        self.step
    }

    /// The start of the first point.
    pub const fn from(&self) -> Timestamp {
        Timestamp::from_millis(self.first * 1_000)
    }

    /// The end of the last point.
    pub const fn to(&self) -> Timestamp {
        Timestamp::from_millis((self.first + self.points * self.step) * 1_000)
    }

    /// The second in which each point starts.
    pub(super) fn starts(&self) -> impl Iterator<Item = i64> + use<> {
        let Self { first, step, points } = *self;
        (0..points).map(move |at| first + at * step)
    }
}

fn too_long() -> Refusal {
    let days = MAX_HISTORY_POINTS * MAX_HISTORY_STEP.as_secs() / (24 * 60 * 60);
    Refusal::invalid("from", format!("must be at most {days} days before the end"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: i64, to: i64, step: Option<u64>) -> Result<HistoryRange, Refusal> {
        let at = |seconds: i64| Some(Timestamp::from_millis(seconds * 1_000));
        HistoryRange::of(Timestamp::default(), at(from), at(to), step.map(Duration::from_secs))
    }

    fn field(refused: Result<HistoryRange, Refusal>) -> String {
        match refused {
            Err(Refusal::InvalidRequest(errors)) => errors[0].field.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_range_has_whole_steps_and_few_enough_points() {
        for (from, to, step, first, points) in [
            (10, 130, None, 10, 120),
            (13, 28, Some(10), 10, 2),
            (-5, 5, Some(10), -10, 2),
            (0, 1_500, None, 0, 1_500),
            (0, 1_501, None, 0, 751),
            (0, 31 * 86_400, None, 0, 1_488),
        ] {
            let range = range(from, to, step).unwrap();
            assert_eq!((range.from().millis() / 1_000, range.points()), (first, points), "{from} {to} {step:?}");
            assert_eq!(range.starts().count() as u64, points);
            assert!(range.to().millis() >= to * 1_000 && range.to().millis() < (to + range.step) * 1_000);
        }
        let now = Timestamp::from_millis(500_300);
        let default = HistoryRange::of(now, None, None, None).unwrap();
        assert_eq!((default.from().millis(), default.to().millis(), default.step), (380_000, 501_000, 1));
    }

    #[test]
    fn what_cannot_be_given_is_rejected_by_the_field_that_is_wrong() {
        assert_eq!(field(range(10, 10, None)), "from");
        assert_eq!(field(range(11, 10, None)), "from");
        assert_eq!(field(range(0, 10, Some(0))), "step");
        assert_eq!(field(range(0, 10, Some(86_401))), "step");
        assert_eq!(field(range(0, 1_501, Some(1))), "step");
        assert_eq!(field(range(-62_167_219_200, 253_402_300_799, None)), "from");
        assert_eq!(field(range(-62_167_219_200, 253_402_300_799, Some(1))), "from");
    }
}
