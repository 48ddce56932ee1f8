//! A trip that is paid, and one that turns out too dear.

use makegood::testkit::{Kit, Place, Result, Scenario, Stage};
use makegood::{Registry, RunState};
use makegood_examples::trip::{Trip, TripWish};

use crate::world::{self, lines, standing};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Path {
    Paid,
    TooDear,
}

impl Scenario for Path {
    type Saga = Trip;

    fn name(&self) -> String {
        format!("trip {self:?}")
    }

    fn ends(&self) -> RunState {
        match self {
            Self::Paid => RunState::Completed,
            Self::TooDear => RunState::Compensated,
        }
    }

    async fn place(&self) -> Result<Place> {
        world::fresh().await
    }

    fn registry(&self, place: &Place) -> Result<Registry> {
        world::registry(place)
    }

    async fn prepare(&self, stage: &Stage) -> Result<TripWish> {
        let (trip_id, traveller) = (stage.workflow_id().to_owned(), "Ada".to_owned());
        let sql = "insert into trips (trip_id, traveller) values ($1, $2)";
        sqlx::query(sql).bind(&trip_id).bind(&traveller).execute(stage.pool()).await?;
        let budget_cents = match self {
            Self::Paid => 60_000,
            Self::TooDear => 40_000,
        };
        Ok(TripWish { trip_id, traveller, budget_cents })
    }

    async fn slate(&self, stage: &Stage) -> Result<Vec<String>> {
        standing(stage)
    }

    async fn outcome(&self, stage: &Stage) -> Result<Vec<String>> {
        let mut all = lines(stage, "select traveller || ': ' || status from trips").await?;
        all.extend(standing(stage)?);
        Ok(all)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_trip_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Path::Paid).all().await?.len(), 5, "it takes no signal");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trip_that_is_too_dear_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Path::TooDear).all().await?.len(), 5, "it takes no signal");
    Ok(())
}
