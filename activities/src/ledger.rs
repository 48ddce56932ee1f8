//! What is posted for which movement of money. The balance is the store's and the database's rule.

use domain::{
    Account, Entry, GatewayPaymentId, LedgerKind, LedgerTransactionId, Money, MoneyError, RefundId,
};
use store::ledger::{Posting, Subject};
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
    posting(order, LedgerKind::Capture, payment.as_str(), entries)
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
    post(tx, order, LedgerKind::StrayCapture, payment.as_str(), &entries).await
}

/// Stray money that goes back.
pub(crate) async fn post_stray_refund(
    tx: &mut Conn,
    order: &PlacedOrder,
    refund: RefundId,
    amount: Money,
) -> Result<bool, store::Error> {
    let entries =
        [Entry::debit(Account::CustomerCredit, amount), Entry::credit(Account::Gateway, amount)];
    post(tx, order, LedgerKind::StrayRefund, &refund.to_string(), &entries).await
}

async fn post(
    tx: &mut Conn,
    order: &PlacedOrder,
    kind: LedgerKind,
    payment_ref: &str,
    entries: &[Entry],
) -> Result<bool, store::Error> {
    ledger::post(tx, &posting(order, kind, payment_ref, entries)).await
}

fn posting<'a>(
    order: &'a PlacedOrder,
    kind: LedgerKind,
    payment_ref: &'a str,
    entries: &'a [Entry],
) -> Posting<'a> {
    Posting {
        ledger_transaction_id: LedgerTransactionId::from(Uuid::now_v7()),
        tenant_id: &order.tenant_id,
        subject: Subject::Order(order.order_id),
        kind,
        payment_ref,
        entries,
    }
}
