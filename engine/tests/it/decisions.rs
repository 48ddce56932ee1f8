//! Decisions: what must be durable before the world is touched.

use makegood::{
    Activity, ActivityResult, Attempt, Ctx, Outside, Undoes, WorkerConfig, Workflow, WorkflowResult,
};
use sqlx::PgPool;

use crate::support::TestCell;
use crate::trades::{Book, Look, Plan, booking, registry};

/// Undoes a booking and answers what the record says of the run at that moment.
struct Peek(PgPool);

impl Activity for Peek {
    const NAME: &'static str = "peek";
    type Kind = Outside;
    type Input = Undoes<Book>;
    type Output = Vec<String>;

    async fn run(&self, attempt: &mut Attempt, _: Undoes<Book>) -> ActivityResult<Vec<String>> {
        let record = "select kind || ' ' || name from steps where run_id = $1 order by seq";
        Ok(sqlx::query_scalar(record).bind(attempt.run_id).fetch_all(&self.0).await?)
    }
}

/// Books two rooms, looks around, and regrets it.
struct Regret;

impl Workflow for Regret {
    const NAME: &'static str = "regret";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Book>(&booking(&plan, "room")).undo::<Peek>().await?;
        ctx.step::<Book>(&booking(&plan, "another")).undo::<Peek>().await?;
        ctx.step::<Look>(&plan.trip).await?;
        ctx.make_good("changed my mind")
    }
}

#[tokio::test]
async fn an_undo_outside_is_called_only_when_the_decision_to_undo_is_durable() {
    let cell = TestCell::new().await;
    let registry = registry().workflow::<Regret>().activity(Peek(cell.pool.clone()));
    let worker = cell.worker_with(registry, WorkerConfig::default()).await;
    let run = cell.start::<Regret>("r1", &Plan::new()).await;
    cell.ended::<Regret>(run).await;
    let seen = "select string_agg(result::text, ' ' order by seq) from steps where kind = 'undone'";
    let first = r#"["intent ", "done book", "done book", "done look", "compensating "]"#;
    let second =
        r#"["intent ", "done book", "done book", "done look", "compensating ", "undone book"]"#;
    assert_eq!(
        cell.scalar::<String>(seen).await,
        format!("{first} {second}"),
        "each undo finds the decision, and every undo before it, in the record"
    );
    worker.drain().await.unwrap();
    cell.audited().await;
}
