//! Carries out, or tries, what an operator does to a queue or a schedule, and tells what came of it.

use makegood::{Change, Error, Setting};
use serde_json::{Value, json};

use crate::args::SignedArgs;
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};
use crate::settings::DatabaseSettings;
use crate::signing::{client, operator};

/// Sets it. A setting can be taken back, so nobody is asked.
pub(super) async fn set(
    database: &DatabaseSettings,
    setting: &Setting,
    signed: &SignedArgs,
    format: Format,
) -> Result<Change, Problem> {
    let client = client(database).await?;
    let operator = operator(&client, signed)?;
    let changed = if signed.dry_run {
        operator.foresee_setting(setting).await
    } else {
        operator.set(setting).await
    };
    let change = changed.map_err(|error| unset(error, setting))?;
    match format {
        Format::Json => {
            let verb = setting.verb();
            let name = setting.name();
            output::json(&json!({
                "dry_run": signed.dry_run, "verb": verb, "name": name, "change": change,
            }));
        }
        Format::Table => tell(&change, setting, signed),
    }
    Ok(change)
}

/// What is another now, field by field.
fn tell(change: &Change, setting: &Setting, signed: &SignedArgs) {
    let fields = change.after.as_object().into_iter().flatten();
    let differing = fields.filter(|(field, after)| change.before.get(field) != Some(after));
    let rows: Vec<_> = differing
        .map(|(field, after)| {
            let before = change.before.get(field).map(word).unwrap_or_default();
            vec![field.clone(), before, word(after)]
        })
        .collect();
    if !rows.is_empty() {
        output::data(setting.name());
        output::table(&["field", "before", "after"], rows.clone());
    }
    match (change.run_id, rows.is_empty(), signed.dry_run) {
        (_, _, true) => output::say("Nothing was changed."),
        (Some(run), _, false) => {
            output::say(&format!("Run {run} is started; `makegood runs watch {run}` follows it."));
        }
        (None, true, false) => output::say("It stands so already."),
        (None, false, false) => output::say("Done."),
    }
}

fn word(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn unset(error: Error, setting: &Setting) -> Problem {
    let problem = Problem::new(format!("{} was not changed", setting.name()));
    match error {
        Error::ScheduleNotFound(_) => problem
            .because("there is no schedule of this name")
            .next("`makegood schedules list` shows their names")
            .exit(Exit::NotFound),
        error @ Error::Queue(_) => problem.because(error).exit(Exit::Usage),
        error => problem.because(error),
    }
}
