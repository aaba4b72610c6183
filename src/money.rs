//! Money in hundredths of a currency unit: exact, never negative, never floating.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// An amount in hundredths (cents). Displays as a decimal with two digits, `999.99`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Money(u128);

/// The highest price of one unit, `9999999999.99`.
pub const MAX_PRICE: Money = Money(999_999_999_999);

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
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl FromStr for Money {
    type Err = PriceError;

    /// Reads a price, plain (`12.5`) or with an exponent (`1.25e1`).
    fn from_str(text: &str) -> Result<Self, PriceError> {
        let decimal =
            Decimal::from_str_exact(text).or_else(|_| Decimal::from_scientific(text)).map_err(
                |_| match looks_numeric(text) {
                    true => PriceError::TooLarge,
                    false => PriceError::NotANumber,
                },
            )?;
        if decimal.is_sign_negative() && !decimal.is_zero() {
            return Err(PriceError::Negative);
        }
        let cents = decimal.checked_mul(Decimal::ONE_HUNDRED).ok_or(PriceError::TooLarge)?;
        if !cents.fract().is_zero() {
            return Err(PriceError::TooPrecise);
        }
        match cents.to_u128().map(Money) {
            Some(price) if price <= MAX_PRICE => Ok(price),
            _ => Err(PriceError::TooLarge),
        }
    }
}

/// Whether a text that does not fit a decimal is at least made of digits, so that the error can say "too large".
fn looks_numeric(text: &str) -> bool {
    text.len() > 20 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_read_and_print_exactly() {
        for (text, printed) in [
            ("0", "0.00"),
            ("999.99", "999.99"),
            ("12.5", "12.50"),
            ("1e2", "100.00"),
            ("0.10", "0.10"),
            ("7.100", "7.10"),
            ("9999999999.99", "9999999999.99"),
        ] {
            assert_eq!(text.parse::<Money>().unwrap().to_string(), printed, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_price_is_refused_with_its_reason() {
        for (text, error) in [
            ("", PriceError::NotANumber),
            ("free", PriceError::NotANumber),
            ("1,50", PriceError::NotANumber),
            ("NaN", PriceError::NotANumber),
            ("-0.01", PriceError::Negative),
            ("1.999", PriceError::TooPrecise),
            ("10000000000", PriceError::TooLarge),
            ("99999999999999999999999999999999999", PriceError::TooLarge),
        ] {
            assert_eq!(text.parse::<Money>(), Err(error), "{text}");
        }
    }
}
