//! The comparison of the books with the gateway, with something of each kind to find.

use std::sync::Arc;

use activities::gateway::{Gateway, NewGatewayOrder};
use domain::{PaymentId, Terms};
use gateway_sandbox::RefundMode;
use makegood::testkit::{Kit, Place, Refusal, Result, Scenario, Stage};
use makegood::{Client, Registry, Scheduled};
use store::payments::{self, NewPayment};
use tokio::runtime::Handle;
use tokio::task::block_in_place;
use uuid::Uuid;
use workflows::{GATEWAY, Reconcile, ReconcileRule};

use crate::counter::{fresh_shop, gateway, pay, place_order, registry};

/// An order waits, is paid for at the gateway, and has no run; beside it, money came in for nobody.
pub(crate) struct Lost;

impl Scenario for Lost {
    type Saga = Reconcile;

    async fn place(&self) -> Result<Place> {
        fresh_shop(RefundMode::Processed).await
    }

    fn registry(&self, place: &Place) -> Result<Registry> {
        let database = place.database()?;
        let client = block_in_place(|| Handle::current().block_on(Client::connect(&database)))?;
        Ok(workflows::register_teller(registry(place)?, client))
    }

    async fn prepare(&self, stage: &Stage) -> Result<Scheduled<ReconcileRule>> {
        let order = place_order(stage, Terms::default()).await?;
        let gateway: Arc<_> = gateway(stage.place())?;
        let (receipt, amount) = (order.receipt.clone(), order.total);
        let new =
            NewGatewayOrder { receipt, amount, capture: order.terms.capture, notes: [].into() };
        let opened = gateway.create_order(&new).await?;
        pay(stage.place(), opened.id.as_str()).await?;
        let mut tx = stage.pool().begin().await?;
        let payment = NewPayment {
            payment_id: PaymentId::from(Uuid::now_v7()),
            tenant_id: &order.tenant_id,
            order_id: order.order_id,
            workflow_id: &order.workflow_id,
            gateway: GATEWAY,
            gateway_order_id: &opened.id,
            amount: order.total,
        };
        payments::insert_pending(&mut tx, &payment).await?;
        tx.commit().await?;
        let nobody = format!("{}-1", Uuid::now_v7().simple());
        let new = NewGatewayOrder { receipt: nobody, ..new };
        let stray = gateway.create_order(&new).await?;
        pay(stage.place(), stray.id.as_str()).await?;
        let at = sqlx::query_scalar("select now() + interval '1 minute'")
            .fetch_one(stage.pool())
            .await?;
        Ok(Scheduled { at, input: ReconcileRule { age_secs: 0, deep_every_secs: 0 } })
    }

    /// It undoes nothing, and touches neither stock nor money.
    async fn slate(&self, stage: &Stage) -> Result<Vec<String>> {
        crate::counter::stock_and_money(stage).await
    }

    async fn outcome(&self, stage: &Stage) -> Result<Vec<String>> {
        let sql = "select kind || ' ' || outcome from reconcile_findings
                   union all
                   select r.kind || ' ' || r.outcome || ': ' || r.asked || ' asked, ' || r.found
                     || ' found, ' || r.flagged || ' flagged' from reconcile_reports r
                   order by 1";
        Ok(sqlx::query_scalar(sql).fetch_all(stage.pool()).await?)
    }

    /// Whatever cannot be done now is done by the next comparison.
    fn refused(&self, _: &str) -> Refusal {
        Refusal::Never
    }
}

// SAGA-04, REC-05
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comparison_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Lost).all().await?.len(), 4, "it undoes nothing, and takes no signal");
    Ok(())
}
