//! Figures as text: counts, times, rates and shares, the same on all pages and in all files.

use super::text;

pub(crate) use crate::domain::figures::percent;

/// The space before a unit: narrow, and not a place to break a line.
pub(crate) const NARROW: &str = "\u{202f}";

/// The placeholder of a number that was not measured.
const NONE: &str = "–";

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Whole, in groups of three.
    Count,
    /// Milliseconds: two digits below 1, one below 10.
    Millis,
    /// Percent: never 0 or 100 unless exactly so, and rounded down above 99.
    Percent,
    /// Seconds: one digit below 10.
    Seconds,
    /// Bytes, in megabytes.
    Megabytes,
    /// A rate that may be small: one digit below 10, unless it is whole.
    Rate,
}

impl Kind {
    /// What the script knows it by.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Count | Self::Rate => "n",
            Self::Millis => "ms",
            Self::Percent => "pct",
            Self::Seconds => "s",
            Self::Megabytes => "mb",
        }
    }

    /// The number as text; a dash if it was not measured.
    pub(crate) fn text(self, value: Option<f64>) -> String {
        let Some(value) = value else { return NONE.to_owned() };
        match self {
            Self::Count => rounded(value),
            Self::Millis => millis(value),
            Self::Percent => percent(value),
            Self::Seconds if value < 9.95 => format!("{value:.1}"),
            Self::Seconds => rounded(value),
            Self::Megabytes => rounded(value / 1e6),
            Self::Rate => rate(value),
        }
    }
}

fn rounded(value: f64) -> String {
    text::whole(value.round().max(0.0) as u64)
}

fn millis(value: f64) -> String {
    match value {
        v if v < 0.995 => format!("{v:.2}"),
        v if v < 9.95 => format!("{v:.1}"),
        v => rounded(v),
    }
}

/// What share of a whole a part is, in percent, for the width of a bar: `12.34`. Nothing of nothing is 0.
pub(crate) fn share(part: u64, whole: u64) -> String {
    format!("{:.2}", if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 })
}

/// A rate as text.
fn rate(value: f64) -> String {
    match value {
        v if v > 0.0 && v < 0.05 => "<0.1".to_owned(),
        v if v < 9.95 && v.fract() != 0.0 => format!("{v:.1}"),
        v => rounded(v),
    }
}

/// What part of all that is, with one digit. Says 0 and 100 only where it is exactly so.
pub(crate) fn part_of(part: u64, all: u64) -> String {
    let percent = if all == 0 { 0.0 } else { part as f64 * 100.0 / all as f64 };
    let figure = match percent {
        0.0 => "0".to_owned(),
        100.0 => "100".to_owned(),
        percent if percent < 0.01 => "<0.01".to_owned(),
        percent if percent < 0.1 => format!("{percent:.2}"),
        percent if percent > 99.0 => format!("{:.2}", (percent * 100.0).floor() / 100.0),
        percent => format!("{percent:.1}"),
    };
    format!("{figure}\u{202f}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_have_the_digits_that_matter() {
        for (value, text) in [(0.601, "0.60"), (0.999, "1.0"), (2.44, "2.4"), (10.6, "11"), (1234.0, "1 234")] {
            assert_eq!(millis(value), text.replace(' ', NARROW));
        }
    }

    #[test]
    fn a_share_is_zero_or_all_only_exactly() {
        let text = |part, all| part_of(part, all).replace('\u{202f}', " ");
        assert_eq!((text(0, 0), text(0, 5), text(5, 5)), ("0 %".to_owned(), "0 %".to_owned(), "100 %".to_owned()));
        assert_eq!((text(1, 1_000_000), text(1, 2_000)), ("<0.01 %".to_owned(), "0.05 %".to_owned()));
        assert_eq!((text(999_999, 1_000_000), text(535, 1_000)), ("99.99 %".to_owned(), "53.5 %".to_owned()));
    }

    #[test]
    fn small_rates_have_a_digit_and_nothing_is_zero_but_zero() {
        let text = |value| Kind::Rate.text(Some(value));
        assert_eq!([0.0, 0.01, 2.44, 3.0, 42.4].map(text), ["0", "<0.1", "2.4", "3", "42"]);
    }
}
