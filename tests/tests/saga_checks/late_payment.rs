//! Money that comes late, and whose refund takes its days.

use activities::gateway::{Gateway, NewGatewayOrder};
use activities::orders::{PAYMENT_FAILED, PlacedOrder};
use domain::{LateMoney, OrderStatus, Terms};
use gateway_sandbox::RefundMode;
use makegood::testkit::{Kit, Place, Refusal, Result, Scenario, Stage};
use makegood::{LateSignal, Registry};
use serde_json::json;
use store::orders::{self, StatusChange};
use uuid::Uuid;
use workflows::LatePayment;

use crate::counter::{
    fresh_shop, gateway, meddle, pay, place_order, registry, stock_and_money, truth, whole_trace,
};

/// An order has failed, and is paid for all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Money {
    /// It goes back, and arrives.
    Returned,
    /// It goes back, which takes its days.
    ReturnedSlowly,
    /// It pays the order.
    Kept,
    /// It comes too late for the stock.
    TooLate,
}

impl Scenario for Money {
    type Saga = LatePayment;

    fn name(&self) -> String {
        format!("late_payment {self:?}")
    }

    async fn place(&self) -> Result<Place> {
        let slow = *self == Self::ReturnedSlowly;
        fresh_shop(if slow { RefundMode::Pending } else { RefundMode::Processed }).await
    }

    fn registry(&self, place: &Place) -> Result<Registry> {
        registry(place)
    }

    async fn prepare(&self, stage: &Stage) -> Result<LateSignal<PlacedOrder>> {
        let keeps = matches!(self, Self::Kept | Self::TooLate);
        let late_money =
            if keeps { LateMoney::RereserveThenFulfil } else { LateMoney::AlwaysRefund };
        let order = place_order(stage, Terms { late_money, ..Terms::default() }).await?;
        if *self == Self::TooLate {
            sqlx::raw_sql(
                "update inventory set available = 0, sold = received;
                 insert into stock_movements (tenant_id, sku, kind, available_delta, sold_delta)
                 values ('retail', 'tea', 'ADJUST', -10, 10)",
            )
            .execute(stage.pool())
            .await?;
        }
        let change = StatusChange {
            order_id: order.order_id,
            to: OrderStatus::Failed,
            actor: "checkout",
            reason_code: Some(PAYMENT_FAILED),
            reason_detail: None,
        };
        let mut tx = stage.pool().begin().await?;
        orders::set_status(&mut tx, &[OrderStatus::Pending], &[change]).await?;
        tx.commit().await?;
        let notes = [("order_id".to_owned(), order.order_id.to_string())].into();
        let (receipt, capture) = (order.receipt.clone(), order.terms.capture);
        let new = NewGatewayOrder { receipt, amount: order.total, capture, notes };
        let opened = gateway(stage.place())?.create_order(&new).await?;
        let payment = pay(stage.place(), opened.id.as_str()).await?;
        let payload = json!({"gateway_payment_id": payment, "source": "webhook"});
        let (kind, signal_id) = ("payment_hint".to_owned(), "late".to_owned());
        Ok(LateSignal { run_id: Uuid::now_v7(), input: order, kind, signal_id, payload })
    }

    async fn drive(&self, stage: &Stage) -> Result<()> {
        if *self == Self::ReturnedSlowly {
            stage.until_recorded("record_returns").await?;
            for refund in truth(stage.place()).await?.refunds {
                meddle(stage.place(), &format!("refunds/{}/process", refund.id), &json!({}))
                    .await?;
            }
        }
        Ok(())
    }

    async fn slate(&self, stage: &Stage) -> Result<Vec<String>> {
        stock_and_money(stage).await
    }

    async fn outcome(&self, stage: &Stage) -> Result<Vec<String>> {
        whole_trace(stage).await
    }

    /// Whatever cannot go back is for a person.
    fn refused(&self, _: &str) -> Refusal {
        Refusal::Never
    }
}

// SAGA-04, PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_payment_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Money::Returned).all().await?.len(), 4, "it undoes nothing");
    Ok(())
}

// SAGA-04, PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_of_days_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Money::ReturnedSlowly).all().await?.len(), 4, "it undoes nothing");
    Ok(())
}

// SAGA-04, PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_money_that_pays_its_order_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Money::Kept).all().await?.len(), 4, "its child undoes, not it");
    Ok(())
}

// SAGA-04, PAY-15
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_money_without_stock_keeps_the_promises_of_sagas() -> Result<()> {
    let kit = Kit::of(Money::TooLate);
    kit.runs().await?;
    kit.repeats_each_step().await?;
    kit.fails_at_each_step().await?;
    // Its child is made good, and closes; it itself has nothing to undo.
    kit.dies_at_each_point().await?;
    Ok(())
}
