//! The figures over time for the report's file: which are drawn, and where nothing was measured.

use crate::dashboard::figures::Kind;
use crate::domain::series::{EventKind, Series};
use crate::drawing::axis::TimeText;
use crate::drawing::chart::{LineSpec, Scene, Spec, TimeChart, cut};
use crate::drawing::points::{Fold, Point, fold, gaps};
use crate::limits::RESPONSE_GOAL_MS;
use crate::view::history::{HistoryEventView, HistoryView, SeriesView};

/// Points of a line at most: one for two pixels.
const MOST_POINTS: usize = 232;
/// Points without a measurement that are no gap at either end: the second under way is not measured yet.
const UNFINISHED: usize = 2;
/// Letters of a product's name in the label of an event.
const MAX_NAME: usize = 20;

/// What is drawn: its title, how its values are written, their unit, and its series.
struct Figures {
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

const FIGURES: [Figures; 6] = [
    Figures {
        title: "Orders per second",
        kind: Kind::Count,
        unit: "/s",
        least: 5.0,
        per: 1.0,
        goal: None,
        series: &[(Series::AcceptedPerSecond, "accepted", "c-s1"), (Series::RejectedPerSecond, "refused", "c-s2 d1")],
    },
    Figures {
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
    Figures {
        title: "Jobs in line",
        kind: Kind::Count,
        unit: "",
        least: 10.0,
        per: 1.0,
        goal: None,
        series: &[(Series::QueueLength, "jobs", "c-s1")],
    },
    Figures {
        title: "Open connections",
        kind: Kind::Count,
        unit: "",
        least: 10.0,
        per: 1.0,
        goal: None,
        series: &[(Series::Connections, "connections", "c-s1")],
    },
    Figures {
        title: "CPU",
        kind: Kind::Percent,
        unit: "%",
        least: 100.0,
        per: 1.0,
        goal: None,
        series: &[(Series::CpuPercent, "of all cores", "c-s1")],
    },
    Figures {
        title: "Memory",
        kind: Kind::Count,
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
    let scene = frame.scene(history.events.iter().map(|event| (event.at.0.millis(), label(event, &name))).collect());
    let draw = |(at, figures)| scene.draw(&frame.spec(figures), at == 0);
    FIGURES.iter().enumerate().map(draw).collect()
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

/// The points of a history that are drawn.
struct Frame<'h> {
    history: &'h HistoryView,
    first: usize,
    past: usize,
    /// Points that are drawn as one.
    per: usize,
}

impl<'h> Frame<'h> {
    fn of(history: &'h HistoryView) -> Option<Self> {
        let points = history.points as usize;
        let is_measured = |at: &usize| is_measured(history, *at);
        let (begin, end) = ((0..points).find(is_measured)?, (0..points).rfind(is_measured)? + 1);
        let first = if begin <= UNFINISHED { begin } else { 0 };
        let past = if points - end <= UNFINISHED { end } else { points };
        Some(Self { history, first, past, per: (past - first).div_ceil(MOST_POINTS).max(1) })
    }

    /// Milliseconds from one point to the next.
    fn step(&self) -> i64 {
        (self.history.step_seconds * 1_000).cast_signed()
    }

    fn time(&self, point: usize) -> i64 {
        self.history.from.0.millis() + self.step() * point as i64
    }

    fn scene(&self, moments: Vec<(i64, String)>) -> Scene {
        let points = (self.past - self.first).div_ceil(self.per);
        let (from, step) = (self.time(self.first), self.step() * self.per as i64);
        Scene {
            // From the first measurement to the last one.
            span: [from, self.time(self.past.saturating_sub(1))],
            // Points that are taken together are drawn in the middle of their time.
            from: from + (step - self.step()) / 2,
            step,
            points,
            text: TimeText::Utc,
            gaps: self.gaps(),
            moments,
            is_read: false,
        }
    }

    fn gaps(&self) -> Vec<[i64; 2]> {
        gaps(self.first..self.past, |at| self.time(at), |at| !is_measured(self.history, at))
    }

    fn spec(&self, figures: &Figures) -> Spec {
        let line = |&(series, label, class): &(Series, &'static str, &'static str)| LineSpec {
            label: label.to_owned(),
            class,
            points: self
                .history
                .series
                .0
                .get(series as usize)
                .map_or_else(Vec::new, |all| self.points(all, figures.per)),
            legend: None,
            is_area: false,
            is_stepped: false,
            is_rare: false,
        };
        Spec {
            title: figures.title.to_owned(),
            kind: figures.kind,
            unit: figures.unit,
            least: figures.least,
            goal: figures.goal.map(|goal| (goal, format!("goal: p99 below {goal} ms"))),
            is_low: false,
            series: figures.series.iter().map(line).collect(),
        }
    }

    /// The points of a series, so few that a line is smooth, in units of `per`; `None` where nothing was measured.
    fn points(&self, series: &SeriesView, per: f64) -> Vec<Option<Point>> {
        let figure =
            |list: &[Option<f32>], at: usize| list.get(at).copied().flatten().map(|value| f64::from(value) / per);
        let point = |at| {
            let (min, value) = (figure(&series.min, at)?, figure(&series.mean, at)?);
            Some(Point { min, value, max: figure(&series.max, at)? })
        };
        fold(&(self.first..self.past).map(point).collect::<Vec<_>>(), self.per, Fold::Mean)
    }
}

fn is_measured(history: &HistoryView, at: usize) -> bool {
    history.series.0.iter().any(|series| series.mean.get(at).is_some_and(Option::is_some))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::Timestamp;
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
        assert_eq!((line.path.matches('M').count(), line.legend.as_str()), (2, "max 4\u{202f}/s"));
        assert_eq!((charts[0].gaps[0].x.as_str(), charts[0].gaps[0].width.as_str()), ("40.000%", "40.000%"));
        assert!(charts[1].lines.iter().all(|line| line.path.is_empty() && line.legend == "–"), "{:?}", charts[1].lines);
        assert!(draw(&history(&[None, None]), |_| String::new()).is_empty());
    }

    #[test]
    fn events_are_on_all_charts_and_labelled_on_the_first() {
        let charts = draw(&history(&[Some(1.0); 6]), |product| format!("Product {product}"));
        let labels = |chart: &TimeChart| -> Vec<String> {
            chart.labels.iter().filter(|label| !label.is_slim).map(|label| label.text.clone()).collect()
        };
        assert_eq!(labels(&charts[0]), ["sale started", "Product 7 sold out"]);
        assert!(charts[1..].iter().all(|chart| chart.moments.len() == 2 && labels(chart).is_empty()));
    }

    #[test]
    fn many_points_become_few_that_keep_the_least_and_the_most() {
        let mut rates = vec![Some(5.0); 1_500];
        rates[700] = Some(90.0);
        let charts = draw(&history(&rates), |_| String::new());
        let line = &charts[0].lines[0];
        assert!(line.path.matches('L').count() < MOST_POINTS, "{}", line.path.len());
        assert_eq!(line.legend, "max 90\u{202f}/s");
        assert!(!line.band.is_empty());
    }
}
