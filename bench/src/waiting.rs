//! What a worker costs, and how fast it takes in fresh runs, while very many others wait.
//!
//! One run is really driven to its wait, three steps done; the others are copies of its rows.

use std::sync::Arc;

use makegood::Workflow;
use sqlx::PgPool;
use uuid::Uuid;

use crate::figures::{Percentiles, each, times};
use crate::latency::{self, Pace};
use crate::measured::Measured;
use crate::meter::Meter;
use crate::starter::Starter;
use crate::works::{CheckoutShaped, Work, input};
use crate::{Error, Site, crowd, processes};

/// Copies made in one transaction.
const BATCH: u64 = 50_000;
/// Fresh runs, beside the waiting ones.
const FRESH: Pace = Pace { work: Work::Steps4, runs: 500, rate: 50 };

/// Measures fresh runs alone, then beside `waiting` runs. `seen` hears how many wait.
///
/// # Errors
/// When the work goes wrong, or the database does not answer.
pub async fn measure(site: &Site, waiting: u64, seen: impl Fn(u64)) -> Result<Measured, Error> {
    let starter = Arc::new(Starter::connect(site, FRESH.work).await?);
    let warm_up = Pace { runs: 50, ..FRESH };
    latency::drive(&starter, warm_up, "warm-up", |_| ()).await?;
    let (alone, _) = latency::drive(&starter, FRESH, "alone", |_| ()).await?;
    let alone = Percentiles::of(alone);
    let rss_alone = processes::resident_kib(&site.workers);

    crowd::start::<CheckoutShaped>(site, vec![input()], |_| ()).await?;
    crowd::parked::<CheckoutShaped>(&site.pool, |_| ()).await?;
    copy(&site.pool, waiting.saturating_sub(1), seen).await?;
    // What the server would do in its own time, in the middle of the measurement.
    sqlx::query("vacuum (analyze) runs, tasks, steps").execute(&site.pool).await?;

    let meter = Meter::begin(site).await?;
    let (beside, _) = latency::drive(&starter, FRESH, "beside", |_| ()).await?;
    let beside = Percentiles::of(beside);
    let costs = meter.end(site).await?;
    let rss_beside = processes::resident_kib(&site.workers);
    still_there(&site.pool, waiting).await?;
    let mib = |kib: Option<u64>| kib.map(|kib| each(kib, 1_024));
    Ok(Measured {
        work: "waiting",
        runs: FRESH.runs,
        runs_in_all: FRESH.runs.saturating_mul(2).saturating_add(warm_up.runs),
        steps_per_run: FRESH.work.steps(),
        latency: Some(beside),
        costs,
        particular: [
            ("waiting", waiting.into()),
            ("worker_rss_mib_alone", mib(rss_alone).into()),
            ("worker_rss_mib_beside", mib(rss_beside).into()),
            ("p50_ms_alone", alone.p50.into()),
            ("p99_ms_alone", alone.p99.into()),
            ("p50_times_alone", times(beside.p50, alone.p50).into()),
            ("p99_times_alone", times(beside.p99, alone.p99).into()),
        ]
        .into(),
    })
}

/// The id of the copy with number `n`, in the order of the numbers.
const COPY_ID: &str =
    "(lpad(to_hex(n), 8, '0') || '-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid";

/// Copies the one waiting run, rows and all; deadlines are spread as they would be.
async fn copy(pool: &PgPool, copies: u64, seen: impl Fn(u64)) -> Result<(), Error> {
    let model: Uuid = sqlx::query_scalar("select run_id from runs where workflow = $1")
        .bind(CheckoutShaped::NAME)
        .fetch_one(pool)
        .await?;
    let statements = [
        format!(
            "insert into runs (run_id, workflow, workflow_id, version, input)
             select {COPY_ID}, r.workflow, 'copy-' || n, r.version, r.input
             from runs r, generate_series($2::bigint, $3::bigint) n
             where r.run_id = $1"
        ),
        format!(
            "insert into steps (run_id, seq, kind, name, occurrence, input, result, next, at)
             select {COPY_ID}, s.seq, s.kind, s.name, s.occurrence, s.input, s.result, s.next, s.at
             from steps s, generate_series($2::bigint, $3::bigint) n
             where s.run_id = $1"
        ),
        format!(
            "insert into tasks (run_id, lane, state, due_at, waits, epoch, step_count)
             select {COPY_ID}, k.lane, k.state, k.due_at + n * interval '1 ms', k.waits, k.epoch,
               k.step_count
             from tasks k, generate_series($2::bigint, $3::bigint) n
             where k.run_id = $1"
        ),
    ];
    let mut copied = 0_u64;
    while copied < copies {
        let end = copied.saturating_add(BATCH).min(copies);
        let mut tx = pool.begin().await?;
        for statement in &statements {
            sqlx::query(sqlx::AssertSqlSafe(statement.clone()))
                .bind(model)
                .bind(copied.saturating_add(1).cast_signed())
                .bind(end.cast_signed())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        copied = end;
        seen(copied);
    }
    Ok(())
}

/// Nobody has touched those that wait.
async fn still_there(pool: &PgPool, expected: u64) -> Result<(), Error> {
    let waiting: i64 = sqlx::query_scalar(
        "select count(*) from tasks where state = 'WAITING' and owner is null and epoch = 1",
    )
    .fetch_one(pool)
    .await?;
    if waiting.cast_unsigned() == expected {
        return Ok(());
    }
    Err(Error::Wrong(format!("{waiting} runs wait instead of {expected}")))
}
