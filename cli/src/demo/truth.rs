//! The gateway's books against ours, payment by payment and refund by refund, and how each checkout
//! ended. It reads committed tables, never what a customer was told.

use std::collections::BTreeMap;

use anyhow::Context;
use domain::{Account, Disposition, OrderStatus, RefundStatus, Terms};
use sqlx::PgPool;
use store::{
    Conn,
    captures::{self, Capture},
    ledger, orders,
    orders::Order,
    payments,
    refunds::{self, Refund},
};
use workflows::PlacedOrder;

use super::{
    ends::{Back, End, allowed},
    gateway_books::GatewayBooks,
    journey::Journey,
    scenario::Scenario,
};

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
    /// What of that went back because somebody wanted it back from a paid order.
    pub(crate) asked_back_minor: i64,
    /// Refunds that failed, or that a bank sent to the shop again.
    pub(crate) refunds_failed: u64,
}

/// Everything that our books say about money at the gateway.
#[derive(Debug, Default)]
struct Ours {
    captures: BTreeMap<String, Capture>,
    refunds: BTreeMap<String, Refund>,
    /// What the gateway owes us, by the ledger.
    owed_minor: i64,
}

/// An order and what became of its money.
struct Outcome {
    order: Order,
    captures: Vec<Capture>,
    /// What went back of the payment that the order keeps, or kept.
    back_minor: i64,
    terms: Terms,
}

/// Compares every order of the crowd with the gateway's books.
pub(crate) async fn compare(
    pool: &PgPool,
    books: &GatewayBooks,
    journeys: &[Journey],
) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let mut ours = Ours::default();
    let mut conn = pool.acquire().await?;
    for journey in journeys {
        let Some(order_id) = journey.order_id else { continue };
        let order = orders::get(&mut conn, order_id).await?;
        let refunds = refunds::by_order(&mut conn, order_id).await?;
        let outcome = outcome(&mut conn, order, &refunds).await?;
        verdict.judge(journey, &outcome);
        ours.captures.extend(
            outcome.captures.into_iter().map(|one| (one.gateway_payment_id.to_string(), one)),
        );
        ours.refunds.extend(
            refunds
                .into_iter()
                .filter_map(|one| Some((one.gateway_refund_id.clone()?.to_string(), one))),
        );
    }
    let balances = ledger::trial_balance(&mut conn).await?;
    let owed = balances.iter().filter(|balance| balance.account == Account::Gateway);
    let owed = owed.map(|balance| balance.debit.minor().saturating_sub(balance.credit.minor()));
    ours.owed_minor = owed.sum();
    verdict.audit_money(books, ours);
    Ok(verdict)
}

async fn outcome(conn: &mut Conn, order: Order, refunds: &[Refund]) -> anyhow::Result<Outcome> {
    let captures = captures::by_order(conn, order.order_id).await?;
    let payments = payments::by_order(conn, order.order_id).await?;
    let kept = payments.into_iter().find(|payment| !payment.stray && payment.status.was_paid());
    let kept = kept.and_then(|payment| payment.gateway_payment_id);
    let of_kept = |refund: &&Refund| {
        kept.as_ref() == Some(&refund.gateway_payment_id)
            && refund.status == RefundStatus::Processed
    };
    let back_minor = refunds.iter().filter(of_kept).map(|refund| refund.amount.minor()).sum();
    // The order keeps the terms that its attempt was placed under, whatever the shop's are now.
    let input = sqlx::query_scalar(
        "select input from runs where workflow_id = $1 and workflow = 'checkout'",
    )
    .bind(&order.workflow_id)
    .fetch_optional(conn)
    .await?;
    let placed: PlacedOrder = serde_json::from_value(input.context("an order has no checkout")?)?;
    Ok(Outcome { order, captures, back_minor, terms: placed.terms })
}

impl Verdict {
    fn judge(&mut self, journey: &Journey, outcome: &Outcome) {
        let (order, end) = (&outcome.order, end_of(outcome));
        let count = self.ends.entry(journey.scenario).or_default().entry(end).or_default();
        *count = count.saturating_add(1);
        self.asked_back_minor = self.asked_back_minor.saturating_add(outcome.back_minor);
        let promised = match journey.deeds.back {
            Back::Nothing => 0,
            Back::Part(minor) => minor,
            Back::All => order.total.minor(),
        };
        let may = allowed(journey.scenario, journey.deeds, outcome.terms);
        if !may.contains(&end) || promised != outcome.back_minor {
            let reason = order.reason_code.as_deref().unwrap_or("no reason");
            self.wrong.push(format!(
                "checkout {} ({}; {:?}; late money: {}) ended {end}, {} went back on request: order \
                 {} is {} ({reason})",
                journey.index,
                journey.scenario,
                journey.deeds,
                outcome.terms.late_money,
                outcome.back_minor,
                order.order_id,
                order.status,
            ));
        }
    }

    /// Every captured payment at the gateway is kept for its order or returned in our books too,
    /// every refund is one of ours, and ours know no other.
    fn audit_money(&mut self, books: &GatewayBooks, mut ours: Ours) {
        for payment in &books.payments {
            if payment.never_taken() {
                // What lapsed was never ours; a person may have asked for it back all the same.
                ours.captures.remove(&payment.id);
                continue;
            }
            let disposition = match payment.status.as_str() {
                "captured" => Disposition::Fulfilled,
                "refunded" => Disposition::Refunded,
                _ => continue,
            };
            self.captured = self.captured.saturating_add(1);
            self.returned_minor = self.returned_minor.saturating_add(payment.amount_refunded);
            let kept = payment.amount.saturating_sub(payment.amount_refunded);
            self.kept_minor = self.kept_minor.saturating_add(kept);
            let Some(capture) = ours.captures.remove(&payment.id) else {
                self.wrong.push(format!("{} is captured; our books do not know it", payment.id));
                continue;
            };
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
        for (id, capture) in ours.captures {
            let disposition = capture.disposition;
            self.wrong.push(format!("{id} is {disposition}; the gateway has no such capture"));
        }
        self.audit_refunds(books, ours.refunds);
        if ours.owed_minor != self.kept_minor {
            self.wrong.push(format!(
                "the gateway kept {} for us, our ledger says {}",
                self.kept_minor, ours.owed_minor
            ));
        }
    }

    fn audit_refunds(&mut self, books: &GatewayBooks, mut ours: BTreeMap<String, Refund>) {
        let lapsed = |id: &str| books.payments.iter().any(|p| p.id == id && p.never_taken());
        for refund in &books.refunds {
            if !ours.contains_key(&refund.id) && lapsed(&refund.payment_id) {
                continue;
            }
            let has_failed = refund.status == "failed";
            self.refunds_failed = self.refunds_failed.saturating_add(u64::from(has_failed));
            let known = ours.remove(&refund.id);
            let said = known.as_ref().map(|known| (known.status.as_str(), known.amount.minor()));
            let status = refund.status.to_ascii_uppercase();
            if said != Some((status.as_str(), refund.amount)) {
                let (id, amount) = (&refund.id, refund.amount);
                self.wrong.push(format!("{id} is {status} over {amount}; we say {said:?}"));
            }
        }
        let unknown = ours.keys().map(|id| format!("{id} is ours; the gateway has no such refund"));
        self.wrong.extend(unknown);
    }
}

fn end_of(outcome: &Outcome) -> End {
    let Outcome { order, captures, back_minor, .. } = outcome;
    let are = |wanted| captures.iter().filter(|one| one.disposition == wanted).count();
    let returned = are(Disposition::Refunded) == captures.len();
    let money = !captures.is_empty();
    let is_kept = are(Disposition::Fulfilled) == 1
        && are(Disposition::Refunded).saturating_add(1) == captures.len();
    match (order.status, order.reason_code.as_deref()) {
        (OrderStatus::Paid, _) if is_kept && *back_minor == 0 => End::Paid,
        (OrderStatus::Paid, _) if is_kept => End::RefundedInPart,
        (OrderStatus::Refunded, _) if money && returned => End::Refunded,
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

    fn books(payments: &Value, refunds: &Value) -> GatewayBooks {
        let books = json!({"payments": payments, "refunds": refunds, "webhooks": []});
        serde_json::from_value(books).expect("books")
    }

    fn payment(id: &str, status: &str, amount_refunded: i64) -> Value {
        json!({"id": id, "order_id": "order_1", "amount": 500, "status": status,
            "amount_refunded": amount_refunded})
    }

    fn ours(id: &str, disposition: Disposition, minor: i64) -> Ours {
        let capture = Capture {
            gateway_payment_id: id.parse().expect("an id"),
            gateway_order_id: "order_1".parse().expect("an id"),
            order_id: None,
            amount: Money::from_minor(minor, Currency::Inr),
            disposition,
            refund_id: None,
            at: Utc::now(),
        };
        let owed_minor = if disposition == Disposition::Refunded { 0 } else { minor };
        Ours { captures: [(id.to_owned(), capture)].into(), owed_minor, ..Ours::default() }
    }

    fn faults(payments: &Value, ours: Ours) -> usize {
        let mut verdict = Verdict::default();
        verdict.audit_money(&books(payments, &json!([])), ours);
        verdict.wrong.len()
    }

    #[test]
    fn refunds_that_only_one_side_knows_are_found() {
        let wrong = |refunds: &Value, ours: Vec<(&str, Refund)>| {
            let ours = ours.into_iter().map(|(id, refund)| (id.to_owned(), refund)).collect();
            let mut verdict = Verdict::default();
            verdict.audit_refunds(&books(&json!([]), refunds), ours);
            verdict.wrong.len()
        };
        let one = json!([{"id": "rfnd_1", "amount": 500, "status": "processed"}]);
        assert_eq!(wrong(&one, vec![("rfnd_1", refund(RefundStatus::Processed, 500))]), 0);
        assert_eq!(wrong(&one, Vec::new()), 1, "we do not know it");
        assert_eq!(wrong(&one, vec![("rfnd_1", refund(RefundStatus::Pending, 500))]), 1);
        assert_eq!(wrong(&one, vec![("rfnd_1", refund(RefundStatus::Processed, 499))]), 1);
        assert_eq!(wrong(&json!([]), vec![("rfnd_1", refund(RefundStatus::Processed, 500))]), 1);
    }

    fn refund(status: RefundStatus, minor: i64) -> Refund {
        Refund {
            refund_id: uuid::Uuid::nil().into(),
            order_id: uuid::Uuid::nil().into(),
            gateway_payment_id: "pay_1".parse().expect("an id"),
            gateway_refund_id: None,
            amount: Money::from_minor(minor, Currency::Inr),
            asked: None,
            status,
            idempotency_key: "key".to_owned(),
            reason: "a test".to_owned(),
            override_reason: None,
            actor: "a test".to_owned(),
            failure_code: None,
            created_at: Utc::now(),
            updated_at: Utc::now(),
        }
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
        assert_ne!(faults(&kept, Ours::default()), 0, "captured, and we do not know it");
        assert_ne!(faults(&json!([]), ours("pay_1", Fulfilled, 500)), 0, "fulfilled for nothing");
        assert_ne!(faults(&kept, ours("pay_1", Refunded, 500)), 0, "returned in our books only");
        assert_ne!(faults(&kept, ours("pay_1", Open, 500)), 0, "captured, and nobody decided");
        assert_ne!(faults(&kept, ours("pay_1", Fulfilled, 499)), 0, "another amount");
        let other = Ours { owed_minor: 499, ..ours("pay_1", Fulfilled, 500) };
        assert_ne!(faults(&kept, other), 0, "the ledger lacks a paisa");
        let failed = json!([payment("pay_1", "failed", 0)]);
        assert_ne!(faults(&failed, ours("pay_1", Fulfilled, 500)), 0, "fulfilled, never captured");
    }
}
