//! duroxide with its PostgreSQL provider: client and runtime are one process.
//! Ends are looked up for all that are awaited at once; its client asks for each, and costs more.
//!
//! `peer-duroxide [DISPATCHERS [POLL_MS]]`, with the database in `DATABASE_URL`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use duroxide::runtime::registry::ActivityRegistry;
use duroxide::runtime::{Runtime, RuntimeOptions};
use duroxide::{ActivityContext, Client, OrchestrationContext, OrchestrationRegistry};
use duroxide_pg::PostgresProvider;
use protocol::{Ends, Input, PAID, Peer, RESULT, STEPS, Work};
use sqlx_08::PgPool;

struct Duroxide {
    client: Client,
    ends: Arc<Ends<String>>,
}

impl Peer for Duroxide {
    async fn one(&self, work: Work, id: &str) -> anyhow::Result<String> {
        let ended = self.ends.of(id.to_owned());
        let input = serde_json::to_string(&Input::of(id))?;
        self.client.start_orchestration(id, work.name(), input).await?;
        if work == Work::Checkout {
            self.client.enqueue_event(id, "paid", PAID).await?;
        }
        ended.await
    }
}

/// The order's id of an input.
fn order_id(input: &str) -> Result<String, String> {
    let input: Input = serde_json::from_str(input).map_err(|error| error.to_string())?;
    Ok(input.order_id)
}

async fn steps4(ctx: OrchestrationContext, input: String) -> Result<String, String> {
    for step in STEPS {
        ctx.schedule_activity(step, "").await?;
    }
    order_id(&input)
}

async fn checkout(ctx: OrchestrationContext, input: String) -> Result<String, String> {
    let [reserve, quote, charge, ship] = STEPS;
    for step in [reserve, quote, charge] {
        ctx.schedule_activity(step, "").await?;
    }
    ctx.dequeue_event("paid").await;
    ctx.schedule_activity(ship, "").await?;
    order_id(&input)
}

/// Which of the awaited have completed; one that failed shows what it said in the place of its
/// output.
async fn ended(
    pool: PgPool,
    sql: String,
    awaited: Vec<String>,
) -> anyhow::Result<Vec<(String, String)>> {
    Ok(sqlx_08::query_as(&sql).bind(awaited).fetch_all(&pool).await?)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: &str| arguments.next().unwrap_or(default.to_owned()).parse::<u64>();
    let dispatchers = usize::try_from(number("4")?)?;
    let poll = Duration::from_millis(number("10")?);
    let store = PostgresProvider::new(&url).await.map_err(|error| anyhow!("{error:#}"))?;
    let store = Arc::new(store);
    let (pool, schema) = (store.pool().clone(), store.schema_name().to_owned());
    let mut activities = ActivityRegistry::builder();
    for step in STEPS {
        let nothing = |_: ActivityContext, _: String| async { Ok(RESULT.to_owned()) };
        activities = activities.register(step, nothing);
    }
    let orchestrations = OrchestrationRegistry::builder()
        .register(Work::Steps4.name(), steps4)
        .register(Work::Checkout.name(), checkout)
        .build();
    let options = RuntimeOptions {
        orchestration_concurrency: dispatchers,
        worker_concurrency: dispatchers,
        dispatcher_min_poll_interval: poll,
        ..RuntimeOptions::default()
    };
    let activities = activities.build();
    let runtime =
        Runtime::start_with_options(store.clone(), activities, orchestrations, options).await;
    let ends = Arc::new(Ends::default());
    let sql = format!(
        "select instance_id, coalesce(output, status)
         from {schema}.executions
         where instance_id = any($1) and status in ('Completed', 'Failed')"
    );
    let look = move |awaited| ended(pool.clone(), sql.clone(), awaited);
    let watched = Arc::clone(&ends).watch(look);
    let served = protocol::serve(Duroxide { client: Client::new(store), ends });
    tokio::select! {
        over = served => over?,
        failed = watched => failed?,
    }
    runtime.shutdown(Some(500)).await;
    Ok(())
}
