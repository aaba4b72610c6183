//! The figures of a run over time: charts, and the same as a table.

use crate::domain::digits::grouped;
use crate::drawing::axis::TimeText;
use crate::drawing::chart::{LineSpec, Scene, Spec, TimeChart};
use crate::drawing::figure::Kind;
use crate::drawing::points::{Fold, Point, fold};
use crate::drawing::text;
use crate::limits::REPORT_POINTS;

use super::run::{Key, Run, Source, Timeline};

/// Charts that share a time axis.
#[derive(Debug, Default)]
pub(super) struct Charts {
    pub(super) charts: Vec<TimeChart>,
    /// The headings of the table behind that of the time, as the lines are in the charts.
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Row>,
    /// Where the axis begins and ends.
    pub(super) range: String,
    /// How many points were taken together, if any were.
    pub(super) note: String,
    pub(super) has_gaps: bool,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) time: String,
    pub(super) cells: Vec<String>,
}

/// A chart: its title, its values and their unit, and its lines.
struct Figures {
    title: &'static str,
    kind: Kind,
    unit: &'static str,
    is_low: bool,
    lines: &'static [(Key, &'static str, &'static str)],
}

const LATENCY: [(Key, &str, &str); 3] =
    [(Key::P99, "p99", "c-p99"), (Key::P95, "p95", "c-p95"), (Key::P50, "p50", "c-p50")];

const REHEARSAL: [Figures; 3] = [
    Figures {
        title: "Orders per second",
        kind: Kind::Rate,
        unit: "/s",
        is_low: false,
        lines: &[
            (Key::Admitted, "admitted", "c-s1"),
            (Key::Rejected, "rejected", "c-s2 d1"),
            (Key::Failed, "failed", "c-bad d2"),
        ],
    },
    Figures { title: "Latency of placing an order", kind: Kind::Millis, unit: "ms", is_low: false, lines: &LATENCY },
    Figures { title: "Units left", kind: Kind::Count, unit: "", is_low: true, lines: &[(Key::Left, "left", "c-s1")] },
];

const ARTILLERY: [Figures; 4] = [
    Figures {
        title: "Orders per second",
        kind: Kind::Rate,
        unit: "/s",
        is_low: false,
        lines: &[(Key::Admitted, "admitted", "c-s1"), (Key::Rejected, "rejected", "c-s2 d1")],
    },
    Figures {
        title: "Responses per second",
        kind: Kind::Rate,
        unit: "/s",
        is_low: false,
        lines: &[
            (Key::Good, "below 400", "c-s1"),
            (Key::Status4xx, "4xx", "c-s2 d1"),
            (Key::Failed, "5xx or error", "c-bad d2"),
        ],
    },
    Figures { title: "Response time", kind: Kind::Millis, unit: "ms", is_low: false, lines: &LATENCY },
    Figures {
        title: "Virtual users that began per second",
        kind: Kind::Rate,
        unit: "/s",
        is_low: true,
        lines: &[(Key::Users, "began", "c-s1")],
    },
];

/// How points of a figure are taken together.
const fn how(key: Key) -> Fold {
    match key {
        Key::P99 | Key::P95 | Key::P50 => Fold::Most,
        Key::Left => Fold::Last,
        _ => Fold::Mean,
    }
}

/// The charts of one run; none if nothing was measured.
pub(super) fn of_one(run: &Run) -> Charts {
    let timeline = &run.timeline;
    let per = timeline.points.div_ceil(REPORT_POINTS).max(1);
    let folded = |key| timeline.of(key).map(|values| fold(&points(values), per, how(key)));
    let figures: &[Figures] = if run.source == Source::Rehearsal { &REHEARSAL } else { &ARTILLERY };
    let specs = figures.iter().filter_map(|figures| {
        let goal = run.p99_goal_ms.filter(|_| figures.kind == Kind::Millis);
        let lines = figures.lines.iter().filter_map(|&(key, label, class)| {
            let points = folded(key)?;
            Some(line(key, label, class, points))
        });
        spec(figures.title, figures.kind, figures.unit, lines.collect()).map(|spec| Spec {
            goal: goal.map(|goal| (goal, format!("goal: p99 below {goal} ms"))),
            is_low: figures.is_low,
            ..spec
        })
    });
    let step = step(timeline) * per as i64;
    let scene = Scene {
        span: [0, axis_end(run)],
        from: timeline.from_ms + (step - self::step(timeline)) / 2,
        step,
        points: timeline.points.div_ceil(per),
        text: TimeText::SinceStart,
        gaps: timeline.gaps.clone(),
        moments: moments(run),
        is_read: true,
    };
    draw(&scene, &specs.collect::<Vec<_>>())
}

/// Two runs in the same charts, where both have the figure.
pub(super) fn of_two(runs: [&Run; 2]) -> Charts {
    const SHARED: [(Key, &str, Kind, &str); 5] = [
        (Key::Admitted, "Orders admitted per second", Kind::Rate, "/s"),
        (Key::Responses, "Responses per second", Kind::Rate, "/s"),
        (Key::P99, "Latency, p99", Kind::Millis, "ms"),
        (Key::P50, "Latency, p50", Kind::Millis, "ms"),
        (Key::Left, "Units left", Kind::Count, ""),
    ];
    let end = runs.iter().map(|run| end(&run.timeline)).max().unwrap_or(0).max(0);
    let longest = runs.iter().map(|run| step(&run.timeline)).max().unwrap_or(1_000);
    // Whole seconds, so that the points of the shorter step are spread evenly.
    let step = (longest.max(end / REPORT_POINTS as i64) + 999) / 1_000 * 1_000;
    let points = usize::try_from(end / step + 1).unwrap_or(1);
    let specs = SHARED.iter().filter_map(|&(key, title, kind, unit)| {
        let line_of = |(run, label, class): (&Run, &str, &'static str)| {
            let values = run.timeline.of(key)?;
            Some(LineSpec {
                is_area: false,
                ..line(key, label, class, bins(&run.timeline, values, step, points, how(key)))
            })
        };
        let lines = [line_of((runs[0], "A", "c-s1"))?, line_of((runs[1], "B", "c-s2 d1"))?];
        spec(title, kind, unit, lines.into())
    });
    let scene = Scene {
        span: [0, step * points as i64],
        from: step / 2,
        step,
        points,
        text: TimeText::SinceStart,
        gaps: Vec::new(),
        moments: Vec::new(),
        is_read: true,
    };
    draw(&scene, &specs.collect::<Vec<_>>())
}

/// Points in bins of `step` milliseconds from the start on.
fn bins(timeline: &Timeline, values: &[Option<f64>], step: i64, count: usize, how: Fold) -> Vec<Option<Point>> {
    let mut bins: Vec<Vec<Option<Point>>> = vec![Vec::new(); count];
    for (at, point) in points(values).into_iter().enumerate() {
        let bin = (timeline.from_ms + self::step(timeline) * at as i64).max(0) / step;
        if let Some(bin) = usize::try_from(bin).ok().and_then(|bin| bins.get_mut(bin)) {
            bin.push(point);
        }
    }
    bins.iter().map(|bin| fold(bin, bin.len(), how).first().copied().flatten()).collect()
}

fn points(values: &[Option<f64>]) -> Vec<Option<Point>> {
    values.iter().map(|value| value.map(Point::at)).collect()
}

fn step(timeline: &Timeline) -> i64 {
    i64::try_from(timeline.step_ms).unwrap_or(1_000).max(1)
}

fn end(timeline: &Timeline) -> i64 {
    timeline.from_ms + step(timeline) * timeline.points.saturating_sub(1) as i64
}

/// Where the axis of one run ends: with the last point's time, unless the run was over before.
fn axis_end(run: &Run) -> i64 {
    let last = end(&run.timeline);
    let over = i64::try_from(run.duration_ms).unwrap_or(i64::MAX);
    over.clamp(last, last + step(&run.timeline) / 2).max(1)
}

fn line(key: Key, label: &str, class: &'static str, points: Vec<Option<Point>>) -> LineSpec {
    // What was left in the end says more than what there was at first.
    let last = || points.iter().flatten().last().map(|point| format!("{} in the end", grouped(point.value as u64)));
    LineSpec {
        label: label.to_owned(),
        class,
        legend: if key == Key::Left { last() } else { None },
        is_rare: key == Key::Failed,
        is_area: matches!(key, Key::Admitted | Key::Left | Key::Users),
        is_stepped: key == Key::Left,
        points,
    }
}

/// A chart of these lines; none if there is nothing to draw.
fn spec(title: &str, kind: Kind, unit: &'static str, series: Vec<LineSpec>) -> Option<Spec> {
    let is_measured = series.iter().any(|line| line.points.iter().any(Option::is_some));
    let least = if kind == Kind::Millis { 0.1 } else { 1.0 };
    is_measured.then(|| Spec { title: title.to_owned(), kind, unit, least, goal: None, is_low: false, series })
}

fn draw(scene: &Scene, specs: &[Spec]) -> Charts {
    let unit = |spec: &Spec| if spec.unit.is_empty() { String::new() } else { format!(", {}", spec.unit) };
    let columns = specs
        .iter()
        .flat_map(|spec| spec.series.iter().map(move |it| format!("{}: {}{}", spec.title, it.label, unit(spec))));
    let time = |at: usize| text::run_time((scene.from + scene.step * at as i64).max(0).unsigned_abs());
    let cell = |spec: &Spec, line: &LineSpec, at: usize| {
        spec.kind.text(line.points.get(at).copied().flatten().map(|point| point.value))
    };
    let row = |at| Row {
        time: time(at),
        cells: specs.iter().flat_map(|spec| spec.series.iter().map(move |line| cell(spec, line, at))).collect(),
    };
    let each = scene.step / 1_000;
    Charts {
        charts: specs.iter().enumerate().map(|(at, spec)| scene.draw(spec, at == 0)).collect(),
        columns: columns.collect(),
        rows: if specs.is_empty() { Vec::new() } else { (0..scene.points).map(row).collect() },
        range: format!("0:00 to {}", text::run_time(scene.span[1].unsigned_abs())),
        note: match each {
            0 | 1 => String::new(),
            each => format!("a point is {each} s: the mean of rates, the most of latencies, the last of units"),
        },
        has_gaps: !scene.gaps.is_empty(),
    }
}

/// Moments of a run: phases, and events with their ends.
fn moments(run: &Run) -> Vec<(i64, String)> {
    let at = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX / 2).min(i64::MAX / 2);
    // The first phase begins where the axis does.
    let phases = run.phases.iter().filter(|phase| phase.from_ms > 0).map(|it| (at(it.from_ms), it.name.clone()));
    let events = run.events.iter().map(|event| (at(event.at_ms), event.label.clone()));
    let ends = run.events.iter().filter_map(|event| Some((at(event.until_ms?), String::new())));
    let mut moments: Vec<_> = phases.chain(events).chain(ends).collect();
    moments.sort_by_key(|(at, _)| *at);
    moments
}

/// The same as sentences, each with its time.
pub(super) fn sentences(run: &Run) -> Vec<(String, String)> {
    let phases = run.phases.iter().map(|phase| (phase.from_ms, format!("phase “{}” begins.", phase.name)));
    let events = run.events.iter().map(|event| (event.at_ms, format!("{}.", event.message.trim_end_matches('.'))));
    let mut all: Vec<_> = phases.chain(events).collect();
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(at, sentence)| (text::run_time(at), sentence)).collect()
}
