//! Figures: numbers that the script of the page keeps up to date, with the API's number beside the text.

use std::fmt;

use askama::filters::HtmlSafe;

use crate::domain::product::Stock;

pub(super) use crate::domain::figures::percent;

use super::text;

/// The space before a unit: narrow, and not a place to break a line.
pub(super) const NARROW: &str = "\u{202f}";

/// The placeholder of a number that was not measured.
const NONE: &str = "–";

/// How a number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
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
}

impl Kind {
    /// What the script knows it by.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Count => "n",
            Self::Millis => "ms",
            Self::Percent => "pct",
            Self::Seconds => "s",
            Self::Megabytes => "mb",
        }
    }

    /// The number as text; a dash if it was not measured.
    pub(super) fn text(self, value: Option<f64>) -> String {
        let Some(value) = value else { return NONE.to_owned() };
        match self {
            Self::Count => rounded(value),
            Self::Millis => millis(value),
            Self::Percent => percent(value),
            Self::Seconds if value < 9.95 => format!("{value:.1}"),
            Self::Seconds => rounded(value),
            Self::Megabytes => rounded(value / 1e6),
        }
    }
}

/// A figure. Its name says to the script which it is.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    /// The attribute that carries the name, and the name: fixed words of this program.
    name: (&'static str, &'static str),
    kind: Kind,
    value: Option<f64>,
}

impl Figure {
    /// A figure of `metrics-update`, by its path.
    pub(super) fn metric(path: &'static str, kind: Kind, value: Option<f64>) -> Self {
        Self { name: ("data-m", path), kind, value }
    }

    /// A count in a row, by its column.
    pub(super) fn cell(column: &'static str, value: u64) -> Self {
        Self { name: ("data-v", column), kind: Kind::Count, value: Some(value as f64) }
    }

    /// A rate in a row, by its column.
    pub(super) fn rate(column: &'static str, value: f64) -> Self {
        Self { name: ("data-v", column), kind: Kind::Count, value: Some(value) }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name: (attribute, name), kind, value } = self;
        let number = value.map(|value| value.to_string()).unwrap_or_default();
        // Only a percentage can have a character that means something in HTML.
        let text = kind.text(*value).replace('<', "&lt;");
        write!(f, "<data {attribute}=\"{name}\" data-f=\"{}\" value=\"{number}\">{text}</data>", kind.word())
    }
}

// It writes digits, spaces and fixed words only.
impl HtmlSafe for Figure {}

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
pub(super) fn share(part: u64, whole: u64) -> String {
    format!("{:.2}", if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 })
}

/// Where the units of a product are, as a bar: its parts in percent.
#[derive(Clone, Debug)]
pub(super) struct StockBar {
    pub(super) sold: String,
    pub(super) held: String,
    /// The same in words.
    pub(super) label: String,
}

impl StockBar {
    /// The bar of a stock.
    pub(super) fn of(stock: &Stock) -> Self {
        let all = stock.total();
        let [sold, held, left, whole] = [stock.sold, stock.held, stock.current, all].map(text::whole);
        Self {
            sold: share(stock.sold, all),
            held: share(stock.held, all),
            label: format!("sold {sold}, held {held}, left {left} of {whole}"),
        }
    }
}

/// Money as a figure, `[text, unit]`: millions and more are short and rounded down. Takes the API's decimal text.
pub(super) fn short_money(decimal: &str) -> [String; 2] {
    let whole = decimal.split('.').next().unwrap_or(decimal);
    for (digits, unit) in [(12, "T"), (9, "G"), (6, "M")] {
        if let Some(lead) = whole.len().checked_sub(digits).filter(|lead| *lead > 0) {
            return [format!("{}.{}", text::grouped(&whole[..lead]), &whole[lead..=lead]), unit.to_owned()];
        }
    }
    [text::grouped(whole), String::new()]
}

/// How long something took, in seconds: `56 s`, `1:08`, `1:02:03`.
pub(super) fn lasted(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}{NARROW}s"),
        60..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => text::counter(std::time::Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spaced(text: &str) -> String {
        text.replace(' ', NARROW)
    }

    #[test]
    fn milliseconds_have_the_digits_that_matter() {
        for (value, text) in [(0.601, "0.60"), (0.999, "1.0"), (2.44, "2.4"), (10.6, "11"), (1234.0, "1 234")] {
            assert_eq!(millis(value), spaced(text));
        }
    }

    #[test]
    fn money_is_never_rounded_up() {
        assert_eq!(short_money("597386579.33"), ["597.3", "M"].map(str::to_owned));
        assert_eq!(short_money("999999.99"), [spaced("999 999"), String::new()]);
        assert_eq!(short_money("1999999999.00"), ["1.9", "G"].map(str::to_owned));
    }

    #[test]
    fn spans_read_like_a_watch() {
        assert_eq!([56, 68, 3723].map(lasted), [spaced("56 s"), "1:08".to_owned(), "1:02:03".to_owned()]);
    }

    #[test]
    fn a_figure_carries_the_number_of_the_api() {
        let figure = Figure::metric("queueLength", Kind::Count, Some(8220.0)).to_string();
        assert_eq!(figure, format!("<data data-m=\"queueLength\" data-f=\"n\" value=\"8220\">8{NARROW}220</data>"));
        let unknown = Figure::metric("a", Kind::Millis, None).to_string();
        assert_eq!(unknown, "<data data-m=\"a\" data-f=\"ms\" value=\"\">–</data>");
        assert!(Figure::metric("a", Kind::Percent, Some(0.001)).to_string().contains(">&lt;0.01<"));
    }
}
