//! Money in hundredths of a currency unit: exact, never negative, never floating.

use std::fmt;
use std::str::FromStr;

use crate::domain::decimal::{self, DecimalError};

/// An amount in hundredths (cents). Displays as a decimal with two digits, `999.99`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(u128);

/// The highest price of one unit, `9999999999.99`.
pub const MAX_PRICE: Money = Money(999_999_999_999);

/// Digits of [`MAX_PRICE`] before the point.
const MAX_WHOLE_DIGITS: usize = 10;

/// Digits of a price after the point.
const PLACES: usize = 2;

/// Why a text is not a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PriceError {
    /// Not a decimal number at all.
    #[error("must be a number or a decimal string such as \"999.99\"")]
    NotANumber,
    /// Below zero.
    #[error("must not be negative")]
    Negative,
    /// More digits after the point than a price has.
    #[error("must have at most two digits after the point")]
    TooPrecise,
    /// Above [`MAX_PRICE`].
    #[error("must be at most {MAX_PRICE}")]
    TooLarge,
}

impl Money {
    /// An amount from its hundredths.
    pub const fn from_cents(cents: u128) -> Self {
        Self(cents)
    }

    /// The amount in hundredths.
    pub const fn cents(self) -> u128 {
        self.0
    }

    /// The price of `quantity` units. Cannot overflow for prices up to [`MAX_PRICE`].
    pub const fn times(self, quantity: u64) -> Self {
        Self(self.0.saturating_mul(quantity as u128))
    }

    /// Reads a price from a JSON number, whatever its notation: `12.5`, `12.50` and `125e-1` are the same.
    pub fn from_json_number(number: &str) -> Result<Self, PriceError> {
        let cents = decimal::in_units(number, 2).map_err(|error| match (error, number.starts_with('-')) {
            (_, true) => PriceError::Negative,
            (DecimalError::TooPrecise, false) => PriceError::TooPrecise,
            (DecimalError::TooLarge, false) => PriceError::TooLarge,
        })?;
        match u128::try_from(cents).map(Money) {
            Ok(price) if price <= MAX_PRICE => Ok(price),
            Ok(_) => Err(PriceError::TooLarge),
            Err(_) => Err(PriceError::Negative),
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl FromStr for Money {
    type Err = PriceError;

    /// Reads a price: 1 to 10 decimal digits, and perhaps a point with one or two digits. Nothing else: no sign, no
    /// exponent, no space.
    fn from_str(text: &str) -> Result<Self, PriceError> {
        let (is_negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) {
            return Err(PriceError::NotANumber);
        }
        if is_negative {
            return Err(PriceError::Negative);
        }
        if fraction.len() > PLACES {
            return Err(PriceError::TooPrecise);
        }
        if whole.len() > MAX_WHOLE_DIGITS {
            return Err(PriceError::TooLarge);
        }
        // So few digits fit.
        let value = |digits: &str| digits.bytes().fold(0, |value, digit| value * 10 + u128::from(digit - b'0'));
        let tenths = if fraction.len() == 1 { 10 } else { 1 };
        Ok(Self(value(whole) * 100 + value(fraction) * tenths))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prices_read_and_print_exactly() {
        for (text, printed) in [
            ("0", "0.00"),
            ("0.0", "0.00"),
            ("999.99", "999.99"),
            ("12.5", "12.50"),
            ("0.10", "0.10"),
            ("0000000007.05", "7.05"),
            ("9999999999.99", "9999999999.99"),
        ] {
            assert_eq!(text.parse::<Money>().unwrap().to_string(), printed, "{text}");
        }
        for (number, printed) in
            [("0", "0.00"), ("-0.0", "0.00"), ("25.5", "25.50"), ("1e2", "100.00"), ("7.100", "7.10")]
        {
            assert_eq!(Money::from_json_number(number).unwrap().to_string(), printed, "{number}");
        }
    }

    #[test]
    fn what_is_not_a_price_is_refused_with_its_reason() {
        for text in [
            "", " ", "free", "1,50", "1.", ".5", ".", "+1", "1e2", "1E2", "1_000", " 1", "1 ", "1.5 ", "0x10", "NaN",
            "inf", "1.2.3", "--1", "-", "١", "１", "1\u{0}", "1.-5", "$1",
        ] {
            assert_eq!(text.parse::<Money>(), Err(PriceError::NotANumber), "{text:?}");
        }
        for (text, error) in [
            ("-0", PriceError::Negative),
            ("-0.01", PriceError::Negative),
            ("1.999", PriceError::TooPrecise),
            ("7.100", PriceError::TooPrecise),
            ("10000000000", PriceError::TooLarge),
            ("99999999999999999999999999999999999", PriceError::TooLarge),
        ] {
            assert_eq!(text.parse::<Money>(), Err(error), "{text}");
        }
        for (number, error) in [
            ("-1", PriceError::Negative),
            ("-0.001", PriceError::Negative),
            ("-1e400", PriceError::Negative),
            ("1e400", PriceError::TooLarge),
            ("1e10", PriceError::TooLarge),
            ("1e-3", PriceError::TooPrecise),
            ("0.1000000000000000000001", PriceError::TooPrecise),
            ("9999999999.99000000001", PriceError::TooPrecise),
        ] {
            assert_eq!(Money::from_json_number(number), Err(error), "{number}");
        }
    }

    proptest! {
        #[test]
        fn a_price_is_read_back_as_it_was_written(cents in 0..=MAX_PRICE.cents()) {
            let price = Money::from_cents(cents);
            let text = price.to_string();
            prop_assert_eq!(text.parse(), Ok(price));
            prop_assert_eq!(Money::from_json_number(&text), Ok(price));
        }
    }
}
