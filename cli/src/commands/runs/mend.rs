//! The verbs that mend one run, through the engine's operator.

use makegood::{Carried, Client, Cut, Error, GivenUndo, Operator, Verb, VerbKind};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::args::{CutArgs, MendVerb, OneArgs, SignedArgs};
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};
use crate::settings::DatabaseSettings;

/// Carries the verb out and tells what came of it.
pub(super) async fn mend(
    conn: &mut PgConnection,
    database: &DatabaseSettings,
    verb: &MendVerb,
) -> Result<(), Problem> {
    let (one, verb) = read(verb);
    let client = client(database).await?;
    let operator = operator(&client, &one.signed)?;
    let run = super::find_named(conn, &one.id).await?;
    if let Verb::Fork { cut, workflow_id } = &verb {
        let forked = operator.fork(run.run_id, cut, workflow_id).await;
        return told(forked, run.run_id, &verb, one.output.output, |new| {
            (format!("Run {new} goes on from there."), json!({ "forked": new }))
        });
    }
    let carried = operator.carry_out(run.run_id, &verb).await;
    told(carried, run.run_id, &verb, one.output.output, |carried| match carried {
        Carried::Done => (done(&verb, run.run_id), json!({ "carried": "done" })),
        Carried::Ordered => {
            let words = "A worker is at the run; it takes the order at its next wait.".to_owned();
            (words, json!({ "carried": "ordered" }))
        }
    })
}

/// The engine's client in this cell.
pub(super) async fn client(database: &DatabaseSettings) -> Result<Client, Problem> {
    let client = Client::connect(&database.engine()?).await;
    client.map_err(|e| Problem::new("the engine cannot be reached").because(e))
}

/// Whoever runs the command, or is named, with a reason.
pub(super) fn operator(client: &Client, signed: &SignedArgs) -> Result<Operator, Problem> {
    let actor = signed.actor.clone().unwrap_or_else(user);
    client.operator(&actor, &signed.reason).map_err(|error| {
        Problem::new(error.to_string())
            .next(
                "say with --reason what was wrong and what was done about it, and with --actor who",
            )
            .exit(Exit::Usage)
    })
}

fn read(verb: &MendVerb) -> (&OneArgs, Verb) {
    match verb {
        MendVerb::Retry(one) => (one, Verb::Retry),
        MendVerb::ResumeForward(one) => (one, Verb::ResumeForward),
        MendVerb::Skip { one, at, result, forget_undo } => {
            let undo = if *forget_undo { GivenUndo::Forget } else { GivenUndo::Keep };
            (one, Verb::SkipStep { step: at.step.clone(), result: result.clone(), undo })
        }
        MendVerb::Edit { one, at, input } => {
            (one, Verb::EditInput { step: at.step.clone(), input: input.clone() })
        }
        MendVerb::Compensate(one) => (one, Verb::Compensate),
        MendVerb::Cancel(one) => (one, Verb::Cancel),
        MendVerb::Terminate(one) => (one, Verb::Terminate),
        MendVerb::Pause(one) => (one, Verb::Pause),
        MendVerb::Resume(one) => (one, Verb::Resume),
        MendVerb::Close(one) => (one, Verb::Close),
        MendVerb::Fork { one, cut, workflow_id } => {
            (one, Verb::Fork { cut: place(cut), workflow_id: workflow_id.clone() })
        }
    }
}

fn place(cut: &CutArgs) -> Cut {
    match &cut.from_step {
        Some(step) => Cut::Step(step.clone()),
        None => Cut::Row(cut.from_row.unwrap_or_default()),
    }
}

fn told<T>(
    answer: Result<T, Error>,
    run_id: Uuid,
    verb: &Verb,
    format: Format,
    words: impl Fn(T) -> (String, serde_json::Value),
) -> Result<(), Problem> {
    let name = verb.kind().as_str().replace('_', " ");
    match answer {
        Ok(done) => {
            let (sentence, mut value) = words(done);
            if format == Format::Json {
                if let Some(fields) = value.as_object_mut() {
                    fields.insert("run_id".to_owned(), json!(run_id));
                    fields.insert("verb".to_owned(), json!(verb.kind()));
                }
                output::json(&value);
            } else {
                output::say(&sentence);
            }
            Ok(())
        }
        Err(Error::Refused { refusal, .. }) => {
            Err(Problem::new(format!("{name} does not apply to run {run_id}"))
                .because(&refusal)
                .next(refusal.next())
                .exit(Exit::Conflict))
        }
        Err(error) => Err(Problem::new(format!("{name} was not carried out")).because(error)),
    }
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

/// Who runs the command, as far as the system says.
pub(in crate::commands) fn user() -> String {
    let named = |variable| std::env::var(variable).ok().filter(|name| !name.is_empty());
    named("USER").or_else(|| named("LOGNAME")).unwrap_or_else(|| "unknown".to_owned())
}
