//! One point of a tier: what was measured in one step.

use crate::domain::series::Series;

/// How many series there are.
const N: usize = Series::COUNT;

/// The figures of one step, in the order of [`Series::ALL`].
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Point {
    /// Which step it is, counted from 1970.
    pub(super) number: i64,
    min: [f32; N],
    mean: [f32; N],
    max: [f32; N],
    /// Seconds in which a series was measured; its figures mean nothing where there are none.
    count: [u16; N],
}

/// Bytes of a point in the file.
pub(super) const POINT_BYTES: usize = 8 + N * (3 * 4 + 2);

/// The least, the mean and the most of one series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figures {
    pub(super) min: f32,
    pub(super) mean: f32,
    pub(super) max: f32,
}

impl Point {
    /// A step in which nothing was measured.
    pub(super) const fn empty(number: i64) -> Self {
        Self { number, min: [0.0; N], mean: [0.0; N], max: [0.0; N], count: [0; N] }
    }

    /// What was measured in one second.
    pub(super) fn of(number: i64, values: &[Option<f32>; N]) -> Self {
        let figures = values.map(|value| value.filter(|value| value.is_finite()));
        let plain = figures.map(Option::unwrap_or_default);
        let count = figures.map(|value| u16::from(value.is_some()));
        Self { number, min: plain, mean: plain, max: plain, count }
    }

    /// Adds what was measured in another step.
    pub(super) fn add(&mut self, other: &Self) {
        for at in 0..N {
            let (mine, its) = (f64::from(self.count[at]), f64::from(other.count[at]));
            if other.count[at] == 0 {
                continue;
            }
            if self.count[at] == 0 {
                (self.min[at], self.max[at]) = (other.min[at], other.max[at]);
            }
            self.min[at] = self.min[at].min(other.min[at]);
            self.max[at] = self.max[at].max(other.max[at]);
            let sum = f64::from(self.mean[at]) * mine + f64::from(other.mean[at]) * its;
            // Rounding must not put a mean outside of its bounds.
            self.mean[at] = ((sum / (mine + its)) as f32).clamp(self.min[at], self.max[at]);
            self.count[at] = self.count[at].saturating_add(other.count[at]);
        }
    }

    /// The figures of a series, if it was measured.
    pub(super) fn figures(&self, series: Series) -> Option<Figures> {
        let at = series as usize;
        (self.count[at] > 0).then(|| Figures { min: self.min[at], mean: self.mean[at], max: self.max[at] })
    }

    /// Its bytes in the file.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.number.to_le_bytes());
        for at in 0..N {
            for figure in [self.min[at], self.mean[at], self.max[at]] {
                bytes.extend(figure.to_le_bytes());
            }
            bytes.extend(self.count[at].to_le_bytes());
        }
    }

    /// Reads what [`Point::encode`] wrote; none if there are other figures than it writes.
    pub(super) fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut point = Self::empty(i64::from_le_bytes(take(&mut bytes)?));
        for at in 0..N {
            let [min, mean, max] = [take(&mut bytes)?, take(&mut bytes)?, take(&mut bytes)?].map(f32::from_le_bytes);
            (point.min[at], point.mean[at], point.max[at]) = (min, mean, max);
            point.count[at] = u16::from_le_bytes(take(&mut bytes)?);
            if ![min, mean, max].iter().all(|figure| figure.is_finite()) || min > mean || mean > max {
                return None;
            }
        }
        Some(point)
    }
}

/// Takes the next bytes off the front.
pub(super) fn take<const K: usize>(bytes: &mut &[u8]) -> Option<[u8; K]> {
    let (first, rest) = bytes.split_first_chunk::<K>()?;
    *bytes = rest;
    Some(*first)
}
