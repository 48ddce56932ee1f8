//! A child that failed behind its parent's pivot starts anew: the parent awaits its new run.

use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::Carried;
use super::act::{Effect, Subject, Undone};
use super::record;
use super::refusal::Refusal;
use super::verb::{RunState, StepId, VerbKind};
use crate::ctx::{ChildId, child_workflow_id};
use crate::error::Error;
use crate::journal::{RowKind, StepRow};
use crate::store::runs::{self, NewRun};
use crate::store::tasks::by_operator;

/// Starts a run like the child's, with its input or this one, and has the parent await that. Its
/// workflow id is the child's with the row's place behind it.
pub(super) async fn restart(
    conn: &mut PgConnection,
    subject: &Subject<'_>,
    (step, child): (&StepId, Uuid),
    input: Option<&Value>,
    verb: VerbKind,
) -> Result<Effect, Undone> {
    let gone = || Refusal::ChildGone { child };
    let facts = by_operator::facts(&mut *conn, child).await?.ok_or_else(gone)?;
    // Of one that a person closed as it stood, nothing is undone: the same again would do it twice.
    if input.is_none() && facts.stand.state != RunState::Compensated.as_str() {
        return Err(Refusal::ChildNotUndone { child }.into());
    }
    let row = record::row(subject, RowKind::Restarted, Some(step));
    let first = child_workflow_id(subject.run_id, &step.name, step.occurrence);
    let workflow_id = format!("{first}:{}", row.seq);
    let input = input.map_or(facts.input, Value::to_string);
    let new = NewRun {
        run_id: Uuid::now_v7(),
        workflow: &facts.workflow,
        version: facts.version,
        workflow_id: &workflow_id,
        input: &input,
        lane: facts.lane.ok_or_else(gone)?,
        attributes: None,
    };
    if !runs::insert(&mut *conn, &new).await? {
        let (run_id, _) = runs::holder(conn, &new).await?;
        return Err(Refusal::WorkflowIdTaken { run_id }.into());
    }
    runs::set_parent(&mut *conn, new.run_id, subject.run_id).await?;
    let result = to_raw_value(&ChildId { run_id: new.run_id })
        .map_err(|source| Error::Json { what: "the child's id".to_owned(), source });
    let row = StepRow { result: Some(result.map_err(Undone::Failed)?), ..row };
    let effect = record::append(conn, subject, row, verb).await?;
    let mut after = effect.after;
    if let Some(after) = after.as_object_mut() {
        after.insert("child".to_owned(), json!({ "before": child, "after": new.run_id }));
    }
    Ok(Effect { carried: Carried::Done, after, forked: None })
}
