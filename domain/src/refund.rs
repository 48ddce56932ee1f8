//! Refunds: where one stands, and which part of it is tax.
//! Never a paisa more or less than the sale: the last part of a refund takes the remainder.

use rust_decimal::Decimal;

use crate::words::words;
use crate::{Money, MoneyError};

words! {
    /// Where a refund stands.
    pub enum RefundStatus("refund status") {
        /// Asked for, not yet confirmed by the gateway.
        Pending = "PENDING",
        /// The gateway sent the money back.
        Processed = "PROCESSED",
        /// The gateway refused it, or the customer's bank sent the money back to us.
        Failed = "FAILED",
    }
}

/// The gateway gives no less than this back at a time, in minor units (INR 1.00).
pub const SMALLEST_REFUND_MINOR: i64 = 100;

/// The least that the gateway takes, in the smallest unit.
pub const SMALLEST_PAYMENT_MINOR: i64 = 100;

impl RefundStatus {
    /// Whether this status may directly become `other`.
    pub fn may_become(self, other: Self) -> bool {
        self.next().contains(&other)
    }

    /// Whether this status may come some time after `other`.
    pub fn may_follow(self, other: Self) -> bool {
        other.next().iter().any(|next| *next == self || self.may_follow(*next))
    }

    /// The statuses that may directly follow this one: a bank may refuse what had been sent.
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::Processed, Self::Failed],
            Self::Processed => &[Self::Failed],
            Self::Failed => &[],
        }
    }
}

/// An amount with the tax in it: what was sold, or what of it went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sale {
    /// The whole amount.
    pub total: Money,
    /// The tax in it.
    pub tax: Money,
}

impl Sale {
    /// The tax in a refund of `amount`, when `back` of this sale went back before.
    ///
    /// It is the share of the tax that has gone back with it, rounded, less what went back before:
    /// so the parts of a whole refund add up to the sale, whatever their number.
    ///
    /// # Errors
    /// `MixedCurrency`, or `OutOfRange` when more goes back than is left.
    pub fn tax_of_refund(self, back: Self, amount: Money) -> Result<Money, MoneyError> {
        let currency = self.total.currency();
        let left = self.total.checked_sub(back.total)?.checked_sub(amount)?;
        let tax_left = self.tax.checked_sub(back.tax)?;
        if left.minor() < 0 || tax_left.minor() < 0 || self.total.minor() <= 0 {
            return Err(MoneyError::OutOfRange);
        }
        let net_left = self.total.checked_sub(back.total)?.checked_sub(tax_left)?;
        let gone = back.total.checked_add(amount)?.to_decimal();
        let share = gone
            .checked_mul(self.tax.to_decimal())
            .and_then(|product| product.checked_div(self.total.to_decimal()))
            .unwrap_or(Decimal::ZERO);
        let share = Money::rounded(share, currency)?.checked_sub(back.tax)?;
        // Refunds that came back leave an odd paisa here or there: never below or above what is left.
        let least = amount.minor().saturating_sub(net_left.minor()).max(0);
        let most = amount.minor().min(tax_left.minor());
        Ok(Money::from_minor(share.minor().max(least).min(most), currency))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Currency::Inr;

    fn sale(total: i64, tax: i64) -> Sale {
        Sale { total: Money::from_minor(total, Inr), tax: Money::from_minor(tax, Inr) }
    }

    #[test]
    fn three_thirds_of_a_sale_are_the_sale() {
        let sold = sale(100, 10);
        let mut back = sale(0, 0);
        let mut taxes = Vec::new();
        for amount in [33, 33, 34] {
            let amount = Money::from_minor(amount, Inr);
            let tax = sold.tax_of_refund(back, amount).expect("it fits");
            taxes.push(tax.minor());
            back.total = back.total.checked_add(amount).expect("small");
            back.tax = back.tax.checked_add(tax).expect("small");
        }
        assert_eq!(taxes, [3, 4, 3], "each is within a paisa of a third");
        assert_eq!(back, sold, "nothing is left, and nothing too much went back");
    }

    #[test]
    fn more_than_is_left_does_not_go_back() {
        let refused = sale(100, 10).tax_of_refund(sale(60, 6), Money::from_minor(41, Inr));
        assert_eq!(refused, Err(MoneyError::OutOfRange));
    }

    proptest! {
        #[test]
        fn whatever_goes_back_and_comes_back_the_whole_is_the_sale(
            net in 0_i64..100_000,
            tax in 0_i64..10_000,
            steps in prop::collection::vec((1_i64..60_000, any::<bool>()), 0..12),
        ) {
            let sold = sale(net + tax, tax);
            prop_assume!(net + tax > 0);
            let mut made: Vec<(i64, i64)> = Vec::new();
            let sums = |made: &[(i64, i64)]| {
                made.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
            };
            let refund = |made: &[(i64, i64)], amount: i64| {
                let (total, tax) = sums(made);
                sold.tax_of_refund(sale(total, tax), Money::from_minor(amount, Inr))
            };
            for (amount, comes_back) in steps {
                let left = sold.total.minor() - sums(&made).0;
                let amount = amount.min(left);
                if amount == 0 {
                    break;
                }
                let part = refund(&made, amount).expect("it fits").minor();
                prop_assert!((0..=amount).contains(&part), "{part} of {amount} is tax");
                made.push((amount, part));
                if comes_back {
                    made.remove(made.len() / 2);
                }
            }
            let left = sold.total.minor() - sums(&made).0;
            if left > 0 {
                let part = refund(&made, left).expect("it fits").minor();
                made.push((left, part));
            }
            prop_assert_eq!(sums(&made), (net + tax, tax), "the whole is the sale");
        }
    }
}
