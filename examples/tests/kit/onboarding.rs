//! A newcomer who verifies, and one who says nothing for a week.

use makegood::testkit::{Kit, Place, Result, Scenario, Stage};
use makegood::{Registry, RunState};
use makegood_examples::onboarding::{Newcomer, Onboarding, Patience, Verified};
use uuid::Uuid;

use crate::world::{self, lines, standing};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Path {
    Verifies,
    IsSilent,
}

impl Scenario for Path {
    type Saga = Onboarding;

    fn name(&self) -> String {
        format!("onboarding {self:?}")
    }

    fn ends(&self) -> RunState {
        match self {
            Self::Verifies => RunState::Completed,
            Self::IsSilent => RunState::Compensated,
        }
    }

    async fn place(&self) -> Result<Place> {
        world::fresh().await
    }

    fn registry(&self, place: &Place) -> Result<Registry> {
        world::registry(place)
    }

    async fn prepare(&self, _: &Stage) -> Result<Newcomer> {
        let email = "ada@example.org".to_owned();
        Ok(Newcomer { user_id: Uuid::now_v7(), email, patience: Patience::default() })
    }

    async fn drive(&self, stage: &Stage) -> Result<()> {
        match self {
            Self::Verifies => {
                stage.until_recorded("send_message").await?;
                stage.signal::<Onboarding, _>("link", &Verified {}).await?;
            }
            Self::IsSilent => {}
        }
        Ok(())
    }

    /// Without the messages: what was sent is sent.
    async fn slate(&self, stage: &Stage) -> Result<Vec<String>> {
        lines(stage, "select email || ' ' || status from accounts").await
    }

    async fn outcome(&self, stage: &Stage) -> Result<Vec<String>> {
        let mut all = self.slate(stage).await?;
        all.extend(standing(stage)?);
        Ok(all)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_who_verifies_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Path::Verifies).all().await?.len(), 6, "every check applies");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_newcomer_keeps_the_promises_of_sagas() -> Result<()> {
    assert_eq!(Kit::of(Path::IsSilent).all().await?.len(), 5, "it takes no signal");
    Ok(())
}
