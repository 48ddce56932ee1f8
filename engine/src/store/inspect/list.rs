//! Lists of runs. Each is read within bounds, however many runs there are.
//!
//! First the newest (or oldest) few are looked through. When they do not fill the page, whatever
//! index the filter has names the candidates; when there is none that names few enough, a good
//! many more are looked through, and the page says how far it has come.

use chrono::Utc;
use sqlx::types::Json;
use sqlx::{Connection, FromRow, PgConnection};
use uuid::Uuid;

use super::candidates;
use super::listed::{ListedRun, RunPage};
use super::wanted::Wanted;
use crate::run_filter::RunFilter;

/// How many runs are looked through at first.
const GLANCE: i64 = 1_000;
/// How many are looked through at most.
const SEARCH: i64 = 10_000;
/// What a list may take, whatever the plan.
const PATIENCE_MS: &str = "5000";

#[derive(FromRow)]
struct Line {
    scanned: i64,
    reached: Option<Uuid>,
    run: Option<Json<ListedRun>>,
}

/// The runs that a filter names, archived ones among them, a page at a time.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), Box<dyn std::error::Error>> {
/// use makegood::inspect;
///
/// let filter = "state=STUCK&attr.customer=81".parse()?;
/// for run in inspect::list(conn, &filter).await?.runs {
///     println!("{} {}", run.workflow, run.workflow_id);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer, or not in time.
pub async fn list(conn: &mut PgConnection, filter: &RunFilter) -> Result<RunPage, sqlx::Error> {
    let mut tx = conn.begin().await?;
    sqlx::query("select set_config('statement_timeout', $1, true)")
        .bind(PATIENCE_MS)
        .execute(&mut *tx)
        .await?;
    let page = search(&mut tx, filter).await?;
    tx.commit().await?;
    Ok(page)
}

async fn search(conn: &mut PgConnection, filter: &RunFilter) -> Result<RunPage, sqlx::Error> {
    let wanted = Wanted::of(filter, Utc::now());
    if let Some(ids) = candidates::named(conn, filter).await? {
        return page(conn, &wanted, "these", &ids, GLANCE).await;
    }
    let source = if filter.is_of_live_runs() { "live" } else { "all" };
    let glance = page(conn, &wanted, source, &[], GLANCE).await?;
    if glance.searched.is_none() {
        return Ok(glance);
    }
    if let Some(ids) = candidates::few(conn, filter).await? {
        return page(conn, &wanted, "these", &ids, SEARCH).await;
    }
    page(conn, &wanted, source, &[], SEARCH).await
}

/// One page out of a window on the runs: `all` of them, the `live` ones, or `these`.
#[expect(clippy::too_many_lines, reason = "one statement, and what it is bound to")]
async fn page(
    conn: &mut PgConnection,
    wanted: &Wanted,
    source: &str,
    these: &[Uuid],
    window: i64,
) -> Result<RunPage, sqlx::Error> {
    // Planned for these very values: what is not asked for falls away.
    let lines: Vec<Line> = sqlx::query_as(
        "with w as materialized (
           select x.run_id
           from (
             (
               select r.run_id
               from runs r
               where $1 = 'all' and $2 and ($4::uuid is null or r.run_id < $4)
                 and ($5::uuid is null or r.run_id >= $5)
                 and ($6::uuid is null or r.run_id <= $6)
               order by r.run_id desc
               limit $7
             )
             union all
             (
               select a.run_id
               from archived_runs a
               where $1 = 'all' and $2 and ($4::uuid is null or a.run_id < $4)
                 and ($5::uuid is null or a.run_id >= $5)
                 and ($6::uuid is null or a.run_id <= $6)
               order by a.run_id desc
               limit $7
             )
             union all
             (
               select k.run_id
               from tasks k
               where $1 = 'live' and $2 and ($4::uuid is null or k.run_id < $4)
                 and ($5::uuid is null or k.run_id >= $5)
                 and ($6::uuid is null or k.run_id <= $6)
               order by k.run_id desc
               limit $7
             )
             union all
             (
               select r.run_id
               from runs r
               where $1 = 'all' and not $2 and ($4::uuid is null or r.run_id > $4)
                 and ($5::uuid is null or r.run_id >= $5)
                 and ($6::uuid is null or r.run_id <= $6)
               order by r.run_id
               limit $7
             )
             union all
             (
               select a.run_id
               from archived_runs a
               where $1 = 'all' and not $2 and ($4::uuid is null or a.run_id > $4)
                 and ($5::uuid is null or a.run_id >= $5)
                 and ($6::uuid is null or a.run_id <= $6)
               order by a.run_id
               limit $7
             )
             union all
             (
               select k.run_id
               from tasks k
               where $1 = 'live' and not $2 and ($4::uuid is null or k.run_id > $4)
                 and ($5::uuid is null or k.run_id >= $5)
                 and ($6::uuid is null or k.run_id <= $6)
               order by k.run_id
               limit $7
             )
             union all
             (
               select t.run_id
               from unnest($3::uuid[]) t(run_id)
               where $1 = 'these'
                 and ($4::uuid is null or case when $2 then t.run_id < $4 else t.run_id > $4 end)
             )
           ) x
           order by case when $2 then x.run_id end desc, x.run_id
           limit $7
         )
         select seen.scanned, seen.reached, to_jsonb(p) as run
         from (
           select count(*) as scanned,
             (
               select w.run_id
               from w
               order by case when $2 then w.run_id end, w.run_id desc
               limit 1
             ) as reached
           from w
         ) seen
         left join (
           select f.*, f.ended_at is null and f.tried as retrying,
             coalesce(f.ended_at, last.at, f.started_at) as progress_at
           from (
             select w.run_id, r.workflow, r.workflow_id, r.version, r.started_at, r.ended_at,
               r.attributes, r.cause, r.archived, coalesce(r.ended_state, k.state) as state,
               coalesce(k.state not in ('STUCK', 'PAUSED') and k.tries is not null, false) as tried,
               k.due_at, i.step, i.class, i.fingerprint, i.message
             from w
             cross join lateral (
               select r.workflow, r.workflow_id, r.version, r.ended_state, r.started_at,
                 r.ended_at, r.attributes, r.cause, false as archived
               from runs r
               where r.run_id = w.run_id
               union all
               select a.workflow, a.workflow_id, a.version, a.ended_state, a.started_at,
                 a.ended_at, a.attributes, a.cause, true
               from archived_runs a
               where a.run_id = w.run_id
               limit 1
             ) r
             left join lateral (
               select k.state, k.due_at, k.tries
               from tasks k
               where k.run_id = w.run_id
               offset 0
             ) k on true
             left join lateral (
               select i.step, i.class, i.fingerprint, i.message
               from incidents i
               where i.run_id = w.run_id and i.resolved_at is null
               offset 0
             ) i on true
             where ($8::text[] is null or coalesce(r.ended_state, k.state) = any($8)
                 or $9 and k.tries is not null and k.state not in ('STUCK', 'PAUSED'))
               and ($10::text[] is null or coalesce(r.ended_state, k.state) <> all($10))
               and not ($11 and k.tries is not null and k.state not in ('STUCK', 'PAUSED'))
               and ($12::text[] is null or r.workflow = any($12))
               and ($13::text[] is null or r.workflow <> all($13))
               and ($14::jsonb is null or not exists (
                 select 1
                 from jsonb_each($14) e
                 where not coalesce(e.value @> to_jsonb(r.attributes ->> e.key), false)
               ))
               and ($15::jsonb is null or not exists (
                 select 1
                 from jsonb_each($15) e
                 where coalesce(e.value @> to_jsonb(r.attributes ->> e.key), false)
               ))
               and ($16::text[] is null or i.class = any($16))
               and ($17::text[] is null or coalesce(i.class, '') <> all($17))
               and ($18::text[] is null or i.fingerprint = any($18))
               and ($19::text[] is null or coalesce(i.fingerprint, '') <> all($19))
               and ($20::text[] is null or exists (
                 select 1
                 from unnest($20::text[]) t(part)
                 where strpos(lower(coalesce(i.message, r.cause::text, '')), t.part) > 0
               ))
               and ($21::text[] is null or not exists (
                 select 1
                 from unnest($21::text[]) t(part)
                 where strpos(lower(coalesce(i.message, r.cause::text, '')), t.part) > 0
               ))
               and ($22::text[] is null or exists (
                 select 1
                 from unnest($22::text[]) t(part)
                 where starts_with(r.workflow_id, t.part) or w.run_id::text = t.part
               ))
               and ($23::text[] is null or not exists (
                 select 1
                 from unnest($23::text[]) t(part)
                 where starts_with(r.workflow_id, t.part) or w.run_id::text = t.part
               ))
               and ($24::timestamptz is null or r.started_at >= $24)
               and ($25::timestamptz is null or r.started_at < $25)
               and ($26::timestamptz is null or r.ended_at >= $26)
               and ($27::timestamptz is null or r.ended_at < $27)
               and ($31::timestamptz is null or r.ended_at is null or r.ended_at < $31)
               and ($32::timestamptz is null or r.ended_at is null or r.ended_at >= $32)
               and ($28::timestamptz is null or r.ended_at is null and r.started_at < $28
                 and not exists (
                   select 1
                   from (
                     select s.at
                     from steps s
                     where s.run_id = w.run_id
                     order by s.seq desc
                     limit 1
                   ) last
                   where last.at >= $28
                 ))
               and ($29::timestamptz is null or r.ended_at is not null or r.started_at >= $29
                 or exists (
                   select 1
                   from (
                     select s.at
                     from steps s
                     where s.run_id = w.run_id
                     order by s.seq desc
                     limit 1
                   ) last
                   where last.at >= $29
                 ))
             order by case when $2 then w.run_id end desc, w.run_id
             limit $30
           ) f
           left join lateral (
             select s.at
             from steps s
             where s.run_id = f.run_id
             order by s.seq desc
             limit 1
           ) last on true
         ) p on true
         order by case when $2 then p.run_id end desc, p.run_id",
    )
    .persistent(false)
    .bind(source)
    .bind(wanted.newest_first)
    .bind(these)
    .bind(wanted.after)
    .bind(wanted.lowest)
    .bind(wanted.highest)
    .bind(window)
    .bind(&wanted.states)
    .bind(wanted.retrying)
    .bind(&wanted.other_states)
    .bind(wanted.not_retrying)
    .bind(&wanted.is.workflows)
    .bind(&wanted.not.workflows)
    .bind(&wanted.is.attributes)
    .bind(&wanted.not.attributes)
    .bind(&wanted.is.classes)
    .bind(&wanted.not.classes)
    .bind(&wanted.is.fingerprints)
    .bind(&wanted.not.fingerprints)
    .bind(&wanted.is.errors)
    .bind(&wanted.not.errors)
    .bind(&wanted.is.ids)
    .bind(&wanted.not.ids)
    .bind(wanted.started_from)
    .bind(wanted.started_before)
    .bind(wanted.ended_from)
    .bind(wanted.ended_before)
    .bind(wanted.quiet_since)
    .bind(wanted.lively_since)
    .bind(wanted.limit + 1)
    .bind(wanted.not_ended_from)
    .bind(wanted.not_ended_before)
    .fetch_all(conn)
    .await?;
    Ok(paged(wanted, lines, window))
}

fn paged(wanted: &Wanted, lines: Vec<Line>, window: i64) -> RunPage {
    let (scanned, reached) = lines.first().map_or((0, None), |line| (line.scanned, line.reached));
    let mut runs: Vec<ListedRun> = lines.into_iter().filter_map(|line| Some(line.run?.0)).collect();
    let full = usize::try_from(wanted.limit).unwrap_or(usize::MAX);
    if runs.len() > full {
        runs.truncate(full);
        let next = runs.last().map(|run| run.run_id);
        return RunPage { runs, next, searched: None };
    }
    if scanned == window {
        return RunPage { runs, next: reached, searched: Some(scanned) };
    }
    RunPage { runs, next: None, searched: None }
}
