//! What running workflows show of themselves: one value a key, the newest.

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::journal::Payload;

/// Values as columns, for one statement.
#[derive(Default)]
pub(crate) struct Columns {
    run_ids: Vec<Uuid>,
    keys: Vec<String>,
    values: Vec<String>,
}

impl Columns {
    pub(crate) fn push(&mut self, run_id: Uuid, key: &str, value: &Payload) {
        self.run_ids.push(run_id);
        self.keys.push(key.to_owned());
        self.values.push(value.get().to_owned());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.run_ids.is_empty()
    }
}

/// Shows values, in the transaction of the turns that published them.
pub(crate) async fn upsert(
    conn: &mut PgConnection,
    incarnation: Uuid,
    columns: &Columns,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into published (run_id, key, value, at)
         select x.run_id, x.key, x.value::jsonb, $5
         from (
             select incarnation from workers where incarnation = $1 and alive for key share
           ) fence,
           unnest($2::uuid[], $3::text[], $4::text[]) x(run_id, key, value)
         order by x.run_id, x.key
         on conflict (run_id, key) do update
         set value = excluded.value, at = excluded.at
         where published.value <> excluded.value",
    )
    .bind(incarnation)
    .bind(&columns.run_ids)
    .bind(&columns.keys)
    .bind(&columns.values)
    .bind(at)
    .execute(conn)
    .await
    .map(|_| ())
}

/// The value of a run under a key.
pub(crate) async fn value(
    pool: &PgPool,
    run_id: Uuid,
    key: &str,
) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar(
        "select coalesce(
           (select value from published where run_id = $1 and key = $2),
           (select document -> 'published' -> $2 from archived_runs where run_id = $1)
         )::text",
    )
    .bind(run_id)
    .bind(key)
    .fetch_one(pool)
    .await
}
