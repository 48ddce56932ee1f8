//! `makegood incidents`: what needs a person, the alike ones together.

use makegood::inspect::{self, IncidentGroup};

use crate::args::{IncidentsArgs, IncidentsVerb};
use crate::exit::{Exit, Problem};
use crate::output::{self, Format, time};
use crate::settings::DatabaseSettings;
use crate::{connect, logging};

/// How many groups are looked at.
const GROUPS: i64 = 1_000;

pub(crate) async fn run(args: &IncidentsArgs) -> Result<Exit, Problem> {
    let (database, surroundings) = DatabaseSettings::of_operator(&args.database)?;
    logging::start(&surroundings.log);
    let mut conn = connect::connection(&database).await?;
    match &args.verb {
        IncidentsVerb::List { output } => {
            let groups = inspect::incident_groups(&mut conn, GROUPS).await?;
            list(&groups, output.output);
        }
        IncidentsVerb::Show { .. } => {}
    }
    Ok(Exit::Done)
}

fn list(groups: &[IncidentGroup], format: Format) {
    if format == Format::Json {
        return output::json(&groups);
    }
    if groups.is_empty() {
        return output::say("No run needs a person.");
    }
    let rows = groups.iter().map(|group| {
        vec![
            group.count.to_string(),
            group.class.clone(),
            group.step.clone().unwrap_or_default(),
            time(group.first_at),
            time(group.last_at),
            group.fingerprint.clone(),
            group.run_id.to_string(),
            group.message.clone(),
        ]
    });
    let columns =
        ["runs", "class", "step", "first", "last", "fingerprint", "such as", "what happened"];
    output::table(&columns, rows);
}
