//! The verbs that add to a run's record: make good, resume forward, skip, edit.

use serde::Serialize;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::act::{Effect, Subject, Undone};
use super::child;
use super::refusal::Refusal;
use super::stuck::{self, Place};
use super::verb::{GivenUndo, StepId, VerbKind};
use crate::error::Error;
use crate::incident::IncidentClass;
use crate::journal::{Intent, Payload, RowKind, StepRow};
use crate::run::{CANCEL, COMPENSATE};
use crate::store::{incidents, signals, steps};
use crate::workflow::Cause;

/// Decides that the run is undone; a worker does it.
pub(super) async fn make_good(
    conn: &mut PgConnection,
    subject: &Subject<'_>,
    verb: VerbKind,
) -> Result<Effect, Undone> {
    let reason = json!(subject.signature);
    let is_cancel = verb == VerbKind::Cancel;
    if subject.facts.stand.held && is_cancel {
        // As the client's: asked for before, it was counted then.
        let reason = reason.to_string();
        if signals::insert(&mut *conn, subject.run_id, CANCEL, CANCEL, &reason).await? {
            signals::ring(conn, subject.run_id, true).await?;
        }
        let after = json!({ "state": subject.state, "ordered": CANCEL });
        return Ok(Effect { carried: super::Carried::Ordered, after, forked: None });
    }
    if subject.facts.stand.held {
        return subject.order(conn, COMPENSATE).await;
    }
    let cause = if is_cancel { Cause::Cancelled { reason } } else { subject.signature.cause() };
    let row = row(subject, RowKind::Compensating, None);
    let row = StepRow { result: Some(payload(&cause)?), ..row };
    append(conn, subject, row, verb).await
}

/// Voids the decision to make the run good, and the cancel that may have led to it.
pub(super) async fn resume_forward(
    conn: &mut PgConnection,
    subject: &Subject<'_>,
) -> Result<Effect, Undone> {
    subject.journal(&mut *conn).await?;
    subject.void(&mut *conn, &[CANCEL, COMPENSATE]).await?;
    append(conn, subject, row(subject, RowKind::Resumed, None), VerbKind::ResumeForward).await
}

/// Tries again what the run is stuck at; a child that failed starts anew.
pub(super) async fn retry(
    conn: &mut PgConnection,
    subject: &Subject<'_>,
) -> Result<Effect, Undone> {
    let incident = incidents::open(&mut *conn, subject.run_id).await?;
    let past_pivot = IncidentClass::RejectedPastPivot;
    if let Some(incident) = incident.filter(|incident| incident.class == past_pivot.as_str()) {
        let journal = subject.journal(&mut *conn).await?;
        if let Some(Place::Child(step, run)) = stuck::place(&journal, &incident) {
            let run = run.ok_or(Refusal::ChildPassedBy)?;
            return child::restart(conn, subject, (&step, run), None, VerbKind::Retry).await;
        }
    }
    subject.set_going(conn, VerbKind::Retry).await
}

/// Records the given result as the step's, or the undo's.
pub(super) async fn skip_step(
    conn: &mut PgConnection,
    subject: &Subject<'_>,
    step: &StepId,
    given: (&Value, GivenUndo),
) -> Result<Effect, Undone> {
    let place = stuck_at(&mut *conn, subject, step).await?;
    let (result, undo) = given;
    let result = Some(payload(result)?);
    let row = match place {
        Place::Step(Intent { input, undo: kept, pivot, .. }) => {
            let undo = kept.filter(|_| undo == GivenUndo::Keep);
            let input = undo.as_ref().map(|_| input);
            let row = row(subject, RowKind::Skipped, Some(step));
            StepRow { input, result, undo, pivot, ..row }
        }
        Place::Child(..) => StepRow { result, ..row(subject, RowKind::Skipped, Some(step)) },
        Place::Back(_) => StepRow { result, ..row(subject, RowKind::Waived, Some(step)) },
    };
    append(conn, subject, row, VerbKind::SkipStep).await
}

/// Records the input with which the step, or the undo, is tried next.
pub(super) async fn edit_input(
    conn: &mut PgConnection,
    subject: &Subject<'_>,
    step: &StepId,
    input: &Value,
) -> Result<Effect, Undone> {
    let place = stuck_at(&mut *conn, subject, step).await?;
    if let Place::Child(step, run) = &place {
        let run = run.ok_or(Refusal::ChildPassedBy)?;
        return child::restart(conn, subject, (step, run), Some(input), VerbKind::EditInput).await;
    }
    let row = row(subject, RowKind::Edited, Some(step));
    let row = StepRow { input: Some(payload(input)?), ..row };
    append(conn, subject, row, VerbKind::EditInput).await
}

/// Where the run is stuck, if that is the step which the operator means.
async fn stuck_at(
    conn: &mut PgConnection,
    subject: &Subject<'_>,
    step: &StepId,
) -> Result<Place, Undone> {
    let journal = subject.journal(&mut *conn).await?;
    let incident = incidents::open(conn, subject.run_id).await?;
    let place = incident.and_then(|incident| stuck::place(&journal, &incident));
    match place {
        Some(place) if place.step() == *step => Ok(place),
        place => Err(Refusal::NotAtStep { at: place.map(|place| place.step()) }.into()),
    }
}

/// Adds the row and puts the run back into the queue.
pub(super) async fn append(
    conn: &mut PgConnection,
    subject: &Subject<'_>,
    row: StepRow,
    verb: VerbKind,
) -> Result<Effect, Undone> {
    steps::append(&mut *conn, subject.run_id, &row).await?;
    let mut effect = subject.set_going(conn, verb).await?;
    if let Some(after) = effect.after.as_object_mut() {
        after.insert("seq".to_owned(), row.seq.into());
        if !row.name.is_empty() {
            let StepRow { name, occurrence, .. } = row;
            after.insert("step".to_owned(), StepId { name, occurrence }.to_string().into());
        }
    }
    Ok(effect)
}

pub(super) fn row(subject: &Subject<'_>, kind: RowKind, step: Option<&StepId>) -> StepRow {
    StepRow {
        seq: subject.facts.stand.next_seq,
        kind,
        name: step.map(|step| step.name.clone()).unwrap_or_default(),
        occurrence: step.map_or(0, |step| step.occurrence),
        input: None,
        result: None,
        undo: None,
        pivot: false,
        attempts: 0,
        next: None,
    }
}

fn payload(value: &impl Serialize) -> Result<Payload, Undone> {
    to_raw_value(value)
        .map_err(|source| Undone::Failed(Error::Json { what: "what was given".to_owned(), source }))
}
