//! How pages write numbers, times and spans.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::digits;
use crate::domain::money::Money;

pub(super) use crate::domain::figures::span;

/// A whole number in groups of three digits.
pub(super) fn whole(number: impl Into<u64>) -> String {
    digits::grouped(number.into())
}

/// Units that are added or taken away, with their sign.
pub(super) fn signed(units: i64) -> String {
    let sign = if units < 0 { '\u{2212}' } else { '+' };
    format!("{sign}{}", whole(units.unsigned_abs()))
}

/// An amount of money, without a sign, as the API has no currency.
pub(super) fn money(amount: Money) -> String {
    let text = amount.to_string();
    match text.split_once('.') {
        Some((whole, cents)) => format!("{}.{cents}", grouped(whole)),
        None => grouped(&text),
    }
}

/// Digits in groups of three.
pub(super) fn grouped(digits: &str) -> String {
    digits.parse().map_or_else(|_| digits.to_owned(), digits::grouped)
}

/// A number and what it counts, such as `1 order` and `2 orders`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", whole(number), if number == 1 { one } else { many })
}

/// `12:00:38`, in UTC.
pub(super) fn clock(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}

/// `12:00:38.120`, in UTC.
pub(super) fn clock_millis(at: Timestamp) -> String {
    at.to_string().get(11..23).unwrap_or_default().to_owned()
}

/// `2026-11-25`, in UTC.
pub(super) fn day(at: Timestamp) -> String {
    at.to_string().get(..10).unwrap_or_default().to_owned()
}

/// The time with its day, unless that is today.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> String {
    match day(at) == day(now) {
        true => clock(at),
        false => format!("{} {}", day(at), clock(at)),
    }
}

/// The same with milliseconds.
pub(super) fn moment_millis(at: Timestamp, now: Timestamp) -> String {
    match day(at) == day(now) {
        true => clock_millis(at),
        false => format!("{} {}", day(at), clock_millis(at)),
    }
}

/// `04:09`, `1:04:09`, or days from 48 hours on: for clocks that count.
pub(super) fn counter(span: Duration) -> String {
    let seconds = span.as_secs();
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes:02}:{seconds:02}"),
        1..48 => format!("{hours}:{minutes:02}:{seconds:02}"),
        _ => format!("{} days", whole(hours / 24)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_groups_of_three_digits() {
        let groups = [(0, "0"), (999, "999"), (1_000, "1\u{202f}000"), (1_234_567, "1\u{202f}234\u{202f}567")];
        for (number, expected) in groups {
            assert_eq!(whole(number as u32), expected);
        }
        assert_eq!(money(Money::from_cents(199_998)), "1\u{202f}999.98");
        assert_eq!(counted(1, "order", "orders"), "1 order");
    }

    #[test]
    fn times_are_as_short_as_they_can_be() {
        let at = Timestamp::parse("2026-11-25T12:00:38.120Z").unwrap();
        assert_eq!((clock(at).as_str(), clock_millis(at).as_str()), ("12:00:38", "12:00:38.120"));
        assert_eq!(moment(at, at.after(Duration::from_hours(24))), "2026-11-25 12:00:38");
        assert_eq!(counter(Duration::from_secs(249)), "04:09");
        assert_eq!(counter(Duration::from_secs(3_849)), "1:04:09");
    }
}
