//! Draws the figures over time for the report's file: lines with their least and most, gaps, the goal, events.

use std::fmt::Write;

use crate::dashboard::figures::Kind;
use crate::domain::clock::Timestamp;
use crate::domain::series::{EventKind, Series};
use crate::limits::RESPONSE_GOAL_MS;
use crate::view::history::{HistoryEventView, HistoryView, SeriesView};

use super::axis::{LabelPlace, mark_text, marks, place_labels, time_marks};

/// The width of a drawing, and the edges of its field.
const WIDTH: f64 = 520.0;
const LEFT: f64 = 50.0;
const RIGHT: f64 = 514.0;
/// The height of the field, and of what is below it.
const HEIGHT: f64 = 110.0;
const FOOT: f64 = 20.0;
/// What is above the field: more where events have labels.
const HEAD: f64 = 8.0;
const LABELLED_HEAD: f64 = 34.0;
/// About the width of a letter, and what a time on the axis needs.
const LETTER: f64 = 6.4;
const TIME_ROOM: f64 = 84.0;
/// Points of a line at most: one for two pixels.
const MOST_POINTS: usize = 232;
/// Points without a measurement that are no gap at either end: the second under way is not measured yet.
const UNFINISHED: usize = 2;
/// Letters of a product's name in the label of an event.
const MAX_NAME: usize = 20;

/// A drawing. Its numbers are texts as they are written in SVG.
#[derive(Debug)]
pub(super) struct TimeChart {
    pub(super) title: &'static str,
    pub(super) size: [f64; 2],
    pub(super) edges: [f64; 4],
    pub(super) values: Vec<ValueMark>,
    pub(super) times: Vec<TimeMark>,
    /// Where nothing was measured: x and width.
    pub(super) gaps: Vec<[String; 2]>,
    /// The goal: its y, and what it is called.
    pub(super) limit: Option<(String, String)>,
    pub(super) lines: Vec<Line>,
    pub(super) events: Vec<EventMark>,
}

/// A mark of the axis of values.
#[derive(Debug)]
pub(super) struct ValueMark {
    pub(super) y: String,
    pub(super) text_y: String,
    pub(super) text: String,
    pub(super) is_base: bool,
}

/// A mark of the axis of times.
#[derive(Debug)]
pub(super) struct TimeMark {
    pub(super) x: String,
    pub(super) text: String,
}

/// A series: its colour, its words in the legend, and its paths.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) class: &'static str,
    pub(super) label: &'static str,
    pub(super) most: String,
    pub(super) path: String,
    /// What lies between its least and its most.
    pub(super) band: String,
}

/// A moment: the x of its line, where that begins, and its label.
#[derive(Debug)]
pub(super) struct EventMark {
    pub(super) x: String,
    pub(super) y: String,
    pub(super) label: Option<EventLabel>,
}

#[derive(Debug)]
pub(super) struct EventLabel {
    pub(super) x: String,
    pub(super) y: String,
    pub(super) anchor: &'static str,
    pub(super) text: String,
}

/// What is drawn: its title, how its values are written, their unit, and its series.
struct Spec {
    title: &'static str,
    kind: Kind,
    unit: &'static str,
    /// What the axis reaches at least.
    least: f64,
    /// Units of the series in one of the axis.
    per: f64,
    goal: Option<f64>,
    series: &'static [(Series, &'static str, &'static str)],
}

const SPECS: [Spec; 6] = [
    Spec {
        title: "Orders per second",
        kind: Kind::Count,
        unit: "/s",
        least: 5.0,
        per: 1.0,
        goal: None,
        series: &[(Series::AcceptedPerSecond, "accepted", "c-s1"), (Series::RejectedPerSecond, "refused", "c-s2 d1")],
    },
    Spec {
        title: "Latency",
        kind: Kind::Millis,
        unit: "ms",
        least: 0.1,
        per: 1.0,
        goal: Some(RESPONSE_GOAL_MS as f64),
        series: &[
            (Series::ResponseP99, "p99", "c-p99"),
            (Series::ResponseP95, "p95", "c-p95"),
            (Series::ResponseP50, "p50", "c-p50"),
        ],
    },
    Spec {
        title: "Jobs in line",
        kind: Kind::Count,
        unit: "",
        least: 10.0,
        per: 1.0,
        goal: None,
        series: &[(Series::QueueLength, "jobs", "c-s1")],
    },
    Spec {
        title: "Open connections",
        kind: Kind::Count,
        unit: "",
        least: 10.0,
        per: 1.0,
        goal: None,
        series: &[(Series::Connections, "connections", "c-s1")],
    },
    Spec {
        title: "CPU",
        kind: Kind::Percent,
        unit: "%",
        least: 100.0,
        per: 1.0,
        goal: None,
        series: &[(Series::CpuPercent, "of all cores", "c-s1")],
    },
    Spec {
        title: "Memory",
        kind: Kind::Megabytes,
        unit: "MB",
        least: 50.0,
        per: 1e6,
        goal: None,
        series: &[(Series::MemoryBytes, "resident", "c-s1")],
    },
];

/// The drawings of a history; none where nothing was measured. `name` names a product.
pub(super) fn draw(history: &HistoryView, name: impl Fn(u64) -> String) -> Vec<TimeChart> {
    let Some(frame) = Frame::of(history) else { return Vec::new() };
    let labels: Vec<_> = history.events.iter().map(|event| (event.at.0, label(event, &name))).collect();
    SPECS.iter().enumerate().map(|(at, spec)| frame.draw(spec, &labels, at == 0)).collect()
}

/// An event in a few words.
fn label(event: &HistoryEventView, name: impl Fn(u64) -> String) -> String {
    match (event.kind.0, event.product_id) {
        (EventKind::SoldOut, Some(product)) => format!("{} sold out", cut(&name(product.0), MAX_NAME)),
        (EventKind::Start, _) => "server started".to_owned(),
        (EventKind::Stop, _) => "server stopped".to_owned(),
        (EventKind::Restart, _) => "restarted after a kill".to_owned(),
        (EventKind::Paused, _) => "queue paused".to_owned(),
        (EventKind::Resumed, _) => "queue resumed".to_owned(),
        (EventKind::Restored, _) => "store restored".to_owned(),
        (EventKind::Reset, _) => "measurement reset".to_owned(),
        (kind, _) => kind.as_str().replace('_', " "),
    }
}

/// The beginning of a text that is longer than so many letters.
fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// What all drawings of a history share.
struct Frame<'h> {
    history: &'h HistoryView,
    /// The points that are drawn.
    first: usize,
    past: usize,
    /// Points without any measurement, as ranges.
    gaps: Vec<[usize; 2]>,
}

/// Several points of a series as one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Point {
    at: f64,
    min: f64,
    mean: f64,
    max: f64,
}

impl<'h> Frame<'h> {
    fn of(history: &'h HistoryView) -> Option<Self> {
        let is_measured =
            |at: &usize| history.series.0.iter().any(|series| series.mean.get(*at).is_some_and(Option::is_some));
        let points = history.points as usize;
        let (begin, end) = ((0..points).find(is_measured)?, (0..points).rfind(is_measured)? + 1);
        let first = if begin <= UNFINISHED { begin } else { 0 };
        let past = if points - end <= UNFINISHED { end } else { points };
        let mut gaps: Vec<[usize; 2]> = Vec::new();
        for at in (first..past).filter(|at| !is_measured(at)) {
            match gaps.last_mut() {
                Some([_, past]) if *past == at => *past = at + 1,
                _ => gaps.push([at, at + 1]),
            }
        }
        Some(Self { history, first, past, gaps })
    }

    fn time(&self, point: usize) -> Timestamp {
        let step = (self.history.step_seconds * 1_000).cast_signed();
        Timestamp::from_millis(self.history.from.0.millis() + step * point as i64)
    }

    /// The x of a place among the points.
    fn x(&self, at: f64) -> f64 {
        let span = (self.past - self.first).saturating_sub(1).max(1) as f64;
        (LEFT + (RIGHT - LEFT) * (at - self.first as f64) / span).clamp(LEFT, RIGHT)
    }

    fn x_of(&self, at: Timestamp) -> f64 {
        let step = (self.history.step_seconds * 1_000).max(1) as f64;
        self.x((at.millis() - self.history.from.0.millis()) as f64 / step)
    }

    /// The points of a series, so few that a line is smooth; `None` where nothing was measured.
    fn points(&self, series: &SeriesView) -> Vec<Option<Point>> {
        let per = (self.past - self.first).div_ceil(MOST_POINTS).max(1);
        let fold = |from: usize| {
            let range = from..(from + per).min(self.past);
            let figure = |list: &[Option<f32>], at: usize| list.get(at).copied().flatten().map(f64::from);
            let known: Vec<_> = range
                .clone()
                .filter_map(|at| Some([figure(&series.min, at)?, figure(&series.mean, at)?, figure(&series.max, at)?]))
                .collect();
            let mean = known.iter().map(|[_, mean, _]| mean).sum::<f64>() / known.len().max(1) as f64;
            (!known.is_empty()).then(|| Point {
                at: from as f64 + (range.len() as f64 - 1.0) / 2.0,
                min: known.iter().map(|point| point[0]).fold(f64::INFINITY, f64::min),
                mean,
                max: known.iter().map(|point| point[2]).fold(0.0, f64::max),
            })
        };
        (self.first..self.past).step_by(per).map(fold).collect()
    }

    fn draw(&self, spec: &Spec, labels: &[(Timestamp, String)], is_labelled: bool) -> TimeChart {
        let top = if is_labelled { LABELLED_HEAD } else { HEAD };
        let foot = top + HEIGHT;
        let series = |series: Series| self.history.series.0.get(series as usize).map(|series| self.points(series));
        let all: Vec<_> = spec.series.iter().map(|line| (line, series(line.0).unwrap_or_default())).collect();
        let most = all.iter().flat_map(|(_, points)| points).flatten().map(|point| point.max / spec.per);
        let most = most.fold(spec.least, f64::max);
        let goal = spec.goal.filter(|goal| *goal > most * 0.55);
        let marks = marks(goal.map_or(most, |goal| most.max(goal * 1.1)));
        let scale = marks.last().copied().unwrap_or(1.0);
        let y = |value: f64| foot - HEIGHT * value / scale;
        TimeChart {
            title: spec.title,
            size: [WIDTH, foot + FOOT],
            edges: [LEFT, RIGHT, top, foot],
            values: value_marks(&marks, spec.unit, y),
            times: self.times(),
            gaps: self.gaps.iter().map(|gap| self.gap(*gap)).collect(),
            limit: spec.goal.map(|goal| (number(y(goal)), format!("goal: p99 below {goal} ms"))),
            lines: all
                .iter()
                .map(|(line, points)| self.line(spec, line, points, |value| y(value / spec.per)))
                .collect(),
            events: self.events(labels, is_labelled, top),
        }
    }

    fn times(&self) -> Vec<TimeMark> {
        let marks = time_marks(self.time(self.first), self.time(self.past - 1), RIGHT - LEFT, TIME_ROOM);
        let mark = |(at, text): (Timestamp, String)| {
            let (x, half) = (self.x_of(at), text.chars().count() as f64 * LETTER / 2.0);
            (x + half <= WIDTH && x - half >= 0.0).then(|| TimeMark { x: number(x), text })
        };
        marks.into_iter().filter_map(mark).collect()
    }

    /// From the last point before a gap to the first one behind it.
    fn gap(&self, [first, past]: [usize; 2]) -> [String; 2] {
        let (from, to) = (self.x(first as f64 - 1.0), self.x(past as f64));
        [number(from), number(to - from)]
    }

    fn line(
        &self,
        spec: &Spec,
        &(_, label, class): &(Series, &'static str, &'static str),
        points: &[Option<Point>],
        y: impl Fn(f64) -> f64,
    ) -> Line {
        let (mut path, mut band) = (String::new(), String::new());
        for run in points.split(Option::is_none).filter(|run| !run.is_empty()) {
            let run: Vec<Point> = run.iter().copied().flatten().collect();
            let at = |point: &Point, value: f64| format!("{} {}", number(self.x(point.at)), number(y(value)));
            let means: Vec<_> = run.iter().map(|point| at(point, point.mean)).collect();
            // A single point is a short stroke. Into memory: this cannot fail.
            let _ = write!(path, "M{}{}", means.join("L"), if run.len() == 1 { "m-1 0h2" } else { "" });
            if run.iter().any(|point| point.max > point.min) {
                let there = run.iter().map(|point| at(point, point.max));
                let back = run.iter().rev().map(|point| at(point, point.min));
                let _ = write!(band, "M{}Z", there.chain(back).collect::<Vec<_>>().join("L"));
            }
        }
        let most = points.iter().flatten().map(|point| point.max).reduce(f64::max);
        let unit =
            if spec.unit.is_empty() || most.is_none() { String::new() } else { format!("\u{202f}{}", spec.unit) };
        Line { class, label, most: format!("{}{unit}", spec.kind.text(most)), path, band }
    }

    fn events(&self, labels: &[(Timestamp, String)], is_labelled: bool, top: f64) -> Vec<EventMark> {
        let (from, to) = (self.time(self.first), self.time(self.past));
        let seen: Vec<_> = labels.iter().filter(|(at, _)| (from..=to).contains(at)).collect();
        let wide = |text: &str| text.chars().count() as f64 * LETTER;
        let asked: Vec<_> = seen.iter().map(|(at, text)| (self.x_of(*at), wide(text))).collect();
        let places = if is_labelled { place_labels(&asked, LEFT, WIDTH) } else { vec![None; seen.len()] };
        let marks = seen.iter().zip(places);
        marks.map(|((at, text), place)| EventMark::of(self.x_of(*at), text, place, top)).collect()
    }
}

impl EventMark {
    /// A line from the label down, or from the top of the field where it has none.
    fn of(x: f64, text: &str, place: Option<LabelPlace>, top: f64) -> Self {
        let label = place.map(|place| EventLabel {
            x: number(if place.is_left { x - 4.0 } else { x + 4.0 }),
            y: number(if place.is_lower { 25.0 } else { 11.0 }),
            anchor: if place.is_left { "end" } else { "start" },
            text: text.to_owned(),
        });
        let y = place.map_or(top, |place| if place.is_lower { 16.0 } else { 2.0 });
        Self { x: number(x), y: number(y), label }
    }
}

fn value_marks(marks: &[f64], unit: &str, y: impl Fn(f64) -> f64) -> Vec<ValueMark> {
    let mark = |(at, mark): (usize, &f64)| {
        let unit = if at + 1 == marks.len() && !unit.is_empty() { format!("\u{202f}{unit}") } else { String::new() };
        let y = y(*mark);
        ValueMark {
            y: number(y),
            text_y: number(y + 3.5),
            text: format!("{}{unit}", mark_text(*mark)),
            is_base: at == 0,
        }
    };
    marks.iter().enumerate().map(mark).collect()
}

/// A number as SVG has it.
fn number(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::history::AllSeriesView;
    use crate::view::text::{AsText, Id, Word};

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// A history of seconds in which accepted orders had these rates, and all else was not measured.
    fn history(rates: &[Option<f32>]) -> HistoryView {
        let list = |some: bool| rates.iter().map(|rate| rate.filter(|_| some)).collect::<Vec<_>>();
        let series = |name: &Series| {
            let all = list(*name == Series::AcceptedPerSecond);
            SeriesView { min: all.clone(), mean: all.clone(), max: all }
        };
        let at = |second: i64| Timestamp::from_millis(START.millis() + second * 1_000);
        let event = |second, kind, product: Option<u64>| HistoryEventView {
            at: AsText(at(second)),
            kind: Word(kind),
            product_id: product.map(Id),
            message: String::new(),
        };
        HistoryView {
            from: AsText(START),
            to: AsText(at(rates.len() as i64)),
            step_seconds: 1,
            points: rates.len() as u64,
            series: AllSeriesView(Series::ALL.iter().map(series).collect()),
            events: vec![event(1, EventKind::SaleStarted, None), event(3, EventKind::SoldOut, Some(7))],
        }
    }

    #[test]
    fn a_line_breaks_where_nothing_was_measured_and_the_gap_is_drawn() {
        let charts = draw(&history(&[Some(1.0), Some(4.0), None, None, Some(2.0), Some(2.0), None]), |_| String::new());
        let line = &charts[0].lines[0];
        assert_eq!(line.path, "M50.0 125.7L142.8 70.7M421.2 107.3L514.0 107.3");
        assert_eq!(line.most, "4\u{202f}/s");
        assert_eq!(charts[0].gaps, [["142.8".to_owned(), "278.4".to_owned()]]);
        assert!(charts[1].lines.iter().all(|line| line.path.is_empty() && line.most == "–"), "{:?}", charts[1].lines);
        assert!(draw(&history(&[None, None]), |_| String::new()).is_empty());
    }

    #[test]
    fn events_are_on_all_charts_and_labelled_on_the_first() {
        let charts = draw(&history(&[Some(1.0); 6]), |product| format!("Product {product}"));
        let labels = |chart: &TimeChart| -> Vec<String> {
            chart.events.iter().filter_map(|event| Some(event.label.as_ref()?.text.clone())).collect()
        };
        assert_eq!(labels(&charts[0]), ["sale started", "Product 7 sold out"]);
        assert!(charts[1..].iter().all(|chart| chart.events.len() == 2 && labels(chart).is_empty()));
    }

    #[test]
    fn many_points_become_few_that_keep_the_least_and_the_most() {
        let mut rates = vec![Some(5.0); 1_500];
        rates[700] = Some(90.0);
        let charts = draw(&history(&rates), |_| String::new());
        let line = &charts[0].lines[0];
        assert!(line.path.matches('L').count() < MOST_POINTS, "{}", line.path.len());
        assert_eq!(line.most, "90\u{202f}/s");
        assert!(!line.band.is_empty());
    }
}
