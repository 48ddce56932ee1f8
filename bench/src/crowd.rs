//! Many runs at once, started as fast as one client can, and a wait until the last has ended.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use makegood::{Client, Workflow};
use sqlx::PgPool;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::{Error, Site};

/// Callers that start runs at once: what they ask at one moment shares a commit.
const CALLERS: usize = 512;
/// Without a run less for this long, there will be none.
const PATIENCE: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(50);

/// Starts a run for each input, named by its place; `seen` hears how many are started.
pub(crate) async fn start<W: Workflow>(
    site: &Site,
    inputs: Vec<W::Input>,
    seen: impl Fn(u64),
) -> Result<(), Error> {
    let client = Client::connect(&site.database).await?;
    let inputs = Arc::new(Mutex::new(inputs.into_iter().enumerate()));
    let (started, mut starts) = mpsc::unbounded_channel();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (client, inputs, started) = (client.clone(), Arc::clone(&inputs), started.clone());
        callers.spawn(async move {
            while let Some((number, input)) = next(&inputs) {
                client.start_now::<W>(&format!("run-{number}"), &input).await?;
                let _ = started.send(());
            }
            Ok::<_, Error>(())
        });
    }
    drop(started);
    let mut count = Vec::new();
    while starts.recv_many(&mut count, CALLERS).await > 0 {
        seen(u64::try_from(count.len()).unwrap_or(u64::MAX));
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok(())
}

fn next<T>(from: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    from.lock().ok()?.next()
}

/// Waits until none of a workflow's runs lives; `seen` hears how many are left.
pub(crate) async fn ended<W: Workflow>(pool: &PgPool, seen: impl Fn(u64)) -> Result<(), Error> {
    until(pool, W::NAME, "k.run_id is not null", seen).await
}

/// Waits until each of a workflow's live runs waits for something, out of memory.
pub(crate) async fn parked<W: Workflow>(pool: &PgPool, seen: impl Fn(u64)) -> Result<(), Error> {
    until(pool, W::NAME, "k.state <> 'WAITING' or k.owner is not null", seen).await
}

/// Waits until no task of a workflow is such as this, for as long as they become fewer.
async fn until(
    pool: &PgPool,
    workflow: &'static str,
    such: &'static str,
    seen: impl Fn(u64),
) -> Result<(), Error> {
    let sql = format!(
        "select count(*)
         from tasks k
         join lanes l on l.lane = k.lane
         where l.workflow = $1 and ({such})"
    );
    let mut fewest = (i64::MAX, Instant::now());
    loop {
        let sql = sqlx::AssertSqlSafe(sql.clone());
        let left: i64 = sqlx::query_scalar(sql).bind(workflow).fetch_one(pool).await?;
        seen(left.cast_unsigned());
        if left == 0 {
            return Ok(());
        }
        if left < fewest.0 {
            fewest = (left, Instant::now());
        }
        if fewest.1.elapsed() > PATIENCE {
            let what = format!("{left} runs of {workflow}");
            return Err(Error::Stalled { what, patience: PATIENCE });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// How long after a moment each of a workflow's runs ended, in the database's time. Negative times
/// are told apart: the second answer is how many there were.
pub(crate) async fn lateness(
    pool: &PgPool,
    workflow: &'static str,
    since: chrono::DateTime<chrono::Utc>,
) -> Result<(Vec<Duration>, u64), Error> {
    let micros: Vec<i64> = sqlx::query_scalar(
        "select (extract(epoch from ended_at - $2) * 1000000)::bigint
         from runs
         where workflow = $1 and ended_state = 'COMPLETED'",
    )
    .bind(workflow)
    .bind(since)
    .fetch_all(pool)
    .await?;
    let early = u64::try_from(micros.iter().filter(|late| **late < 0).count()).unwrap_or_default();
    let late = micros.into_iter().filter_map(|late| u64::try_from(late).ok());
    Ok((late.map(Duration::from_micros).collect(), early))
}

/// The database's time.
pub(crate) async fn now(pool: &PgPool) -> Result<chrono::DateTime<chrono::Utc>, Error> {
    Ok(sqlx::query_scalar("select now()").fetch_one(pool).await?)
}
