//! An order that all its warehouses send, and one that the second cannot.

use makegood::testkit::{Kit, Place, Result, Scenario, Stage};
use makegood::{Registry, RunState};
use makegood_examples::fan_out::{FanOut, SplitOrder};

use crate::world::{self, lines, standing};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Path {
    Shipped,
    Short,
}

impl Scenario for Path {
    type Saga = FanOut;

    fn name(&self) -> String {
        format!("fan_out {self:?}")
    }

    fn ends(&self) -> RunState {
        match self {
            Self::Shipped => RunState::Completed,
            Self::Short => RunState::Compensated,
        }
    }

    async fn place(&self) -> Result<Place> {
        world::fresh().await
    }

    fn registry(&self, place: &Place) -> Result<Registry> {
        world::registry(place)
    }

    async fn prepare(&self, stage: &Stage) -> Result<SplitOrder> {
        let sql = "insert into warehouse_stock (warehouse, sku, available)
                   values ('north', 'kettle', 5), ('south', 'kettle', 2)";
        sqlx::query(sql).execute(stage.pool()).await?;
        let south = match self {
            Self::Shipped => 2,
            Self::Short => 3,
        };
        Ok(SplitOrder::new("order-1", "kettle", &[("north", 2), ("south", south)]))
    }

    async fn slate(&self, stage: &Stage) -> Result<Vec<String>> {
        let sql = "select warehouse || ': ' || available from warehouse_stock
                   union all
                   select 'a parcel of ' || quantity || ' from ' || warehouse from parcels
                   order by 1";
        lines(stage, sql).await
    }

    async fn outcome(&self, stage: &Stage) -> Result<Vec<String>> {
        let mut all = lines(stage, "select order_id || ' ' || status from split_orders").await?;
        all.extend(self.slate(stage).await?);
        all.extend(standing(stage)?);
        Ok(all)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shipped_order_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Path::Shipped).all().await?.len(), 5, "it takes no signal");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_falls_short_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Path::Short).all().await?.len(), 5, "it takes no signal");
    Ok(())
}
