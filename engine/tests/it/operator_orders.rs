//! Orders to runs that a worker holds: none is lost, none comes twice, and the owner is never
//! overwritten.

use std::collections::BTreeMap;
use std::time::Duration;

use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, Carried, Cause, Ctx, Error, Operator,
    Outside, Refusal, WorkerConfig, Workflow, WorkflowResult,
};

use crate::support::{TestCell, forgetful};
use crate::trades::{
    Book, Parcel, Patience, Plan, Signed, Steps4, Trip, Waiting, booking, registry, world,
};

fn ada(cell: &TestCell) -> Operator {
    cell.client.operator("ada", "the gateway is down").unwrap()
}

const PAUSED: &str = "select exists (select 1 from tasks where state = 'PAUSED')";

#[tokio::test]
async fn a_held_run_is_paused_at_its_next_wait_and_goes_on_when_it_is_resumed() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    for again in 0..2 {
        let plan = Plan::new();
        let gate = world().hang(&plan, "book four");
        let run = cell.start::<Steps4>(&format!("s{again}"), &plan).await;
        world().until_met(&plan, "book four", 1).await;
        assert_eq!(ada(&cell).pause(run).await.unwrap(), Carried::Ordered, "its worker is at it");
        let early = ada(&cell).resume(run).await;
        let Err(Error::Refused { refusal, .. }) = early else { panic!("{early:?}") };
        assert_eq!(*refusal, Refusal::NotPaused, "the pause is not taken yet");
        gate.add_permits(10);
        cell.until("it is paused", PAUSED).await;
        let incident = cell.incident(run).await;
        assert_eq!(incident, "paused: ada: the gateway is down", "it says who and why");
        cell.audited().await;
        assert_eq!(ada(&cell).resume(run).await.unwrap(), Carried::Done);
        assert_eq!(cell.ended::<Steps4>(run).await.output, Some(4), "nothing pauses it again");
        assert_eq!(world().times(&plan, "book four"), 1, "nothing is done twice");
    }
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_paused_wait_keeps_its_signals_and_its_deadline() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let waiting = Waiting { plan: Plan::new(), within_ms: 600_000 };
    let run = cell.start::<Parcel>("p1", &waiting).await;
    let waits = "select exists (select 1 from tasks where state = 'WAITING')";
    cell.until("it waits", waits).await;
    let deadline: String = cell.scalar("select waits::text from tasks").await;
    assert_eq!(ada(&cell).pause(run).await.unwrap(), Carried::Done, "nobody holds it");
    ada(&cell).resume(run).await.unwrap();
    cell.until("it waits again", waits).await;
    let kept: String = cell.scalar("select waits::text from tasks").await;
    assert_eq!(kept, deadline, "its deadline is what it was");
    ada(&cell).pause(run).await.unwrap();
    let mut tx = cell.pool.begin().await.unwrap();
    let signed = Signed { by: "eve".to_owned() };
    cell.client.signal::<Parcel, Signed>(&mut tx, "p1", "s1", &signed).await.unwrap();
    tx.commit().await.unwrap();
    cell.client.wake();
    assert_eq!(cell.state(run).await, "PAUSED", "a signal does not wake it");
    ada(&cell).resume(run).await.unwrap();
    let ending = cell.ended::<Parcel>(run).await;
    assert_eq!(ending.output, Some(Some("eve".to_owned())), "and is not lost");

    let nap = Waiting { plan: Plan::new(), within_ms: 50 };
    let run = cell.start::<Patience>("n1", &nap).await;
    let _ = ada(&cell).pause(run).await;
    cell.until(
        "it stands still",
        "select not exists (select 1 from tasks where owner is not null)",
    )
    .await;
    if cell.state(run).await == "PAUSED" {
        ada(&cell).resume(run).await.unwrap();
    }
    cell.ended::<Patience>(run).await;
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_held_run_is_terminated_and_undoes_nothing() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book hotel");
    let run = cell.start::<Trip>("t1", &plan).await;
    world().until_met(&plan, "book hotel", 1).await;
    assert_eq!(ada(&cell).terminate(run).await.unwrap(), Carried::Ordered);
    gate.add_permits(10);
    let ending = cell.ended::<Trip>(run).await;
    assert_eq!(ending.state, "CLOSED");
    assert!(matches!(ending.cause, Some(Cause::Operator { actor, .. }) if actor == "ada"));
    assert_eq!(world().booked(&plan.trip).len(), 2, "what it did stays done");
    assert_eq!(world().times(&plan, "note paid"), 0, "the pivot was not tried");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_held_run_is_made_good_or_cancelled_before_its_pivot() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    for cancels in [false, true] {
        let plan = Plan::new();
        let gate = world().hang(&plan, "book hotel");
        let run = cell.start::<Trip>(&format!("t {cancels}"), &plan).await;
        world().until_met(&plan, "book hotel", 1).await;
        let ada = ada(&cell);
        let carried = if cancels { ada.cancel(run).await } else { ada.compensate(run).await };
        assert_eq!(carried.unwrap(), Carried::Ordered);
        gate.add_permits(10);
        let ending = cell.ended::<Trip>(run).await;
        assert_eq!(ending.state, "COMPENSATED", "the answer is kept");
        let as_asked = match ending.cause.unwrap() {
            Cause::Operator { actor, .. } => !cancels && actor == "ada",
            Cause::Cancelled { reason } => cancels && reason["actor"] == "ada",
            Cause::MadeGood { .. } | Cause::Rejected(_) => false,
        };
        assert!(as_asked, "the cause says who");
        assert_eq!(world().times(&plan, "note paid"), 0, "the pivot was not tried");
        assert!(world().booked(&plan.trip).is_empty(), "what was booked is cancelled");
    }
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn an_order_survives_the_worker_that_should_have_taken_it() {
    let cell = TestCell::new().await;
    let first = cell.worker_with(registry(), forgetful()).await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book one");
    let run = cell.start::<Steps4>("s1", &plan).await;
    world().until_met(&plan, "book one", 1).await;
    assert_eq!(ada(&cell).pause(run).await.unwrap(), Carried::Ordered);
    drop(first);
    let second = cell.worker_with(registry(), forgetful()).await;
    cell.until("its next worker pauses it", PAUSED).await;
    ada(&cell).resume(run).await.unwrap();
    gate.add_permits(10);
    cell.ended::<Steps4>(run).await;
    second.drain().await.unwrap();
    cell.audited().await;
}

/// Fails, and wants to be tried again in a long time.
struct Lazy;

impl Activity for Lazy {
    const NAME: &'static str = "lazy";
    type Kind = Outside;
    type Input = String;
    type Output = ();

    async fn run(&self, _: &mut Attempt, trip: String) -> ActivityResult<()> {
        world().meet(&trip, "lazy")?;
        world().stall(&trip, "lazy").await;
        let after = Some(Duration::from_mins(10));
        Err(ActivityError::Retryable { message: "later".to_owned(), after })
    }
}

struct Waits;

impl Workflow for Waits {
    const NAME: &'static str = "waits";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Lazy>(&plan.trip).await
    }
}

#[tokio::test]
async fn an_order_before_a_long_pause_is_not_put_off_until_the_next_attempt() {
    let cell = TestCell::new().await;
    let registry = registry().workflow::<Waits>().activity(Lazy);
    let worker = cell.worker_with(registry, WorkerConfig::default()).await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "lazy");
    let run = cell.start::<Waits>("w1", &plan).await;
    world().until_met(&plan, "lazy", 1).await;
    assert_eq!(ada(&cell).pause(run).await.unwrap(), Carried::Ordered);
    gate.add_permits(10);
    cell.until("it is paused", PAUSED).await;
    assert_eq!(world().times(&plan, "lazy"), 1, "the second attempt was not made");
    assert_eq!(ada(&cell).terminate(run).await.unwrap(), Carried::Done);
    assert_eq!(cell.ended::<Waits>(run).await.state, "CLOSED");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn of_many_runs_paused_while_they_run_each_ends_up_paused_or_ended_and_none_is_lost() {
    let cell = TestCell::new().await;
    let workers = [cell.worker().await, cell.worker().await];
    let mut runs = Vec::new();
    for index in 0..300 {
        let plan = if index % 3 == 0 { Plan::rejecting("hotel") } else { Plan::new() };
        runs.push((cell.start::<Trip>(&format!("t{index}"), &plan).await, plan));
    }
    let mut carried = BTreeMap::new();
    for (run, _) in &runs {
        let how = match ada(&cell).pause(*run).await {
            Ok(Carried::Done) => "done",
            Ok(Carried::Ordered) => "ordered",
            Err(Error::Refused { .. }) => "refused",
            Err(error) => panic!("{error}"),
        };
        *carried.entry(how).or_insert(0) += 1;
    }
    let still = "select not exists (select 1 from tasks where state <> 'PAUSED')";
    cell.until("each is paused or ended", still).await;
    let ended = "select count(*) from runs where ended_state is not null";
    let paused: i64 = cell.scalar("select count(*) from tasks").await;
    assert_eq!(cell.scalar::<i64>(ended).await + paused, 300, "none is lost: {carried:?}");
    cell.audited().await;
    let stands: i64 = cell.scalar("select count(*) from steps").await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(cell.scalar::<i64>("select count(*) from steps").await, stands, "nothing moves");
    for (run, _) in &runs {
        if cell.state(*run).await == "PAUSED" {
            ada(&cell).resume(*run).await.unwrap();
        }
    }
    cell.until("all end", "select not exists (select 1 from tasks)").await;
    for (run, plan) in &runs {
        let state = if plan.reject.is_some() { "COMPENSATED" } else { "COMPLETED" };
        assert_eq!(cell.state(*run).await, state);
        assert!(world().times(plan, "book flight") <= 1, "each step ran once");
        assert!(world().times(plan, "note paid") <= 1, "each step ran once");
    }
    for worker in workers {
        worker.drain().await.unwrap();
    }
    cell.audited().await;
}

/// Books, listens once, and is content.
struct Listens;

impl Workflow for Listens {
    const NAME: &'static str = "listens";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Book>(&booking(&plan, "van")).await?;
        ctx.signal::<Signed>().within(Duration::from_mins(10)).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_run_that_is_ordered_to_end_does_so_though_a_signal_comes_just_then() {
    let cell = TestCell::new().await;
    let listening = || registry().workflow::<Listens>();
    let first = cell.worker_with(listening(), forgetful()).await;
    let plan = Plan::new();
    let _gate = world().hang(&plan, "book van");
    let run = cell.start::<Listens>("l", &plan).await;
    world().until_met(&plan, "book van", 1).await;
    assert_eq!(ada(&cell).terminate(run).await.unwrap(), Carried::Ordered);
    drop(first);
    // The claim reads the order with the record, and right after it there is a signal.
    cell.execute(
        "create function as_it_is() returns trigger language plpgsql as $$
         begin
           new.step_count = (select count(*) from steps where run_id = new.run_id);
           return new;
         end $$",
    )
    .await;
    cell.execute(
        "create trigger as_it_is before update of step_count on tasks for each row
         when (new.step_count = -1) execute function as_it_is()",
    )
    .await;
    cell.execute(
        r#"create function just_then() returns trigger language plpgsql as $$
           begin
             insert into signals (run_id, signal_id, kind, payload)
             values (new.run_id, 's1', 'signed', '{"by": "eve"}');
             update tasks set mailbox = mailbox + 1 where run_id = new.run_id;
             return null;
           end $$"#,
    )
    .await;
    cell.execute(
        "create trigger just_then after update of owner on tasks for each row
         when (old.owner is null and new.owner is not null and new.mailbox = 1)
         execute function just_then()",
    )
    .await;
    let second = cell.worker_with(listening(), forgetful()).await;
    let ending = cell.ended::<Listens>(run).await;
    assert_eq!(cell.scalar::<i64>("select count(*) from signals").await, 2, "it came");
    assert_eq!(ending.state, "CLOSED", "and the order stands");
    second.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn signals_of_a_terminated_run_stay_untaken_whoever_held_it() {
    let cell = TestCell::new().await;
    let worker = cell.worker().await;
    for held in [true, false] {
        let waiting = Waiting { plan: Plan::new(), within_ms: 600_000 };
        let gate = world().hang(&waiting.plan, "book van");
        let id = format!("held {held}");
        let run = cell.start::<Parcel>(&id, &waiting).await;
        world().until_met(&waiting.plan, "book van", 1).await;
        if !held {
            assert_eq!(ada(&cell).pause(run).await.unwrap(), Carried::Ordered);
            gate.add_permits(10);
            cell.until("it is paused", PAUSED).await;
        }
        cell.signal::<Parcel>(&id, &Signed { by: "eve".to_owned() }).await;
        ada(&cell).terminate(run).await.unwrap();
        gate.add_permits(10);
        assert_eq!(cell.ended::<Parcel>(run).await.state, "CLOSED");
        let named = format!(
            "select after ->> 'untaken_signals' from operator_actions
             where run_id = '{run}' and verb = 'terminate'"
        );
        assert_eq!(cell.scalar::<String>(&named).await, r#"["signed s1"]"#, "its record names it");
    }
    let handled = "select count(*) from runs where workflow = 'returns'";
    assert_eq!(cell.scalar::<i64>(handled).await, 0, "an operator looks after them");
    worker.drain().await.unwrap();
    cell.audited().await;
}
