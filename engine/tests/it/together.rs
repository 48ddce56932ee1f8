//! Several things at once: steps, waits and timers side by side, the same on each replay.

use std::time::Duration;

use makegood::{Ctx, First, Registry, Signal, Workflow, WorkflowResult};
use serde::{Deserialize, Serialize};

use crate::support::{TestCell, forgetful};
use crate::trades::{Book, Erase, Note, Plan, Unbook, booking, line, registry, world};
use crate::world::Fault;

/// Books three things at once and notes a line beside.
struct Package;

impl Workflow for Package {
    const NAME: &'static str = "package";
    type Input = Plan;
    type Output = Vec<String>;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<Vec<String>> {
        let wishes = ["flight", "hotel", "car"].map(|what| booking(&plan, what));
        let bookings = ctx.all(wishes.iter().map(|wish| ctx.step::<Book>(wish).undo::<Unbook>()));
        let note = line(&plan, "packed");
        let (booked, _) = ctx.join(bookings, ctx.step::<Note>(&note).undo::<Erase>()).await?;
        ctx.pivot::<Note>(&line(&plan, "paid")).await?;
        Ok(booked)
    }
}

#[derive(Serialize, Deserialize)]
struct Yes;

impl Signal for Yes {
    const KIND: &'static str = "yes";
}

#[derive(Serialize, Deserialize)]
struct No;

impl Signal for No {
    const KIND: &'static str = "no";
}

/// Asks for a yes or a no; books while it waits, if it is told to.
struct Vote;

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Ballot {
    plan: Plan,
    within_ms: u64,
}

impl Workflow for Vote {
    const NAME: &'static str = "vote";
    type Input = Ballot;
    type Output = String;

    async fn run(ctx: Ctx, ballot: Ballot) -> WorkflowResult<String> {
        let within = Duration::from_millis(ballot.within_ms);
        let yes = ctx.signal::<Yes>().within(within);
        let no = ctx.signal::<No>().within(within * 2);
        let word = match ctx.first(yes, no).await {
            First::Left(yes) => yes?.map(|_| "yes"),
            First::Right(no) => no?.map(|_| "no"),
        };
        ctx.step::<Note>(&line(&ballot.plan, word.unwrap_or("silence"))).await?;
        Ok(word.unwrap_or("silence").to_owned())
    }
}

/// Gives a booking so long, and goes on without it.
struct Hurry;

impl Workflow for Hurry {
    const NAME: &'static str = "hurry";
    type Input = Ballot;
    type Output = bool;

    async fn run(ctx: Ctx, ballot: Ballot) -> WorkflowResult<bool> {
        let wish = booking(&ballot.plan, "taxi");
        let within = Duration::from_millis(ballot.within_ms);
        let came = ctx.first(ctx.step::<Book>(&wish).undo::<Unbook>(), ctx.sleep(within)).await;
        let came = matches!(came, First::Left(Ok(_)));
        ctx.step::<Note>(&line(&ballot.plan, if came { "rode" } else { "walked" })).await?;
        if ballot.plan.reject.is_some() {
            return ctx.make_good("stayed at home");
        }
        Ok(came)
    }
}

fn together() -> Registry {
    registry().workflow::<Package>().workflow::<Vote>().workflow::<Hurry>()
}

#[tokio::test]
async fn steps_side_by_side_are_under_way_at_the_same_time() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let held = ["flight", "hotel", "car"].map(|what| world().hang(&plan, &format!("book {what}")));
    let worker = cell.worker_with(together(), forgetful()).await;
    let run = cell.start::<Package>("p1", &plan).await;
    for what in ["flight", "hotel", "car"] {
        world().until_met(&plan, &format!("book {what}"), 1).await;
    }
    for gate in &held {
        gate.add_permits(9);
    }
    let ending = cell.ended::<Package>(run).await;
    assert_eq!(ending.output.unwrap().len(), 3, "each has its answer, in the program's order");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn steps_side_by_side_share_the_commit_of_their_intents() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(together(), forgetful()).await;
    let run = cell.start::<Package>("p1", &Plan::new()).await;
    cell.ended::<Package>(run).await;
    let intents: i64 = cell.scalar("select max(jsonb_array_length(next))::bigint from steps").await;
    assert_eq!(intents, 3, "one row carries all three: {:?}", cell.record(run).await);
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn steps_side_by_side_are_undone_in_the_reverse_of_their_completion() {
    let cell = TestCell::new().await;
    let plan = Plan::rejecting("car");
    let flight = world().hang(&plan, "book flight");
    let worker = cell.worker_with(together(), forgetful()).await;
    let run = cell.start::<Package>("p1", &plan).await;
    cell.until(
        "the hotel is booked",
        "select exists (select 1 from steps where result::text like '%book:1%')",
    )
    .await;
    flight.add_permits(9);
    assert_eq!(cell.ended::<Package>(run).await.state, "COMPENSATED");
    let undone: String = cell
        .scalar(
            "select string_agg(occurrence::text, ' ' order by seq)
             from steps where kind = 'undone' and name = 'book'",
        )
        .await;
    assert_eq!(undone, "0 1", "the flight came last, and is undone first");
    assert_eq!(world().booked(&plan.trip), [], "nothing is left of it");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn of_two_kinds_of_signal_the_first_to_come_counts() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(together(), forgetful()).await;
    for (id, no_first) in [("v1", true), ("v2", false)] {
        let ballot = Ballot { plan: Plan::new(), within_ms: 60_000 };
        let run = cell.start::<Vote>(id, &ballot).await;
        cell.until(
            "it waits for both",
            "select exists (select 1 from tasks where waits ? 'yes#0' and waits ? 'no#0')",
        )
        .await;
        let mut tx = cell.pool.begin().await.unwrap();
        if no_first {
            cell.client.signal::<Vote, No>(&mut tx, id, "n", &No).await.unwrap();
        }
        cell.client.signal::<Vote, Yes>(&mut tx, id, "y", &Yes).await.unwrap();
        tx.commit().await.unwrap();
        cell.client.wake();
        let said = cell.ended::<Vote>(run).await.output.unwrap();
        assert_eq!(said, if no_first { "no" } else { "yes" });
    }
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn the_earlier_of_two_deadlines_ends_a_wait_for_both() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(together(), forgetful()).await;
    let ballot = Ballot { plan: Plan::new(), within_ms: 50 };
    let run = cell.start::<Vote>("v1", &ballot).await;
    assert_eq!(cell.ended::<Vote>(run).await.output.unwrap(), "silence");
    let record = cell.record(run).await;
    assert!(record.contains(&"timeout yes".to_owned()), "the shorter one timed out: {record:?}");
    assert!(!record.iter().any(|row| row.ends_with(" no")), "the other never did: {record:?}");
    worker.drain().await.unwrap();
}

#[tokio::test]
async fn a_timer_overtakes_a_step_that_is_under_way_and_the_run_ends_only_after_it() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(together(), forgetful()).await;
    let plan = Plan::new();
    let taxi = world().hang(&plan, "book taxi");
    let run = cell.start::<Hurry>("h1", &Ballot { plan: plan.clone(), within_ms: 100 }).await;
    let noted = format!(
        "select exists (select 1 from notes where trip = '{}' and note = 'walked')",
        plan.trip
    );
    cell.until("it goes on without the taxi", &noted).await;
    assert_eq!(cell.state(run).await, "RUNNING", "a call is under way: the run has not ended");
    taxi.add_permits(9);
    assert_eq!(cell.ended::<Hurry>(run).await.output, Some(false));
    assert!(cell.record(run).await.contains(&"done book".to_owned()), "what it did is recorded");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_step_that_nobody_awaited_to_its_end_is_undone_all_the_same() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(together(), forgetful()).await;
    let plan = Plan { reject: Some("home".to_owned()), ..Plan::new() };
    let taxi = world().hang(&plan, "book taxi");
    let run = cell.start::<Hurry>("h1", &Ballot { plan: plan.clone(), within_ms: 50 }).await;
    cell.until(
        "the timer overtakes it",
        "select exists (select 1 from steps where kind = 'slept')",
    )
    .await;
    taxi.add_permits(9);
    assert_eq!(cell.ended::<Hurry>(run).await.state, "COMPENSATED");
    assert_eq!(world().booked(&plan.trip), [], "the taxi is sent away");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn what_was_first_stays_first_on_every_replay() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    // Its last step fails a few times, and each retry replays the whole record.
    world().fail(&plan, "note walked", &[Fault::Retryable; 3]);
    let taxi = world().hang(&plan, "book taxi");
    let worker = cell.worker_with(together(), forgetful()).await;
    let run = cell.start::<Hurry>("h1", &Ballot { plan: plan.clone(), within_ms: 50 }).await;
    cell.until(
        "the timer overtakes it",
        "select exists (select 1 from steps where kind = 'slept')",
    )
    .await;
    taxi.add_permits(9);
    assert_eq!(cell.ended::<Hurry>(run).await.output, Some(false), "it walked, and says so");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_worker_that_dies_with_three_calls_under_way_leaves_them_to_the_next() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let held = ["flight", "hotel", "car"].map(|what| world().hang(&plan, &format!("book {what}")));
    let worker = cell.worker_with(together(), forgetful()).await;
    let run = cell.start::<Package>("p1", &plan).await;
    for what in ["flight", "hotel", "car"] {
        world().until_met(&plan, &format!("book {what}"), 1).await;
    }
    // Declared dead: whatever it answers from here on is not recorded.
    cell.execute("update workers set lease_until = now() - interval '1 hour'").await;
    let other = cell.worker_with(together(), forgetful()).await;
    for gate in &held {
        gate.add_permits(9);
    }
    let ending = cell.ended::<Package>(run).await;
    assert_eq!(ending.output.unwrap().len(), 3, "each was looked up by its key and adopted");
    assert_eq!(world().booked(&plan.trip).len(), 3, "and none was booked twice");
    worker.drain().await.unwrap();
    other.drain().await.unwrap();
    cell.audited().await;
}
