//! Charts over time as SVG: lines with their least and most, gaps, a goal, moments. They are as wide as the page lets
//! them be: what lies along the time axis is placed in percent, and texts keep their size.

use std::fmt::Write;

use super::axis::{LabelPlace, TimeText, mark_text, marks, place_labels, time_marks};
use super::figure::{Kind, NARROW};
use super::points::Point;

/// Units across the field of the lines, which is stretched to the width of the page.
const SPAN: f64 = 1_000.0;
/// The narrowest widths in pixels for which labels are placed: from 600 on, and below, as on a phone of 320.
const WIDTHS: [f64; 2] = [600.0, 232.0];
/// The height of the field, and of a smaller one.
const HEIGHT: f64 = 116.0;
const LOW: f64 = 84.0;
/// What is above the field: more where moments have labels.
const HEAD: f64 = 8.0;
const LABELLED_HEAD: f64 = 34.0;
/// About the width of a letter, and what a time on the axis needs.
const LETTER: f64 = 6.4;
const TIME_ROOM: f64 = 76.0;
/// Letters in the label of a moment.
const MAX_LABEL: usize = 24;

/// The time axis that some charts share, and what happened meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    /// Where the axis begins and ends, in milliseconds.
    pub(crate) span: [i64; 2],
    /// The time of the first point and the time between two, in milliseconds.
    pub(crate) from: i64,
    pub(crate) step: i64,
    pub(crate) points: usize,
    pub(crate) text: TimeText,
    /// Spans without any measurement, in milliseconds.
    pub(crate) gaps: Vec<[i64; 2]>,
    /// Moments and what they are called, in order.
    pub(crate) moments: Vec<(i64, String)>,
    /// Whether the places of all points are given, for a script that reads them.
    pub(crate) is_read: bool,
}

/// What is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) title: String,
    /// How its values are written, and their unit.
    pub(crate) kind: Kind,
    pub(crate) unit: &'static str,
    /// What the axis reaches at least.
    pub(crate) least: f64,
    /// What the first line is meant to be below, and what that is called.
    pub(crate) goal: Option<(f64, String)>,
    pub(crate) is_low: bool,
    pub(crate) series: Vec<LineSpec>,
}

/// A series of a chart.
#[derive(Clone, Debug)]
pub(crate) struct LineSpec {
    pub(crate) label: String,
    /// Classes of its colour and its dashes.
    pub(crate) class: &'static str,
    pub(crate) points: Vec<Option<Point>>,
    /// What the legend says of it; its most, if unset.
    pub(crate) legend: Option<String>,
    /// Whether what is below it is filled.
    pub(crate) is_area: bool,
    /// Whether it keeps its value until the next one.
    pub(crate) is_stepped: bool,
    /// Whether it is drawn only where it is not 0, as what is abnormal is.
    pub(crate) is_rare: bool,
}

/// A drawing. Its numbers are texts as they are written in SVG: places on the time axis in percent, all else in pixels.
#[derive(Debug)]
pub(crate) struct TimeChart {
    pub(crate) title: String,
    /// The whole, with its values, in words.
    pub(crate) summary: String,
    pub(crate) top: f64,
    pub(crate) foot: f64,
    /// Where the first and the last point are on the axis, in percent.
    pub(crate) ends: [String; 2],
    pub(crate) height: f64,
    pub(crate) values: Vec<ValueMark>,
    pub(crate) times: Vec<TimeMark>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) goal: Option<Goal>,
    pub(crate) lines: Vec<Line>,
    /// The places of the moments.
    pub(crate) moments: Vec<String>,
    /// Their labels, on a wide drawing and on a slim one.
    pub(crate) labels: Vec<Label>,
}

/// A mark of the axis of values.
#[derive(Debug)]
pub(crate) struct ValueMark {
    pub(crate) y: String,
    pub(crate) text: String,
    pub(crate) is_base: bool,
}

/// A mark of the axis of times.
#[derive(Debug)]
pub(crate) struct TimeMark {
    pub(crate) x: String,
    pub(crate) anchor: &'static str,
    pub(crate) text: String,
    pub(crate) is_major: bool,
}

/// A span in which nothing was measured.
#[derive(Debug)]
pub(crate) struct Gap {
    pub(crate) x: String,
    pub(crate) width: String,
    /// Its label beside it, to the left or to the right; none where it has no room.
    pub(crate) label: Option<GapLabel>,
}

#[derive(Debug)]
pub(crate) struct GapLabel {
    pub(crate) x: String,
    pub(crate) dx: i32,
    pub(crate) anchor: &'static str,
    pub(crate) text: String,
}

/// A line that values are meant to be below.
#[derive(Debug)]
pub(crate) struct Goal {
    pub(crate) y: String,
    pub(crate) text: String,
    pub(crate) is_left: bool,
}

/// A series: its colour, its words in the legend, and its paths.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) class: &'static str,
    pub(crate) label: String,
    pub(crate) legend: String,
    pub(crate) path: String,
    /// Points without a neighbour.
    pub(crate) dots: String,
    /// What lies between its least and its most.
    pub(crate) band: String,
    /// What lies below it.
    pub(crate) area: String,
    /// The y of each point, in pixels from the top, if a script reads them: nothing where nothing was measured.
    pub(crate) places: String,
}

/// The label of a moment beside its line, which begins at the label.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) x: String,
    pub(crate) dx: i32,
    pub(crate) y: f64,
    pub(crate) line_y: f64,
    pub(crate) anchor: &'static str,
    pub(crate) text: String,
    pub(crate) is_slim: bool,
}

impl Scene {
    /// The chart of some series; labels of moments and gaps are on one of several charts that share a time axis.
    pub(crate) fn draw(&self, spec: &Spec, is_labelled: bool) -> TimeChart {
        let (top, height) = (if is_labelled { LABELLED_HEAD } else { HEAD }, if spec.is_low { LOW } else { HEIGHT });
        let most = spec.series.iter().flat_map(|line| &line.points).flatten().map(|point| point.max);
        let most = most.fold(spec.least, f64::max);
        let goal = spec.goal.as_ref().map(|(goal, _)| *goal).filter(|goal| *goal > most * 0.55);
        let marks = marks(goal.map_or(most, |goal| most.max(goal * 1.1)));
        let scale = marks.last().copied().unwrap_or(1.0);
        let y = |value: f64| height - height * value / scale;
        let lines: Vec<_> = spec.series.iter().map(|line| self.line(spec, line, [top, height], y)).collect();
        let said: Vec<_> = lines.iter().map(|line| format!("{} {}", line.label, line.legend)).collect();
        TimeChart {
            title: spec.title.clone(),
            summary: format!("{} over time: {}", spec.title, said.join(", ")),
            top,
            foot: top + height,
            ends: [self.from, self.end()].map(|at| format!("{:.3}", self.share(at) * 100.0)),
            height,
            values: value_marks(&marks, spec.unit, |value| top + y(value)),
            times: self.times(),
            gaps: self.gaps(is_labelled),
            goal: spec.goal.as_ref().map(|(goal, text)| Goal {
                y: number(top + y(*goal)),
                text: text.clone(),
                is_left: is_free_on_the_left(spec, *goal),
            }),
            lines,
            moments: self.seen().map(|(at, _)| percent(self.share(*at))).collect(),
            labels: if is_labelled { self.labels() } else { Vec::new() },
        }
    }

    /// Where on the axis a time is, from 0 to 1.
    fn share(&self, at: i64) -> f64 {
        let [from, to] = self.span;
        ((at - from) as f64 / (to - from).max(1) as f64).clamp(0.0, 1.0)
    }

    /// The time of a point.
    fn time(&self, point: usize) -> i64 {
        self.from + self.step * point as i64
    }

    fn end(&self) -> i64 {
        self.time(self.points.saturating_sub(1))
    }

    /// Moments within what is drawn, and shortly before and after it.
    fn seen(&self) -> impl Iterator<Item = &(i64, String)> {
        let span = self.span[0] - self.step..=self.span[1] + self.step;
        self.moments.iter().filter(move |(at, _)| span.contains(at))
    }

    fn times(&self) -> Vec<TimeMark> {
        let marks = time_marks(self.span[0], self.span[1], WIDTHS, TIME_ROOM, self.text);
        let mark = |mark: super::axis::Mark| {
            let share = self.share(mark.at);
            let anchor = if share > 0.97 { "end" } else { "middle" };
            TimeMark { x: percent(share), anchor, text: mark.text, is_major: mark.is_major }
        };
        marks.into_iter().map(mark).collect()
    }

    /// The spans without a measurement. A label is beside its span, where no other one is.
    fn gaps(&self, is_labelled: bool) -> Vec<Gap> {
        let mut taken = f64::NEG_INFINITY;
        let one = |[from, to]: &[i64; 2]| {
            let (left, right) = (self.share(*from), self.share(*to));
            let text = format!("no data {} s", (to - from + 999) / 1_000);
            let room = (text.chars().count() as f64).mul_add(LETTER, 10.0) / WIDTHS[1];
            // Left of the gap, as lines often rise behind it.
            let places = [(left - room, left, left, -4, "end"), (right, right + room, right, 4, "start")];
            let free = places.into_iter().find(|(from, to, ..)| *from >= taken.max(0.0) && *to <= 1.0);
            let label = free.filter(|_| is_labelled).map(|(_, to, x, dx, anchor)| {
                taken = to.max(right);
                GapLabel { x: percent(x), dx, anchor, text }
            });
            Gap { x: percent(left), width: percent(right - left), label }
        };
        self.gaps.iter().map(one).collect()
    }

    fn line(&self, spec: &Spec, line: &LineSpec, [top, height]: [f64; 2], y: impl Fn(f64) -> f64) -> Line {
        let [mut path, mut dots, mut band, mut area] = [const { String::new() }; 4];
        let points: Vec<_> = (0..line.points.len()).map(|at| line.drawn(at).map(|point| (at, point))).collect();
        let x = |at: usize| number(SPAN * self.share(self.time(at)));
        for run in points.split(Option::is_none).filter(|run| !run.is_empty()) {
            let run: Vec<(usize, Point)> = run.iter().copied().flatten().collect();
            let along = |value: fn(&Point) -> f64| {
                let places = run.iter().map(|(at, point)| format!("{} {}", x(*at), number(y(value(point)))));
                places.collect::<Vec<_>>()
            };
            let through = match line.is_stepped {
                true => steps(run.iter().map(|(at, point)| [x(*at), number(y(point.value))])),
                false => along(|point| point.value).join("L"),
            };
            // Into memory: this cannot fail.
            let _ = match run.len() {
                1 => write!(dots, "M{through}h0"),
                _ => write!(path, "M{through}"),
            };
            if line.is_area {
                let (first, last) = (x(run[0].0), x(run[run.len() - 1].0));
                let _ = write!(area, "M{through}L{last} {height}L{first} {height}Z");
            } else if run.iter().any(|(_, point)| point.max > point.min) {
                let back = along(|point| point.min).into_iter().rev().collect::<Vec<_>>();
                let _ = write!(band, "M{}L{}Z", along(|point| point.max).join("L"), back.join("L"));
            }
        }
        let place = |point: &Option<Point>| point.map_or_else(String::new, |point| number(top + y(point.value)));
        let places = line.points.iter().map(place).collect::<Vec<_>>().join(",");
        let places = if self.is_read { places } else { String::new() };
        let legend = legend(spec, line);
        Line { class: line.class, label: line.label.clone(), legend, path, dots, band, area, places }
    }

    fn labels(&self) -> Vec<Label> {
        let seen: Vec<_> = self.seen().map(|(at, text)| (self.share(*at), cut(text, MAX_LABEL))).collect();
        let mut labels = Vec::new();
        for (is_slim, width) in [(false, WIDTHS[0]), (true, WIDTHS[1])] {
            let asked = seen.iter().map(|(share, text)| (share * width, text.chars().count() as f64 * LETTER));
            let places = place_labels(&asked.collect::<Vec<_>>(), 0.0, width + 4.0);
            let placed = seen.iter().zip(places).filter_map(|(label, place)| Some((label, place?)));
            labels.extend(placed.map(|((share, text), place)| Label::of(*share, text, place, is_slim)));
        }
        labels
    }
}

impl LineSpec {
    /// A point, if the line goes through it.
    fn drawn(&self, at: usize) -> Option<Point> {
        let point = self.points[at]?;
        let near = &self.points[at.saturating_sub(1)..(at + 2).min(self.points.len())];
        let is_quiet = self.is_rare && near.iter().flatten().all(|point| point.max == 0.0);
        (!is_quiet).then_some(point)
    }
}

impl Label {
    fn of(share: f64, text: &str, place: LabelPlace, is_slim: bool) -> Self {
        Self {
            x: percent(share),
            dx: if place.is_left { -4 } else { 4 },
            y: if place.is_lower { 25.0 } else { 11.0 },
            line_y: if place.is_lower { 16.0 } else { 2.0 },
            anchor: if place.is_left { "end" } else { "start" },
            text: text.to_owned(),
            is_slim,
        }
    }
}

/// What the legend says of a series where nothing is pointed at.
fn legend(spec: &Spec, line: &LineSpec) -> String {
    if let Some(legend) = &line.legend {
        return legend.clone();
    }
    match line.points.iter().flatten().map(|point| point.max).reduce(f64::max) {
        None => spec.kind.text(None),
        Some(most) => format!("max {}", with_unit(&spec.kind.text(Some(most)), spec.unit)),
    }
}

/// A figure and its unit.
pub(crate) fn with_unit(figure: &str, unit: &str) -> String {
    if unit.is_empty() { figure.to_owned() } else { format!("{figure}{NARROW}{unit}") }
}

/// A line that keeps its value until the next point.
fn steps(places: impl Iterator<Item = [String; 2]>) -> String {
    let mut text = String::new();
    for [x, y] in places {
        let _ = if text.is_empty() { write!(text, "{x} {y}") } else { write!(text, "H{x}V{y}") };
    }
    text
}

/// Whether the label of the goal is in the way of the first line on the right, and is not on the left.
fn is_free_on_the_left(spec: &Spec, goal: f64) -> bool {
    let Some(line) = spec.series.first() else { return false };
    let third = line.points.len() / 3;
    let is_near = |some: &[Option<Point>]| some.iter().flatten().any(|point| point.max > goal * 0.72);
    is_near(&line.points[line.points.len() - third..]) && !is_near(&line.points[..third])
}

fn value_marks(marks: &[f64], unit: &'static str, y: impl Fn(f64) -> f64) -> Vec<ValueMark> {
    let mark = |(at, mark): (usize, &f64)| {
        let unit = if at + 1 == marks.len() { unit } else { "" };
        ValueMark { y: number(y(*mark)), text: with_unit(&mark_text(*mark), unit), is_base: at == 0 }
    };
    marks.iter().enumerate().map(mark).collect()
}

/// The beginning of a text that is longer than so many letters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

/// A number as SVG has it, with one digit at most. What is far outside of a drawing stays outside of it.
fn number(value: f64) -> String {
    let text = format!("{:.1}", value.clamp(-1e6, 1e6));
    text.strip_suffix(".0").map_or_else(|| text.clone(), ToOwned::to_owned)
}

fn percent(share: f64) -> String {
    format!("{:.3}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(points: usize) -> Scene {
        Scene {
            span: [0, 1_000 * (points.max(1) as i64 - 1)],
            from: 0,
            step: 1_000,
            points,
            text: TimeText::SinceStart,
            gaps: Vec::new(),
            moments: vec![(1_000, "ramp".to_owned()), (3_000, "sold out".to_owned())],
            is_read: true,
        }
    }

    fn spec(values: &[Option<f64>]) -> Spec {
        Spec {
            title: "Orders".to_owned(),
            kind: Kind::Count,
            unit: "/s",
            least: 4.0,
            goal: None,
            is_low: false,
            series: vec![LineSpec {
                label: "admitted".to_owned(),
                class: "c-s1",
                points: values.iter().map(|value| value.map(Point::at)).collect(),
                legend: None,
                is_area: false,
                is_stepped: false,
                is_rare: false,
            }],
        }
    }

    #[test]
    fn a_line_breaks_where_nothing_was_measured_and_the_gap_is_drawn() {
        let values = [Some(1.0), Some(4.0), None, None, Some(2.0), Some(2.0)];
        let mut scene = scene(values.len());
        scene.gaps = vec![[2_000, 4_000]];
        let chart = scene.draw(&spec(&values), true);
        let line = &chart.lines[0];
        assert_eq!(line.path, "M0 87L200 0M800 58L1000 58");
        assert_eq!((line.legend.as_str(), line.places.as_str()), ("max 4\u{202f}/s", "121,34,,,92,92"));
        let gap = &chart.gaps[0];
        assert_eq!((gap.x.as_str(), gap.width.as_str()), ("40.000%", "40.000%"));
        assert_eq!(gap.label.as_ref().map(|label| label.text.as_str()), Some("no data 2 s"));
        let nothing = scene.draw(&spec(&[None; 6]), false);
        assert_eq!((nothing.lines[0].path.as_str(), nothing.lines[0].legend.as_str()), ("", "–"));
        assert!(scene.draw(&spec(&[]), true).lines[0].path.is_empty());
    }

    #[test]
    fn a_point_without_a_neighbour_is_a_dot_and_a_rare_line_is_drawn_where_it_is_not_0() {
        let line = scene(4).draw(&spec(&[Some(4.0), None, Some(2.0), None]), false).lines.remove(0);
        assert_eq!((line.path.as_str(), line.dots.as_str()), ("", "M0 0h0M666.7 58h0"));
        let mut rare = spec(&[Some(0.0), Some(0.0), Some(0.0), Some(4.0), Some(0.0), Some(0.0)]);
        rare.series[0].is_rare = true;
        assert_eq!(scene(6).draw(&rare, false).lines[0].path, "M400 116L600 0L800 116");
    }

    #[test]
    fn moments_are_on_all_charts_and_labelled_on_one_for_each_width() {
        let chart = scene(6).draw(&spec(&[Some(1.0); 6]), true);
        let labels = |is_slim| -> Vec<_> {
            chart.labels.iter().filter(|label| label.is_slim == is_slim).map(|label| label.text.as_str()).collect()
        };
        assert_eq!((labels(false), labels(true)), (vec!["ramp", "sold out"], vec!["ramp", "sold out"]));
        let other = scene(6).draw(&spec(&[Some(1.0); 6]), false);
        assert_eq!((other.moments.len(), other.labels.len()), (2, 0));
    }

    #[test]
    fn a_level_keeps_its_value_until_the_next_and_is_filled() {
        let mut spec = spec(&[Some(4.0), Some(2.0), Some(0.0)]);
        (spec.series[0].is_area, spec.series[0].is_stepped) = (true, true);
        let line = &scene(3).draw(&spec, false).lines[0];
        assert_eq!(line.path, "M0 0H500V58H1000V116");
        assert_eq!(line.area, "M0 0H500V58H1000V116L1000 116L0 116Z");
    }

    #[test]
    fn the_goal_is_drawn_where_the_values_come_near_it() {
        let with_goal = |value| {
            let mut spec = spec(&[Some(0.1), Some(0.1), Some(value)]);
            spec.goal = Some((3.0, "goal".to_owned()));
            spec.least = 0.1;
            scene(3).draw(&spec, false)
        };
        let (near, far) = (with_goal(2.9), with_goal(30.0));
        assert!(near.goal.as_ref().is_some_and(|goal| goal.is_left));
        assert_eq!(near.values.last().map(|mark| mark.text.as_str()), Some("4\u{202f}/s"));
        assert_eq!(far.values.last().map(|mark| mark.text.as_str()), Some("30\u{202f}/s"));
    }
}
