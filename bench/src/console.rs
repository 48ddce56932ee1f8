//! A cell as it is after a month of trade, and how fast the console's pages answer over it.
//!
//! The rows are written, not run: what is measured is reading them. Of a thousand runs 400 are
//! archived; of each thousand others 4 are stuck, 2 paused, 4 compensating, 4 retrying, 6 running,
//! 280 waiting, and the rest have ended.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::figures::Percentiles;
use crate::measured::Measured;
use crate::meter::Meter;
use crate::{Error, Site};

/// Runs written in one transaction.
const BATCH: i64 = 50_000;

/// The runs that are written: a month of them, the newest now. An id has the time of its start, as
/// a client would make it.
const NUMBERED: &str = "select n,
    now() - ($3::bigint - n) * interval '30 days' / $3::bigint as at,
    (
      lpad(to_hex((extract(epoch from now() - ($3::bigint - n) * interval '30 days' / $3::bigint)
        * 1000)::bigint), 12, '0') || '7000' || '8000' || lpad(to_hex(n), 12, '0')
    )::uuid as run_id,
    n * 10 <= $3 * 4 as archived, n % 1000 as share,
    'checkout:order-' || n || ':1' as workflow_id,
    jsonb_build_object('customer', 'c' || n % 50000, 'order', 'ORD-' || n,
      'tenant', (array['000', '001', '002', '003', '004'])[(1 + n % 5)::int]) as attributes
  from generate_series($1::bigint, $2::bigint) n";

/// What is written for each batch, in this order.
const TABLES: [&str; 6] = [
    "insert into archived_runs (run_id, workflow, workflow_id, version, input, ended_state, cause,
       started_at, ended_at, archived_at, document, attributes)
     select x.run_id, 'checkout', x.workflow_id, 1, '{\"total\": 4900}',
       case when x.share % 7 = 0 then 'COMPENSATED' else 'COMPLETED' end,
       case when x.share % 7 = 0 then '{\"chosen\": \"EXPIRED\"}'::jsonb end,
       x.at, x.at + interval '90 s', x.at + interval '7 days', '{\"steps\": []}', x.attributes
     from numbered x
     where x.archived",
    "insert into runs (run_id, workflow, workflow_id, version, input, started_at, ended_state,
       ended_at, cause, lane, attributes)
     select x.run_id, 'checkout', x.workflow_id, 1, '{\"total\": 4900}', x.at,
       case when x.share >= 300 then
         case when x.share % 7 = 0 then 'COMPENSATED' else 'COMPLETED' end
       end,
       case when x.share >= 300 then x.at + interval '90 s' end,
       case when x.share >= 300 and x.share % 7 = 0 then '{\"chosen\": \"EXPIRED\"}'::jsonb end,
       (select min(lane) from lanes), x.attributes
     from numbered x
     where not x.archived",
    "insert into tasks (run_id, lane, state, due_at, incident_id, waits, tries, epoch, step_count)
     select x.run_id, (select min(lane) from lanes),
       case
         when x.share < 4 then 'STUCK'
         when x.share < 6 then 'PAUSED'
         when x.share < 10 then 'COMPENSATING'
         when x.share < 20 then 'RUNNING'
         else 'WAITING'
       end,
       case when x.share >= 6 then now() + x.n % 900 * interval '1 s' end,
       case when x.share < 6 then md5('i' || x.n)::uuid end,
       case when x.share >= 20 then '{\"signal payment\": \"2030-01-01T00:00:00Z\"}'::jsonb end,
       case when x.share between 10 and 13 then '{\"charge#0\": {\"failed\": 3}}'::jsonb end,
       1, 3
     from numbered x
     where not x.archived and x.share < 300",
    "insert into steps (run_id, seq, kind, name, result, at)
     select x.run_id, s.seq, 'done', (array['reserve_stock', 'charge', 'open'])[s.seq], '{}',
       x.at + s.seq * interval '1 s'
     from numbered x, generate_series(1, 3) s(seq)
     where not x.archived",
    "insert into incidents (incident_id, run_id, class, step, message, fingerprint, opened_at)
     select md5('i' || x.n)::uuid, x.run_id,
       case
         when x.share >= 4 then 'paused'
         else (array['retries_used_up', 'unknown_outcome', 'compensation_failed'])[(1 + x.n / 1000 % 3)::int]
       end,
       'charge', 'the gateway answered 503 to order-' || x.n,
       md5((x.n / 1000 % 20)::text || (x.share >= 4)::text), x.at + interval '60 s'
     from numbered x
     where not x.archived and x.share < 6",
    "insert into incidents (incident_id, run_id, class, step, message, fingerprint, opened_at,
       resolved_at, resolution)
     select md5('r' || x.n)::uuid, x.run_id, 'retries_used_up', 'charge',
       'the gateway answered 503 to order-' || x.n, md5((x.n / 1000 % 20)::text || 'false'),
       x.at + interval '20 s', x.at + interval '80 s', 'retry'
     from numbered x
     where not x.archived and x.share between 300 and 304",
];

/// Gives a run so many rows on record, each with values of its own; says which run.
///
/// # Errors
/// When the database does not answer.
pub async fn lengthen(site: &Site, rows: i32) -> Result<String, Error> {
    let run = "select run_id from runs where ended_state is not null order by run_id desc limit 1";
    let run_id: uuid::Uuid = sqlx::query_scalar(run).fetch_one(&site.pool).await?;
    let mut tx = site.pool.begin().await?;
    sqlx::query("delete from steps where run_id = $1").bind(run_id).execute(&mut *tx).await?;
    sqlx::query(
        "insert into steps (run_id, seq, kind, name, occurrence, input, result, undo, next, at)
         select r.run_id, s, 'done', 'charge', s, to_jsonb(repeat('i', 300)),
           to_jsonb(repeat('r', 300)), 'refund', jsonb_build_array(jsonb_build_object(
             'name', 'charge', 'occurrence', s + 1, 'input', repeat('i', 300))),
           r.started_at + s * interval '20 ms'
         from runs r, generate_series(0, $2 - 1) s
         where r.run_id = $1",
    )
    .bind(run_id)
    .bind(rows)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(run_id.to_string())
}

/// Writes so many runs. `seen` hears how many there are.
///
/// # Errors
/// When the database does not answer.
pub async fn fill(site: &Site, runs: u64, seen: impl Fn(u64)) -> Result<(), Error> {
    lane(&site.pool).await?;
    let (runs, mut written) = (runs.cast_signed(), 0_i64);
    while written < runs {
        let end = written.saturating_add(BATCH).min(runs);
        let mut tx = site.pool.begin().await?;
        // So that every table of a batch sees the same times.
        for table in TABLES {
            let (head, rest) = table.split_once("\n     select ").unwrap_or((table, ""));
            let sql = format!("with numbered as materialized ({NUMBERED}) select {rest}");
            let sql = format!("{head} {sql}");
            sqlx::query(sqlx::AssertSqlSafe(sql))
                .bind(written.saturating_add(1))
                .bind(end)
                .bind(runs)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        written = end;
        seen(written.cast_unsigned());
    }
    // What the server would do in its own time, in the middle of the measurement.
    sqlx::query("vacuum (analyze) runs, tasks, steps, incidents, archived_runs")
        .execute(&site.pool)
        .await?;
    Ok(())
}

async fn lane(pool: &PgPool) -> Result<(), Error> {
    sqlx::query(
        "insert into lanes (queue, workflow, version, priority, share)
         values ('default', 'checkout', 1, 1, '')",
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// A page, and how long each of its answers took.
pub type Timed = (&'static str, Vec<Duration>);

/// Requests about to be timed.
pub struct Stretch(Meter);

impl Stretch {
    /// Begins.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin(site: &Site) -> Result<Self, Error> {
        Ok(Self(Meter::begin(site).await?))
    }

    /// Ends, with what each page took.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end(self, site: &Site, runs: u64, pages: Vec<Timed>) -> Result<Measured, Error> {
        let costs = self.0.end(site).await?;
        let mut particular: BTreeMap<&'static str, Value> = BTreeMap::new();
        for (page, waits) in &pages {
            let took = Percentiles::of(waits.iter().copied());
            particular.insert(page, json!({ "p50": took.p50, "p95": took.p95, "max": took.max }));
        }
        particular.insert("runs_in_the_tables", runs.into());
        Ok(Measured {
            work: "console",
            runs: 0,
            runs_in_all: 0,
            steps_per_run: 0,
            latency: Some(Percentiles::of(pages.into_iter().flat_map(|(_, waits)| waits))),
            costs,
            particular,
        })
    }
}
