//! Decimal numbers as JSON writes them, read without losing a digit.

/// The most decimal digits of a number that is read; all of them fit an `i128`.
const MAX_DIGITS: i64 = 38;

/// Why a number has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalError {
    /// It has digits below the lowest one that counts.
    TooPrecise,
    /// It is too far from zero.
    TooLarge,
}

/// The value of a JSON number in units of its `places`-th digit after the point: `12.5` with two places is 1250. The
/// text must be a number as JSON has it (RFC 8259, section 6).
pub fn in_units(number: &str, places: i64) -> Result<i128, DecimalError> {
    let (is_negative, number) = number.strip_prefix('-').map_or((false, number), |number| (true, number));
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let leading = digits().take_while(|digit| *digit == b'0').count();
    let length = whole.len() + fraction.len();
    if leading == length {
        return Ok(0);
    }
    let trailing = digits().rev().take_while(|digit| *digit == b'0').count();
    let significant = length - leading - trailing;
    // Of the last significant digit, counted in units.
    let power = (power(exponent) + places).saturating_add(count(trailing)).saturating_sub(count(fraction.len()));
    if power < 0 {
        return Err(DecimalError::TooPrecise);
    }
    if power.saturating_add(count(significant)) > MAX_DIGITS {
        return Err(DecimalError::TooLarge);
    }
    let digits = digits().skip(leading).take(significant);
    let value = digits.fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0'));
    let value = value * 10_i128.pow(u32::try_from(power).unwrap_or_default());
    Ok(if is_negative { -value } else { value })
}

/// An exponent; one that does not fit is so far away that its own digits do not matter.
fn power(exponent: &str) -> i64 {
    const FAR: i64 = i64::MAX / 4;
    let sign = if exponent.starts_with('-') { -1 } else { 1 };
    exponent.parse().map_or(sign * FAR, |power: i64| power.clamp(-FAR, FAR))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_read_exactly_or_not_at_all() {
        for (number, places, expected) in [
            ("0", 0, Ok(0)),
            ("-0", 0, Ok(0)),
            ("-0.000e99999999999999999999", 2, Ok(0)),
            ("7", 0, Ok(7)),
            ("7.0", 0, Ok(7)),
            ("0.7e1", 0, Ok(7)),
            ("700E-2", 0, Ok(7)),
            ("-12.5", 2, Ok(-1_250)),
            ("1e+2", 2, Ok(10_000)),
            ("7.100", 2, Ok(710)),
            ("0.00000000000000000000000000000000000000000001e44", 0, Ok(1)),
            ("9999999999.99", 2, Ok(999_999_999_999)),
            ("99999999999999999999999999999999999999", 0, Ok(10_i128.pow(38) - 1)),
            ("100000000000000000000000000000000000000", 0, Err(DecimalError::TooLarge)),
            ("1e400", 2, Err(DecimalError::TooLarge)),
            ("-1e99999999999999999999", 2, Err(DecimalError::TooLarge)),
            ("1e-400", 2, Err(DecimalError::TooPrecise)),
            ("1e-99999999999999999999", 2, Err(DecimalError::TooPrecise)),
            ("1.5", 0, Err(DecimalError::TooPrecise)),
            ("1.999", 2, Err(DecimalError::TooPrecise)),
            ("1.00000000000000000000000000000000000000000001", 2, Err(DecimalError::TooPrecise)),
            ("9999999999.9900000000001", 2, Err(DecimalError::TooPrecise)),
        ] {
            assert_eq!(in_units(number, places), expected, "{number}");
        }
    }

    proptest! {
        #[test]
        fn a_number_has_the_same_value_in_every_notation(
            value in -1_000_000_000_000..1_000_000_000_000_i64,
            zeros in 0..9_usize,
        ) {
            let (sign, size) = (if value < 0 { "-" } else { "" }, value.unsigned_abs());
            let zeros_after = "0".repeat(zeros);
            for text in [
                format!("{sign}{}.{:02}{zeros_after}", size / 100, size % 100),
                format!("{sign}{size}e-2"),
                format!("{sign}{size}{zeros_after}E-{}", zeros + 2),
                format!("{sign}0.{size:013}{zeros_after}e+11"),
            ] {
                prop_assert_eq!(in_units(&text, 2), Ok(i128::from(value)), "{}", text);
            }
        }
    }
}
