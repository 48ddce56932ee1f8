//! What of an order a customer may ask back, and until when; the shop decides, an admin may go past it.
//! Never what is left of a payment: that is no policy, and nobody goes past it.

use crate::{Money, MoneyError};

/// A shop's policy for refunds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefundPolicy {
    /// Whether customers may ask at all.
    pub customers_may_ask: bool,
    /// For how many seconds after the payment; 0 is never.
    pub window_secs: i64,
    /// How much of the total in all, in basis points: 10000 is all of it.
    pub basis_points: i64,
}

/// A wish for money back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefundWish {
    /// How much.
    pub amount: Money,
    /// What went back, or is on its way, before.
    pub back: Money,
    /// What was paid.
    pub paid: Money,
    /// How many seconds ago it was paid.
    pub paid_secs_ago: i64,
    /// Whether the one who asks speaks for the shop.
    pub is_shops: bool,
}

/// Why a wish is outside the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutsidePolicy {
    /// Customers do not ask here.
    #[error("this shop makes refunds itself: ask it")]
    NotForCustomers,
    /// Too long ago.
    #[error("the time for refunds is over")]
    TooLate,
    /// Only a part goes back.
    #[error("at most {most} of this order goes back")]
    TooMuch {
        /// How much in all.
        most: Money,
    },
}

impl RefundPolicy {
    /// Whether the policy allows this.
    ///
    /// # Errors
    /// `OutOfRange`, `MixedCurrency`.
    pub fn judge(&self, wish: &RefundWish) -> Result<Result<(), OutsidePolicy>, MoneyError> {
        if !wish.is_shops && !self.customers_may_ask {
            return Ok(Err(OutsidePolicy::NotForCustomers));
        }
        if wish.paid_secs_ago >= self.window_secs {
            return Ok(Err(OutsidePolicy::TooLate));
        }
        let most = wish.paid.checked_mul(self.basis_points)?;
        let most = Money::from_minor(most.minor() / 10_000, most.currency());
        if wish.back.checked_add(wish.amount)?.minor() > most.minor() {
            return Ok(Err(OutsidePolicy::TooMuch { most }));
        }
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Currency::Inr;

    const POLICY: RefundPolicy =
        RefundPolicy { customers_may_ask: true, window_secs: 60, basis_points: 5_000 };

    fn wish(amount: i64, back: i64, paid_secs_ago: i64, is_shops: bool) -> RefundWish {
        let inr = |minor| Money::from_minor(minor, Inr);
        RefundWish { amount: inr(amount), back: inr(back), paid: inr(101), paid_secs_ago, is_shops }
    }

    #[test]
    fn a_policy_limits_who_when_and_how_much() {
        let judge = |policy: RefundPolicy, wish| policy.judge(&wish).expect("small amounts");
        assert_eq!(judge(POLICY, wish(50, 0, 59, false)), Ok(()));
        assert_eq!(judge(POLICY, wish(1, 0, 60, true)), Err(OutsidePolicy::TooLate));
        let half = Err(OutsidePolicy::TooMuch { most: Money::from_minor(50, Inr) });
        assert_eq!(judge(POLICY, wish(51, 0, 0, true)), half, "half of 101, rounded down");
        assert_eq!(judge(POLICY, wish(30, 30, 0, false)), half, "what went back before counts");
        let shops = RefundPolicy { customers_may_ask: false, ..POLICY };
        assert_eq!(judge(shops, wish(1, 0, 0, false)), Err(OutsidePolicy::NotForCustomers));
        assert_eq!(judge(shops, wish(1, 0, 0, true)), Ok(()), "the shop itself may");
        let never = RefundPolicy { window_secs: 0, ..POLICY };
        assert_eq!(judge(never, wish(1, 0, 0, false)), Err(OutsidePolicy::TooLate));
    }
}
