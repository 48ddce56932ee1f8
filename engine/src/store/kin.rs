//! The family of a run: the run from which all were forked, directly or not, and its forks, archived
//! ones among them. Writes nothing.

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::tasks::RawRecord;

/// A run of the family.
pub(crate) struct Member {
    pub(crate) run_id: Uuid,
    pub(crate) lives: bool,
    /// Without its signals.
    pub(crate) record: RawRecord,
}

/// The run from which the family of this one comes, as far as it is kept.
pub(crate) async fn root(conn: &mut PgConnection, run_id: Uuid) -> Result<Uuid, sqlx::Error> {
    sqlx::query_scalar(
        "with recursive up as (
           select r.run_id, r.forked_from, 0 as steps
           from runs r
           where r.run_id = $1
           union all
           select o.run_id, o.forked_from, u.steps + 1
           from up u
           cross join lateral (
             select r.run_id, r.forked_from
             from runs r
             where r.run_id = u.forked_from
             union all
             select a.run_id, (a.document -> 'run' ->> 'forked_from')::uuid
             from archived_runs a
             where a.run_id = u.forked_from
           ) o
         )
         select run_id from up order by steps desc limit 1",
    )
    .bind(run_id)
    .fetch_one(conn)
    .await
}

/// Locks a family by its root: until the transaction ends, nobody else forks one of them.
pub(crate) async fn lock(conn: &mut PgConnection, root: Uuid) -> Result<(), sqlx::Error> {
    let live = sqlx::query("select run_id from runs where run_id = $1 for update")
        .bind(root)
        .fetch_optional(&mut *conn)
        .await?;
    if live.is_none() {
        sqlx::query("select run_id from archived_runs where run_id = $1 for update")
            .bind(root)
            .fetch_optional(conn)
            .await?;
    }
    Ok(())
}

/// Every run of a family, found by the actions that forked them.
pub(crate) async fn all(conn: &mut PgConnection, root: Uuid) -> Result<Vec<Member>, sqlx::Error> {
    let rows = sqlx::query(
        "with recursive kin as (
           select $1::uuid as run_id
           union
           select f.run_id
           from kin k
           cross join lateral (
             select (a.after ->> 'forked')::uuid as run_id
             from operator_actions a
             where a.run_id = k.run_id and a.verb = 'fork'
             union all
             select (x.value -> 'after' ->> 'forked')::uuid
             from archived_runs d
             cross join lateral jsonb_array_elements(d.document -> 'actions') x
             where d.run_id = k.run_id and x.value ->> 'verb' = 'fork'
           ) f
         )
         select k.run_id, exists (select 1 from tasks t where t.run_id = k.run_id) as lives,
           coalesce(
             (
               select json_agg(json_build_array(s.seq, s.kind, s.name, s.occurrence, s.input,
                 s.result, s.undo, s.pivot, s.next) order by s.seq)::text
               from steps s
               where s.run_id = k.run_id
             ),
             (
               select json_agg(json_build_array(s.seq, s.kind, s.name, s.occurrence, s.input,
                 s.result, s.undo, s.pivot, s.next) order by s.seq)::text
               from archived_runs a
               cross join lateral jsonb_to_recordset(a.document -> 'steps') s(seq int, kind text,
                 name text, occurrence int, input jsonb, result jsonb, undo text, pivot boolean,
                 next jsonb)
               where a.run_id = k.run_id
             )
           ) as history,
           null::text as signals
         from kin k",
    )
    .bind(root)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Member {
                run_id: row.try_get("run_id")?,
                lives: row.try_get("lives")?,
                record: RawRecord::of(row)?,
            })
        })
        .collect()
}
