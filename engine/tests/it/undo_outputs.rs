//! What an undo is told of the step's result: whatever it was, and whether it was ever learnt.

use std::time::Duration;

use makegood::{
    Activity, ActivityResult, Attempt, Ctx, InTransaction, Outside, Undoes, Workflow,
    WorkflowResult,
};
use sqlx::PgConnection;

use crate::support::{TestCell, forgetful};
use crate::trades::{Signed, registry};

/// Has an effect in the database and nothing to say about it.
struct Quiet;

impl Activity for Quiet {
    const NAME: &'static str = "quiet";
    type Kind = InTransaction;
    type Input = ();
    type Output = ();

    async fn run(&self, _: &mut PgConnection, (): ()) -> ActivityResult<()> {
        Ok(())
    }
}

/// Has an effect outside, and an answer that says that there is none.
struct Vague;

impl Activity for Vague {
    const NAME: &'static str = "vague";
    type Kind = Outside;
    type Input = ();
    type Output = Option<String>;

    async fn run(&self, _: &mut Attempt, (): ()) -> ActivityResult<Option<String>> {
        Ok(None)
    }
}

/// Undoes a step by noting whether its result is known.
struct Unsay;

impl Activity for Unsay {
    const NAME: &'static str = "unsay";
    type Kind = InTransaction;
    type Input = Undoes<Quiet>;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, undoes: Undoes<Quiet>) -> ActivityResult<()> {
        note(tx, &format!("quiet {:?}", undoes.output)).await
    }
}

/// The same for the other.
struct Forget;

impl Activity for Forget {
    const NAME: &'static str = "forget";
    type Kind = InTransaction;
    type Input = Undoes<Vague>;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, undoes: Undoes<Vague>) -> ActivityResult<()> {
        note(tx, &format!("vague {:?}", undoes.output)).await
    }
}

async fn note(tx: &mut PgConnection, note: &str) -> ActivityResult<()> {
    let sql = "insert into notes (trip, note) values ('', $1)";
    sqlx::query(sql).bind(note).execute(tx).await?;
    Ok(())
}

/// Does both and makes them good, at once or after it has left memory.
struct Regret;

impl Workflow for Regret {
    const NAME: &'static str = "regret";
    type Input = bool;
    type Output = ();

    async fn run(ctx: Ctx, waits: bool) -> WorkflowResult<()> {
        ctx.step::<Quiet>(&()).undo::<Unsay>().await?;
        ctx.step::<Vague>(&()).undo::<Forget>().await?;
        if waits {
            ctx.signal::<Signed>().within(Duration::from_millis(20)).await?;
        }
        ctx.make_good("regretted")
    }
}

#[tokio::test]
async fn an_undo_knows_a_result_that_is_null_from_one_that_was_never_learnt() {
    for waits in [false, true] {
        let cell = TestCell::new().await;
        let all = registry().workflow::<Regret>().activity(Quiet).activity(Vague);
        let all = all.activity(Unsay).activity(Forget);
        let worker = cell.worker_with(all, forgetful()).await;
        let run = cell.start::<Regret>("r1", &waits).await;
        assert_eq!(cell.ended::<Regret>(run).await.state, "COMPENSATED");
        let sql = "select string_agg(note, ', ' order by note) from notes";
        let told: String = cell.scalar(sql).await;
        assert_eq!(told, "quiet Some(()), vague Some(None)", "both are known, replayed: {waits}");
        worker.drain().await.unwrap();
        cell.audited().await;
    }
}
