//! The comparison of the books with what the gateway paid out.

use std::sync::Arc;

use activities::gateway::{Gateway, NewGatewayOrder};
use domain::Terms;
use gateway_sandbox::RefundMode;
use makegood::testkit::{Kit, Place, Refusal, Result, Scenario, Stage};
use makegood::{Registry, Scheduled};
use uuid::Uuid;
use workflows::MatchPayouts;

use crate::counter::{fresh_shop, gateway, pay, place_order, registry, stock_and_money};

/// The gateway paid out what came in twice, and the books know neither.
pub(crate) struct Unknown;

impl Scenario for Unknown {
    type Saga = MatchPayouts;

    async fn place(&self) -> Result<Place> {
        fresh_shop(RefundMode::Processed).await
    }

    fn registry(&self, place: &Place) -> Result<Registry> {
        registry(place)
    }

    async fn prepare(&self, stage: &Stage) -> Result<Scheduled<()>> {
        let order = place_order(stage, Terms::default()).await?;
        let gateway: Arc<_> = gateway(stage.place())?;
        let strangers = format!("{}-1", Uuid::now_v7().simple());
        for receipt in [order.receipt.clone(), strangers] {
            let (amount, capture) = (order.total, order.terms.capture);
            let new = NewGatewayOrder { receipt, amount, capture, notes: [].into() };
            let opened = gateway.create_order(&new).await?;
            pay(stage.place(), opened.id.as_str()).await?;
        }
        let at = sqlx::query_scalar("select now() + interval '1 minute'")
            .fetch_one(stage.pool())
            .await?;
        Ok(Scheduled { at, input: () })
    }

    /// It undoes nothing, and touches neither stock nor money.
    async fn slate(&self, stage: &Stage) -> Result<Vec<String>> {
        stock_and_money(stage).await
    }

    async fn outcome(&self, stage: &Stage) -> Result<Vec<String>> {
        let sql = "select kind || ' ' || outcome from reconcile_findings
                   union all
                   select 'line ' || l.state from payout_lines l
                   union all
                   select r.kind || ' ' || r.outcome || ': ' || r.found || ' found, '
                     || r.flagged || ' flagged' from reconcile_reports r
                   order by 1";
        Ok(sqlx::query_scalar(sql).fetch_all(stage.pool()).await?)
    }

    /// Whatever cannot be done tonight is done on the next night.
    fn refused(&self, _: &str) -> Refusal {
        Refusal::Never
    }
}

// SAGA-04, G81
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_match_of_payouts_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Unknown).all().await?.len(), 4, "it undoes nothing, and takes no signal");
    Ok(())
}
