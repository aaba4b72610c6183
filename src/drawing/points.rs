//! Points of a series over time, how several become one, and where there is none.

use std::ops::Range;

/// Some time of a series, as one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) min: f64,
    /// What the line goes through.
    pub(crate) value: f64,
    pub(crate) max: f64,
}

impl Point {
    /// A point of a single value.
    pub(crate) const fn at(value: f64) -> Self {
        Self { min: value, value, max: value }
    }
}

/// What the value of a point is that stands for several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fold {
    /// The mean, for rates.
    Mean,
    /// The greatest, for latencies.
    Most,
    /// The last, for levels.
    Last,
}

/// Takes `per` points of a series together; the least and the most are kept. `None` where nothing was measured.
pub(crate) fn fold(points: &[Option<Point>], per: usize, how: Fold) -> Vec<Option<Point>> {
    let one = |some: &[Option<Point>]| {
        let known: Vec<Point> = some.iter().copied().flatten().collect();
        let (last, max) = (known.last()?, known.iter().map(|point| point.max).fold(f64::MIN, f64::max));
        let value = match how {
            Fold::Mean => known.iter().map(|point| point.value).sum::<f64>() / known.len() as f64,
            Fold::Most => known.iter().map(|point| point.value).fold(f64::MIN, f64::max),
            Fold::Last => last.value,
        };
        Some(Point { min: known.iter().map(|point| point.min).fold(max, f64::min), value, max })
    };
    points.chunks(per.max(1)).map(one).collect()
}

/// Spans of points without a measurement, together where they follow each other. `time` is when a point begins.
pub(crate) fn gaps(points: Range<usize>, time: impl Fn(usize) -> i64, is_gap: impl Fn(usize) -> bool) -> Vec<[i64; 2]> {
    let mut gaps: Vec<[i64; 2]> = Vec::new();
    for at in points.filter(|at| is_gap(*at)) {
        match gaps.last_mut() {
            Some([_, past]) if *past == time(at) => *past = time(at + 1),
            _ => gaps.push([time(at), time(at + 1)]),
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_that_are_taken_together_keep_the_least_and_the_most() {
        let points: Vec<_> = [1.0, 9.0, 2.0].map(|value| Some(Point::at(value))).into_iter().chain([None; 4]).collect();
        let folded = |how| fold(&points, 3, how);
        assert_eq!(folded(Fold::Mean)[0], Some(Point { min: 1.0, value: 4.0, max: 9.0 }));
        assert_eq!(folded(Fold::Most)[0].map(|point| point.value), Some(9.0));
        assert_eq!(folded(Fold::Last)[0].map(|point| point.value), Some(2.0));
        assert_eq!(folded(Fold::Mean)[1..], [None, None]);
    }
}
