//! Newcomers: welcomed, reminded, given up; whichever they say first.

use makegood::Cause;
use makegood_examples::onboarding::{
    Declined, Newcomer, Onboarding, PROGRESS, Patience, Progress, Reason, Verified,
};
use uuid::Uuid;

use crate::support::{TestStage, refusal};

fn newcomer() -> Newcomer {
    let email = "ada@example.org".to_owned();
    Newcomer { user_id: Uuid::now_v7(), email, patience: Patience::default() }
}

async fn begun(stage: &TestStage) -> Uuid {
    stage.start::<Onboarding>("ada", &newcomer()).await.unwrap()
}

async fn accounts(stage: &TestStage) -> Vec<String> {
    stage.lines("select status from accounts").await
}

#[tokio::test]
async fn a_newcomer_who_verifies_has_an_active_account() {
    let stage = TestStage::new().await;
    let run = begun(&stage).await;
    stage.until("it waits", "select exists (select 1 from published)").await;
    let progress = stage.client().published(run, PROGRESS).await.unwrap();
    assert_eq!(progress, Some(Progress::Waiting), "others can see how far it is");
    stage.signal::<Onboarding, _>("ada", &Verified {}).await.unwrap();
    let ending = stage.ended::<Onboarding>(run).await.unwrap();
    assert!(ending.output.is_some(), "it completes: {ending:?}");
    assert_eq!(accounts(&stage).await, ["ACTIVE"]);
    let progress = stage.client().published(run, PROGRESS).await.unwrap();
    assert_eq!(progress, Some(Progress::Active));
    let sent = ["messages: all_set for ada@example.org", "messages: welcome for ada@example.org"];
    assert_eq!(stage.outside().standing(), sent, "and no reminder");
    stage.leave().await;
}

#[tokio::test]
async fn whoever_declines_has_no_account() {
    let stage = TestStage::new().await;
    let run = begun(&stage).await;
    let why = "not me".to_owned();
    stage.signal::<Onboarding, _>("ada", &Declined { why: why.clone() }).await.unwrap();
    // What comes after the first answer changes nothing any more.
    stage.signal::<Onboarding, _>("ada", &Verified {}).await.unwrap();
    let ending = stage.ended::<Onboarding>(run).await.unwrap();
    let reason = ending.cause.as_ref().and_then(Cause::reason);
    assert_eq!(reason, Some(Reason::Declined { why }));
    assert_eq!(accounts(&stage).await, [""; 0], "the account is removed");
    stage.leave().await;
}

#[tokio::test]
async fn a_day_of_silence_is_followed_by_a_reminder_and_a_week_of_it_by_the_end() {
    let stage = TestStage::new().await;
    let run = begun(&stage).await;
    stage.skip_wait_of::<Onboarding>().await;
    let reminded = "select exists (select 1 from published where value = '\"reminded\"')";
    stage.until("it reminds", reminded).await;
    assert_eq!(accounts(&stage).await, ["PENDING"], "there is still time");
    let left = "select extract(epoch from due_at - now())::float8 / 86400 from tasks";
    stage.until("it rests", "select bool_and(owner is null) from tasks").await;
    let days: f64 = stage.scalar(left).await;
    assert!((6.9..=7.0).contains(&days), "a week from the start: {days} days");
    stage.skip_wait_of::<Onboarding>().await;
    let ending = stage.ended::<Onboarding>(run).await.unwrap();
    assert_eq!(ending.cause.as_ref().and_then(Cause::reason), Some(Reason::Silence));
    assert_eq!(accounts(&stage).await, [""; 0], "the account is removed");
    let sent = ["messages: reminder for ada@example.org", "messages: welcome for ada@example.org"];
    assert_eq!(stage.outside().standing(), sent, "one of each");
    stage.leave().await;
}

#[tokio::test]
async fn an_answer_after_the_reminder_is_in_time() {
    let stage = TestStage::new().await;
    let run = begun(&stage).await;
    stage.skip_wait_of::<Onboarding>().await;
    let reminded = "select exists (select 1 from published where value = '\"reminded\"')";
    stage.until("it reminds", reminded).await;
    stage.signal::<Onboarding, _>("ada", &Verified {}).await.unwrap();
    stage.ended::<Onboarding>(run).await.unwrap();
    assert_eq!(accounts(&stage).await, ["ACTIVE"]);
    stage.leave().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_refused() {
    let stage = TestStage::new().await;
    begun(&stage).await;
    stage.until("the first is there", "select exists (select 1 from accounts)").await;
    let ending = stage.end_of::<Onboarding>("ada again", &newcomer()).await;
    assert_eq!(refusal(&ending), ("open_account", "EMAIL_TAKEN"));
    assert_eq!(accounts(&stage).await, ["PENDING"], "the first is untouched");
    stage.leave().await;
}

#[tokio::test]
async fn an_onboarding_can_be_cancelled_while_it_waits() {
    let stage = TestStage::new().await;
    let run = begun(&stage).await;
    stage.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
    stage.cancel::<Onboarding>("ada").await;
    let ending = stage.ended::<Onboarding>(run).await.unwrap();
    assert_eq!(ending.state, "COMPENSATED");
    assert_eq!(accounts(&stage).await, [""; 0], "the account is removed");
    stage.leave().await;
}
