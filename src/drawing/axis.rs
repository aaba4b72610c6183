//! The axes of drawings: round marks for values and times, and places for labels that do not overlap.

use super::text;
use crate::domain::clock::Timestamp;

/// What an axis reaches at most.
const MOST: f64 = 1e15;

/// Round marks from 0 on that reach `most`, in steps of 1, 2, 2.5 or 5.
pub(crate) fn marks(most: f64) -> Vec<f64> {
    let most = most.clamp(0.01, MOST);
    let raw = most / 4.0;
    let power = 10_f64.powf(raw.log10().floor());
    let step =
        [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().find(|step| step * power >= raw * 0.999_999).unwrap_or(10.0) * power;
    let count = (most / step - 1e-9).ceil().max(1.0) as u32;
    (0..=count).map(|at| f64::from(at) * step).collect()
}

/// A mark as text: thousands and millions are short.
pub(crate) fn mark_text(mark: f64) -> String {
    let (value, unit) = match mark {
        mark if mark >= 1e12 => (mark / 1e12, "\u{202f}T"),
        mark if mark >= 1e9 => (mark / 1e9, "\u{202f}G"),
        mark if mark >= 1e6 => (mark / 1e6, "\u{202f}M"),
        mark if mark >= 1e3 => (mark / 1e3, "\u{202f}k"),
        mark => (mark, ""),
    };
    // Steps like 0.25 need no more digits than they have.
    format!("{}{unit}", (value * 1e6).round() / 1e6)
}

/// Seconds between the marks of a time axis, all round in UTC.
const TIME_STEPS: [u32; 18] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400];

/// How the marks of a time axis are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeText {
    /// As a time of day in UTC.
    Utc,
    /// As the time since the start: `0:30`, `1:02:00`.
    SinceStart,
}

impl TimeText {
    fn of(self, millis: i64, step_seconds: u32) -> String {
        let at = Timestamp::from_millis(millis);
        match (self, step_seconds) {
            (Self::SinceStart, _) => text::run_time(millis.unsigned_abs()),
            (Self::Utc, 0..60) => text::clock(at),
            (Self::Utc, 60..86_400) => text::clock(at)[..5].to_owned(),
            (Self::Utc, _) => text::day(at)[5..].to_owned(),
        }
    }
}

/// A mark of a time axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// In milliseconds, as the span is.
    pub(crate) at: i64,
    pub(crate) text: String,
    /// Whether there is room for it on a narrow drawing too.
    pub(crate) is_major: bool,
}

/// Round times within a span of milliseconds, so few that each has `room` pixels of the `wide` width; the major ones
/// have it on the `slim` width too.
pub(crate) fn time_marks(from: i64, to: i64, [wide, slim]: [f64; 2], room: f64, text: TimeText) -> Vec<Mark> {
    let step = time_step(from, to, wide, room);
    let fits = |times: &u32| f64::from(*times) * f64::from(step) * 1_000.0 * slim >= (to - from) as f64 * room;
    let major = i64::from((1..=60).find(fits).unwrap_or(60)) * i64::from(step) * 1_000;
    let step_millis = i64::from(step) * 1_000;
    let first = from.div_euclid(step_millis) * step_millis;
    let all = (0..).map(|at| first + at * step_millis);
    let within = all.skip_while(|at| *at < from).take_while(|at| *at <= to);
    within.map(|at| Mark { at, text: text.of(at, step), is_major: at.rem_euclid(major) == 0 }).collect()
}

/// The step between marks in seconds.
fn time_step(from: i64, to: i64, width: f64, room: f64) -> u32 {
    let span = (to - from).max(0) as f64 / 1_000.0;
    let fits = |step: &u32| span / f64::from(*step) * room <= width;
    let longest = (span * room / width / 86_400.0).ceil() as u32;
    TIME_STEPS.into_iter().find(fits).unwrap_or_else(|| 86_400_u32.saturating_mul(longest.max(1)))
}

/// Where a label is: in the upper row or the lower one, to the right of its line or to the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LabelPlace {
    pub(crate) is_lower: bool,
    pub(crate) is_left: bool,
}

/// A label that has its place.
#[derive(Clone, Copy, Debug)]
struct Placed {
    is_lower: bool,
    line: f64,
    from: f64,
    to: f64,
}

impl Placed {
    fn of(place: LabelPlace, line: f64, width: f64) -> Self {
        let from = if place.is_left { line - 4.0 - width } else { line + 4.0 };
        Self { is_lower: place.is_lower, line, from, to: from + width }
    }

    /// Whether neither covers the other or is crossed by its line.
    fn is_apart(&self, other: &Self) -> bool {
        if self.is_lower == other.is_lower {
            return self.to + 6.0 <= other.from || other.to + 6.0 <= self.from;
        }
        // The line of the upper label begins above the lower one.
        let (upper, lower) = if self.is_lower { (other, self) } else { (self, other) };
        upper.line <= lower.from - 3.0 || upper.line >= lower.to + 3.0
    }
}

/// Places labels beside lines, each `(line, width)`, between two edges; none where one finds no room.
pub(crate) fn place_labels(labels: &[(f64, f64)], left: f64, right: f64) -> Vec<Option<LabelPlace>> {
    const PLACES: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];
    let mut used: Vec<Placed> = Vec::new();
    let place = |(line, width): &(f64, f64)| {
        let places = PLACES.map(|(is_lower, is_left)| LabelPlace { is_lower, is_left });
        let (place, placed) = places
            .into_iter()
            .map(|place| (place, Placed::of(place, *line, *width)))
            .find(|(_, it)| it.from >= left && it.to <= right && used.iter().all(|other| it.is_apart(other)))?;
        used.push(placed);
        Some(place)
    };
    labels.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_and_reach_the_longest() {
        assert_eq!(marks(11.0), [0.0, 5.0, 10.0, 15.0]);
        assert_eq!(marks(0.9), [0.0, 0.25, 0.5, 0.75, 1.0]);
        assert!(marks(f64::MAX).iter().all(|mark| mark.is_finite()));
        assert!(marks(0.0).len() > 1 && marks(60_000.0).last() >= Some(&60_000.0));
        let texts = [0.0, 0.25, 500.0, 2_500.0, 25_000.0, 1.5e6].map(mark_text);
        assert_eq!(texts, ["0", "0.25", "500", "2.5\u{202f}k", "25\u{202f}k", "1.5\u{202f}M"]);
    }

    #[test]
    fn time_marks_are_round_within_the_span_and_have_room() {
        let at = |text: &str| Timestamp::parse(text).unwrap().millis();
        let texts = |from, to| {
            let marks = time_marks(at(from), at(to), [460.0, 230.0], 84.0, TimeText::Utc);
            marks.into_iter().map(|mark| mark.text).collect::<Vec<_>>()
        };
        let seconds = texts("2026-11-25T11:59:58.500Z", "2026-11-25T12:00:40.000Z");
        assert_eq!(seconds, ["12:00:00", "12:00:10", "12:00:20", "12:00:30", "12:00:40"]);
        assert_eq!(
            texts("2026-11-25T11:59:50.000Z", "2026-11-25T12:04:00.000Z"),
            ["12:00", "12:01", "12:02", "12:03", "12:04"]
        );
        assert_eq!(texts("2026-11-24T13:00:00.000Z", "2026-11-27T13:00:00.000Z"), ["11-25", "11-26", "11-27"]);
        let month = texts("2026-11-01T00:00:00.000Z", "2026-12-01T00:00:00.000Z");
        assert!((2..7).contains(&month.len()), "{month:?}");
    }

    #[test]
    fn the_major_marks_have_room_where_the_drawing_is_narrow() {
        let marks = time_marks(0, 180_000, [600.0, 240.0], 60.0, TimeText::SinceStart);
        let texts = |is_major| -> Vec<_> {
            marks.iter().filter(|mark| mark.is_major == is_major).map(|mark| mark.text.as_str()).collect()
        };
        assert_eq!(texts(true), ["0:00", "1:00", "2:00", "3:00"]);
        assert_eq!(texts(false), ["0:30", "1:30", "2:30"]);
        // Nothing lasted: one mark, and no division by zero.
        assert_eq!(time_marks(0, 0, [600.0, 240.0], 60.0, TimeText::SinceStart).len(), 1);
    }

    #[test]
    fn labels_neither_overlap_nor_leave_the_drawing() {
        let place = |is_lower, is_left| Some(LabelPlace { is_lower, is_left });
        let labels = [(50.0, 40.0), (60.0, 40.0), (64.0, 40.0), (195.0, 40.0)];
        let placed = place_labels(&labels, 40.0, 200.0);
        assert_eq!(placed, [place(false, false), place(true, false), None, place(false, true)]);
    }
}
