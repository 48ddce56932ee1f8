//! A refund: made at once, after days, reported, refused by the bank after all; and the sweep that
//! finds one made by hand.

use activities::gateway::{Gateway, NewGatewayOrder};
use activities::payments::{OpenPayment, Paid, Session};
use activities::refunding::{BookRefund, Booking, News, Part, Refunding, Standing};
use activities::settlement::{SettlePayment, Settlement};
use activities::stock::{Hold, ReserveStock};
use chrono::Utc;
use domain::{GatewayPaymentId, RefundStatus, Terms};
use gateway_sandbox::RefundMode;
use makegood::testkit::{Kit, Place, Refusal, Result, Scenario, Stage};
use makegood::{Activity, LateSignal, Registry, Scheduled};
use serde_json::json;
use store::refunds::{Asked, NewRefund};
use uuid::Uuid;
use workflows::{LateRefund, Refund, RefundHint, RefundSweep};

use crate::counter::{
    fresh_shop, gateway, meddle, pay, place_order, registry, stock_and_money, truth, whole_trace,
};

/// An order that was paid, and the gateway's payment.
async fn paid_order(stage: &Stage) -> Result<(activities::orders::PlacedOrder, GatewayPaymentId)> {
    let order = place_order(stage, Terms::default()).await?;
    let notes = [("order_id".to_owned(), order.order_id.to_string())].into();
    let (receipt, capture) = (order.receipt.clone(), order.terms.capture);
    let new = NewGatewayOrder { receipt, amount: order.total, capture, notes };
    let gateway_order_id = gateway(stage.place())?.create_order(&new).await?.id;
    let gateway_payment_id: GatewayPaymentId =
        pay(stage.place(), gateway_order_id.as_str()).await?.parse()?;
    let hold = Hold {
        order_id: order.order_id,
        tenant_id: order.tenant_id.clone(),
        hold_id: order.hold_id,
        lines: order.lines.clone(),
        expires_at: order.expires_at,
    };
    let session = Session { order: order.clone(), gateway_order_id };
    let paid = Paid { gateway_payment_id: gateway_payment_id.clone(), amount: order.total };
    let mut tx = stage.pool().begin().await?;
    let undone = |error: makegood::ActivityError| format!("{error:?}");
    ReserveStock.run(&mut tx, vec![hold]).await.map_err(undone)?;
    OpenPayment.run(&mut tx, session.clone()).await.map_err(undone)?;
    SettlePayment.run(&mut tx, vec![Settlement { session, paid }]).await.map_err(undone)?;
    tx.commit().await?;
    Ok((order, gateway_payment_id))
}

/// A refund of all of it, asked for.
async fn asked_for(stage: &Stage) -> Result<Refunding> {
    let (order, gateway_payment_id) = paid_order(stage).await?;
    let new = NewRefund {
        refund_id: Uuid::now_v7().into(),
        order_id: order.order_id,
        gateway_payment_id: &gateway_payment_id,
        gateway_refund_id: None,
        amount: order.total,
        asked: None,
        idempotency_key: "the-key",
        reason: "it does not fit",
        override_reason: None,
        actor: "customer",
        watched: true,
    };
    let mut tx = stage.pool().begin().await?;
    let Asked::Added(refund) = store::refunds::insert_pending(&mut tx, &new).await? else {
        return Err("the refund does not fit".into());
    };
    tx.commit().await?;
    Ok(refund.into())
}

/// The gateway's one refund goes through, or comes back.
async fn end_at_gateway(stage: &Stage, how: &str) -> Result<()> {
    for refund in truth(stage.place()).await?.refunds {
        meddle(stage.place(), &format!("refunds/{}/{how}", refund.id), &json!({})).await?;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    AtOnce,
    AfterDays,
    Reported,
    Failed,
}

impl Scenario for Way {
    type Saga = Refund;

    fn name(&self) -> String {
        format!("refund {self:?}")
    }

    async fn place(&self) -> Result<Place> {
        let mode = if *self == Self::AtOnce { RefundMode::Processed } else { RefundMode::Pending };
        fresh_shop(mode).await
    }

    fn registry(&self, place: &Place) -> Result<Registry> {
        registry(place)
    }

    async fn prepare(&self, stage: &Stage) -> Result<Refunding> {
        asked_for(stage).await
    }

    async fn drive(&self, stage: &Stage) -> Result<()> {
        if *self == Self::AtOnce {
            return Ok(());
        }
        stage.until_recorded("book_refund").await?;
        let (how, status) = match self {
            Self::Failed => ("fail", RefundStatus::Failed),
            Self::AtOnce | Self::AfterDays | Self::Reported => ("process", RefundStatus::Processed),
        };
        end_at_gateway(stage, how).await?;
        if *self == Self::Reported {
            stage.signal::<Refund, _>("refund.processed", &RefundHint { status }).await?;
        }
        Ok(())
    }

    async fn slate(&self, stage: &Stage) -> Result<Vec<String>> {
        stock_and_money(stage).await
    }

    async fn outcome(&self, stage: &Stage) -> Result<Vec<String>> {
        whole_trace(stage).await
    }
}

/// A refund that had left comes back from the bank, when its run has ended.
pub(crate) struct ComesBack;

impl Scenario for ComesBack {
    type Saga = LateRefund;

    async fn place(&self) -> Result<Place> {
        fresh_shop(RefundMode::Processed).await
    }

    fn registry(&self, place: &Place) -> Result<Registry> {
        registry(place)
    }

    async fn prepare(&self, stage: &Stage) -> Result<LateSignal<Refunding>> {
        let refund = asked_for(stage).await?;
        let Part::Wanted(amount) = refund.part else { return Err("it is not made yet".into()) };
        let notes = [("refund_id".to_owned(), refund.refund_id.to_string())].into();
        let payment = &refund.gateway_payment_id;
        let made = gateway(stage.place())?.refund(payment, amount, "the-key-of-it", &notes).await?;
        let news = News::Stands(Standing::from(made));
        let mut tx = stage.pool().begin().await?;
        let booked = BookRefund.run(&mut tx, Booking { refund: refund.clone(), news }).await;
        booked.map_err(|error| format!("{error:?}"))?;
        tx.commit().await?;
        end_at_gateway(stage, "fail").await?;
        Ok(LateSignal {
            run_id: Uuid::now_v7(),
            input: refund,
            kind: "refund_hint".to_owned(),
            signal_id: "refund.failed".to_owned(),
            payload: json!({"status": "FAILED"}),
        })
    }

    async fn slate(&self, _: &Stage) -> Result<Vec<String>> {
        Ok(Vec::new()) // It takes nothing back: it is what the bank did.
    }

    async fn outcome(&self, stage: &Stage) -> Result<Vec<String>> {
        whole_trace(stage).await
    }

    /// What the bank did has to be written down, whatever it takes.
    fn refused(&self, _: &str) -> Refusal {
        Refusal::Never
    }
}

/// Somebody gave the money back by hand, and nobody told us.
pub(crate) struct ByHand;

impl Scenario for ByHand {
    type Saga = RefundSweep;

    async fn place(&self) -> Result<Place> {
        fresh_shop(RefundMode::Processed).await
    }

    fn registry(&self, place: &Place) -> Result<Registry> {
        registry(place)
    }

    async fn prepare(&self, stage: &Stage) -> Result<Scheduled<i64>> {
        let (order, payment) = paid_order(stage).await?;
        let gateway = gateway(stage.place())?;
        gateway.refund(&payment, order.total, "by-hand-0001", &[].into()).await?;
        Ok(Scheduled { at: Utc::now(), input: 24 })
    }

    async fn slate(&self, _: &Stage) -> Result<Vec<String>> {
        Ok(Vec::new()) // It only has others look.
    }

    async fn outcome(&self, stage: &Stage) -> Result<Vec<String>> {
        stage
            .until("the refund is written down", async || {
                let done = "select exists (select from refunds where status = 'PROCESSED')";
                Ok(sqlx::query_scalar(done).fetch_one(stage.pool()).await?)
            })
            .await?;
        whole_trace(stage).await
    }

    fn refused(&self, _: &str) -> Refusal {
        Refusal::Never
    }
}

// SAGA-04, REF-06
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_made_at_once_keeps_the_promises_of_sagas() -> Result<()> {
    Kit::of(Way::AtOnce).all().await?;
    Ok(())
}

// SAGA-04, REF-06
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_nobody_reports_keeps_the_promises_of_sagas() -> Result<()> {
    Kit::of(Way::AfterDays).all().await?;
    Ok(())
}

// SAGA-04, REF-06
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_is_reported_keeps_the_promises_of_sagas() -> Result<()> {
    Kit::of(Way::Reported).all().await?;
    Ok(())
}

// SAGA-04, REF-06
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_fails_on_its_way_keeps_the_promises_of_sagas() -> Result<()> {
    Kit::of(Way::Failed).all().await?;
    Ok(())
}

// SAGA-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_comes_back_keeps_the_promises_of_sagas() -> Result<()> {
    Kit::of(ComesBack).all().await?;
    Ok(())
}

// SAGA-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sweep_of_refunds_keeps_the_promises_of_sagas() -> Result<()> {
    Kit::of(ByHand).all().await?;
    Ok(())
}
