//! Unwinds a run from its record: undoes in reverse order, then closes. Never runs the program.

use serde::Serialize;
use serde_json::value::to_raw_value;

use crate::action::{Call, Role};
use crate::journal::{Payload, Phase, Undoable, UndoneStep};
use crate::registry::{KindOf, Registry};
use crate::run::{Run, null};
use crate::workflow::Cause;

/// What is left to undo.
pub(crate) enum Unwind {
    /// This is next.
    Undo(Call),
    /// Nothing.
    Over,
    /// This is next, and this worker has no code for it.
    Impossible { step: String, message: String },
}

/// The input of an undo as it is stored; read as `Undoes` by the activity.
#[derive(Serialize)]
struct UndoInput<'a> {
    idempotency_key: String,
    input: &'a Payload,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<&'a Payload>,
}

/// The input of a closing activity; read as `MadeGood` by it.
#[derive(Serialize)]
struct ClosingInput<'a> {
    input: &'a Payload,
    cause: Option<&'a Cause>,
    undone: &'a [UndoneStep],
}

/// The latest step that is not undone yet; after all of them, the closing activity.
pub(crate) fn next(run: &Run, registry: &Registry) -> Unwind {
    let undoables = &run.journal.undoables;
    let wrong = planted::has("undos go in the order of the steps");
    let next = if wrong { undoables.first() } else { undoables.last() };
    if let Some(undoable) = next {
        return undo(run, undoable, registry);
    }
    match run.code.closing {
        Some(closing) if !run.journal.closed => {
            let input = ClosingInput {
                input: &run.input,
                cause: run.journal.compensating.as_ref(),
                undone: &run.journal.undone,
            };
            let edited = run.journal.edited(closing, 0, Phase::Back).cloned();
            let call = Call {
                activity: closing.to_owned(),
                step: closing.to_owned(),
                occurrence: 0,
                input: edited.unwrap_or_else(|| to_raw_value(&input).unwrap_or_else(|_| null())),
                role: Role::Closing,
                uncertain: false,
                kind: registry.kind_of(closing).unwrap_or(KindOf::InTransaction),
            };
            Unwind::Undo(call)
        }
        Some(_) | None => Unwind::Over,
    }
}

fn undo(run: &Run, undoable: &Undoable, registry: &Registry) -> Unwind {
    let Undoable { name, occurrence, input, output, undo, of_run } = undoable;
    let Some(kind) = registry.kind_of(undo) else {
        let message = format!("no activity {undo} is registered to undo {name}");
        return Unwind::Impossible { step: name.clone(), message };
    };
    let key = format!("{}:{name}:{occurrence}", of_run.unwrap_or(run.hold.run_id));
    let edited = run.journal.edited(name, *occurrence, Phase::Back).cloned();
    let input = UndoInput { idempotency_key: key, input, output: output.as_ref() };
    let call = Call {
        activity: undo.clone(),
        step: name.clone(),
        occurrence: *occurrence,
        input: edited.unwrap_or_else(|| to_raw_value(&input).unwrap_or_else(|_| null())),
        role: Role::Undo,
        // The recorded decision to unwind is the intent of every undo: any may have been tried.
        uncertain: true,
        kind,
    };
    Unwind::Undo(call)
}
