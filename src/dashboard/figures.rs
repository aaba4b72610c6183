//! Figures: numbers that the script of the page keeps up to date, with the API's number beside the text.

use std::fmt;

use askama::filters::HtmlSafe;

use crate::domain::product::Stock;

use super::text;

pub(super) use crate::drawing::figure::{Kind, NARROW, percent, share};

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

    /// A number in a row, by its column; unknown if it is `None`.
    pub(super) fn column(column: &'static str, kind: Kind, value: Option<f64>) -> Self {
        Self { name: ("data-v", column), kind, value }
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
