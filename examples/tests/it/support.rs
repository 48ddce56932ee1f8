//! A stage in a cell of its own for each test, and what a test asks of it.

use std::ops::Deref;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use makegood::{Cause, Ending, Workflow};
use makegood_examples::stage::Stage;
use migrations::Cell;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// The server for tests, alive until this process ends.
fn server() -> &'static str {
    static SERVER: OnceLock<devpg::shared::Shared> = OnceLock::new();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    SERVER.get_or_init(|| devpg::shared::url(folder).unwrap()).base_url()
}

/// A stage that nobody else uses.
pub struct TestStage {
    stage: Stage,
    cell: Cell,
}

impl Deref for TestStage {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl TestStage {
    pub async fn new() -> Self {
        let cell = Cell::new(&format!("x_{}", Uuid::now_v7().simple())).unwrap();
        Self { stage: Stage::at(server(), &cell).await.unwrap(), cell }
    }

    /// Starts a run and waits for its end.
    pub async fn end_of<W: Workflow>(&self, id: &str, input: &W::Input) -> Ending<W::Output> {
        let run = self.start::<W>(id, input).await.unwrap();
        self.ended::<W>(run).await.unwrap()
    }

    /// Asks a run to cancel itself.
    pub async fn cancel<W: Workflow>(&self, id: &str) {
        let mut tx = self.pool().begin().await.unwrap();
        self.client().cancel::<W>(&mut tx, id, &"changed my mind").await.unwrap();
        tx.commit().await.unwrap();
        self.client().wake();
    }

    /// Waits until the query says true.
    pub async fn until(&self, what: &str, sql: &str) {
        for _ in 0..1_500 {
            if self.scalar::<bool>(sql).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{what}: {sql}");
    }

    /// Waits until a run of this workflow rests, and lets its deadline or timer be now.
    pub async fn skip_wait_of<W: Workflow>(&self) {
        let resting = format!(
            "state = 'WAITING' and owner is null and due_at > now()
             and run_id in (select run_id from runs where workflow = '{}')",
            W::NAME
        );
        self.until("it rests", &format!("select exists (select 1 from tasks where {resting})"))
            .await;
        self.execute(&format!(
            "update tasks set due_at = now(),
               waits = (select jsonb_object_agg(key, now()) from jsonb_each(waits))
             where {resting}"
        ))
        .await;
        self.client().wake();
    }

    pub async fn execute(&self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(self.pool()).await.unwrap();
    }

    pub async fn scalar<T>(&self, sql: &str) -> T
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::query_scalar(sql).fetch_one(self.pool()).await.unwrap()
    }

    /// The lines of a query of one text column.
    pub async fn lines(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::query_scalar(sql).fetch_all(self.pool()).await.unwrap()
    }

    /// The engine's own audit finds nothing; then the worker and the cell go.
    pub async fn leave(self) {
        let mut conn = self.pool().acquire().await.unwrap();
        assert_eq!(makegood::inspect::faults(&mut conn).await.unwrap(), [], "the invariants hold");
        let mut conn = conn.detach();
        self.stage.close().await.unwrap();
        let drop = format!("drop schema {} cascade", self.cell);
        sqlx::query(AssertSqlSafe(drop)).execute(&mut conn).await.unwrap();
    }
}

/// Step and code of the refusal that made a run good.
pub fn refusal<T: std::fmt::Debug>(ending: &Ending<T>) -> (&str, &str) {
    match &ending.cause {
        Some(Cause::Rejected(refused)) => (&refused.step, &refused.code),
        _ => panic!("it was refused: {ending:?}"),
    }
}
