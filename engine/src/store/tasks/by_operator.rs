//! What operators' verbs do to a run's row in the queue. Each caller holds the row's lock.

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

/// What a verb has to know of a run before it decides.
pub(crate) struct Facts {
    pub(crate) stand: Stand,
    pub(crate) workflow: String,
    pub(crate) workflow_id: String,
    pub(crate) version: i32,
    /// Where it waits, or did.
    pub(crate) lane: Option<i64>,
    pub(crate) parent_run_id: Option<Uuid>,
    pub(crate) input: String,
    /// The run as it stands, as JSON.
    pub(crate) standing: String,
}

/// How a run stands.
pub(crate) struct Stand {
    /// The run's state as text.
    pub(crate) state: String,
    /// A worker holds it.
    pub(crate) held: bool,
    pub(crate) way: Way,
    pub(crate) next_seq: i32,
    /// The number of its last claim.
    epoch: i32,
    incident_id: Option<Uuid>,
}

impl Stand {
    /// Names the run as it stands: another text means that what a person saw of it is over. A run
    /// that a worker holds moves all the time; of that one only its way counts.
    pub(crate) fn version(&self) -> String {
        let Self { state, way, epoch, next_seq, incident_id, .. } = self;
        if self.held {
            return format!("held.{way:?}");
        }
        let incident = incident_id.map(|id| id.simple().to_string()).unwrap_or_default();
        format!("{state}.{way:?}.{epoch}.{next_seq}.{incident}")
    }

    fn read(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            state: row.try_get("state")?,
            held: row.try_get("held")?,
            way: way(row)?,
            next_seq: row.try_get("next_seq")?,
            epoch: row.try_get("epoch")?,
            incident_id: row.try_get("incident_id")?,
        })
    }
}

/// Which way a run goes, by its record.
///
/// ```
/// assert_eq!(makegood::operator::Way::ALL.len(), 4, "two forward, two back");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To its pivot.
    Forward,
    /// To its end; or its pivot is under way, and may have happened.
    PastPivot,
    /// It is being made good, and nothing is undone yet.
    Back,
    /// It is being made good, and something is undone.
    Undoing,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::Forward, Self::PastPivot, Self::Back, Self::Undoing];
}

/// Whether a run that goes on has its attempts and crashes counted anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    Anew,
    On,
}

/// Locks a live run's row; `false` when there is none. The facts are read by a later statement,
/// whose snapshot is younger than the lock.
pub(crate) async fn lock(conn: &mut PgConnection, run_id: Uuid) -> Result<bool, sqlx::Error> {
    let found = sqlx::query("select run_id from tasks where run_id = $1 for update")
        .bind(run_id)
        .fetch_optional(conn)
        .await?;
    Ok(found.is_some())
}

/// Reads what a verb has to know; `None` when there is no such run.
pub(crate) async fn facts(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<Option<Facts>, sqlx::Error> {
    let row = sqlx::query(
        "select state, held, pivoted, unwinding, undone, next_seq, epoch, incident_id, workflow,
           workflow_id, version, lane, parent_run_id, input::text as input,
           standing::text as standing
         from run_facts
         where run_id = $1",
    )
    .bind(run_id)
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(Facts {
            stand: Stand::read(&row)?,
            workflow: row.try_get("workflow")?,
            workflow_id: row.try_get("workflow_id")?,
            version: row.try_get("version")?,
            lane: row.try_get("lane")?,
            parent_run_id: row.try_get("parent_run_id")?,
            input: row.try_get("input")?,
            standing: row.try_get("standing")?,
        })
    })
    .transpose()
}

/// How these runs stand; one that there is not is left out.
pub(crate) async fn stands(
    conn: &mut PgConnection,
    run_ids: &[Uuid],
) -> Result<Vec<(Uuid, Stand)>, sqlx::Error> {
    let rows = sqlx::query(
        "select run_id, state, held, pivoted, unwinding, undone, next_seq, epoch, incident_id
         from run_facts
         where run_id = any($1)",
    )
    .bind(run_ids)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|row| Ok((row.try_get("run_id")?, Stand::read(row)?))).collect()
}

fn way(row: &PgRow) -> Result<Way, sqlx::Error> {
    let (pivoted, undone) = (row.try_get("pivoted")?, row.try_get("undone")?);
    Ok(match (row.try_get("unwinding")?, pivoted, undone) {
        (true, _, true) => Way::Undoing,
        (true, _, false) => Way::Back,
        (false, true, _) => Way::PastPivot,
        (false, false, _) => Way::Forward,
    })
}

/// Puts a run that nobody holds back into the queue, due now, in the state that its record, or a
/// cancel that it has not taken, says. Its open wait stays, with its deadline.
pub(crate) async fn set_going(
    conn: &mut PgConnection,
    run_id: Uuid,
    count: Count,
) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "update tasks
         set incident_id = null,
             due_at = now(),
             tries = case when $2 then null else tries end,
             crashes = case when $2 then 0 else crashes end,
             step_count = -1,
             state = case
               when exists (select 1 from turning_back b where b.run_id = $1) then 'COMPENSATING'
               else 'RUNNING'
             end
         where run_id = $1 and owner is null",
    )
    .bind(run_id)
    .bind(count == Count::Anew)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Takes a run that nobody holds out of the queue until it is resumed.
pub(crate) async fn pause(
    conn: &mut PgConnection,
    run_id: Uuid,
    incident_id: Uuid,
) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "update tasks
         set state = 'PAUSED', due_at = null, incident_id = $2
         where run_id = $1 and owner is null",
    )
    .bind(run_id)
    .bind(incident_id)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// Removes the row of a run that nobody holds: the run ends with this transaction.
pub(crate) async fn leave(conn: &mut PgConnection, run_id: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query("delete from tasks where run_id = $1 and owner is null")
        .bind(run_id)
        .execute(conn)
        .await
        .map(|done| done.rows_affected() == 1)
}

/// Has a run's record read anew by its next claim.
pub(crate) async fn distrust(conn: &mut PgConnection, run_id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query("update tasks set step_count = -1 where run_id = $1")
        .bind(run_id)
        .execute(conn)
        .await
        .map(|_| ())
}
