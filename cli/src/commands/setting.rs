//! Carries out, or tries, what an operator does to a queue or a schedule, and tells what came of it.

use makegood::{Change, Setting};
use serde_json::{Value, json};

use crate::args::SignedArgs;
use crate::desk::{Desk, Trouble};
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};

/// Sets it. A setting can be taken back, so nobody is asked.
pub(super) async fn set(
    desk: &mut Desk,
    setting: &Setting,
    signed: &SignedArgs,
    format: Format,
) -> Result<Change, Problem> {
    let hand = desk.sign(signed)?;
    let changed = if signed.dry_run {
        desk.foresee_setting(&hand, setting).await
    } else {
        desk.set(&hand, setting).await
    };
    let change = changed.map_err(|trouble| unset(trouble, setting))?;
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

fn unset(trouble: Trouble, setting: &Setting) -> Problem {
    let what = format!("{} was not changed", setting.name());
    match trouble {
        Trouble::ScheduleNotFound => Problem::new(what)
            .because("there is no schedule of this name")
            .next("`makegood schedules list` shows their names")
            .exit(Exit::NotFound),
        Trouble::BadQueue(why) => Problem::new(what).because(why).exit(Exit::Usage),
        trouble => trouble.wanting(what),
    }
}
