//! Commerce words: ids, money, prices, statuses and their transition tables. Pure and synchronous.
//! Never reads a clock, makes a random number or does I/O: callers bring ids and times.

mod ids;
mod ledger;
mod money;
mod order_number;
mod policy;
mod pricing;
mod records;
mod refund;
mod refund_policy;
pub mod states;
mod status;
mod words;

pub use ids::{
    GatewayOrderId, GatewayPaymentId, GatewayRefundId, HoldId, InvalidId, LedgerTransactionId,
    MessageId, OrderId, PaymentId, RefundId, Sku, TenantId, UserId,
};
pub use ledger::{Account, Entry, LedgerKind, Side};
pub use money::{Currency, Money, MoneyError};
pub use order_number::OrderNumber;
pub use policy::{Capture, LateMoney, Terms};
pub use pricing::{CartLine, PricedLine, PricedOrder, PricingError, Quantity, QuantityError};
pub use records::{
    Disposition, FindingOutcome, HoldState, PayoutKind, Rank, ReportKind, ReportOutcome, Role,
    WebhookState,
};
pub use refund::{RefundStatus, SMALLEST_PAYMENT_MINOR, SMALLEST_REFUND_MINOR, Sale};
pub use refund_policy::{OutsidePolicy, RefundPolicy, RefundWish};
pub use status::{OrderStatus, PaymentStatus};
pub use words::UnknownWord;
