//! The statuses of orders and payments, and which may follow which.
//! Never more than the table says: the database refuses the same pairs.

use crate::words::words;

words! {
    /// Where an order stands.
    pub enum OrderStatus("order status") {
        /// Accepted; the checkout runs, nothing is promised yet.
        Pending = "PENDING",
        /// All holds are taken; the payment is awaited until a deadline.
        Reserved = "RESERVED",
        /// Money captured, holds finalised, ledger written.
        Paid = "PAID",
        /// The seller has committed.
        Confirmed = "CONFIRMED",
        /// Prepared for pick-up.
        Ready = "READY",
        /// On the way.
        Shipped = "SHIPPED",
        /// Brought to the customer.
        Delivered = "DELIVERED",
        /// Fulfilled.
        Completed = "COMPLETED",
        /// Payment, capacity or delivery failed; the reason is stored.
        Failed = "FAILED",
        /// Called off.
        Cancelled = "CANCELLED",
        /// Nobody paid in time.
        Expired = "EXPIRED",
        /// The money went back.
        Refunded = "REFUNDED",
    }
}

impl OrderStatus {
    /// Whether this status may directly become `other`.
    pub fn may_become(self, other: Self) -> bool {
        self.next().contains(&other)
    }

    /// Whether nothing may follow this status.
    pub const fn is_final(self) -> bool {
        self.next().is_empty()
    }

    /// The statuses that may directly follow this one.
    ///
    /// `Confirmed` to `Paid` is for payment after confirmation. Back to `Pending` goes a failed order
    /// that its customer tries again, and a failed or expired one for which money came late.
    /// `Refunded` goes back to what was before when the refund comes back.
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::Reserved, Self::Failed, Self::Cancelled],
            Self::Reserved => {
                &[Self::Paid, Self::Confirmed, Self::Failed, Self::Expired, Self::Cancelled]
            }
            Self::Paid => &[Self::Confirmed, Self::Shipped, Self::Cancelled, Self::Refunded],
            Self::Confirmed => &[
                Self::Shipped,
                Self::Ready,
                Self::Completed,
                Self::Cancelled,
                Self::Refunded,
                Self::Paid,
            ],
            Self::Ready => &[Self::Completed, Self::Cancelled],
            Self::Shipped => &[Self::Delivered, Self::Failed],
            Self::Failed => &[Self::Pending, Self::Refunded],
            Self::Refunded => &[Self::Paid, Self::Confirmed, Self::Failed],
            Self::Expired => &[Self::Pending],
            Self::Delivered | Self::Completed | Self::Cancelled => &[],
        }
    }
}

words! {
    /// Where a payment stands.
    pub enum PaymentStatus("payment status") {
        /// Asked for at the gateway, not yet paid.
        Pending = "PENDING",
        /// To be paid in cash on delivery.
        CodDue = "COD_DUE",
        /// Paid.
        Success = "SUCCESS",
        /// Not paid, and no longer awaited.
        Failed = "FAILED",
        /// Part of the money went back.
        PartiallyRefunded = "PARTIALLY_REFUNDED",
        /// All of the money went back.
        Refunded = "REFUNDED",
    }
}

impl PaymentStatus {
    /// Whether this status may directly become `other`.
    pub fn may_become(self, other: Self) -> bool {
        self.next().contains(&other)
    }

    /// Whether nothing may follow this status.
    pub const fn is_final(self) -> bool {
        self.next().is_empty()
    }

    /// The statuses that may directly follow this one. A refund that comes back leads from the
    /// refunded ones back to where the payment was.
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Pending | Self::CodDue => &[Self::Success, Self::Failed],
            Self::Success => &[Self::PartiallyRefunded, Self::Refunded],
            Self::PartiallyRefunded => &[Self::Refunded, Self::Success],
            Self::Refunded => &[Self::PartiallyRefunded, Self::Success],
            Self::Failed => &[],
        }
    }

    /// Whether money came in under this payment, given back or not.
    pub const fn was_paid(self) -> bool {
        match self {
            Self::Success | Self::PartiallyRefunded | Self::Refunded => true,
            Self::Pending | Self::CodDue | Self::Failed => false,
        }
    }
}
