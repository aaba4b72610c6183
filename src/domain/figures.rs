//! Figures as people read them, on pages and on terminals.

use std::time::Duration;

use crate::domain::digits::grouped;

/// A percentage as text: never 0 or 100 unless it is exactly so, and rounded down above 99.
pub fn percent(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        v if v < 0.01 => "<0.01".to_owned(),
        v if v < 0.995 => format!("{v:.2}"),
        v if v < 9.95 => format!("{v:.1}"),
        v if (99.0..100.0).contains(&v) => format!("{:.2}", (v * 100.0 + 1e-9).floor() / 100.0),
        v if v > 98.5 && v < 99.0 => "98".to_owned(),
        v => format!("{v:.0}"),
    }
}

/// A span in its largest fitting units: `0.90 ms`, `61 ms`, `2.31 s`, `17.1 s`, `3 min 4 s`, `2 h 5 min`, `3 days`.
pub fn span(span: Duration) -> String {
    let (millis, seconds) = (span.as_secs_f64() * 1_000.0, span.as_secs());
    match seconds {
        0 if millis > 0.0 && millis < 1.0 => format!("{millis:.2} ms"),
        0 => format!("{millis:.0} ms"),
        1..10 => format!("{:.2} s", span.as_secs_f64()),
        10..60 => format!("{:.1} s", span.as_secs_f64()),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..172_800 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} days", grouped(seconds / 86_400)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_0_or_100_only_if_it_is_exactly_so() {
        let cases = [(0.0, "0"), (0.001, "<0.01"), (0.5, "0.50"), (9.94, "9.9"), (54.4, "54"), (98.97, "98")];
        for (value, text) in cases.into_iter().chain([(99.0, "99.00"), (99.999, "99.99"), (100.0, "100")]) {
            assert_eq!(percent(value), text, "{value}");
        }
    }

    #[test]
    fn a_span_is_in_its_largest_fitting_units() {
        for (millis, expected) in [
            (0, "0 ms"),
            (61, "61 ms"),
            (2_310, "2.31 s"),
            (17_100, "17.1 s"),
            (184_000, "3 min 4 s"),
            (7_500_000, "2 h 5 min"),
            (300_000_000, "3 days"),
        ] {
            assert_eq!(span(Duration::from_millis(millis)), expected);
        }
    }
}
