//! Whether the shop still stands by everything that it told its customers: their own diary against
//! the tables. It asks nobody else.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use domain::{OrderId, OrderStatus, PaymentId, RefundId};
use serde::Serialize;
use serde_json::Value;
use store::{Conn, orders, payments, refunds};

use crate::demo::diary::Entry;

/// What came of it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Acknowledged {
    /// Answers that the shop stands by.
    pub(crate) answers: u64,
    /// Orders among them, each counted once.
    pub(crate) orders: usize,
    /// Payments that were opened.
    pub(crate) payments: usize,
    /// Refunds that were promised.
    pub(crate) refunds: usize,
    /// What a customer was told and the tables do not say, in words.
    pub(crate) lost: Vec<String>,
}

/// What the answers told, before it is looked up.
#[derive(Debug, Default)]
struct Told<'a> {
    /// Each order with its total and every attempt and status that was told.
    orders: BTreeMap<&'a str, ToldOrder<'a>>,
    /// Each payment with the gateway's order and the amount.
    payments: BTreeMap<&'a str, (&'a str, i64)>,
    /// Each refund with its order and amount.
    refunds: BTreeMap<&'a str, (&'a str, &'a Value)>,
    /// What each intention was answered.
    keys: BTreeMap<(&'a str, &'a str), &'a str>,
    contradictions: Vec<String>,
}

#[derive(Debug, Default)]
struct ToldOrder<'a> {
    total: Option<&'a Value>,
    attempt: i64,
    statuses: BTreeSet<&'a str>,
}

/// Looks everything up that the diary says.
pub(crate) async fn check(conn: &mut Conn, diary: &[Entry]) -> anyhow::Result<Acknowledged> {
    let told = Told::of(diary);
    let mut lost = told.contradictions;
    for (id, order) in &told.orders {
        lost.extend(lost_order(conn, id, order).await?);
    }
    for (id, (gateway_order, minor)) in &told.payments {
        let payment_id: PaymentId = id.parse()?;
        let found = missing_is_none(payments::get(conn, payment_id).await)?;
        let is_kept = found.is_some_and(|payment| {
            payment.gateway_order_id.as_str() == *gateway_order && payment.amount.minor() == *minor
        });
        if !is_kept {
            lost.push(format!("payment {id} over {minor} for {gateway_order}, as it was opened"));
        }
    }
    for (id, (order, amount)) in &told.refunds {
        let (refund_id, order_id): (RefundId, OrderId) = (id.parse()?, order.parse()?);
        let found = refunds::by_order(conn, order_id).await?;
        let found = found.into_iter().find(|refund| refund.refund_id == refund_id);
        let amount_kept = found.map(|refund| serde_json::to_value(refund.amount)).transpose()?;
        if amount_kept.as_ref() != Some(*amount) {
            lost.push(format!("refund {id} of {amount} for order {order}, as it was promised"));
        }
    }
    Ok(Acknowledged {
        answers: u64::try_from(diary.len())?,
        orders: told.orders.len(),
        payments: told.payments.len(),
        refunds: told.refunds.len(),
        lost,
    })
}

async fn lost_order(
    conn: &mut Conn,
    id: &str,
    told: &ToldOrder<'_>,
) -> anyhow::Result<Vec<String>> {
    let order_id: OrderId = id.parse()?;
    let Some(order) = missing_is_none(orders::get(conn, order_id).await)? else {
        return Ok(vec![format!("order {id}, which was acknowledged")]);
    };
    let mut lost = Vec::new();
    let total = serde_json::to_value(order.total)?;
    if told.total.is_some_and(|told| *told != total) {
        lost.push(format!("order {id}: its total was told otherwise than {total}"));
    }
    if order.attempt < told.attempt {
        lost.push(format!("order {id}: attempt {} of it, as was told", told.attempt));
    }
    for status in &told.statuses {
        let status: OrderStatus = status.parse().context("the diary names a status")?;
        if !may_lead_to(status, order.status) {
            lost.push(format!("order {id}: that it was {status}; it is {}", order.status));
        }
    }
    Ok(lost)
}

fn missing_is_none<T>(found: Result<T, store::Error>) -> anyhow::Result<Option<T>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(store::Error::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether an order that was so may be so at the end. Here nothing is shipped, so that whatever was
/// paid is paid, or refunded.
fn may_lead_to(from: OrderStatus, to: OrderStatus) -> bool {
    let settled = [OrderStatus::Paid, OrderStatus::Refunded];
    if settled.contains(&from) {
        return settled.contains(&to);
    }
    let mut seen = vec![from];
    let mut next = 0;
    while let Some(status) = seen.get(next).copied() {
        if status == to {
            return true;
        }
        seen.extend(status.next().iter().filter(|after| !seen.contains(after)).collect::<Vec<_>>());
        next = next.saturating_add(1);
    }
    false
}

impl<'a> Told<'a> {
    fn of(diary: &'a [Entry]) -> Self {
        let mut told = Self::default();
        for entry in diary {
            told.take(entry);
        }
        told
    }

    fn take(&mut self, entry: &'a Entry) {
        let Entry { path, key, told, .. } = entry;
        let text = |pointer| told.pointer(pointer).and_then(Value::as_str);
        let order = text("/order/order_id").or_else(|| text("/order_id"));
        // A stream of an order names it in its path alone.
        let order = order.or_else(|| path.strip_prefix("/api/v1/orders/")?.split('/').next());
        let refund = text("/refund/refund_id");
        if let (Some(refund), Some(order)) = (refund, text("/refund/order_id"))
            && let Some(amount) = told.pointer("/refund/amount")
        {
            self.refunds.insert(refund, (order, amount));
        }
        if let (Some(payment), Some(gateway)) = (text("/payment_id"), text("/gateway_order_id"))
            && let Some(minor) = told.pointer("/amount_minor").and_then(Value::as_i64)
        {
            self.payments.insert(payment, (gateway, minor));
        }
        if let Some(order) = order {
            let known = self.orders.entry(order).or_default();
            let status = ["/order/status", "/order_status", "/status"].into_iter().find_map(text);
            known.statuses.extend(status);
            known.total = told.pointer("/order/total").or(known.total);
            let attempt = told.pointer("/order/attempt").and_then(Value::as_i64);
            known.attempt = known.attempt.max(attempt.unwrap_or_default());
        }
        if let (Some(key), Some(made)) = (key, refund.or(order)) {
            let before = *self.keys.entry((path, key)).or_insert(made);
            if before != made {
                self.contradictions.push(format!("{key} was answered {before}, then {made}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(path: &str, key: Option<&str>, told: Value) -> Entry {
        let (path, key) = (path.to_owned(), key.map(str::to_owned));
        Entry { at_ms: 0, path, key, status: 200, told }
    }

    #[test]
    fn whatever_an_answer_names_is_looked_for() {
        let order =
            json!({"order": {"order_id": "o", "total": 5, "attempt": 2, "status": "PENDING"}});
        let refund = json!({"refund": {"refund_id": "r", "order_id": "o", "amount": 3}});
        let opened = json!({"payment_id": "p", "gateway_order_id": "g", "amount_minor": 5});
        let diary = [
            entry("/api/v1/orders", Some("key"), order),
            entry("/api/v1/payments/create-session", None, opened),
            entry(
                "/api/v1/payments/verify",
                None,
                json!({"order_id": "o", "order_status": "PAID"}),
            ),
            entry("/api/v1/orders/o/refunds", Some("other"), refund),
            entry("/api/v1/orders/o/stream", None, json!({"status": "REFUNDED"})),
        ];
        let told = Told::of(&diary);
        let known = told.orders.get("o").expect("the order");
        assert_eq!((known.total, known.attempt), (Some(&json!(5)), 2));
        assert_eq!(known.statuses, BTreeSet::from(["PENDING", "PAID", "REFUNDED"]));
        assert_eq!(told.payments.get("p"), Some(&("g", 5)));
        assert_eq!(told.refunds.get("r"), Some(&("o", &json!(3))));
        assert_eq!(told.contradictions, Vec::<String>::new());
    }

    #[test]
    fn one_intention_with_two_results_is_a_contradiction() {
        let order = |id| json!({"order": {"order_id": id}});
        let diary = [
            entry("/api/v1/orders", Some("key"), order("one")),
            entry("/api/v1/orders", Some("key"), order("two")),
        ];
        assert_eq!(Told::of(&diary).contradictions.len(), 1);
    }

    #[test]
    fn what_was_told_may_go_on_and_never_back() {
        use OrderStatus::{Cancelled, Expired, Paid, Pending, Refunded, Reserved};
        assert!(may_lead_to(Paid, Paid) && may_lead_to(Pending, Refunded));
        assert!(may_lead_to(Expired, Paid), "late money tries again");
        assert!(!may_lead_to(Paid, Expired) && !may_lead_to(Cancelled, Paid));
        assert!(!may_lead_to(Paid, Reserved), "nothing takes a payment back silently");
    }
}
