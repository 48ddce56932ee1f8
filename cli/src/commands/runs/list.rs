//! Runs in a list, once or again and again. What is listed is decided by the engine's filter, whose
//! words the console's address has too.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stdout};

use chrono::Utc;
use makegood::inspect::ListedRun;
use makegood::{FilterError, RunFilter};
use reqwest::Url;
use serde_json::json;
use uuid::Uuid;

use crate::args::{ListArgs, NarrowArgs};
use crate::desk::Desk;
use crate::exit::{Exit, Problem};
use crate::output::{self, Format, ago, time};

/// The most runs that are read at once.
const PAGE: u32 = 500;

pub(super) async fn run(desk: &mut Desk, args: &ListArgs) -> Result<(), Problem> {
    let filter = filter(args)?;
    if args.watch {
        return watch(desk, &filter, args).await;
    }
    let found = read(desk, &filter, args.limit).await?;
    if args.output.output == Format::Json {
        output::json(&json!({
            "runs": found.runs, "next": found.next, "searched": found.searched,
        }));
        return Ok(());
    }
    if !found.runs.is_empty() {
        show(&found.runs);
    }
    output::say(&told(&found, &filter));
    Ok(())
}

/// What was found, over as many pages as it takes.
struct Found {
    runs: Vec<ListedRun>,
    /// The run behind which the list goes on.
    next: Option<Uuid>,
    /// How many were looked through, when the search was cut short.
    searched: Option<i64>,
}

async fn read(desk: &mut Desk, filter: &RunFilter, limit: u32) -> Result<Found, Problem> {
    let mut found = Found { runs: Vec::new(), next: filter.after, searched: None };
    loop {
        let left = limit.saturating_sub(u32::try_from(found.runs.len()).unwrap_or(u32::MAX));
        let page = RunFilter { after: found.next, limit: left.min(PAGE), ..filter.clone() };
        let page = desk.list(&page).await?;
        found.runs.extend(page.runs);
        found.next = page.next;
        found.searched = page.searched;
        let full = u32::try_from(found.runs.len()).is_ok_and(|runs| runs >= limit);
        if full || found.next.is_none() || found.searched.is_some() {
            return Ok(found);
        }
    }
}

/// What is behind the list, in a sentence; nothing when that is all.
fn told(found: &Found, filter: &RunFilter) -> String {
    let narrowed = !filter.terms.is_empty();
    match (found.next, found.searched) {
        (Some(next), Some(searched)) => {
            format!("{searched} runs were looked through; --after {next} looks through more.")
        }
        (Some(next), None) => format!("There are more: --after {next}"),
        (None, _) if found.runs.is_empty() && filter.after.is_some() => "No more runs.".to_owned(),
        (None, _) if found.runs.is_empty() && narrowed => "No run is like that.".to_owned(),
        (None, _) if found.runs.is_empty() => "No runs yet.".to_owned(),
        (None, _) => format!("Runs: {}.", found.runs.len()),
    }
}

/// The engine's filter in its own words, so that there is one reading of them.
fn filter(args: &ListArgs) -> Result<RunFilter, Problem> {
    let mut words = Words(Vec::new());
    words.take(&args.narrow);
    words.add("sort", &args.sort);
    if let Some(after) = args.after {
        words.add("after", &after.to_string());
    }
    let unread = |why: String| {
        Problem::new("the runs that are meant cannot be told").because(why).exit(Exit::Usage)
    };
    let query = Url::parse_with_params("makegood:runs", &words.0);
    let query = query.map_err(|error| unread(error.to_string()))?;
    let filter = query.query().unwrap_or_default().parse();
    filter.map_err(|error: FilterError| unread(error.to_string()))
}

/// Words of the filter, each with its value.
struct Words(Vec<(String, String)>);

impl Words {
    fn add(&mut self, key: &str, value: &str) {
        self.0.push((key.to_owned(), value.to_owned()));
    }

    fn take(&mut self, narrow: &NarrowArgs) {
        for state in &narrow.state {
            self.add("state", state.word());
        }
        for state in &narrow.not_state {
            self.add("not.state", state.word());
        }
        for (key, values) in [
            ("workflow", &narrow.workflow),
            ("tenant", &narrow.tenant),
            ("id", &narrow.id),
            ("class", &narrow.class),
            ("fingerprint", &narrow.fingerprint),
            ("error", &narrow.error),
        ] {
            for value in values {
                self.add(key, value);
            }
        }
        for (name, value) in &narrow.attribute {
            self.add(&format!("attr.{name}"), value);
        }
        for (key, value) in [
            ("quiet_for", &narrow.quiet_for),
            ("since", &narrow.since),
            ("until", &narrow.until),
            ("ended_since", &narrow.ended_since),
            ("ended_until", &narrow.ended_until),
        ] {
            if let Some(value) = value {
                self.add(key, value);
            }
        }
        for (key, value) in &narrow.not {
            self.add(&format!("not.{}", key.replace('-', "_")), value);
        }
    }
}

/// A list of runs, also as a part of something else.
pub(crate) fn show(runs: &[ListedRun]) {
    let rows = runs.iter().map(|run| {
        vec![
            run.run_id.to_string(),
            run.workflow.clone(),
            state(run).to_owned(),
            time(run.started_at),
            ago(run.progress_at),
            run.class.clone().unwrap_or_default(),
            run.workflow_id.clone(),
        ]
    });
    let columns = ["run", "workflow", "state", "started", "progress", "incident", "workflow id"];
    output::table(&columns, rows);
}

/// The state, and that it is being tried again where that says more.
fn state(run: &ListedRun) -> &str {
    if run.retrying { "RETRYING" } else { &run.state }
}

/// Looks until Ctrl-C: the list anew on a terminal, otherwise a line for each run whose state is
/// another than at the last look.
async fn watch(desk: &mut Desk, filter: &RunFilter, args: &ListArgs) -> Result<(), Problem> {
    let mut known: BTreeMap<Uuid, (String, Option<String>)> = BTreeMap::new();
    let mut pace = tokio::time::interval(args.pace.every);
    loop {
        pace.tick().await;
        if output::is_closed() {
            return Ok(());
        }
        let runs = read(desk, filter, args.limit).await?.runs;
        if stdout().is_terminal() && args.output.output == Format::Table {
            output::clear();
            show(&runs);
            output::data(&format!("Looked at {}; Ctrl-C ends it.", time(Utc::now())));
            continue;
        }
        for run in runs.iter().rev() {
            let stands = (state(run).to_owned(), run.class.clone());
            if known.get(&run.run_id) == Some(&stands) {
                continue;
            }
            tell(run, args.output.output);
            known.insert(run.run_id, stands);
        }
        // A run that left the list is told anew when it comes back.
        known.retain(|run_id, _| runs.iter().any(|run| run.run_id == *run_id));
    }
}

fn tell(run: &ListedRun, format: Format) {
    let now = time(Utc::now());
    if format == Format::Json {
        return output::json(&json!({ "at": now, "run": run }));
    }
    let ListedRun { run_id, workflow, workflow_id, class, .. } = run;
    let incident = class.as_deref().map(|class| format!(" ({class})")).unwrap_or_default();
    output::data(&format!("{now} {run_id} {workflow} {}{incident} {workflow_id}", state(run)));
}
