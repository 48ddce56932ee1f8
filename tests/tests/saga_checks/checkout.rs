//! The checkout: paid for, forgotten, cancelled with the money on its way.

use activities::orders::{CalledOff, CancelRequest, PlacedOrder};
use domain::{Capture, Terms};
use gateway_sandbox::RefundMode;
use makegood::testkit::{Kit, Place, Result, Scenario, Stage};
use makegood::{Registry, RunState};
use workflows::{Checkout, PaymentHint};

use crate::counter::{fresh_shop, pay, place_order, registry, stock_and_money, whole_trace};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    Paid,
    /// The money is set aside first, and taken by us.
    Authorized,
    Forgotten,
    /// The customer's page hands in a proof that is none.
    Forged,
    Cancelled,
}

impl Path {
    /// Pays, as soon as the order can be paid; the payment.
    async fn pay(stage: &Stage) -> Result<String> {
        stage.until_recorded("open_payment").await?;
        let sql = "select gateway_order_id from payments";
        let order: String = sqlx::query_scalar(sql).fetch_one(stage.pool()).await?;
        pay(stage.place(), &order).await
    }

    fn hint(forged: bool) -> PaymentHint {
        PaymentHint { gateway_payment_id: None, source: "verify".to_owned(), forged }
    }
}

impl Scenario for Path {
    type Saga = Checkout;

    fn name(&self) -> String {
        format!("checkout {self:?}")
    }

    fn ends(&self) -> RunState {
        match self {
            Self::Paid | Self::Authorized => RunState::Completed,
            Self::Forgotten | Self::Forged | Self::Cancelled => RunState::Compensated,
        }
    }

    async fn place(&self) -> Result<Place> {
        fresh_shop(RefundMode::Processed).await
    }

    fn registry(&self, place: &Place) -> Result<Registry> {
        registry(place)
    }

    async fn prepare(&self, stage: &Stage) -> Result<PlacedOrder> {
        let capture = if *self == Self::Authorized { Capture::Manual } else { Capture::Automatic };
        place_order(stage, Terms { capture, ..Terms::default() }).await
    }

    async fn drive(&self, stage: &Stage) -> Result<()> {
        match self {
            Self::Forgotten => {}
            Self::Paid | Self::Authorized => {
                Self::pay(stage).await?;
                stage.signal::<Checkout, _>("verify", &Self::hint(false)).await?;
            }
            Self::Forged => {
                stage.until_recorded("open_payment").await?;
                stage.signal::<Checkout, _>("verify", &Self::hint(true)).await?;
            }
            Self::Cancelled => {
                Self::pay(stage).await?;
                let (actor, reason) = ("customer".to_owned(), "changed my mind".to_owned());
                let request = CancelRequest { actor, reason, ends: CalledOff::Cancelled };
                let mut tx = stage.pool().begin().await?;
                let id = stage.workflow_id();
                stage.client().cancel::<Checkout>(&mut tx, id, &request).await?;
                tx.commit().await?;
                stage.client().wake();
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
}

// SAGA-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_checkout_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Path::Paid).all().await?.len(), 6, "every check applies");
    Ok(())
}

// SAGA-04, PAY-14
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkout_that_captures_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Path::Authorized).all().await?.len(), 6, "every check applies");
    Ok(())
}

// SAGA-04, PAY-07
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_checkout_with_a_forged_proof_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Path::Forged).all().await?.len(), 6, "every check applies");
    Ok(())
}

// SAGA-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_checkout_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Path::Forgotten).all().await?.len(), 5, "it takes no signal");
    Ok(())
}

// SAGA-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_checkout_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Path::Cancelled).all().await?.len(), 5, "a cancel is no signal");
    Ok(())
}
