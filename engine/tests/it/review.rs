//! Bad moments: what a program, an operator or a neighbour does just when something else happens.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, Cancellation, Ctx, Failure, GivenUndo,
    InBatch, InTransaction, Late, Outside, Registry, RetryPolicy, Signal, StepId, WorkerConfig,
    Workflow, WorkflowResult, replay_check,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

use crate::support::{TestCell, forgetful};
use crate::trades::{
    Book, Erase, Fault, Note, Parcel, Plan, Returns, Unbook, Waiting, booking, line, registry,
    world,
};

/// A value that no column of JSON takes.
const UNWRITABLE: &str = "\u{0}";

#[derive(Debug, Serialize, Deserialize)]
struct Go;

impl Signal for Go {
    const KIND: &'static str = "go";
}

async fn signal<W: Workflow>(cell: &TestCell, id: &str, signal: &impl Signal) {
    let mut tx = cell.pool.begin().await.unwrap();
    cell.client.signal::<W, _>(&mut tx, id, "s1", signal).await.unwrap();
    tx.commit().await.unwrap();
    cell.client.wake();
}

async fn cancel<W: Workflow>(cell: &TestCell, id: &str) {
    let mut tx = cell.pool.begin().await.unwrap();
    let answer = cell.client.cancel::<W>(&mut tx, id, &"no").await.unwrap();
    assert_eq!(answer, Cancellation::Requested);
    tx.commit().await.unwrap();
    cell.client.wake();
}

async fn waits(cell: &TestCell) {
    cell.until("it waits", "select exists (select 1 from tasks where state = 'WAITING')").await;
}

/// Two steps that share a transaction.
struct Pair;

impl Workflow for Pair {
    const NAME: &'static str = "pair";
    type Input = Plan;
    type Output = i64;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<i64> {
        let version = ctx.version("note", 3);
        ctx.step::<Note>(&line(&plan, "one")).undo::<Erase>().await?;
        let two = ctx.step::<Note>(&line(&plan, "two")).await?;
        Ok(two + i64::from(version))
    }
}

#[tokio::test]
async fn a_step_that_sticks_leaves_the_steps_of_its_transaction_done() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Pair>(), forgetful()).await;
    let plan = Plan::new();
    world().fail(&plan, "note two", &[Fault::Review]);
    let run = cell.start::<Pair>("p1", &plan).await;
    cell.incident(run).await;
    let step = StepId { name: "note".to_owned(), occurrence: 1 };
    let ada = cell.client.operator("ada", "looked").unwrap();
    ada.skip_step(run, &step, &json!(7), GivenUndo::Forget).await.unwrap();
    assert_eq!(cell.ended::<Pair>(run).await.output, Some(10), "the given result is its answer");
    assert_eq!(world().times(&plan, "note one"), 1, "what was done is not done again");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_given_result_leaves_the_version_marker_of_the_same_name() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Pair>(), forgetful()).await;
    let plan = Plan::new();
    world().fail(&plan, "note one", &[Fault::Review]);
    let run = cell.start::<Pair>("p1", &plan).await;
    cell.incident(run).await;
    let step = StepId { name: "note".to_owned(), occurrence: 0 };
    let ada = cell.client.operator("ada", "looked").unwrap();
    ada.skip_step(run, &step, &json!(7), GivenUndo::Forget).await.unwrap();
    let note: i64 = {
        let output = cell.ended::<Pair>(run).await.output.unwrap();
        output - cell.scalar::<i64>("select max(note_id) from notes").await
    };
    assert_eq!(note, 3, "it goes by the version that it began with");
    worker.drain().await.unwrap();
}

/// Waits until the end of time.
struct Endless;

impl Workflow for Endless {
    const NAME: &'static str = "endless";
    type Input = Plan;
    type Output = bool;

    async fn run(ctx: Ctx, _: Plan) -> WorkflowResult<bool> {
        Ok(ctx.signal::<Go>().until(DateTime::<Utc>::MAX_UTC).await?.is_some())
    }
}

#[tokio::test]
async fn a_wait_until_the_end_of_time_can_be_ended_by_its_signal() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Endless>(), forgetful()).await;
    let run = cell.start::<Endless>("e1", &Plan::new()).await;
    waits(&cell).await;
    signal::<Endless>(&cell, "e1", &Go).await;
    assert_eq!(cell.ended::<Endless>(run).await.output, Some(true));
    worker.drain().await.unwrap();
}

/// Does not wait for its child to end, but ends after it.
struct Impatient;

impl Workflow for Impatient {
    const NAME: &'static str = "impatient";
    type Input = Waiting;
    type Output = ();

    async fn run(ctx: Ctx, waiting: Waiting) -> WorkflowResult<()> {
        let nap = ctx.sleep(Duration::from_millis(20));
        let _ = ctx.first(ctx.child::<Parcel>(&waiting), nap).await;
        ctx.signal::<Go>().within(Duration::from_secs(600)).await?;
        Ok(())
    }

    fn late_signal() -> Option<Late<Self>> {
        Some(Late::to::<Returns>())
    }
}

#[tokio::test]
async fn a_childs_end_that_nobody_awaits_is_no_late_signal() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Impatient>(), forgetful()).await;
    let waiting = Waiting { plan: Plan::new(), within_ms: 300 };
    let run = cell.start::<Impatient>("i1", &waiting).await;
    let told = "select exists (select 1 from signals where kind = '$child')";
    cell.until("the parent is told of its child", told).await;
    signal::<Impatient>(&cell, "i1", &Go).await;
    cell.ended::<Impatient>(run).await;
    let late: i64 = cell.scalar("select count(*) from runs where workflow = 'returns'").await;
    assert_eq!(late, 0, "nobody sent a signal too late");
    worker.drain().await.unwrap();
}

/// Answers with what it is given, once and for all.
struct Stamp;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Text(String);

impl Activity for Stamp {
    const NAME: &'static str = "stamp";
    type Kind = InBatch;
    type Input = Text;
    type Output = Text;

    async fn run(
        &self,
        _: &mut PgConnection,
        texts: Vec<Text>,
    ) -> ActivityResult<Vec<ActivityResult<Text>>> {
        let stamped = |text: Text| Text(text.0.replace("nul", UNWRITABLE));
        Ok(texts.into_iter().map(|text| Ok(stamped(text))).collect())
    }

    fn retry(&self) -> RetryPolicy {
        RetryPolicy::never()
    }
}

struct Stamped;

impl Workflow for Stamped {
    const NAME: &'static str = "stamped";
    type Input = Text;
    type Output = ();

    async fn run(ctx: Ctx, text: Text) -> WorkflowResult<()> {
        ctx.step::<Stamp>(&text).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_result_that_cannot_be_written_costs_its_batch_no_attempt() {
    let cell = TestCell::new().await;
    let mut tx = cell.pool.begin().await.unwrap();
    for number in 0..50 {
        let text = Text(if number == 7 { "nul".to_owned() } else { number.to_string() });
        cell.client.start::<Stamped>(&mut tx, &number.to_string(), &text).await.unwrap();
    }
    tx.commit().await.unwrap();
    let registry = registry().workflow::<Stamped>().activity(Stamp);
    let worker = cell.worker_with(registry, forgetful()).await;
    let left = "select not exists (select 1 from tasks where incident_id is null)";
    cell.until("all end", left).await;
    let completed: i64 =
        cell.scalar("select count(*) from runs where ended_state = 'COMPLETED'").await;
    assert_eq!(completed, 49, "its neighbours are served");
    let class: String = cell.scalar("select class from incidents").await;
    assert_eq!(class, "unwritable", "and its own trouble is named");
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// Stamps, with a booking beside that takes its time.
struct StampedBeside;

impl Workflow for StampedBeside {
    const NAME: &'static str = "stamped_beside";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        let other = booking(&plan, "quick");
        let stamp = async {
            ctx.step::<Book>(&other).undo::<Unbook>().await?;
            ctx.step::<Stamp>(&Text("nul".to_owned())).await
        };
        let slow = booking(&plan, "slow");
        ctx.join(ctx.step::<Book>(&slow).undo::<Unbook>(), stamp).await?;
        Ok(())
    }
}

#[tokio::test]
async fn what_was_recorded_before_a_batch_that_was_rolled_back_is_kept_in_order() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book slow");
    let registry = registry().workflow::<StampedBeside>().activity(Stamp);
    let worker = cell.worker_with(registry, forgetful()).await;
    let run = cell.start::<StampedBeside>("s1", &plan).await;
    world().until_met(&plan, "book quick", 1).await;
    world().until_met(&plan, "book slow", 1).await;
    gate.add_permits(9);
    cell.incident(run).await;
    worker.drain().await.unwrap();
    cell.audited().await;
    assert_eq!(world().times(&plan, "book quick"), 1, "{:?}", cell.record(run).await);
}

/// Its point of no return is outside.
struct Leap;

impl Workflow for Leap {
    const NAME: &'static str = "leap";
    type Input = Plan;
    type Output = String;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<String> {
        ctx.step::<Book>(&booking(&plan, "flight")).undo::<Unbook>().await?;
        let (hotel, _) = ctx.pivot::<Book>(&booking(&plan, "hotel")).await?;
        Ok(hotel)
    }
}

#[tokio::test]
async fn a_cancel_acknowledged_before_a_pivot_outside_is_not_overtaken_by_it() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Leap>(), forgetful()).await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book flight");
    let run = cell.start::<Leap>("l1", &plan).await;
    world().until_met(&plan, "book flight", 1).await;
    cancel::<Leap>(&cell, "l1").await;
    gate.add_permits(9);
    assert_eq!(cell.ended::<Leap>(run).await.state, "COMPENSATED", "the answer is kept");
    assert_eq!(world().times(&plan, "book hotel"), 0, "the pivot was not tried");
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// Awaits so many children that nobody drives.
struct Brood;

impl Workflow for Brood {
    const NAME: &'static str = "brood";
    type Input = u32;
    type Output = ();

    async fn run(ctx: Ctx, count: u32) -> WorkflowResult<()> {
        let plan = Plan::new();
        ctx.all((0..count).map(|_| ctx.child::<Endless>(&plan))).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_parent_looks_up_from_waiting_for_thousands_of_children() {
    let cell = TestCell::new().await;
    let worker =
        cell.worker_with(Registry::new().workflow::<Brood>(), WorkerConfig::default()).await;
    cell.start::<Brood>("b1", &4_000).await;
    waits(&cell).await;
    cell.execute(
        "update tasks set due_at = now(), waits = (
           select jsonb_object_agg(key, '2020-01-01T00:00:00+00:00') from jsonb_each(waits))
         where state = 'WAITING'",
    )
    .await;
    let again = "select exists (select 1 from tasks where state = 'WAITING'
        and waits::text not like '%2020-%')";
    cell.until("it waits on", again).await;
    worker.drain().await.unwrap();
}

/// Books twice beside a long nap.
struct Sleeper;

impl Workflow for Sleeper {
    const NAME: &'static str = "sleeper";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        let (first, second) = (booking(&plan, "first"), booking(&plan, "second"));
        let both = async {
            ctx.step::<Book>(&first).await?;
            ctx.step::<Book>(&second).await
        };
        ctx.join(both, ctx.sleep(Duration::from_secs(600))).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_timer_goes_on_when_its_run_is_handed_back() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Sleeper>(), forgetful()).await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book first");
    cell.start::<Sleeper>("s1", &plan).await;
    cell.until("it naps", "select exists (select 1 from tasks where waits is not null)").await;
    let before: String = cell.scalar("select waits::text from tasks").await;
    let (drained, ()) = tokio::join!(worker.drain(), async { gate.add_permits(9) });
    drained.unwrap();
    assert_eq!(world().times(&plan, "book second"), 0, "it was handed back before that");
    let after: Option<String> = cell.scalar("select waits::text from tasks").await;
    assert_eq!(after, Some(before), "the nap ends when it would have ended");
}

/// Apologizes for a refusal, and passes it on.
struct Sorry;

impl Workflow for Sorry {
    const NAME: &'static str = "sorry";
    type Input = Plan;
    type Output = String;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<String> {
        let (_, ctx) = ctx.pivot::<Note>(&line(&plan, "paid")).await?;
        let hotel = ctx.step::<Book>(&booking(&plan, "hotel")).await;
        if hotel.is_err() {
            ctx.step::<Note>(&line(&plan, "sorry")).await?;
        }
        hotel
    }
}

#[tokio::test]
async fn a_refusal_that_the_program_acted_upon_stays_on_record() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Sorry>(), forgetful()).await;
    let plan = Plan::rejecting("hotel");
    let run = cell.start::<Sorry>("s1", &plan).await;
    let first = cell.incident(run).await;
    assert!(first.starts_with("rejected_past_pivot"), "{first}");
    cell.client.retry(run, "ada", "looked").await.unwrap();
    let again = cell.incident(run).await;
    assert!(again.starts_with("rejected_past_pivot"), "its record still fits: {again}");
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// Fails in its transaction, and is tried again after a minute.
struct Stubborn;

impl Activity for Stubborn {
    const NAME: &'static str = "stubborn";
    type Kind = InTransaction;
    type Input = Plan;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, plan: Plan) -> ActivityResult<()> {
        sqlx::query("insert into notes (trip, note) values ($1, 'no')")
            .bind(plan.trip)
            .execute(tx)
            .await?;
        Err(ActivityError::retryable("not now"))
    }

    fn retry(&self) -> RetryPolicy {
        RetryPolicy::every(Duration::from_secs(60))
    }
}

struct Mule;

impl Workflow for Mule {
    const NAME: &'static str = "mule";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Book>(&booking(&plan, "cart")).undo::<Unbook>().await?;
        ctx.step::<Stubborn>(&plan).await
    }
}

#[tokio::test]
async fn a_cancel_that_comes_while_an_attempt_fails_does_not_wait_for_the_next() {
    let cell = TestCell::new().await;
    let worker =
        cell.worker_with(registry().workflow::<Mule>().activity(Stubborn), forgetful()).await;
    let plan = Plan::new();
    let mut hold = cell.pool.begin().await.unwrap();
    sqlx::query("lock table notes in share mode").execute(&mut *hold).await.unwrap();
    let run = cell.start::<Mule>("m1", &plan).await;
    cell.until_blocked_by(&mut hold).await;
    cancel::<Mule>(&cell, "m1").await;
    hold.commit().await.unwrap();
    assert_eq!(cell.ended::<Mule>(run).await.state, "COMPENSATED", "and not after a minute");
    assert_eq!(world().booked(&plan.trip), []);
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// Knows two changes.
struct Changed;

impl Workflow for Changed {
    const NAME: &'static str = "changed";
    type Input = Plan;
    type Output = i32;

    async fn run(ctx: Ctx, _: Plan) -> WorkflowResult<i32> {
        let _ = ctx.version("first", 1);
        let second = ctx.version("second", 1);
        ctx.signal::<Go>().within(Duration::from_secs(600)).await?;
        Ok(second)
    }
}

/// The same, after the first change is everywhere.
struct Tidied;

impl Workflow for Tidied {
    const NAME: &'static str = "changed";
    type Input = Plan;
    type Output = i32;

    async fn run(ctx: Ctx, _: Plan) -> WorkflowResult<i32> {
        let second = ctx.version("second", 1);
        ctx.signal::<Go>().within(Duration::from_secs(600)).await?;
        Ok(second)
    }
}

#[tokio::test]
async fn a_marker_that_is_not_asked_for_any_more_does_not_hide_the_next() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Changed>(), forgetful()).await;
    let run = cell.start::<Changed>("c1", &Plan::new()).await;
    waits(&cell).await;
    worker.drain().await.unwrap();
    let worker = cell.worker_with(registry().workflow::<Tidied>(), forgetful()).await;
    signal::<Tidied>(&cell, "c1", &Go).await;
    assert_eq!(cell.ended::<Tidied>(run).await.output, Some(1), "what it said on the first time");
    worker.drain().await.unwrap();
}

/// Notes, and waits.
struct Old;

impl Workflow for Old {
    const NAME: &'static str = "ward";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Note>(&line(&plan, "old")).undo::<Erase>().await?;
        ctx.signal::<Go>().within(Duration::from_secs(600)).await?;
        Ok(())
    }
}

/// The same program under a new number.
struct New;

impl Workflow for New {
    const NAME: &'static str = "ward";
    const VERSION: i32 = 2;
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        Old::run(ctx, plan).await
    }
}

struct Guardian;

impl Workflow for Guardian {
    const NAME: &'static str = "guardian";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.child::<Old>(&plan).await
    }
}

async fn guarded(cell: &TestCell, plan: &Plan) -> uuid::Uuid {
    let old = registry().workflow::<Guardian>().workflow::<Old>();
    let worker = cell.worker_with(old, forgetful()).await;
    let run = cell.start::<Guardian>("g1", plan).await;
    let both = "select count(*) = 2 from tasks where state = 'WAITING'";
    cell.until("both wait", both).await;
    worker.drain().await.unwrap();
    run
}

#[tokio::test]
async fn a_child_of_an_old_version_is_undone_with_its_parent() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let run = guarded(&cell, &plan).await;
    let new = registry().workflow::<Guardian>().workflow::<New>();
    let worker = cell.worker_with(new, forgetful()).await;
    cancel::<Guardian>(&cell, "g1").await;
    assert_eq!(cell.ended::<Guardian>(run).await.state, "COMPENSATED");
    assert_eq!(world().times(&plan, "erase old"), 1, "from the record");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_run_of_a_version_that_the_code_does_not_run_is_named() {
    let cell = TestCell::new().await;
    guarded(&cell, &Plan::new()).await;
    let new = registry().workflow::<Guardian>().workflow::<New>();
    let found = replay_check(&cell.database, &new, |_| {}).await.unwrap();
    assert_eq!((found.fit, found.misfits.len()), (1, 1), "the child waits for its old code");
    assert_eq!(found.misfits[0].difference, "no workflow ward version 1 is registered");
}

/// Answers in its transaction with what cannot be written.
struct Nul;

impl Activity for Nul {
    const NAME: &'static str = "nul";
    type Kind = InTransaction;
    type Input = Plan;
    type Output = String;

    async fn run(&self, _: &mut PgConnection, _: Plan) -> ActivityResult<String> {
        Ok(UNWRITABLE.to_owned())
    }
}

/// The same, outside.
struct NulOutside;

impl Activity for NulOutside {
    const NAME: &'static str = "nul_outside";
    type Kind = Outside;
    type Input = Plan;
    type Output = String;

    async fn run(&self, _: &mut Attempt, plan: Plan) -> ActivityResult<String> {
        world().meet(&plan.trip, "nul")?;
        Ok(UNWRITABLE.to_owned())
    }
}

struct Show;

impl Workflow for Show {
    const NAME: &'static str = "show";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.publish("doing", &"before");
        ctx.step::<Nul>(&plan).await?;
        ctx.publish("doing", &"after");
        ctx.step::<Book>(&booking(&plan, "seat")).await?;
        Ok(())
    }
}

#[tokio::test]
async fn what_is_shown_is_not_ahead_of_a_transaction_that_was_rolled_back() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Show>().activity(Nul), forgetful()).await;
    let run = cell.start::<Show>("s1", &Plan::new()).await;
    cell.incident(run).await;
    let shown: Option<String> = cell.client.published(run, "doing").await.unwrap();
    assert_eq!(shown.as_deref(), Some("before"));
    worker.drain().await.unwrap();
}

struct Beside;

impl Workflow for Beside {
    const NAME: &'static str = "beside";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        let (slow, next) = (booking(&plan, "slow"), booking(&plan, "next"));
        let other = async {
            ctx.step::<NulOutside>(&plan).await?;
            ctx.step::<Book>(&next).await
        };
        ctx.join(ctx.step::<Book>(&slow).undo::<Unbook>(), other).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_run_whose_records_are_refused_is_not_given_to_a_person_with_a_call_under_way() {
    let cell = TestCell::new().await;
    let registry = registry().workflow::<Beside>().activity(NulOutside);
    let worker = cell.worker_with(registry, forgetful()).await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book slow");
    let run = cell.start::<Beside>("b1", &plan).await;
    world().until_met(&plan, "nul", 1).await;
    world().until_met(&plan, "book slow", 1).await;
    // Long enough for an incident to come too early.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let open: i64 = cell.scalar("select count(*) from incidents").await;
    assert_eq!(open, 0, "the slow call has not answered");
    gate.add_permits(9);
    let incident = cell.incident(run).await;
    assert!(incident.starts_with("unwritable"), "{incident}");
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// Does not wait for its pivot, and wants everything undone.
struct Hasty;

impl Workflow for Hasty {
    const NAME: &'static str = "hasty";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Note>(&line(&plan, "packed")).undo::<Erase>().await?;
        let nap = std::pin::pin!(ctx.sleep(Duration::from_millis(50)));
        let hotel = booking(&plan, "hotel");
        let pivot = std::pin::pin!(ctx.pivot::<Book>(&hotel));
        let _ = futures::future::select(pivot, nap).await;
        Err(Failure::MadeGood(json!("too slow")))
    }
}

#[tokio::test]
async fn nothing_is_undone_past_a_pivot_that_the_program_did_not_wait_for() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Hasty>(), forgetful()).await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book hotel");
    let run = cell.start::<Hasty>("h1", &plan).await;
    world().until_met(&plan, "book hotel", 1).await;
    // Longer than its nap, and than a run with calls under way takes to look at its timers.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    gate.add_permits(9);
    let incident = cell.incident(run).await;
    assert!(incident.starts_with("rejected_past_pivot"), "{incident}");
    assert_eq!(world().times(&plan, "erase packed"), 0);
    worker.drain().await.unwrap();
    cell.audited().await;
}

/// Books so many things at once.
struct Crowd;

impl Workflow for Crowd {
    const NAME: &'static str = "crowd";
    type Input = Plan;
    type Output = usize;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<usize> {
        let wishes: Vec<_> = (0..1_000).map(|n| booking(&plan, &n.to_string())).collect();
        let booked = ctx.all(wishes.iter().map(|wish| ctx.step::<Book>(wish))).await?;
        Ok(booked.len())
    }
}

#[tokio::test]
async fn a_thousand_steps_at_once_are_done_and_handed_back() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(registry().workflow::<Crowd>(), forgetful()).await;
    let plan = Plan::new();
    let gate = world().hang(&plan, "book 999");
    let run = cell.start::<Crowd>("c1", &plan).await;
    world().until_met(&plan, "book 999", 1).await;
    let asked = Instant::now();
    gate.add_permits(999);
    worker.drain().await.unwrap();
    let worker = cell.worker_with(registry().workflow::<Crowd>(), forgetful()).await;
    assert_eq!(cell.ended::<Crowd>(run).await.output, Some(1_000));
    assert!(asked.elapsed() < Duration::from_secs(20), "took {:?}", asked.elapsed());
    worker.drain().await.unwrap();
}
