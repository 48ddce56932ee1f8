//! A new run with the beginning of another's record. The other run is left as it is.

use serde_json::json;
use serde_json::value::to_raw_value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Carried;
use super::act::{Effect, Subject, Undone};
use super::kin::{self, Kept};
use super::refusal::Refusal;
use super::verb::{Cut, RunState, StepId};
use crate::children::CANCEL_CHILD;
use crate::error::Error;
use crate::journal::{HistoryRow, Journal, Origin, RowKind, StepRow};
use crate::store::runs::{self, NewRun};
use crate::store::tasks::by_operator;
use crate::store::{steps, tasks};

/// Starts the new run in the lane of the other, and says in its record where the rows before came
/// from.
pub(super) async fn fork(
    conn: &mut PgConnection,
    subject: &Subject<'_>,
    cut: &Cut,
    workflow_id: &str,
) -> Result<Effect, Undone> {
    let history = history(&mut *conn, subject.run_id).await?;
    let seq = row_of(cut, &history)?;
    let Sound { parted, kept } = check(subject, history, seq)?;
    kin::check(&mut *conn, subject.run_id, &kept).await?;
    let facts = &subject.facts;
    let laneless = || Undone::Failed(Error::RunNotFound(format!("{} in a lane", subject.run_id)));
    let lane = facts.lane.ok_or_else(laneless)?;
    let workflow_id = workflow_id.replace("{}", &facts.workflow_id);
    let new = NewRun {
        run_id: Uuid::now_v7(),
        workflow: &facts.workflow,
        version: facts.version,
        workflow_id: &workflow_id,
        input: &facts.input,
        lane,
        attributes: None,
    };
    if !runs::insert(&mut *conn, &new).await? {
        let (run_id, _) = runs::holder(conn, &new).await?;
        return Err(Refusal::WorkflowIdTaken { run_id }.into());
    }
    let copied = steps::copy(&mut *conn, subject.run_id, new.run_id, seq, &parted).await?;
    if i32::try_from(copied) != Ok(seq) {
        // Retention took the record away meanwhile.
        return Err(Undone::Failed(Error::RunNotFound(subject.run_id.to_string())));
    }
    let origin = Origin { run_id: subject.run_id, seq };
    let row = StepRow {
        seq,
        kind: RowKind::Forked,
        name: String::new(),
        occurrence: 0,
        input: None,
        result: to_raw_value(&origin).ok(),
        undo: None,
        pivot: false,
        attempts: 0,
        next: None,
    };
    steps::append(&mut *conn, new.run_id, &row).await?;
    runs::set_origin(&mut *conn, new.run_id, subject.run_id).await?;
    by_operator::distrust(conn, new.run_id).await?;
    let after = json!({
        "state": subject.state, "forked": new.run_id, "workflow_id": workflow_id, "seq": seq,
    });
    Ok(Effect { carried: Carried::Done, after, forked: Some(new.run_id) })
}

async fn history(conn: &mut PgConnection, run_id: Uuid) -> Result<Vec<HistoryRow>, Undone> {
    let raw = tasks::reread(conn, run_id).await?;
    let read = raw.read().map(|(history, _)| history);
    read.map_err(|error| Refusal::Unreadable { message: error.to_string() }.into())
}

/// The row before which the record is cut.
fn row_of(cut: &Cut, history: &[HistoryRow]) -> Result<i32, Refusal> {
    let rows = i32::try_from(history.len()).unwrap_or(i32::MAX);
    match cut {
        Cut::Row(seq) if (0..=rows).contains(seq) => Ok(*seq),
        Cut::Row(_) => Err(Refusal::NoSuchRow { rows }),
        Cut::Step(step) => {
            let answers = history.iter().filter(|row| row.1.is_answer());
            let mut of = answers.filter(|row| row.2 == step.name && row.3 == step.occurrence);
            Ok(of.next().map_or(rows, |row| row.0))
        }
    }
}

/// What is to be known of a cut that parts nothing that belongs together.
struct Sound {
    /// The rows that carry the intents of the steps at the cut: those are intended anew, under the
    /// new run's own keys.
    parted: Vec<i32>,
    kept: Vec<Kept>,
}

/// Whether what is before the cut may live without what is behind it.
fn check(subject: &Subject<'_>, history: Vec<HistoryRow>, seq: i32) -> Result<Sound, Refusal> {
    let id = |name: &str, occurrence: i32| StepId { name: name.to_owned(), occurrence };
    let undone: Vec<StepId> = history
        .iter()
        .filter(|row| matches!(row.1, RowKind::Undone | RowKind::Waived))
        .map(|row| id(&row.2, row.3))
        .collect();
    let cuts_nothing = i32::try_from(history.len()) == Ok(seq);
    let kept: Vec<_> = history.into_iter().filter(|row| row.0 < seq).collect();
    let intents: Vec<(i32, Vec<StepId>)> = kept
        .iter()
        .filter_map(|row| Some((row.0, row.8.as_ref()?)))
        .map(|(seq, next)| (seq, next.iter().map(|i| id(&i.name, i.occurrence)).collect()))
        .collect();
    let kept =
        Journal::fold(kept).map_err(|error| Refusal::Unreadable { message: error.to_string() })?;
    if kept.compensating.is_some() {
        return Err(Refusal::CutBehindMakingGood);
    }
    let open: Vec<StepId> = kept.open.iter().map(|open| id(&open.name, open.occurrence)).collect();
    // Of an ended run nobody will ever learn it.
    let may_be_learnt = cuts_nothing && subject.state == RunState::Stuck;
    if let Some(step) = open.first().filter(|_| may_be_learnt) {
        return Err(Refusal::CutPartsIntent { step: step.clone() });
    }
    let mut kept_steps = Vec::new();
    for undoable in &kept.undoables {
        let step = id(&undoable.name, undoable.occurrence);
        if undoable.undo == CANCEL_CHILD {
            // The child tells its end to the run that started it.
            return Err(Refusal::CutPartsIntent { step });
        }
        if open.contains(&step) {
            continue;
        }
        if undone.contains(&step) {
            return Err(Refusal::CutKeepsUndone { step });
        }
        if subject.state == RunState::Stuck {
            return Err(Refusal::BothWouldUndo { step });
        }
        kept_steps.push(Kept { step, maker: undoable.of_run.unwrap_or(subject.run_id) });
    }
    let mut parted = Vec::new();
    for (seq, steps) in intents {
        match steps.iter().find(|step| open.contains(step)) {
            None => {}
            Some(_) if steps.iter().all(|step| open.contains(step)) => parted.push(seq),
            Some(step) => return Err(Refusal::CutPartsIntent { step: step.clone() }),
        }
    }
    Ok(Sound { parted, kept: kept_steps })
}
