//! Double entry: accounts, entries with a side, and the balance of a set of entries.
//! Never a change of an entry: corrections are new transactions.

use std::collections::BTreeMap;

use crate::words::words;
use crate::{Money, MoneyError};

words! {
    /// Where an entry is booked.
    pub enum Account("account") {
        /// Money that lies at the payment gateway.
        Gateway = "GATEWAY",
        /// Money that was paid in cash.
        Cash = "CASH",
        /// Goods sold.
        Sales = "SALES",
        /// Tax owed.
        Tax = "TAX",
        /// The platform's share.
        PlatformFee = "PLATFORM_FEE",
        /// What processing a payment costs.
        ProcessingFee = "PROCESSING_FEE",
        /// What is owed to the vendor.
        VendorPayable = "VENDOR_PAYABLE",
        /// Money that belongs to a customer and is to go back.
        CustomerCredit = "CUSTOMER_CREDIT",
    }
}

words! {
    /// What a ledger transaction records; each kind exists once for a payment.
    pub enum LedgerKind("kind of ledger transaction") {
        /// A payment that an order keeps.
        Capture = "CAPTURE",
        /// Money of an order going back.
        Refund = "REFUND",
        /// Such a refund that came back.
        RefundReversal = "REFUND_REVERSAL",
        /// A payment that no order keeps.
        StrayCapture = "STRAY_CAPTURE",
        /// Such a payment going back.
        StrayRefund = "STRAY_REFUND",
        /// Such a refund that came back.
        StrayRefundReversal = "STRAY_REFUND_REVERSAL",
    }
}

/// The side of an entry, with its amount, which is above zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What came in.
    Debit(Money),
    /// Where it came from.
    Credit(Money),
}

/// One line of a ledger transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it is booked.
    pub account: Account,
    /// Its side and amount.
    pub side: Side,
}

impl Entry {
    /// A debit of `account`.
    pub const fn debit(account: Account, amount: Money) -> Self {
        Self { account, side: Side::Debit(amount) }
    }

    /// A credit of `account`.
    pub const fn credit(account: Account, amount: Money) -> Self {
        Self { account, side: Side::Credit(amount) }
    }

    /// The entry that undoes this one.
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self.side {
            Side::Debit(amount) => Self::credit(self.account, amount),
            Side::Credit(amount) => Self::debit(self.account, amount),
        }
    }

    /// Whether debits equal credits in each currency, and there is an entry at all.
    ///
    /// # Errors
    /// `OutOfRange` when a sum does not fit.
    pub fn balance(entries: &[Self]) -> Result<bool, MoneyError> {
        let mut sums = BTreeMap::new();
        for entry in entries {
            let (amount, minor) = match entry.side {
                Side::Debit(amount) => (amount, Some(amount.minor())),
                Side::Credit(amount) => (amount, amount.minor().checked_neg()),
            };
            let sum = sums.entry(amount.currency()).or_insert(0_i64);
            *sum = minor.and_then(|m| sum.checked_add(m)).ok_or(MoneyError::OutOfRange)?;
        }
        Ok(!entries.is_empty() && sums.values().all(|sum| *sum == 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Currency::{Inr, Usd};

    #[test]
    fn entries_balance_when_each_currency_does() {
        let inr = Money::from_minor(100, Inr);
        let usd = Money::from_minor(100, Usd);
        let pair = [Entry::debit(Account::Gateway, inr), Entry::credit(Account::Sales, inr)];
        assert_eq!(Entry::balance(&pair), Ok(true), "debit equals credit");
        assert_eq!(Entry::balance(&pair.map(Entry::reversed)), Ok(true), "and when reversed");
        assert_eq!(Entry::balance(&[]), Ok(false), "nothing is no transaction");
        assert_eq!(Entry::balance(&pair[..1]), Ok(false), "one side is missing");
        let mixed = [Entry::debit(Account::Gateway, inr), Entry::credit(Account::Sales, usd)];
        assert_eq!(Entry::balance(&mixed), Ok(false), "currencies do not cancel out");
    }
}
