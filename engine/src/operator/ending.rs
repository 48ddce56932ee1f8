//! The verbs that stop a run: pause, terminate, close. They write no record.

use serde_json::json;
use serde_json::value::RawValue;
use sqlx::PgConnection;

use super::act::{Effect, Subject, Undone};
use super::verb::VerbKind;
use crate::children;
use crate::ctx::ChildEnd;
use crate::run::{PAUSE, TERMINATE};
use crate::store::tasks::by_operator;
use crate::store::{incidents, mail, runs, signals};

/// Takes the run out of the queue, with an incident that says who wanted it.
pub(super) async fn pause(
    conn: &mut PgConnection,
    subject: &Subject<'_>,
) -> Result<Effect, Undone> {
    if subject.facts.stand.held {
        return subject.order(conn, PAUSE).await;
    }
    let incident = subject.signature.pause();
    by_operator::pause(&mut *conn, subject.run_id, incident.incident_id).await?;
    incidents::insert(conn, subject.run_id, &incident).await?;
    Ok(Effect::done(json!({ "state": "PAUSED" })))
}

/// Ends the run as it stands.
pub(super) async fn close(
    conn: &mut PgConnection,
    subject: &Subject<'_>,
    verb: VerbKind,
) -> Result<Effect, Undone> {
    if subject.facts.stand.held {
        return subject.order(conn, TERMINATE).await;
    }
    let run_id = subject.run_id;
    incidents::resolve(&mut *conn, run_id, verb.as_str()).await?;
    let cause = json!(subject.signature.cause()).to_string();
    runs::close(&mut *conn, run_id, &cause).await?;
    by_operator::leave(&mut *conn, run_id).await?;
    if let Some(parent) = subject.facts.parent_run_id {
        let cause = RawValue::from_string(cause).ok();
        let end = ChildEnd { state: "CLOSED".to_owned(), output: None, cause };
        mail::send_one(&mut *conn, &children::letter(parent, run_id, &end)).await?;
    }
    let untaken = signals::untaken(conn, run_id).await?;
    Ok(Effect::done(json!({ "state": "CLOSED", "untaken_signals": untaken })))
}
