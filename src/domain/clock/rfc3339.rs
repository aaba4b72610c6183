//! Moments as text (RFC 3339), in one form only.
//!
//! Read is `YYYY-MM-DDTHH:MM:SS[.f…](Z|±HH:MM)` with 1 to 9 digits of a fraction; `t` and `z` may be small, as the
//! RFC has it. There is no leap second `:60`: a clock that counts from the epoch has no place for it. Written is UTC
//! with milliseconds.

use std::fmt;
use std::ops::Range;

use jiff::SignedDuration;
use jiff::civil::DateTime;

use super::timestamp::{MAX_TIMESTAMP, Timestamp};

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// Why a text is not a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not of the form, or no day of the calendar.
    #[error("must be an RFC 3339 time such as 2026-01-31T12:00:00Z")]
    NotATime,
    /// Before the epoch, or after year 9999 in UTC.
    #[error("must be from 1970-01-01T00:00:00Z to {MAX_TIMESTAMP}")]
    OutOfRange,
}

impl Timestamp {
    /// Reads an RFC 3339 text with any offset; what lies below a millisecond is cut off.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let millis = millis(text.as_bytes()).ok_or(TimeError::NotATime)?;
        let moment = Self::from_millis(millis);
        match moment >= Self::default() && moment <= MAX_TIMESTAMP {
            true => Ok(moment),
            false => Err(TimeError::OutOfRange),
        }
    }
}

impl Timestamp {
    /// Reads the date of an HTTP header (RFC 9110, 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`; older forms are not
    /// understood.
    pub fn from_http_date(text: &str) -> Option<Self> {
        let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        Some(Self::from_millis(date.as_millisecond()))
    }
}

/// Milliseconds since the epoch.
fn millis(text: &[u8]) -> Option<i64> {
    let (local, rest) = text.split_at_checked("YYYY-MM-DDTHH:MM:SS".len())?;
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if marks.iter().any(|(at, mark)| local[*at].to_ascii_uppercase() != *mark) {
        return None;
    }
    let two = |at: usize| Some(i8::try_from(digits(&local[at..at + 2])?).unwrap_or(i8::MAX));
    let year = i16::try_from(digits(&local[..4])?).ok()?;
    // Days that no month has, the hour 24 and the second 60 are errors of it.
    let local = DateTime::new(year, two(5)?, two(8)?, two(11)?, two(14)?, two(17)?, 0).ok()?;
    let (fraction, zone) = fraction(rest)?;
    let millis = i64::try_from(local.duration_since(EPOCH).as_millis()).ok()?;
    Some(millis + fraction - offset(zone)?)
}

/// The milliseconds of a fraction, and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(text) = text.strip_prefix(b".") else { return Some((0, text)) };
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, rest) = text.split_at(count);
    let kept = digits(&fraction[..count.min(3)])?;
    (1..=9).contains(&count).then(|| (kept * [0, 100, 10, 1][count.min(3)], rest))
}

/// The milliseconds by which a zone's clock is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i64> {
    let (sign, zone) = match zone {
        [b'Z' | b'z'] => return Some(0),
        [b'+', zone @ ..] => (1, zone),
        [b'-', zone @ ..] => (-1, zone),
        _ => return None,
    };
    let [h, hh, b':', m, mm] = zone else { return None };
    let (hours, minutes) = (digits(&[*h, *hh])?, digits(&[*m, *mm])?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// A number of nothing but digits; few enough of them to fit.
fn digits(text: &[u8]) -> Option<i64> {
    let digits = std::str::from_utf8(text).ok().filter(|_| text.iter().all(u8::is_ascii_digit));
    digits?.parse().ok()
}

/// One that RFC 3339 has no year for is written as its milliseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match EPOCH.checked_add(SignedDuration::from_millis(self.millis())) {
            Ok(at) if at.year() >= 0 => f.write_str(std::str::from_utf8(&text(at)).unwrap_or_default()),
            _ => write!(f, "{}", self.millis()),
        }
    }
}

/// Digit by digit: a list of orders has thousands of moments, and formatting each takes five times as long.
fn text(at: DateTime) -> [u8; 24] {
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |digits: Range<usize>, mut number: i32| {
        for digit in text[digits].iter_mut().rev() {
            *digit = b'0' + (number % 10) as u8;
            number /= 10;
        }
    };
    put(0..4, at.year().into());
    put(5..7, at.month().into());
    put(8..10, at.day().into());
    put(11..13, at.hour().into());
    put(14..16, at.minute().into());
    put(17..19, at.second().into());
    put(20..23, at.subsec_nanosecond() / 1_000_000);
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_text_of_the_form_is_read() {
        for (text, meant) in [
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z"),
            ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000Z"),
            ("2026-01-31t12:00:00z", "2026-01-31T12:00:00.000Z"),
            ("2026-01-31T12:00:00.1Z", "2026-01-31T12:00:00.100Z"),
            ("2026-01-31T12:00:00.1239Z", "2026-01-31T12:00:00.123Z"),
            ("2026-01-31T12:00:00.123456789Z", "2026-01-31T12:00:00.123Z"),
            ("2026-01-31T12:00:00.007+00:00", "2026-01-31T12:00:00.007Z"),
            ("2026-01-31T12:00:00-00:00", "2026-01-31T12:00:00.000Z"),
            ("2026-01-31T12:00:00+01:30", "2026-01-31T10:30:00.000Z"),
            ("2026-01-31T12:00:00+23:59", "2026-01-30T12:01:00.000Z"),
            ("2026-01-31T12:00:00-23:59", "2026-02-01T11:59:00.000Z"),
            ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z"),
            ("1969-12-31T23:00:00-01:00", "1970-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.000Z"),
            ("9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::parse(text).map(|moment| moment.to_string()).as_deref(), Ok(meant), "{text}");
        }
    }

    #[test]
    fn every_other_text_is_refused() {
        for text in [
            "",
            "yesterday",
            "0",
            "1769860800000",
            "2026-01-31",
            "2026-01-31T12:00Z",
            "2026-01-31T09Z",
            "2026-01-31T12:00:00",
            "2026-01-31 12:00:00Z",
            "2026-01-31T12:00:00 Z",
            " 2026-01-31T12:00:00Z",
            "2026-01-31T12:00:00Z ",
            "2026-01-31T12:00:00Z\n",
            "2026-01-31T12:00:00,5Z",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00.1234567890Z",
            "2026-01-31T12:00:00.5",
            "2026-01-31T12:00:00+25:00",
            "2026-01-31T12:00:00+24:00",
            "2026-01-31T12:00:00+01:60",
            "2026-01-31T12:00:00+01",
            "2026-01-31T12:00:00+0100",
            "2026-01-31T12:00:00+1:00",
            "2026-01-31T12:00:00+01:00:00",
            "2026-01-31T12:00:00\u{2212}01:00",
            "2026-01-31T12:00:00Z[UTC]",
            "2026-01-31T12:00:00+01:00[Europe/Paris]",
            "2026-1-31T12:00:00Z",
            "20260131T120000Z",
            "2026-W05-6T12:00:00Z",
            "2026-031T12:00:00Z",
            "+002026-01-31T12:00:00Z",
            "-2026-01-31T12:00:00Z",
            "26-01-31T12:00:00Z",
            "12026-01-31T12:00:00Z",
            "2026-00-31T12:00:00Z",
            "2026-13-01T12:00:00Z",
            "2026-02-29T12:00:00Z",
            "2026-01-32T12:00:00Z",
            "2026-01-00T12:00:00Z",
            "2026-01-31T24:00:00Z",
            "2026-01-31T12:60:00Z",
            "2026-01-31T12:00:61Z",
            "2016-12-31T23:59:60Z",
            "2026-01-31T12:00:0aZ",
            "2026-01-31T+2:00:00Z",
            "２０２６-01-31T12:00:00Z",
            "2026-01-31T12:00:00Zz",
        ] {
            assert_eq!(Timestamp::parse(text), Err(TimeError::NotATime), "{text:?}");
        }
        for text in
            ["1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-00:01"]
        {
            assert_eq!(Timestamp::parse(text), Err(TimeError::OutOfRange), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_moment_is_read_back_as_it_was_written(millis in 0..=MAX_TIMESTAMP.millis()) {
            let moment = Timestamp::from_millis(millis);
            let text = moment.to_string();
            prop_assert_eq!(text.len(), "2026-01-31T12:00:00.000Z".len());
            prop_assert_eq!(Timestamp::parse(&text), Ok(moment));
        }

        #[test]
        fn an_offset_moves_a_moment_by_its_minutes(
            millis in 100_000_000_000..=200_000_000_000_i64,
            minutes in 0..1440_i64,
        ) {
            let moment = Timestamp::from_millis(millis);
            let text = moment.to_string();
            for (sign, ahead) in [('+', minutes), ('-', -minutes)] {
                let zone = format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60);
                let expected = Timestamp::from_millis(millis - ahead * 60_000);
                prop_assert_eq!(Timestamp::parse(&text.replace('Z', &zone)), Ok(expected));
            }
        }

        #[test]
        fn no_text_makes_the_reader_fail_otherwise_than_it_says(text in "[0-9TtZz:+.,-]{0,40}|\\PC{0,30}") {
            if let Ok(moment) = Timestamp::parse(&text) {
                prop_assert_eq!(Timestamp::parse(&moment.to_string()), Ok(moment));
            }
        }
    }
}
