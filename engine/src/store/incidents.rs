//! Incidents: opened when a run is parked for a person, resolved by an operator's verb.

use sqlx::{PgConnection, Row};
use uuid::Uuid;

use crate::incident::NewIncident;

/// Opens an incident in the transaction that parks its run.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    run_id: Uuid,
    incident: &NewIncident,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into incidents (incident_id, run_id, class, step, message, fingerprint, occurrence,
           call)
         values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb)",
    )
    .bind(incident.incident_id)
    .bind(run_id)
    .bind(incident.class.as_str())
    .bind(&incident.step)
    .bind(&incident.message)
    .bind(incident.fingerprint())
    .bind(incident.occurrence)
    .bind(incident.call.as_ref().map(|call| call.get()))
    .execute(conn)
    .await
    .map(|_| ())
}

/// Resolves a run's open incident; `false` when it has none.
pub(crate) async fn resolve(
    conn: &mut PgConnection,
    run_id: Uuid,
    resolution: &str,
) -> Result<bool, sqlx::Error> {
    sqlx::query(
        "update incidents
         set resolved_at = now(), resolution = $2
         where run_id = $1 and resolved_at is null",
    )
    .bind(run_id)
    .bind(resolution)
    .execute(conn)
    .await
    .map(|done| done.rows_affected() == 1)
}

/// An open incident, as far as a verb has to know it.
pub(crate) struct OpenIncident {
    pub(crate) class: String,
    pub(crate) step: Option<String>,
    pub(crate) occurrence: Option<i32>,
    pub(crate) call: Option<String>,
}

/// A run's open incident; `None` when it has none.
pub(crate) async fn open(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<Option<OpenIncident>, sqlx::Error> {
    let row = sqlx::query(
        "select class, step, occurrence, call::text as call
         from incidents
         where run_id = $1 and resolved_at is null",
    )
    .bind(run_id)
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        Ok(OpenIncident {
            class: row.try_get("class")?,
            step: row.try_get("step")?,
            occurrence: row.try_get("occurrence")?,
            call: row.try_get("call")?,
        })
    })
    .transpose()
}
