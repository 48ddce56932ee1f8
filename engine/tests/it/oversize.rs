//! Runs whose record grows beyond what is read at once: they need a person, and hold up no other.

use makegood::{
    Activity, ActivityResult, Attempt, Ctx, Outside, Registry, Undoes, WorkerConfig, Workflow,
    WorkflowResult,
};
use uuid::Uuid;

use crate::support::{TestCell, forgetful};
use crate::trades::{Parcel, Plan, Signed, Steps4, Waiting, registry};

/// Reads a book of so many letters.
struct Tome;

impl Activity for Tome {
    const NAME: &'static str = "tome";
    type Kind = Outside;
    type Input = usize;
    type Output = String;

    async fn run(&self, _: &mut Attempt, letters: usize) -> ActivityResult<String> {
        Ok("x".repeat(letters))
    }
}

/// Gives a book back.
struct Return;

impl Activity for Return {
    const NAME: &'static str = "return";
    type Kind = Outside;
    type Input = Undoes<Tome>;
    type Output = usize;

    async fn run(&self, _: &mut Attempt, undoes: Undoes<Tome>) -> ActivityResult<usize> {
        Ok(undoes.output.map_or(0, |tome| tome.len()))
    }
}

/// Reads ten books.
struct Library;

impl Workflow for Library {
    const NAME: &'static str = "library";
    type Input = usize;
    type Output = ();

    async fn run(ctx: Ctx, letters: usize) -> WorkflowResult<()> {
        for _ in 0..10 {
            ctx.step::<Tome>(&letters).undo::<Return>().await?;
        }
        Ok(())
    }
}

fn readers() -> Registry {
    registry().workflow::<Library>().activity(Tome).activity(Return)
}

fn limited(record_limit: usize) -> WorkerConfig {
    WorkerConfig { record_limit, ..forgetful() }
}

#[tokio::test]
async fn a_run_with_too_many_bytes_on_record_needs_a_person_and_can_still_be_undone() {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(readers(), limited(3_500)).await;
    let run = cell.start::<Library>("l1", &1_000).await;
    let incident = cell.incident(run).await;
    assert_eq!(incident, "unwritable: the run's record has more than 3500 bytes");
    let count = |kind| format!("select count(*) from steps where kind = '{kind}'");
    assert_eq!(cell.scalar::<i64>(&count("done")).await, 4, "what was done is on record");
    cell.client.retry(run, "ada", "it is as large as before").await.unwrap();
    let again = "select count(*) = 2 from incidents";
    cell.until("the whole record counts, not what one worker wrote", again).await;
    cell.cancel::<Library>("l1").await;
    cell.client.retry(run, "ada", "let it unwind").await.unwrap();
    assert_eq!(cell.ended::<Library>(run).await.state, "COMPENSATED");
    assert_eq!(cell.scalar::<i64>(&count("undone")).await, 4);
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn signals_count_as_bytes_of_their_run_and_a_retry_under_a_higher_limit_resumes_it() {
    let cell = TestCell::new().await;
    let low = cell.worker_with(registry(), limited(3_500)).await;
    let waiting = Waiting { plan: Plan::new(), within_ms: 600_000 };
    let run = cell.start::<Parcel>("p1", &waiting).await;
    cell.waits().await;
    cell.signal::<Parcel>("p1", &Signed { by: "x".repeat(4_000) }).await;
    let incident = cell.incident(run).await;
    assert_eq!(incident, "unwritable: the run's record has more than 3500 bytes");
    low.drain().await.unwrap();
    cell.client.retry(run, "ada", "the limit was raised").await.unwrap();
    let high = cell.worker_with(registry(), limited(100_000)).await;
    assert_eq!(cell.ended::<Parcel>(run).await.state, "COMPLETED");
    high.drain().await.unwrap();
    cell.audited().await;
}

/// As PostgreSQL answers when a record does not fit into one value of a gigabyte: for this run.
async fn too_large(cell: &TestCell, run_id: Uuid, errcode: &str) {
    cell.execute(&format!(
        "create or replace function json_build_array(int, text, text, int, jsonb, jsonb, text, boolean, jsonb)
         returns json language plpgsql as $$
         begin
           if $6::text like '%{run_id}%' then
             raise exception 'cannot enlarge string buffer' using errcode = '{errcode}';
           end if;
           return pg_catalog.json_build_array($1, $2, $3, $4, $5, $6, $7, $8, $9);
         end $$"
    ))
    .await;
}

/// A run whose record cannot be read comes up, and then others.
async fn comes_up(errcode: &str) {
    let cell = TestCell::new().await;
    let before = cell.worker_with(registry(), forgetful()).await;
    let waiting = Waiting { plan: Plan::new(), within_ms: 600_000 };
    let large = cell.start::<Parcel>("large", &waiting).await;
    cell.waits().await;
    before.drain().await.unwrap();
    too_large(&cell, large, errcode).await;
    cell.signal::<Parcel>("large", &Signed { by: "ada".to_owned() }).await;
    let small = cell.start::<Steps4>("small", &Plan::new()).await;
    let worker = cell.worker_with(registry(), forgetful()).await;
    assert_eq!(cell.ended::<Steps4>(small).await.output, Some(4), "others are claimed");
    let incident = cell.incident(large).await;
    assert!(incident.starts_with("unwritable: its record cannot be read"), "{incident}");
    too_large(&cell, Uuid::nil(), errcode).await;
    cell.client.retry(large, "ada", "it was made smaller").await.unwrap();
    assert_eq!(cell.ended::<Parcel>(large).await.output, Some(Some("ada".to_owned())));
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_record_beyond_the_server_s_limits_needs_a_person_and_holds_up_no_other_run() {
    comes_up("54000").await;
}

#[tokio::test]
async fn a_record_at_which_the_server_breaks_needs_a_person_and_holds_up_no_other_run() {
    comes_up("XX000").await;
}
