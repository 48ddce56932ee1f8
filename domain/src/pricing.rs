//! What an order costs: lines, subtotal, tax, total, all checked.
//! Never trusts a price that a client sent: prices come in from the catalogue.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{Currency, Money, MoneyError, Sku};

/// A quantity outside 1 to 1,000,000.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quantity is a whole number from 1 to 1000000")]
pub struct QuantityError;

/// How many units of one SKU: 1 to 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "i64", into = "i64")]
pub struct Quantity(i64);

impl Quantity {
    /// The number of units.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for Quantity {
    type Error = QuantityError;

    fn try_from(units: i64) -> Result<Self, QuantityError> {
        if (1..=1_000_000).contains(&units) { Ok(Self(units)) } else { Err(QuantityError) }
    }
}

impl From<Quantity> for i64 {
    fn from(quantity: Quantity) -> Self {
        quantity.0
    }
}

/// What a customer asks for: so many units of a SKU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CartLine {
    /// The product.
    pub sku: Sku,
    /// How many units of it.
    pub quantity: Quantity,
}

impl CartLine {
    /// The lines sorted by SKU, with lines of the same SKU added up: the order in which stock is locked.
    ///
    /// # Errors
    /// When the lines of one SKU add up to more than a quantity may be.
    pub fn sorted(lines: impl IntoIterator<Item = Self>) -> Result<Vec<Self>, QuantityError> {
        let mut by_sku = BTreeMap::<Sku, i64>::new();
        for line in lines {
            let units = by_sku.entry(line.sku).or_insert(0);
            *units = units.checked_add(line.quantity.get()).ok_or(QuantityError)?;
        }
        by_sku
            .into_iter()
            .map(|(sku, units)| Ok(Self { sku, quantity: Quantity::try_from(units)? }))
            .collect()
    }
}

/// One line of an order, as it was when the order was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricedLine {
    /// The product.
    pub sku: Sku,
    /// The product's name.
    pub name: String,
    /// The price of one unit.
    pub unit_price: Money,
    /// How many units.
    pub quantity: Quantity,
}

impl PricedLine {
    /// The unit price times the quantity.
    ///
    /// # Errors
    /// `OutOfRange`.
    pub fn total(&self) -> Result<Money, MoneyError> {
        self.unit_price.checked_mul(self.quantity.get())
    }
}

/// Why an order could not be priced.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PricingError {
    /// There is nothing to price.
    #[error("an order needs at least one line")]
    NoLines,
    /// A price is below zero.
    #[error("price of {0} is negative")]
    NegativePrice(Sku),
    /// The tax rate is below zero.
    #[error("the tax rate is negative")]
    NegativeRate,
    /// The sum does not fit, or mixes currencies.
    #[error(transparent)]
    Money(#[from] MoneyError),
}

/// An order with its sums; `total` is always `subtotal` plus `tax`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PricedOrder {
    lines: Vec<PricedLine>,
    subtotal: Money,
    tax: Money,
    total: Money,
}

impl PricedOrder {
    /// Prices `lines` in `currency`, with `tax_rate` (`0.08` for 8 percent) on the subtotal.
    ///
    /// # Errors
    /// No line, a negative price or rate, mixed currencies, or sums out of range.
    pub fn price(
        lines: Vec<PricedLine>,
        currency: Currency,
        tax_rate: Decimal,
    ) -> Result<Self, PricingError> {
        if lines.is_empty() {
            return Err(PricingError::NoLines);
        }
        if tax_rate < Decimal::ZERO {
            return Err(PricingError::NegativeRate);
        }
        let mut subtotal = Money::zero(currency);
        for line in &lines {
            if line.unit_price.minor() < 0 {
                return Err(PricingError::NegativePrice(line.sku.clone()));
            }
            subtotal = subtotal.checked_add(line.total()?)?;
        }
        let tax = subtotal.at_rate(tax_rate)?;
        let total = subtotal.checked_add(tax)?;
        Ok(Self { lines, subtotal, tax, total })
    }

    /// The lines, in the order in which they were given.
    pub fn lines(&self) -> &[PricedLine] {
        &self.lines
    }

    /// The sum of the lines.
    pub const fn subtotal(&self) -> Money {
        self.subtotal
    }

    /// The tax.
    pub const fn tax(&self) -> Money {
        self.tax
    }

    /// What the customer pays.
    pub const fn total(&self) -> Money {
        self.total
    }
}
