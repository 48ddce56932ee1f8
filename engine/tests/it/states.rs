//! The tables of a run's life are what the database sees: every move is in them, and is made.

use std::collections::BTreeSet;
use std::time::Duration;

use makegood::inspect::Mover;
use makegood::{Ctx, RunState, Signal, Verb, WorkerConfig, Workflow, WorkflowResult};
use uuid::Uuid;

use crate::support::{TestCell, forgetful};
use crate::trades::{Book, Fault, Parcel, Plan, Signed, Trip, Waiting, booking, registry, world};

/// Writes every change of a row of the queue down.
const SPY: [&str; 3] = [
    "create table moves (run_id uuid, was text, moved_by text, becomes text, moves_by text)",
    "create function note_move() returns trigger language plpgsql as $$
     begin
       insert into moves
       select coalesce(new.run_id, old.run_id),
         old.state,
         case when old.owner is not null then 'owner' when old.due_at is not null then 'due_at'
           when old.incident_id is not null then 'incident_id' end,
         new.state,
         case when new.owner is not null then 'owner' when new.due_at is not null then 'due_at'
           when new.incident_id is not null then 'incident_id' end;
       return null;
     end $$",
    "create trigger note_move after insert or update or delete on tasks
     for each row execute function note_move()",
];

/// Books a van for good, and may wait for a signature then.
struct Delivery;

impl Workflow for Delivery {
    const NAME: &'static str = "delivery";
    type Input = Waiting;
    type Output = ();

    async fn run(ctx: Ctx, waiting: Waiting) -> WorkflowResult<()> {
        let (_, ctx) = ctx.pivot::<Book>(&booking(&waiting.plan, "van")).await?;
        if waiting.within_ms > 0 {
            ctx.signal::<Signed>().within(Duration::from_millis(waiting.within_ms)).await?;
        }
        Ok(())
    }
}

fn waiting(within_ms: u64) -> Waiting {
    Waiting { plan: Plan::new(), within_ms }
}

const LONG: u64 = 600_000;

async fn signal<W: Workflow>(cell: &TestCell, id: &str) {
    let mut tx = cell.pool.begin().await.unwrap();
    let by = Signed { by: "ada".to_owned() };
    cell.client.signal::<W, _>(&mut tx, id, Signed::KIND, &by).await.unwrap();
    tx.commit().await.unwrap();
    cell.client.wake();
}

async fn in_state(cell: &TestCell, run: Uuid, state: RunState) {
    let sql = format!("select state = '{}' from run_states where run_id = '{run}'", state.as_str());
    cell.until(&format!("{run} is {}", state.as_str()), &sql).await;
}

/// Without a worker: an operator alone moves the runs.
async fn moved_by_hand(cell: &TestCell) {
    let operator = cell.client.operator("ada", "to see").unwrap();
    for (n, verbs) in [
        vec![Verb::Pause, Verb::Resume, Verb::Pause, Verb::Compensate, Verb::Terminate],
        vec![Verb::Compensate, Verb::ResumeForward, Verb::Terminate],
        vec![Verb::Compensate, Verb::Pause, Verb::Resume, Verb::Pause, Verb::Terminate],
    ]
    .into_iter()
    .enumerate()
    {
        let run = cell.start::<Trip>(&format!("by hand {n}"), &Plan::new()).await;
        for verb in verbs {
            operator.carry_out(run, &verb).await.unwrap();
        }
    }
}

/// Runs that are cancelled while nobody knows yet that their pivot has happened: they go on.
async fn overtaken_by_their_pivots(cell: &TestCell, config: &WorkerConfig) {
    let config = WorkerConfig { drain: Duration::from_millis(10), ..config.clone() };
    let runs = [("ends", waiting(0)), ("waits", waiting(LONG))];
    let gates = runs.clone().map(|(_, waiting)| world().hang(&waiting.plan, "book van"));
    let worker = cell.worker_with(registry().workflow::<Delivery>(), config.clone()).await;
    let mut ids = Vec::new();
    for (id, waiting) in &runs {
        ids.push(cell.start::<Delivery>(id, waiting).await);
        while world().booked(&waiting.plan.trip).is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    worker.drain().await.unwrap();
    for (id, _) in &runs {
        let mut tx = cell.pool.begin().await.unwrap();
        cell.client.cancel::<Delivery>(&mut tx, id, &"too late").await.unwrap();
        tx.commit().await.unwrap();
    }
    for gate in &gates {
        gate.add_permits(9);
    }
    let worker = cell.worker_with(registry().workflow::<Delivery>(), config).await;
    in_state(cell, ids[0], RunState::Completed).await;
    in_state(cell, ids[1], RunState::Waiting).await;
    signal::<Delivery>(cell, "waits").await;
    in_state(cell, ids[1], RunState::Completed).await;
    worker.drain().await.unwrap();
}

/// Runs that wait, fail, get stuck and are undone.
async fn moved_by_workers(cell: &TestCell, config: WorkerConfig) {
    let operator = cell.client.operator("ada", "to see").unwrap();
    let worker = cell.worker_with(registry(), config).await;
    let ended = cell.start::<Trip>("ended", &Plan::new()).await;
    let refused = cell.start::<Trip>("refused", &Plan::rejecting("flight")).await;

    let plan = Plan::rejecting("hotel");
    world().fail(&plan, "unbook flight", &[Fault::Retryable; 4]);
    let stuck = cell.start::<Trip>("stuck in its undo", &plan).await;
    in_state(cell, stuck, RunState::Stuck).await;
    operator.retry(stuck).await.unwrap();

    for (id, verb) in [("stuck", Verb::Retry), ("given up", Verb::Close)] {
        let plan = Plan::new();
        world().fail_early(&plan, "book hotel", &[Fault::Retryable; 4]);
        let stuck = cell.start::<Trip>(id, &plan).await;
        in_state(cell, stuck, RunState::Stuck).await;
        operator.carry_out(stuck, &verb).await.unwrap();
    }
    for (id, verb) in
        [("paused", Verb::Pause), ("cancelled", Verb::Cancel), ("ended", Verb::Terminate)]
    {
        let parcel = cell.start::<Parcel>(id, &waiting(LONG)).await;
        in_state(cell, parcel, RunState::Waiting).await;
        operator.carry_out(parcel, &verb).await.unwrap();
    }
    let paused = cell.scalar::<Uuid>("select run_id from runs where workflow_id = 'paused'").await;
    operator.resume(paused).await.unwrap();
    in_state(cell, paused, RunState::Waiting).await;
    signal::<Parcel>(cell, "paused").await;
    for run in [paused, ended, refused, stuck] {
        cell.until(
            "it ends",
            &format!("select ended_at is not null from runs where run_id = '{run}'"),
        )
        .await;
    }
    cell.until("all end", "select not exists (select 1 from tasks)").await;
    worker.drain().await.unwrap();
}

type Pairs = BTreeSet<(String, String)>;

/// The moves that were seen, by two columns; the end of a row is the end of its run.
async fn seen(cell: &TestCell, was: &str, becomes: &str, end: &str) -> Pairs {
    let sql = format!(
        "select distinct m.{was}, coalesce(m.{becomes}, {end})
         from moves m
         left join runs r on r.run_id = m.run_id
         where m.{was} is not null and m.{was} is distinct from m.{becomes}"
    );
    let rows: Vec<(String, String)> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(&cell.pool).await.unwrap();
    rows.into_iter().collect()
}

#[tokio::test]
async fn the_tables_of_states_and_movers_are_what_runs_do() {
    let cell = TestCell::new().await;
    for sql in SPY {
        cell.execute(sql).await;
    }
    moved_by_hand(&cell).await;
    overtaken_by_their_pivots(&cell, &forgetful()).await;
    moved_by_workers(&cell, forgetful()).await;

    let pair = |was: &str, becomes: &str| (was.to_owned(), becomes.to_owned());
    let states: Pairs = RunState::ALL
        .iter()
        .flat_map(|was| was.next().iter().map(|becomes| pair(was.as_str(), becomes.as_str())))
        .collect();
    assert_eq!(seen(&cell, "was", "becomes", "r.ended_state").await, states, "no more, no less");

    let movers: Pairs = Mover::ALL
        .iter()
        .flat_map(|was| was.next().iter().map(|becomes| pair(was.column(), becomes.column())))
        .chain(Mover::ALL.iter().map(|was| pair(was.column(), "end")))
        .collect();
    assert_eq!(seen(&cell, "moved_by", "moves_by", "'end'").await, movers, "no more, no less");

    let held: Vec<(String, String)> =
        sqlx::query_as("select distinct becomes, moves_by from moves where becomes is not null")
            .fetch_all(&cell.pool)
            .await
            .unwrap();
    let of_states: Pairs = RunState::ALL
        .iter()
        .flat_map(|state| state.movers().iter().map(|mover| pair(state.as_str(), mover.column())))
        .collect();
    assert_eq!(held.into_iter().collect::<Pairs>(), of_states, "each state with what moves it");
    cell.audited().await;
}
