//! Forks: a new run with the beginning of another's record, its own keys ahead and the old ones
//! behind.

use std::time::Duration;

use makegood::{
    Ctx, Cut, Error, Operator, Priority, Refusal, StartOptions, StepId, WorkerConfig, Workflow,
    WorkflowResult,
};
use uuid::Uuid;

use crate::support::TestCell;
use crate::trades::{Fault, Plan, Signed, Steps4, Trip, registry, world};

fn ada(cell: &TestCell) -> Operator {
    cell.client.operator("ada", "once more").unwrap()
}

fn at(name: &str, occurrence: i32) -> Cut {
    Cut::Step(StepId { name: name.to_owned(), occurrence })
}

async fn refused(cell: &TestCell, run: Uuid, cut: Cut) -> Refusal {
    match ada(cell).fork(run, &cut, "another").await {
        Err(Error::Refused { refusal, .. }) => *refusal,
        other => panic!("{cut:?} is refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_fork_keeps_what_was_done_before_the_cut_and_does_the_rest_under_keys_of_its_own() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    let run = cell.start::<Steps4>("s1", &plan).await;
    cell.ended::<Steps4>(run).await;
    let fork = ada(&cell).fork(run, &at("book", 2), "{} again").await.unwrap();
    assert_eq!(cell.ended::<Steps4>(fork).await.output, Some(4));
    let booked = world().booked(&plan.trip);
    let whats: Vec<&str> = booked.iter().map(|(what, _)| what.as_str()).collect();
    assert_eq!(whats, ["one", "two", "three", "four", "three", "four"]);
    let mut keys: Vec<&String> = booked.iter().map(|(_, key)| key).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 6, "each effect has a key of its own");
    let origin = format!("select forked_from from runs where run_id = '{fork}'");
    assert_eq!(cell.scalar::<Uuid>(&origin).await, run, "where it came from is kept");
    let id = format!("select workflow_id from runs where run_id = '{fork}'");
    assert_eq!(cell.scalar::<String>(&id).await, "s1 again");
    let taken = ada(&cell).fork(run, &Cut::Row(0), "s1 again").await;
    let Err(Error::Refused { refusal, .. }) = taken else { panic!("{taken:?}") };
    assert_eq!(*refusal, Refusal::WorkflowIdTaken { run_id: fork });
    assert_eq!(refused(&cell, run, Cut::Row(99)).await, Refusal::NoSuchRow { rows: 5 });
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_fork_of_a_fork_undoes_each_step_under_the_key_with_which_it_was_made() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    let hang = world().hang(&plan, "book hotel");
    let run = cell.start::<Trip>("t1", &plan).await;
    world().until_met(&plan, "book hotel", 1).await;
    ada(&cell).terminate(run).await.unwrap();
    hang.add_permits(100);
    assert_eq!(cell.ended::<Trip>(run).await.state, "CLOSED");
    // The first flight stays; the first hotel is its maker's, who is closed.
    world().fail_early(&plan, "book hotel", &[Fault::Retryable; 4]);
    let fork = ada(&cell).fork(run, &at("book", 1), "t2").await.unwrap();
    cell.incident(fork).await;
    ada(&cell).close(fork).await.unwrap();
    world().fail_early(&plan, "book hotel", &[Fault::Rejected]);
    let last = ada(&cell).fork(fork, &at("book", 1), "t3").await.unwrap();
    assert_eq!(cell.ended::<Trip>(last).await.state, "COMPENSATED");
    let left = world().booked(&plan.trip);
    let hotel = ("hotel".to_owned(), format!("{run}:book:1"));
    assert_eq!(left, [hotel], "the first run's flight is cancelled by its own key");
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// Waits for two signatures.
struct Contract;

impl Workflow for Contract {
    const NAME: &'static str = "contract";
    type Input = ();
    type Output = Vec<String>;

    async fn run(ctx: Ctx, (): ()) -> WorkflowResult<Vec<String>> {
        let mut signers = Vec::new();
        for _ in 0..2 {
            let signed = ctx.signal::<Signed>().within(Duration::from_mins(10)).await?;
            signers.extend(signed.map(|signed| signed.by));
        }
        Ok(signers)
    }
}

#[tokio::test]
async fn a_fork_keeps_the_signals_before_the_cut_and_takes_new_ones_whatever_their_ids() {
    let cell = TestCell::new().await;
    let config = WorkerConfig::default();
    let worker = cell.worker_with(registry().workflow::<Contract>(), config).await;
    let run = cell.start::<Contract>("c1", &()).await;
    let send = async |to: &str, id: &str, by: &str| {
        let mut tx = cell.pool.begin().await.unwrap();
        let signed = Signed { by: by.to_owned() };
        cell.client.signal::<Contract, Signed>(&mut tx, to, id, &signed).await.unwrap();
        tx.commit().await.unwrap();
        cell.client.wake();
    };
    send("c1", "s1", "eve").await;
    send("c1", "s2", "bob").await;
    cell.ended::<Contract>(run).await;
    let fork = ada(&cell).fork(run, &at("signed", 1), "c2").await.unwrap();
    cell.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
    send("c2", "s1", "ida").await;
    let ending = cell.ended::<Contract>(fork).await;
    assert_eq!(ending.output, Some(vec!["eve".to_owned(), "ida".to_owned()]));
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_cut_that_parts_what_belongs_together_is_refused() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let step = |name: &str, occurrence| StepId { name: name.to_owned(), occurrence };
    let undone = cell.start::<Trip>("undone", &Plan::rejecting("hotel")).await;
    cell.ended::<Trip>(undone).await;
    // note, book, rejected, compensating, undone, undone, closed
    assert_eq!(refused(&cell, undone, Cut::Row(5)).await, Refusal::CutBehindMakingGood);
    let noted = Refusal::CutKeepsUndone { step: step("note", 0) };
    assert_eq!(refused(&cell, undone, Cut::Row(2)).await, noted);
    ada(&cell).fork(undone, &Cut::Row(0), "from the start").await.unwrap();

    let plan = Plan::new();
    world().fail_early(&plan, "book hotel", &[Fault::Retryable; 4]);
    let stuck = cell.start::<Trip>("stuck", &plan).await;
    cell.incident(stuck).await;
    let hotel = Refusal::CutPartsIntent { step: step("book", 1) };
    assert_eq!(refused(&cell, stuck, at("book", 1)).await, hotel);
    let both = Refusal::BothWouldUndo { step: step("note", 0) };
    assert_eq!(refused(&cell, stuck, at("book", 0)).await, both);
    ada(&cell).close(stuck).await.unwrap();
    let fork = ada(&cell).fork(stuck, &at("book", 0), "from the flight").await.unwrap();
    assert_eq!(cell.ended::<Trip>(fork).await.state, "COMPLETED");
    cell.until("all end", "select not exists (select 1 from tasks)").await;
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// A trip that was closed when the first of its bookings was made, its second one not.
async fn closed(cell: &TestCell, plan: &Plan) -> Uuid {
    world().fail_early(plan, "book hotel", &[Fault::Retryable; 4]);
    let run = cell.start::<Trip>("t", plan).await;
    cell.incident(run).await;
    ada(cell).close(run).await.unwrap();
    run
}

#[tokio::test]
async fn what_one_fork_has_undone_or_could_undo_is_kept_by_no_other() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    let run = closed(&cell, &plan).await;
    let noted = StepId { name: "note".to_owned(), occurrence: 0 };
    let gate = world().hang(&plan, "before book hotel");
    world().fail_early(&plan, "book hotel", &[Fault::Rejected]);
    let first = ada(&cell).fork(run, &at("book", 1), "first").await.unwrap();
    let lives = Refusal::ForkWouldUndo { step: noted.clone(), fork: first };
    assert_eq!(refused(&cell, run, at("book", 1)).await, lives);
    gate.add_permits(100);
    assert_eq!(cell.ended::<Trip>(first).await.state, "COMPENSATED");
    assert_eq!(world().times(&plan, "unbook flight"), 1, "by the first fork");
    let undone = Refusal::ForkHasUndone { step: noted, fork: first };
    assert_eq!(refused(&cell, run, at("book", 1)).await, undone);
    // What it did itself is its own.
    let anew = ada(&cell).fork(run, &Cut::Row(0), "anew").await.unwrap();
    assert_eq!(cell.ended::<Trip>(anew).await.state, "COMPLETED");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn of_two_forks_at_once_that_would_keep_the_same_step_one_is_refused() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    let run = closed(&cell, &plan).await;
    let between = ada(&cell).fork(run, &at("book", 1), "between").await.unwrap();
    cell.ended::<Trip>(between).await;
    let _gate = world().hang(&plan, "before book hotel");
    let ada = ada(&cell);
    let cut = at("book", 1);
    let forks = (0..6).map(|index| {
        let (ada, cut) = (ada.clone(), cut.clone());
        // Of the run, and of its fork that completed with the same steps.
        let of = if index % 2 == 0 { run } else { between };
        async move { ada.fork(of, &cut, &format!("fork {index}")).await }
    });
    let forked = futures::future::join_all(forks).await;
    let done: Vec<_> = forked.iter().filter_map(|fork| fork.as_ref().ok()).collect();
    assert_eq!(done.len(), 1, "one of them keeps the flight: {forked:?}");
    drop(worker);
}

#[tokio::test]
async fn a_fork_waits_in_the_lane_of_its_origin() {
    let cell = TestCell::new().await;
    let options = StartOptions::new().queue("slow").priority(Priority::Low).share("tenant-7");
    let plan = Plan::new();
    world().fail_early(&plan, "book three", &[Fault::Retryable; 4]);
    cell.start_all::<Steps4>(["stuck".to_owned()], &plan, &options).await;
    cell.start_all::<Steps4>(["ended".to_owned()], &Plan::new(), &options).await;
    let worker = cell.worker().await;
    for id in ["stuck", "ended"] {
        let run = cell.scalar(&format!("select run_id from runs where workflow_id = '{id}'")).await;
        if id == "stuck" {
            cell.incident(run).await;
        } else {
            cell.ended::<Steps4>(run).await;
        }
        let fork = ada(&cell).fork(run, &at("book", 1), "{} again").await.unwrap();
        cell.ended::<Steps4>(fork).await;
    }
    let lanes: Vec<String> = sqlx::query_scalar("select queue || priority || share from lanes")
        .fetch_all(&cell.pool)
        .await
        .unwrap();
    assert_eq!(lanes, ["slow2tenant-7"], "no run waited in another");
    worker.drain().await.unwrap();
    cell.audited().await;
}
