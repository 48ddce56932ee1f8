//! What workers hold, and what each of those runs is at: for whoever ends a worker and wants to
//! know what that meets. It decides nothing and changes nothing.

use serde::Serialize;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// A run in a worker's hands.
///
/// ```
/// use makegood::inspect::Holding;
///
/// fn is_compensating(held: &Holding) -> bool {
///     held.state == "COMPENSATING"
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct Holding {
    /// The run.
    pub run_id: Uuid,
    /// Its workflow.
    pub workflow: String,
    /// Its state.
    pub state: String,
    /// How often it has been claimed: the next claim raises this.
    pub epoch: i32,
    /// The name of its last record; `None` before the first.
    pub last: Option<String>,
    /// The outside step that it is trying, under its intent; the first, if there are several.
    pub calling: Option<String>,
}

/// The runs that the process `pid` holds by the database's word, dead or alive; those of every
/// process without a `pid`.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// for held in inspect::holdings(conn, Some(4711)).await? {
///     println!("{} is after {:?}", held.run_id, held.last);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn holdings(
    conn: &mut PgConnection,
    pid: Option<i32>,
) -> Result<Vec<Holding>, sqlx::Error> {
    sqlx::query_as(
        "select k.run_id, r.workflow, k.state, k.epoch, s.name as last, s.next -> 0 ->> 'name' as calling
         from tasks k
         join workers w on w.incarnation = k.owner
         join runs r on r.run_id = k.run_id
         left join lateral (
           select name, next
           from steps
           where run_id = k.run_id
           order by seq desc
           limit 1
         ) s on true
         where $1::int is null or w.pid = $1",
    )
    .bind(pid)
    .fetch_all(conn)
    .await
}

/// Which of these runs nobody has claimed, ended or parked since they were looked at.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// let orphans = inspect::holdings(conn, Some(4711)).await?;
/// let left = inspect::unmoved(conn, &orphans).await?;
/// println!("{} of {} runs have not moved yet", left.len(), orphans.len());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn unmoved(
    conn: &mut PgConnection,
    holdings: &[Holding],
) -> Result<Vec<Uuid>, sqlx::Error> {
    let (runs, epochs): (Vec<_>, Vec<_>) =
        holdings.iter().map(|held| (held.run_id, held.epoch)).unzip();
    sqlx::query_scalar(
        "select k.run_id
         from tasks k
         join unnest($1::uuid[], $2::int[]) as x(run_id, epoch) on x.run_id = k.run_id
         where k.epoch = x.epoch
         and k.incident_id is null
         and (k.owner is not null or k.due_at <= now())",
    )
    .bind(runs)
    .bind(epochs)
    .fetch_all(conn)
    .await
}
