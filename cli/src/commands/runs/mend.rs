//! The verbs that mend one run, through the engine's operator: tried first where that is wanted,
//! or where the verb cannot be taken back and a person is there to be asked.

use api::operations::Acted;
use makegood::inspect::RunSummary;
use makegood::{Carried, Cut, Foreseen, GivenUndo, Refusal, StepId, StuckAt, Verb, VerbKind};
use serde_json::{Value, json};
use uuid::Uuid;

use super::next::command;
use super::record::called;
use crate::args::{CutArgs, MendVerb, OneArgs};
use crate::desk::{Desk, Signed, Trouble};
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};
use crate::signing;

/// Carries the verb out, or tries it, and tells what came of it.
pub(super) async fn mend(desk: &mut Desk, verb: &MendVerb) -> Result<(), Problem> {
    let one = one(verb);
    let hand = desk.sign(&one.signed)?;
    let run = super::find_named(desk, &one.id).await?;
    let verb = read(desk, &run, verb).await?;
    let format = one.output.output;
    if one.signed.dry_run {
        let would = foresee(desk, &hand, run.run_id, &verb).await?;
        foreseen(&would, &run, &verb, format);
        return Ok(());
    }
    let expected = if !one.signed.yes && signing::can_ask() && is_grave(verb.kind()) {
        let would = foresee(desk, &hand, run.run_id, &verb).await?;
        output::say(&change(&would, &run, &verb));
        signing::ask("yes")?;
        // What was shown is what is done, or nothing is.
        Some(would.version)
    } else {
        None
    };
    let acted = desk.act(&hand, run.run_id, &verb, expected.as_deref()).await;
    let acted = acted.map_err(|trouble| undone(trouble, run.run_id, &verb))?;
    let (sentence, mut value) = told(&acted, run.run_id, &verb);
    match format {
        Format::Table => output::say(&sentence),
        Format::Json => {
            if let Some(fields) = value.as_object_mut() {
                fields.insert("run_id".to_owned(), json!(run.run_id));
                fields.insert("verb".to_owned(), json!(verb.kind()));
            }
            output::json(&value);
        }
    }
    Ok(())
}

/// What cannot be taken back by another verb.
fn is_grave(verb: VerbKind) -> bool {
    match verb {
        VerbKind::SkipStep
        | VerbKind::Compensate
        | VerbKind::Cancel
        | VerbKind::Terminate
        | VerbKind::Close => true,
        VerbKind::Retry
        | VerbKind::ResumeForward
        | VerbKind::EditInput
        | VerbKind::Pause
        | VerbKind::Resume
        | VerbKind::Fork => false,
    }
}

fn one(verb: &MendVerb) -> &OneArgs {
    match verb {
        MendVerb::Retry(one)
        | MendVerb::ResumeForward(one)
        | MendVerb::Compensate(one)
        | MendVerb::Cancel(one)
        | MendVerb::Terminate(one)
        | MendVerb::Pause(one)
        | MendVerb::Resume(one)
        | MendVerb::Close(one)
        | MendVerb::Skip { one, .. }
        | MendVerb::Edit { one, .. }
        | MendVerb::Fork { one, .. } => one,
    }
}

/// The engine's verb; what was left out is where the run is stuck.
async fn read(desk: &mut Desk, run: &RunSummary, verb: &MendVerb) -> Result<Verb, Problem> {
    Ok(match verb {
        MendVerb::Retry(_) => Verb::Retry,
        MendVerb::ResumeForward(_) => Verb::ResumeForward,
        MendVerb::Skip { at, result, forget_undo, .. } => {
            let place = stuck_at(desk, run, at.step.as_ref()).await?;
            let undo = if *forget_undo { GivenUndo::Forget } else { GivenUndo::Keep };
            let result = result.clone().map_or_else(|| nothing(&place), Ok)?;
            Verb::SkipStep { step: place.step, result, undo }
        }
        MendVerb::Edit { at, input, .. } => {
            let place = stuck_at(desk, run, at.step.as_ref()).await?;
            Verb::EditInput { step: place.step, input: input.clone() }
        }
        MendVerb::Compensate(_) => Verb::Compensate,
        MendVerb::Cancel(_) => Verb::Cancel,
        MendVerb::Terminate(_) => Verb::Terminate,
        MendVerb::Pause(_) => Verb::Pause,
        MendVerb::Resume(_) => Verb::Resume,
        MendVerb::Close(_) => Verb::Close,
        MendVerb::Fork { cut, workflow_id, .. } => {
            Verb::Fork { cut: place(cut), workflow_id: workflow_id.clone() }
        }
    })
}

/// The step that was named, or else the one at which the run is stuck.
async fn stuck_at(
    desk: &mut Desk,
    run: &RunSummary,
    named: Option<&StepId>,
) -> Result<StuckAt, Problem> {
    let found = desk.stuck_at(run.run_id).await;
    let found = found.map_err(|trouble| trouble.wanting("where it is stuck cannot be told"))?;
    match (named, found) {
        (Some(step), found) => {
            let is_undo = found.is_some_and(|at| at.is_undo && at.step == *step);
            Ok(StuckAt { step: step.clone(), is_undo, input: None })
        }
        (None, Some(at)) => {
            output::say(&format!("It is stuck at {}.", words(&at)));
            Ok(at)
        }
        (None, None) => Err(Problem::new(format!("run {} is stuck at no step", run.run_id))
            .because(format!("its state is {}", run.state))
            .next(format!("`makegood runs show {}` says what may be done", run.run_id))
            .exit(Exit::Conflict)),
    }
}

fn words(at: &StuckAt) -> String {
    let step = called(&at.step.name, at.step.occurrence);
    if at.is_undo { format!("the undo of {step}") } else { step }
}

/// The result of an undo is read by nobody; that of a step the program goes on with.
fn nothing(at: &StuckAt) -> Result<Value, Problem> {
    if at.is_undo {
        return Ok(Value::Null);
    }
    Err(Problem::new(format!("the run goes on with the result of {}", words(at)))
        .next("give with --result, as JSON, what it would have answered; null if that is nothing")
        .exit(Exit::Usage))
}

/// What the verb would do; a refusal is one here too.
async fn foresee(
    desk: &mut Desk,
    hand: &Signed,
    run_id: Uuid,
    verb: &Verb,
) -> Result<Foreseen, Problem> {
    let seen = desk.foresee(hand, run_id, verb).await;
    let seen = seen.map_err(|trouble| undone(trouble, run_id, verb))?;
    match seen.refusal {
        Some(refusal) => Err(refused(&refusal, run_id, verb)),
        None => Ok(seen),
    }
}

fn place(cut: &CutArgs) -> Cut {
    match &cut.from_step {
        Some(step) => Cut::Step(step.clone()),
        None => Cut::Row(cut.from_row.unwrap_or_default()),
    }
}

/// What came of it, in a sentence and as JSON.
fn told(acted: &Acted, run_id: Uuid, verb: &Verb) -> (String, Value) {
    if let Some(new) = acted.forked {
        return (format!("Run {new} goes on from there."), json!({ "forked": new }));
    }
    let words = match acted.carried {
        Carried::Done => done(verb, run_id),
        Carried::Ordered => {
            "A worker is at the run; it takes the order at its next wait.".to_owned()
        }
    };
    (words, json!({ "carried": acted.carried }))
}

fn foreseen(would: &Foreseen, run: &RunSummary, verb: &Verb, format: Format) {
    match format {
        Format::Table => {
            output::data(&format!("{} Nothing was changed.", change(would, run, verb)));
        }
        Format::Json => output::json(&json!({
            "dry_run": true, "run_id": run.run_id, "verb": verb.kind(),
            "would": { "carried": would.carried, "before": would.before, "after": would.after },
        })),
    }
}

/// What would change, in a sentence.
fn change(would: &Foreseen, run: &RunSummary, verb: &Verb) -> String {
    let state =
        |value: &Value| value.get("state").and_then(Value::as_str).unwrap_or_default().to_owned();
    let subject = format!("{} {} ({})", run.workflow, run.workflow_id, run.run_id);
    let command = command(verb.kind());
    let carried = would.carried.unwrap_or(Carried::Done);
    match (verb.kind(), carried) {
        (VerbKind::Fork, _) => {
            format!(
                "{command}: {subject} stays {}; a new run goes on from there.",
                state(&would.before)
            )
        }
        (_, Carried::Ordered) => {
            format!("{command}: {subject} is {}; its worker gets the order.", state(&would.before))
        }
        (VerbKind::Terminate | VerbKind::Close, Carried::Done) => {
            format!(
                "{command}: {subject} goes from {} to CLOSED; nothing is undone.",
                state(&would.before)
            )
        }
        (_, Carried::Done) => {
            let (before, after) =
                (state(&would.before), would.after.as_ref().map(state).unwrap_or_default());
            format!("{command}: {subject} goes from {before} to {after}.")
        }
    }
}

fn undone(trouble: Trouble, run_id: Uuid, verb: &Verb) -> Problem {
    let name = command(verb.kind());
    match trouble {
        Trouble::Refused(refusal) => refused(&refusal, run_id, verb),
        Trouble::RunNotFound => Problem::new(format!("{name} does not apply to run {run_id}"))
            .because("it has ended, and is in the archive")
            .next("start it anew under another id")
            .exit(Exit::Conflict),
        trouble => trouble.wanting(format!("{name} was not carried out")),
    }
}

fn refused(refusal: &Refusal, run_id: Uuid, verb: &Verb) -> Problem {
    Problem::new(format!("{} does not apply to run {run_id}", command(verb.kind())))
        .because(refusal)
        .next(refusal.next())
        .exit(Exit::Conflict)
}

fn done(verb: &Verb, run_id: Uuid) -> String {
    match verb.kind() {
        VerbKind::Retry | VerbKind::ResumeForward | VerbKind::Resume => {
            format!("Run {run_id} is back in the queue.")
        }
        VerbKind::SkipStep => format!("Run {run_id} goes on with the given result."),
        VerbKind::EditInput => format!("Run {run_id} tries it with the new input."),
        VerbKind::Compensate | VerbKind::Cancel => format!("Run {run_id} is being made good."),
        VerbKind::Terminate | VerbKind::Close => {
            format!("Run {run_id} is closed. Nothing was undone.")
        }
        VerbKind::Pause => format!("Run {run_id} is paused."),
        VerbKind::Fork => format!("Run {run_id} is forked."),
    }
}
