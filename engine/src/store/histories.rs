//! Records of live runs, page by page, for the check of a new binary. Claims nothing.

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::tasks::RawRecord;

/// A live run and its record.
pub(crate) struct History {
    pub(crate) run_id: Uuid,
    pub(crate) workflow: String,
    pub(crate) workflow_id: String,
    pub(crate) version: i32,
    pub(crate) input: String,
    pub(crate) record: RawRecord,
}

/// The live runs after `after`, in the order of their ids; those that are being made good do not
/// replay their program any more.
pub(crate) async fn after(
    conn: &mut PgConnection,
    after: Uuid,
    limit: i64,
) -> Result<Vec<History>, sqlx::Error> {
    let rows = sqlx::query(
        "select r.run_id, r.workflow, r.workflow_id, r.version, r.input::text as input,
           (
             select json_agg(json_build_array(s.seq, s.kind, s.name, s.occurrence, s.input,
               s.result, s.undo, s.pivot, s.next) order by s.seq)::text
             from steps s
             where s.run_id = r.run_id
           ) as history,
           null::text as signals
         from tasks k
         join runs r on r.run_id = k.run_id
         where k.run_id > $1
         order by k.run_id
         limit $2",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let history = |row: &sqlx::postgres::PgRow| {
        Ok(History {
            run_id: row.try_get("run_id")?,
            workflow: row.try_get("workflow")?,
            workflow_id: row.try_get("workflow_id")?,
            version: row.try_get("version")?,
            input: row.try_get("input")?,
            record: RawRecord::of(row)?,
        })
    };
    rows.iter().map(history).collect()
}
