//! Draws the distribution of latencies: each percentile further right by how few responses lie above it.

use std::fmt::Write;

use crate::drawing::axis::{mark_text, marks};
use crate::drawing::figure::Kind;
use crate::view::benchmark::PercentileView;

/// The size of the drawing, and the edges of its field.
const SIZE: [f64; 2] = [692.0, 174.0];
const LEFT: f64 = 46.0;
const RIGHT: f64 = 686.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 150.0;

/// How far right a percentile lies: one unit for each tenth of the responses that lie above it.
fn distance(percentile: f64) -> f64 {
    -((100.0 - percentile).max(1e-9) / 100.0).log10()
}

/// The name of a percentile on the axis; none for those between.
fn name(percentile: f64) -> Option<String> {
    match percentile {
        0.0 => Some("0".to_owned()),
        75.0 | 95.0 => None,
        100.0 => Some("max".to_owned()),
        percentile => Some(format!("p{percentile}")),
    }
}

/// The drawing, as SVG with classes of the style sheet; nothing where there are no points.
pub(super) fn draw(points: &[PercentileView]) -> String {
    let Some(longest) = points.iter().map(|point| point.ms).reduce(f64::max) else { return String::new() };
    let marks = marks(longest);
    let top = marks.last().copied().unwrap_or(1.0);
    // The longest of all lies a bit further right than the last percentile.
    let last = points
        .iter()
        .filter(|point| point.percentile < 100.0)
        .map(|point| distance(point.percentile))
        .fold(0.0, f64::max);
    let far = last + 0.6;
    let x = |percentile: f64| {
        let distance = if percentile >= 100.0 { far } else { distance(percentile) };
        LEFT + (RIGHT - LEFT) * distance / far
    };
    let y = |ms: f64| BOTTOM - (BOTTOM - TOP) * ms / top;
    let mut svg = format!(
        "<svg class=\"pcv plot\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"Latency by percentile\">",
        SIZE[0], SIZE[1]
    );
    draw_value_axis(&mut svg, &marks, y);
    for point in points {
        if let Some(name) = name(point.percentile) {
            draw_mark(&mut svg, x(point.percentile), &name);
        }
    }
    let line: Vec<_> = points.iter().map(|point| format!("{:.1} {:.1}", x(point.percentile), y(point.ms))).collect();
    // Into memory: this cannot fail.
    let _ = write!(svg, "<path class=\"ln c-s1\" d=\"M{}\"/>", line.join("L"));
    for point in points.iter().filter(|point| point.percentile > 0.0) {
        // Where there is little room, only those are labelled that the axis names.
        let class = if name(point.percentile).is_some() { "end" } else { "end minor" };
        draw_point(&mut svg, [x(point.percentile), y(point.ms)], &Kind::Millis.text(Some(point.ms)), class);
    }
    svg + "</svg>"
}

fn draw_value_axis(svg: &mut String, marks: &[f64], y: impl Fn(f64) -> f64) {
    for (at, mark) in marks.iter().enumerate() {
        let (class, y) = (if at == 0 { "base" } else { "grid" }, y(*mark));
        let unit = if at + 1 == marks.len() { "\u{202f}ms" } else { "" };
        let text = format!("{}{unit}", mark_text(*mark));
        let _ = write!(
            svg,
            "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
            LEFT - 8.0,
            y + 3.5
        );
    }
}

fn draw_mark(svg: &mut String, x: f64, name: &str) {
    let anchor = match x {
        x if x <= LEFT => "start",
        x if x >= RIGHT - 1.0 => "end",
        _ => "middle",
    };
    let _ = write!(
        svg,
        "<line class=\"base\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{BOTTOM}\" y2=\"{}\"/>\
         <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{name}</text>",
        BOTTOM + 4.0,
        BOTTOM + 18.0
    );
}

fn draw_point(svg: &mut String, [x, y]: [f64; 2], text: &str, class: &str) {
    let _ = write!(
        svg,
        "<circle class=\"fillc c-s1\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>\
         <text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
        x - 5.0,
        y - 6.0
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawing_goes_right_and_up_within_its_edges_and_has_no_style() {
        assert_eq!(draw(&[]), "");
        let points = [(0.0, 0.1), (50.0, 0.5), (75.0, 0.8), (99.0, 2.4), (100.0, 11.0)];
        let points = points.map(|(percentile, ms)| PercentileView { percentile, ms });
        let svg = draw(&points);
        let path = svg.split(" d=\"M").nth(1).unwrap().split('"').next().unwrap();
        let at: Vec<Vec<f64>> =
            path.split('L').map(|at| at.split(' ').map(|number| number.parse().unwrap()).collect()).collect();
        assert!(at.is_sorted_by(|one, next| one[0] < next[0] && one[1] >= next[1]), "{at:?}");
        assert_eq!((at[0][0], at[4][0]), (LEFT, RIGHT));
        assert!(at.iter().all(|at| (TOP..=BOTTOM).contains(&at[1])), "{at:?}");
        assert!(!svg.contains("style") && svg.contains(">max<") && !svg.contains(">p75<"), "{svg}");
        let one = [PercentileView { percentile: 100.0, ms: 3.0 }];
        assert!(draw(&one).contains(">3.0<"));
    }
}
