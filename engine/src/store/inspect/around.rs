//! What there is around a run: its signals, its relatives, its incidents, what it shows of itself.
//! Changes nothing.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::{FromRow, PgConnection};
use uuid::Uuid;

/// A signal that was sent to a run. Orders of operators are signals too: their kinds begin with
/// `$`.
///
/// ```
/// use makegood::inspect::SignalView;
///
/// fn words(signal: &SignalView) -> String {
///     match signal.taken_seq {
///         Some(seq) => format!("{} was taken as row {seq}", signal.kind),
///         None => format!("{} is not taken", signal.kind),
///     }
/// }
/// ```
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct SignalView {
    /// The id that its sender chose.
    pub signal_id: String,
    /// What it is.
    pub kind: String,
    /// What it says; `None` when it is longer than was asked for.
    pub payload: Option<Value>,
    /// How long the payload is.
    pub payload_bytes: i32,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// The row of the record that took it.
    pub taken_seq: Option<i32>,
    /// The run that handles it, since it came too late.
    pub handled_by: Option<Uuid>,
}

/// The newest signals of a run, archived or not; payloads of more than `longest` bytes stay where
/// they are.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// for signal in inspect::signals(conn, run_id, 100, 16_384).await? {
///     println!("{} {}", signal.received_at, signal.kind);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn signals(
    conn: &mut PgConnection,
    run_id: Uuid,
    limit: i64,
    longest: i32,
) -> Result<Vec<SignalView>, sqlx::Error> {
    sqlx::query_as(
        "with newest as materialized (
           select *
           from (
             select signal_id, kind, payload, received_at
             from signals
             where run_id = $1
             union all
             select d.*
             from archived_runs a
             cross join lateral jsonb_to_recordset(a.document -> 'signals') d(signal_id text,
               kind text, payload jsonb, received_at timestamptz)
             where a.run_id = $1
           ) g
           order by g.received_at desc, g.signal_id desc
           limit $2
         ),
         taken as materialized (
           select s.seq, s.result ->> 'id' as signal_id
           from steps s
           where s.run_id = $1 and s.kind in ('signal', 'ended', 'refused')
           union all
           select d.seq, d.result ->> 'id'
           from archived_runs a
           cross join lateral jsonb_to_recordset(a.document -> 'steps') d(seq int, kind text,
             result jsonb)
           where a.run_id = $1 and d.kind in ('signal', 'ended', 'refused')
         )
         select n.signal_id, n.kind,
           case when octet_length(n.payload::text) <= $3 then n.payload end as payload,
           octet_length(n.payload::text) as payload_bytes, n.received_at,
           min(t.seq) as taken_seq,
           (
             select r.run_id
             from runs r
             where r.workflow_id = $1::text || ':' || n.signal_id
             order by r.started_at
             limit 1
           ) as handled_by
         from newest n
         left join taken t on t.signal_id = n.signal_id
         group by n.signal_id, n.kind, n.payload, n.received_at
         order by n.received_at desc, n.signal_id desc",
    )
    .bind(run_id)
    .bind(limit)
    .bind(longest)
    .fetch_all(conn)
    .await
}

/// A run that came from another one.
///
/// ```
/// use makegood::inspect::Relative;
///
/// fn words(relative: &Relative) -> String {
///     format!("{} {}: {}", relative.relation, relative.workflow_id, relative.state)
/// }
/// ```
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct Relative {
    /// `child` or `fork`.
    pub relation: String,
    /// The row of the record that started it; none of a fork.
    pub seq: Option<i32>,
    /// The run's id.
    pub run_id: Uuid,
    /// The workflow's name.
    pub workflow: String,
    /// The id that it was started with.
    pub workflow_id: String,
    /// One of the eight run states.
    pub state: String,
    /// When it was started.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// The class of its open incident.
    pub incident: Option<String>,
}

/// The children and the forks of a run, those that need a person first, then the live ones.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// let stuck = inspect::relatives(conn, run_id, 100).await?;
/// let stuck = stuck.iter().filter(|run| run.incident.is_some());
/// println!("{} children need a person", stuck.count());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn relatives(
    conn: &mut PgConnection,
    run_id: Uuid,
    limit: i64,
) -> Result<Vec<Relative>, sqlx::Error> {
    sqlx::query_as(
        "with kin as materialized (
           select 'child' as relation, s.seq, (s.result ->> 'run_id')::uuid as run_id
           from steps s
           where s.run_id = $1 and s.kind in ('started', 'restarted')
           union all
           select 'fork', null, (a.after ->> 'forked')::uuid
           from operator_actions a
           where a.run_id = $1 and a.verb = 'fork'
           union all
           select 'child', d.seq, (d.result ->> 'run_id')::uuid
           from archived_runs a
           cross join lateral jsonb_to_recordset(a.document -> 'steps') d(seq int, kind text,
             result jsonb)
           where a.run_id = $1 and d.kind in ('started', 'restarted')
           union all
           select 'fork', null, (x.value -> 'after' ->> 'forked')::uuid
           from archived_runs a
           cross join lateral jsonb_array_elements(a.document -> 'actions') x
           where a.run_id = $1 and x.value ->> 'verb' = 'fork'
         )
         select *
         from (
           select k.relation, k.seq, s.run_id, s.workflow, s.workflow_id, s.state, s.started_at,
             s.ended_at, i.class as incident
           from kin k
           join run_states s on s.run_id = k.run_id
           left join incidents i on i.run_id = k.run_id and i.resolved_at is null
           union all
           select k.relation, k.seq, a.run_id, a.workflow, a.workflow_id, a.ended_state,
             a.started_at, a.ended_at, null
           from kin k
           join archived_runs a on a.run_id = k.run_id
         ) x
         order by x.incident is null, x.ended_at is not null, x.seq, x.started_at
         limit $2",
    )
    .bind(run_id)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// An incident of a run, open or resolved.
///
/// ```
/// use makegood::inspect::IncidentView;
///
/// fn words(incident: &IncidentView) -> String {
///     let by = incident.resolved_by.as_deref().unwrap_or("nobody yet");
///     format!("{}: resolved by {by}", incident.class)
/// }
/// ```
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct IncidentView {
    /// Its id.
    pub incident_id: Uuid,
    /// What kind of need it is.
    pub class: String,
    /// The step at which it came up.
    pub step: Option<String>,
    /// Which call of that name.
    pub occurrence: Option<i32>,
    /// What happened.
    pub message: String,
    /// Alike incidents share it.
    pub fingerprint: String,
    /// Since when.
    pub opened_at: DateTime<Utc>,
    /// Until when.
    pub resolved_at: Option<DateTime<Utc>>,
    /// The verb that resolved it.
    pub resolution: Option<String>,
    /// Who carried that verb out.
    pub resolved_by: Option<String>,
}

/// The incidents of a run, archived or not, the newest first.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// for incident in inspect::incidents(conn, run_id, 100).await? {
///     println!("{} {}", incident.opened_at, incident.class);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn incidents(
    conn: &mut PgConnection,
    run_id: Uuid,
    limit: i64,
) -> Result<Vec<IncidentView>, sqlx::Error> {
    // A verb resolves and is written down in one transaction: both carry its time.
    sqlx::query_as(
        "select *
         from (
           select i.incident_id, i.class, i.step, i.occurrence, i.message, i.fingerprint,
             i.opened_at, i.resolved_at, i.resolution,
             (
               select a.actor
               from operator_actions a
               where a.run_id = $1 and a.at = i.resolved_at
               limit 1
             ) as resolved_by
           from incidents i
           where i.run_id = $1
           union all
           select d.*,
             (
               select x.value ->> 'actor'
               from jsonb_array_elements(a.document -> 'actions') x
               where (x.value ->> 'at')::timestamptz = d.resolved_at
               limit 1
             )
           from archived_runs a
           cross join lateral jsonb_to_recordset(a.document -> 'incidents') d(incident_id uuid,
             class text, step text, occurrence int, message text, fingerprint text,
             opened_at timestamptz, resolved_at timestamptz, resolution text)
           where a.run_id = $1
         ) x
         order by x.opened_at desc, x.incident_id desc
         limit $2",
    )
    .bind(run_id)
    .bind(limit)
    .fetch_all(conn)
    .await
}

/// A value that a run shows of itself.
///
/// ```
/// use makegood::inspect::Published;
///
/// fn words(shown: &Published) -> String {
///     format!("{} = {}", shown.key, shown.value)
/// }
/// ```
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct Published {
    /// Its name.
    pub key: String,
    /// The value.
    pub value: Value,
    /// When it got this value; `None` once it is archived.
    pub at: Option<DateTime<Utc>>,
}

/// What a run, archived or not, shows of itself, by name.
///
/// ```no_run
/// # async fn example(conn: &mut sqlx::PgConnection, run_id: uuid::Uuid) -> Result<(), sqlx::Error> {
/// use makegood::inspect;
///
/// for shown in inspect::published(conn, run_id).await? {
///     println!("{}: {}", shown.key, shown.value);
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the database does not answer.
pub async fn published(
    conn: &mut PgConnection,
    run_id: Uuid,
) -> Result<Vec<Published>, sqlx::Error> {
    sqlx::query_as(
        "select key, value, at
         from published
         where run_id = $1
         union all
         select d.key, d.value, null
         from archived_runs a
         cross join lateral jsonb_each(a.document -> 'published') d
         where a.run_id = $1
         order by key",
    )
    .bind(run_id)
    .fetch_all(conn)
    .await
}
