//! The gateway's books against ours, payment by payment, and how each checkout ended.
//! It reads committed tables, never what a customer was told.

use std::collections::BTreeMap;

use domain::{Disposition, OrderStatus};
use serde::Deserialize;
use sqlx::PgPool;
use store::{captures::Capture, orders::Order};

use super::{
    journey::Journey,
    scenario::{End, Scenario},
};

/// What the gateway itself knows: the ground truth about money.
#[derive(Debug, Deserialize)]
pub(crate) struct GatewayBooks {
    payments: Vec<GatewayPayment>,
    webhooks: Vec<Delivery>,
}

#[derive(Debug, Deserialize)]
struct GatewayPayment {
    id: String,
    order_id: String,
    amount: i64,
    amount_refunded: i64,
    status: String,
}

#[derive(Debug, Deserialize)]
struct Delivery {
    outcome: String,
}

impl GatewayBooks {
    /// Whether some webhook has not reached its fate.
    pub(crate) fn has_webhooks_under_way(&self) -> bool {
        self.webhooks.iter().any(|webhook| webhook.outcome == "pending")
    }
}

/// What came of the comparison.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// How many checkouts of each scenario ended in each way.
    pub(crate) ends: BTreeMap<Scenario, BTreeMap<End, u64>>,
    /// What must not be, in words.
    pub(crate) wrong: Vec<String>,
    /// Captured payments at the gateway.
    pub(crate) captured: u64,
    /// Money that was kept, by the gateway's books, in the smallest unit.
    pub(crate) kept_minor: i64,
    /// Money that was returned, by the gateway's books, in the smallest unit.
    pub(crate) returned_minor: i64,
}

/// Compares every order of the crowd with the gateway's books.
pub(crate) async fn compare(
    pool: &PgPool,
    books: &GatewayBooks,
    journeys: &[Journey],
) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let mut ours = BTreeMap::new();
    let mut conn = pool.acquire().await?;
    for journey in journeys {
        let Some(order_id) = journey.order_id else { continue };
        let order = store::orders::get(&mut conn, order_id).await?;
        let captures = store::captures::by_order(&mut conn, order_id).await?;
        let end = end_of(&order, &captures);
        verdict.judge(journey, &order, end);
        ours.extend(captures.into_iter().map(|c| (c.gateway_payment_id.to_string(), c)));
    }
    verdict.audit_money(books, ours);
    Ok(verdict)
}

impl Verdict {
    fn judge(&mut self, journey: &Journey, order: &Order, end: End) {
        let count = self.ends.entry(journey.scenario).or_default().entry(end).or_default();
        *count = count.saturating_add(1);
        if !journey.scenario.allowed(journey.deeds).contains(&end) {
            let reason = order.reason_code.as_deref().unwrap_or("no reason");
            self.wrong.push(format!(
                "checkout {} ({}; {:?}) ended {end}: order {} is {} ({reason})",
                journey.index, journey.scenario, journey.deeds, order.order_id, order.status,
            ));
        }
    }

    /// Every captured payment at the gateway is kept for its order or returned in our books too,
    /// and ours know no other.
    fn audit_money(&mut self, books: &GatewayBooks, mut ours: BTreeMap<String, Capture>) {
        let mut our_kept = 0_i64;
        for payment in &books.payments {
            let disposition = match payment.status.as_str() {
                "captured" => Disposition::Fulfilled,
                "refunded" => Disposition::Refunded,
                _ => continue,
            };
            self.captured = self.captured.saturating_add(1);
            self.returned_minor = self.returned_minor.saturating_add(payment.amount_refunded);
            let kept = payment.amount.saturating_sub(payment.amount_refunded);
            self.kept_minor = self.kept_minor.saturating_add(kept);
            let Some(capture) = ours.remove(&payment.id) else {
                self.wrong.push(format!("{} is captured; our books do not know it", payment.id));
                continue;
            };
            if capture.disposition == Disposition::Fulfilled {
                our_kept = our_kept.saturating_add(capture.amount.minor());
            }
            let agrees = capture.disposition == disposition
                && capture.amount.minor() == payment.amount
                && capture.gateway_order_id.as_str() == payment.order_id;
            if !agrees {
                self.wrong.push(format!(
                    "{} is {} over {} at the gateway, {} over {} in our books",
                    payment.id,
                    payment.status,
                    payment.amount,
                    capture.disposition,
                    capture.amount.minor(),
                ));
            }
        }
        for (id, capture) in ours {
            let disposition = capture.disposition;
            self.wrong.push(format!("{id} is {disposition}; the gateway has no such capture"));
        }
        if our_kept != self.kept_minor {
            self.wrong.push(format!(
                "the gateway kept {} for us, our books say {our_kept}",
                self.kept_minor
            ));
        }
    }
}

fn end_of(order: &Order, captures: &[Capture]) -> End {
    let are = |wanted| captures.iter().all(|capture| capture.disposition == wanted);
    let returned = are(Disposition::Refunded);
    let money = !captures.is_empty();
    match (order.status, order.reason_code.as_deref()) {
        (OrderStatus::Paid, _) if captures.len() == 1 && are(Disposition::Fulfilled) => End::Paid,
        (OrderStatus::Failed, Some("OUT_OF_STOCK")) if !money => End::OutOfStock,
        (OrderStatus::Failed, Some("OUT_OF_STOCK")) if returned => End::OutOfStockRefunded,
        (OrderStatus::Failed, Some("PAYMENT_FAILED")) if !money => End::Declined,
        (OrderStatus::Failed, Some("PAYMENT_FAILED")) if returned => End::DeclinedRefunded,
        (OrderStatus::Expired, _) if !money => End::Expired,
        (OrderStatus::Expired, _) if returned => End::ExpiredRefunded,
        (OrderStatus::Cancelled, _) if !money => End::Cancelled,
        (OrderStatus::Cancelled, _) if returned => End::CancelledRefunded,
        _ => End::Wrong,
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use domain::{Currency, Money};
    use serde_json::{Value, json};

    use super::*;

    fn books(payments: &Value) -> GatewayBooks {
        serde_json::from_value(json!({"payments": payments, "webhooks": []})).expect("books")
    }

    fn payment(id: &str, status: &str, amount_refunded: i64) -> Value {
        json!({"id": id, "order_id": "order_1", "amount": 500, "status": status,
            "amount_refunded": amount_refunded})
    }

    fn ours(id: &str, disposition: Disposition, minor: i64) -> BTreeMap<String, Capture> {
        let capture = Capture {
            gateway_payment_id: id.parse().expect("an id"),
            gateway_order_id: "order_1".parse().expect("an id"),
            order_id: None,
            amount: Money::from_minor(minor, Currency::Inr),
            disposition,
            refund_id: None,
            at: Utc::now(),
        };
        [(id.to_owned(), capture)].into()
    }

    fn faults(payments: &Value, ours: BTreeMap<String, Capture>) -> usize {
        let mut verdict = Verdict::default();
        verdict.audit_money(&books(payments), ours);
        verdict.wrong.len()
    }

    #[test]
    fn books_that_agree_are_right() {
        use Disposition::{Fulfilled, Refunded};
        let kept = json!([payment("pay_1", "captured", 0), payment("pay_2", "failed", 0)]);
        assert_eq!(faults(&kept, ours("pay_1", Fulfilled, 500)), 0, "kept on both sides");
        let returned = json!([payment("pay_1", "refunded", 500)]);
        assert_eq!(faults(&returned, ours("pay_1", Refunded, 500)), 0, "returned on both sides");
    }

    #[test]
    fn money_that_only_one_side_knows_is_found() {
        use Disposition::{Fulfilled, Open, Refunded};
        let kept = json!([payment("pay_1", "captured", 0)]);
        assert_ne!(faults(&kept, BTreeMap::new()), 0, "captured, and we do not know it");
        assert_ne!(faults(&json!([]), ours("pay_1", Fulfilled, 500)), 0, "fulfilled for nothing");
        assert_ne!(faults(&kept, ours("pay_1", Refunded, 500)), 0, "returned in our books only");
        assert_ne!(faults(&kept, ours("pay_1", Open, 500)), 0, "captured, and nobody decided");
        assert_ne!(faults(&kept, ours("pay_1", Fulfilled, 499)), 0, "another amount");
        let failed = json!([payment("pay_1", "failed", 0)]);
        assert_ne!(faults(&failed, ours("pay_1", Fulfilled, 500)), 0, "fulfilled, never captured");
    }
}
