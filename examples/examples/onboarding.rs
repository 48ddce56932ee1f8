//! A newcomer who verifies after a reminder, one who declines, and one of whom nobody hears again.
//! A day lasts half a second here.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::time::Duration;

use makegood_examples::onboarding::{
    Declined, Newcomer, Onboarding, PROGRESS, Patience, Progress, Verified,
};
use makegood_examples::stage::{Error, Stage};
use uuid::Uuid;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let stage = Stage::private().await?;

    println!("Ada answers after her reminder.\n");
    let run = stage.start::<Onboarding>("ada", &newcomer("ada")).await?;
    while stage.client().published(run, PROGRESS).await? != Some(Progress::Reminded) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stage.signal::<Onboarding, _>("ada", &Verified {}).await?;
    show(&stage, run).await?;

    println!("Bob does not want an account.\n");
    let run = stage.start::<Onboarding>("bob", &newcomer("bob")).await?;
    stage.signal::<Onboarding, _>("bob", &Declined { why: "not me".to_owned() }).await?;
    show(&stage, run).await?;

    println!("Eve never answers: a week later her account is gone.\n");
    let run = stage.start::<Onboarding>("eve", &newcomer("eve")).await?;
    show(&stage, run).await?;
    stage.close().await
}

fn newcomer(name: &str) -> Newcomer {
    let day = Duration::from_millis(500);
    let patience = Patience { remind_after: day, give_up_after: day * 7 };
    Newcomer { user_id: Uuid::now_v7(), email: format!("{name}@example.org"), patience }
}

async fn show(stage: &Stage, run: Uuid) -> Result<(), Error> {
    stage.ended::<Onboarding>(run).await?;
    println!("{}", stage.timeline(run).await?);
    Ok(())
}
