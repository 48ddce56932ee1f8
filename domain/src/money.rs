//! Money: whole minor units of one currency, checked arithmetic, one rounding function.
//! Never a float, and never two currencies in one sum.

mod currency;
mod json;

use std::fmt;

use rust_decimal::{Decimal, RoundingStrategy};

pub use currency::Currency;

/// Why an amount could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// The result does not fit 64 bits of minor units.
    #[error("amount out of range")]
    OutOfRange,
    /// The two amounts are in different currencies.
    #[error("cannot mix {left} and {right}")]
    MixedCurrency {
        /// The currency of the left amount.
        left: Currency,
        /// The currency of the right amount.
        right: Currency,
    },
    /// The text is no decimal number, or has more places than its currency.
    #[error("not an amount in {currency}")]
    NotAnAmount {
        /// The currency it was read in.
        currency: Currency,
    },
}

/// An amount in the minor unit of its currency (paise, cents); negative amounts are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl Money {
    /// `minor` units of `currency`: `from_minor(11_686, Inr)` is 116.86 rupees.
    pub const fn from_minor(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing, in `currency`.
    pub const fn zero(currency: Currency) -> Self {
        Self::from_minor(0, currency)
    }

    /// `value` rounded half-up to the minor unit; halves of negative amounts go away from zero.
    ///
    /// The one place where money is rounded.
    ///
    /// # Errors
    /// `OutOfRange` when the result does not fit.
    pub fn rounded(value: Decimal, currency: Currency) -> Result<Self, MoneyError> {
        let places = currency.exponent();
        let mut minor =
            value.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
        minor.rescale(places);
        if minor.scale() != places {
            return Err(MoneyError::OutOfRange);
        }
        let minor = i64::try_from(minor.mantissa()).map_err(|_| MoneyError::OutOfRange)?;
        Ok(Self { minor, currency })
    }

    /// Reads a decimal text such as `116.86`; more places than the currency has are refused, not rounded.
    ///
    /// # Errors
    /// `NotAnAmount` for anything else, `OutOfRange` when it does not fit.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, MoneyError> {
        let refused = MoneyError::NotAnAmount { currency };
        let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'));
        let value = Decimal::from_str_exact(text).map_err(|_| refused.clone())?;
        if !plain || value.scale() > currency.exponent() {
            return Err(refused);
        }
        Self::rounded(value, currency)
    }

    /// The amount in minor units.
    pub const fn minor(self) -> i64 {
        self.minor
    }

    /// The currency of the amount.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The amount as a decimal number of major units.
    pub fn to_decimal(self) -> Decimal {
        Decimal::new(self.minor, self.currency.exponent())
    }

    /// The sum of both.
    ///
    /// # Errors
    /// `MixedCurrency`, `OutOfRange`.
    pub fn checked_add(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor = self.minor.checked_add(other.minor).ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }

    /// This amount less the other.
    ///
    /// # Errors
    /// `MixedCurrency`, `OutOfRange`.
    pub fn checked_sub(self, other: Self) -> Result<Self, MoneyError> {
        self.same_currency(other)?;
        let minor = self.minor.checked_sub(other.minor).ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }

    /// The amount `times` over.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub fn checked_mul(self, times: i64) -> Result<Self, MoneyError> {
        let minor = self.minor.checked_mul(times).ok_or(MoneyError::OutOfRange)?;
        Ok(Self { minor, ..self })
    }

    /// The amount times a rate, rounded half-up: `0.08` for a tax of 8 percent.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub fn at_rate(self, rate: Decimal) -> Result<Self, MoneyError> {
        let exact = self.to_decimal().checked_mul(rate).ok_or(MoneyError::OutOfRange)?;
        Self::rounded(exact, self.currency)
    }

    fn same_currency(self, other: Self) -> Result<(), MoneyError> {
        if self.currency == other.currency {
            Ok(())
        } else {
            Err(MoneyError::MixedCurrency { left: self.currency, right: other.currency })
        }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_decimal(), self.currency)
    }
}
