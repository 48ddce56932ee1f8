//! What is posted for which movement of money. The balance is the store's and the database's rule.

use domain::{
    Account, Entry, GatewayPaymentId, LedgerKind, LedgerTransactionId, Money, MoneyError, OrderId,
    RefundId, Sale, Side, TenantId,
};
use makegood::{ActivityError, ActivityResult};
use store::ledger::{Posted, Posting, Subject};
use store::orders::Order;
use store::{Conn, ledger};
use uuid::Uuid;

use crate::orders::PlacedOrder;

/// Money that pays an order: the gateway owes us the total; sales and tax earn it.
pub(crate) fn sale(order: &PlacedOrder) -> Result<Vec<Entry>, MoneyError> {
    let net = order.total.checked_sub(order.tax)?;
    let mut entries =
        vec![Entry::debit(Account::Gateway, order.total), Entry::credit(Account::Sales, net)];
    if order.tax.minor() > 0 {
        entries.push(Entry::credit(Account::Tax, order.tax));
    }
    Ok(entries)
}

/// A sale as the ledger takes it; the gateway's payment is its reference.
pub(crate) fn capture<'a>(
    order: &'a PlacedOrder,
    payment: &'a GatewayPaymentId,
    entries: &'a [Entry],
) -> Posting<'a> {
    let of = Of { tenant_id: &order.tenant_id, order_id: order.order_id };
    posting(of, LedgerKind::Capture, payment.as_str(), entries)
}

/// Money that pays nothing: the gateway owes us what we owe the customer.
pub(crate) async fn post_stray_capture(
    tx: &mut Conn,
    order: &PlacedOrder,
    payment: &GatewayPaymentId,
    amount: Money,
) -> Result<bool, store::Error> {
    let entries =
        [Entry::debit(Account::Gateway, amount), Entry::credit(Account::CustomerCredit, amount)];
    let of = Of { tenant_id: &order.tenant_id, order_id: order.order_id };
    post(tx, of, LedgerKind::StrayCapture, payment.as_str(), &entries).await
}

/// Stray money that goes back.
pub(crate) async fn post_stray_refund(
    tx: &mut Conn,
    of: Of<'_>,
    refund: RefundId,
    amount: Money,
) -> Result<bool, store::Error> {
    let entries =
        [Entry::debit(Account::CustomerCredit, amount), Entry::credit(Account::Gateway, amount)];
    post(tx, of, LedgerKind::StrayRefund, &refund.to_string(), &entries).await
}

/// Money of a sale that goes back: less sold, less tax owed, less to come from the gateway.
///
/// The order must be locked: what is tax depends on what went back before.
pub(crate) async fn post_refund(
    tx: &mut Conn,
    order: &Order,
    refund: RefundId,
    amount: Money,
) -> ActivityResult<bool> {
    let before = ledger::by_order(tx, order.order_id).await?;
    let sold = Sale { total: order.total, tax: order.tax };
    let tax = sold.tax_of_refund(went_back(&before, order.total)?, amount)?;
    let net = amount.checked_sub(tax)?;
    let debits = [(Account::Sales, net), (Account::Tax, tax)];
    let debits = debits.into_iter().filter(|(_, part)| part.minor() > 0);
    let mut entries: Vec<Entry> =
        debits.map(|(account, part)| Entry::debit(account, part)).collect();
    entries.push(Entry::credit(Account::Gateway, amount));
    Ok(post(tx, Of::order(order), LedgerKind::Refund, &refund.to_string(), &entries).await?)
}

/// A refund that came back: its own entries with their sides changed.
pub(crate) async fn reverse_refund(
    tx: &mut Conn,
    of: Of<'_>,
    refund: RefundId,
) -> ActivityResult<bool> {
    let reference = refund.to_string();
    let posted = ledger::by_order(tx, of.order_id).await?;
    let refunds = posted.iter().filter(|posted| posted.payment_ref == reference);
    let mut kind = None;
    let mut entries = Vec::new();
    for Posted { kind: found, entry, .. } in refunds {
        let back = match found {
            LedgerKind::Refund => LedgerKind::RefundReversal,
            LedgerKind::StrayRefund => LedgerKind::StrayRefundReversal,
            LedgerKind::RefundReversal | LedgerKind::StrayRefundReversal => return Ok(false),
            LedgerKind::Capture | LedgerKind::StrayCapture => continue,
        };
        kind = Some(back);
        entries.push(entry.reversed());
    }
    let Some(kind) = kind else {
        return Err(ActivityError::review(
            "ledger",
            format!("refund {refund} is not in the ledger"),
        ));
    };
    Ok(post(tx, of, kind, &reference, &entries).await?)
}

/// What of a sale has gone back, refunds that came back aside.
fn went_back(posted: &[Posted], total: Money) -> Result<Sale, MoneyError> {
    let nothing = Money::zero(total.currency());
    // Credits less debits.
    let refunded = |account: Account| {
        let is_refund = |posted: &&Posted| {
            matches!(posted.kind, LedgerKind::Refund | LedgerKind::RefundReversal)
                && posted.entry.account == account
        };
        posted.iter().filter(is_refund).try_fold(nothing, |sum, posted| match posted.entry.side {
            Side::Debit(part) => sum.checked_sub(part),
            Side::Credit(part) => sum.checked_add(part),
        })
    };
    let tax = nothing.checked_sub(refunded(Account::Tax)?)?;
    Ok(Sale { total: refunded(Account::Gateway)?, tax })
}

/// Whose books.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of<'a> {
    pub(crate) tenant_id: &'a TenantId,
    pub(crate) order_id: OrderId,
}

impl<'a> Of<'a> {
    pub(crate) fn order(order: &'a Order) -> Self {
        Self { tenant_id: &order.tenant_id, order_id: order.order_id }
    }
}

async fn post(
    tx: &mut Conn,
    of: Of<'_>,
    kind: LedgerKind,
    payment_ref: &str,
    entries: &[Entry],
) -> Result<bool, store::Error> {
    ledger::post(tx, &posting(of, kind, payment_ref, entries)).await
}

fn posting<'a>(
    of: Of<'a>,
    kind: LedgerKind,
    payment_ref: &'a str,
    entries: &'a [Entry],
) -> Posting<'a> {
    Posting {
        ledger_transaction_id: LedgerTransactionId::from(Uuid::now_v7()),
        tenant_id: of.tenant_id,
        subject: Subject::Order(of.order_id),
        kind,
        payment_ref,
        entries,
    }
}
