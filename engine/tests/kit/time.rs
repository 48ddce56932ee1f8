//! Time is moved, never waited for, and a timer never fires before it is there.

use std::time::{Duration, Instant};

use makegood::Registry;
use makegood::testkit::{Kit, Place, Result, Scenario, Stage};

use crate::cell::fresh_desk;
use crate::desk::Request;
use crate::lending::{Remind, registry};
use crate::scenarios::{fill, outcome, slate};

const DAY: Duration = Duration::from_hours(24);

/// A reminder whose clock is moved by hand.
struct ByHand;

impl Scenario for ByHand {
    type Saga = Remind;

    async fn place(&self) -> Result<Place> {
        fresh_desk().await
    }

    fn registry(&self, place: &Place) -> Result<Registry> {
        Ok(registry(place.setting("printer")?))
    }

    async fn prepare(&self, stage: &Stage) -> Result<Request> {
        fill(stage).await
    }

    async fn drive(&self, stage: &Stage) -> Result<()> {
        stage.until("it sleeps", async || Ok(stage.advance(13 * DAY).await? == 1)).await?;
        let left = stage.skip_to_next_timer().await?.ok_or("it still sleeps")?;
        assert!(left <= DAY && left > DAY / 2, "a day of the two weeks is left, not {left:?}");
        stage.until_recorded("print_letter").await?;
        let left = stage.skip_to_next_timer().await?.ok_or("it sleeps again")?;
        assert!(left <= 7 * DAY && left > 6 * DAY, "a whole week is left, not {left:?}");
        stage.until_recorded("fine").await?;
        assert_eq!(stage.skip_to_next_timer().await?, None, "nothing is left to wait for");
        Ok(())
    }

    async fn slate(&self, stage: &Stage) -> Result<Vec<String>> {
        slate(stage).await
    }

    async fn outcome(&self, stage: &Stage) -> Result<Vec<String>> {
        outcome(stage).await
    }
}

#[tokio::test]
async fn three_weeks_pass_when_they_are_told_to() -> Result<()> {
    let begun = Instant::now();
    Kit::of(ByHand).runs().await?;
    assert!(begun.elapsed() < DAY, "nobody waited for it");
    Ok(())
}
