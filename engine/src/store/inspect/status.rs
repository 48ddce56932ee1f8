//! How the cell stands, in one bounded read: for the worker's gauges and for a person's questions.
//! It decides nothing and changes nothing.

use sqlx::{FromRow, PgConnection};

/// The most rows of one kind that are counted; a count that reads this means "or more".
pub const COUNT_LIMIT: i64 = 100_000;

/// The states of live runs, in the order in which they are shown.
pub const LIVE_STATES: [&str; 5] = ["RUNNING", "WAITING", "COMPENSATING", "STUCK", "PAUSED"];

/// How the cell stands.
///
/// ```
/// use makegood::inspect::Status;
///
/// /// Whether somebody should be woken.
/// fn is_bad(status: &Status) -> bool {
///     status.live_workers == 0 || status.oldest_due_secs > 60
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// Live runs by state; states without a run are missing. `STUCK` is complete even where the
    /// others stop at [`COUNT_LIMIT`].
    pub runs: Vec<(String, i64)>,
    /// Open incidents by class.
    pub incidents: Vec<(String, i64)>,
    /// For how many seconds the oldest due run has been waiting for a worker; 0 when none is due.
    pub oldest_due_secs: i64,
    /// Workers whose lease is valid.
    pub live_workers: i64,
}

#[derive(FromRow)]
struct Line {
    kind: String,
    name: String,
    number: i64,
}

/// Reads how the cell stands, at the cost of at most [`COUNT_LIMIT`] rows a kind, and of one index
/// probe for each part of a lane.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// let status = inspect::status(conn).await?;
/// println!("{} workers, the oldest run waits {} s", status.live_workers, status.oldest_due_secs);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn status(conn: &mut PgConnection) -> Result<Status, sqlx::Error> {
    let lines: Vec<Line> = sqlx::query_as(
        "select 'runs' as kind, k.state as name, count(*) as number
         from (select state from tasks where state <> 'STUCK' limit $1) k
         group by k.state
         union all
         select 'runs', 'STUCK', count(*)
         from (
           select i.run_id
           from incidents i
           cross join lateral (
             select k.state from tasks k where k.run_id = i.run_id offset 0
           ) k
           where i.resolved_at is null and k.state = 'STUCK'
           limit $1
         ) stuck
         having count(*) > 0
         union all
         select 'incidents', i.class, count(*)
         from (select class from incidents where resolved_at is null limit $1) i
         group by i.class
         union all
         select 'due', '', coalesce(greatest(0, extract(epoch from now() - min(d.due_at))), 0)::bigint
         from (
           select (
             select k.due_at
             from tasks k
             where k.lane = l.lane and k.part = p.part and k.due_at is not null
             order by k.due_at
             limit 1
           ) as due_at
           from lanes l
           cross join (values (0), (1), (2)) p(part)
           offset 0
         ) d
         union all
         select 'workers', '', count(*)
         from workers
         where alive and lease_until > now()",
    )
    .bind(COUNT_LIMIT)
    .fetch_all(conn)
    .await?;
    let mut status = Status::default();
    for Line { kind, name, number } in lines {
        match kind.as_str() {
            "runs" => status.runs.push((name, number)),
            "incidents" => status.incidents.push((name, number)),
            "due" => status.oldest_due_secs = number,
            _ => status.live_workers = number,
        }
    }
    Ok(status)
}

/// How many workers hold a valid lease.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// assert!(inspect::live_workers(conn).await? > 0, "somebody drives runs");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn live_workers(conn: &mut PgConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select count(*) from workers where alive and lease_until > now()")
        .fetch_one(conn)
        .await
}

/// How many runs the process `pid` holds by the database's word, dead or alive.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// let held = inspect::held_by_process(conn, 4711).await?;
/// println!("{held} runs would be taken over");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn held_by_process(conn: &mut PgConnection, pid: i32) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "select count(*)
         from tasks k
         join workers w on w.incarnation = k.owner
         where w.pid = $1",
    )
    .bind(pid)
    .fetch_one(conn)
    .await
}

/// The commits that carried all runs of a workflow on: their starts, their signals, and their
/// turns, where one commit may carry many. Claims, leases and reads aside.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// println!("{} commits", inspect::carrying_commits(conn, "checkout").await?);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn carrying_commits(conn: &mut PgConnection, workflow: &str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "select
           (select count(*) from runs where workflow = $1)
           + (
             select count(*)
             from signals g
             join runs r on r.run_id = g.run_id
             where r.workflow = $1
           )
           + (
             select count(distinct s.xmin::text)
             from steps s
             join runs r on r.run_id = s.run_id
             where r.workflow = $1
           )",
    )
    .bind(workflow)
    .fetch_one(conn)
    .await
}
