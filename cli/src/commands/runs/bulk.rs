//! Bulk actions: shows what matches, asks, carries it out with a progress bar, tells what came of it.

use indicatif::{ProgressBar, ProgressStyle};
use makegood::bulk::{Preview, Progress, Selection};
use makegood::{Client, Error, Verb, inspect};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::args::{BulkArgs, BulkVerb, SelectionArgs, SimpleVerb};
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};
use crate::settings::DatabaseSettings;
use crate::signing::{self, client, operator};

/// How many refused or failed runs are told; JSON has as many.
const TOLD: i64 = 100;

pub(super) async fn bulk(
    conn: &mut PgConnection,
    database: &DatabaseSettings,
    verb: &BulkVerb,
) -> Result<Exit, Problem> {
    let client = client(database).await?;
    match verb {
        BulkVerb::Bulk(args) => start(conn, &client, args).await,
        BulkVerb::BulkResume { bulk_id, output } => {
            carry_out(conn, &client, *bulk_id, output.output).await
        }
        BulkVerb::BulkCancel { bulk_id, signed, output } => {
            let actor = operator(&client, signed)?;
            if !signed.dry_run {
                let (actor, reason) = actor.signature();
                client.bulk_cancel(conn, *bulk_id, actor, reason).await.map_err(problem)?;
                output::say("It is cancelled; runs whose turn had not come are as they were.");
            }
            show(conn, *bulk_id, output.output).await?;
            Ok(Exit::Done)
        }
        BulkVerb::BulkShow { bulk_id, output } => {
            show(conn, *bulk_id, output.output).await?;
            Ok(Exit::Done)
        }
    }
}

async fn start(conn: &mut PgConnection, client: &Client, args: &BulkArgs) -> Result<Exit, Problem> {
    let operator = operator(client, &args.signed)?;
    let bulk = operator.bulk(verb(args.verb), selection(&args.selection)).per_second(args.rate);
    if args.signed.dry_run {
        let preview = bulk.preview().await.map_err(problem)?;
        tell(&preview, args.output.output);
        return Ok(Exit::Done);
    }
    if !args.signed.yes && !signing::can_ask() {
        return Err(Problem::new("nobody can be asked whether this is meant")
            .next("see what matches with --dry-run, then add --yes")
            .exit(Exit::Usage));
    }
    let (bulk_id, preview) = bulk.freeze().await.map_err(problem)?;
    if !args.signed.yes {
        tell(&preview, Format::Table);
        if let Err(unsure) = signing::ask(&preview.total.to_string()) {
            let (actor, _) = operator.signature();
            client.bulk_cancel(conn, bulk_id, actor, "not confirmed").await.map_err(problem)?;
            return Err(unsure);
        }
    }
    carry_out(conn, client, bulk_id, args.output.output).await
}

async fn carry_out(
    conn: &mut PgConnection,
    client: &Client,
    bulk_id: Uuid,
    format: Format,
) -> Result<Exit, Problem> {
    output::say(&format!("Bulk action {bulk_id}"));
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let ran = client.bulk_run(bulk_id, |now: &Progress| {
        bar.set_length(now.total);
        bar.set_position(now.total.saturating_sub(now.left()));
        let Progress { refused, changed, failed, .. } = now;
        bar.set_message(format!("{refused} refused, {changed} changed meanwhile, {failed} failed"));
    });
    let ran = ran.await;
    bar.finish_and_clear();
    let progress = ran.map_err(|error| match error {
        error @ (Error::BulkNotFound(_) | Error::BulkExpired(_)) => problem(error),
        error => Problem::new("the bulk action was interrupted")
            .because(error)
            .next(format!("`makegood runs bulk-resume {bulk_id}` goes on with it")),
    })?;
    show(conn, bulk_id, format).await?;
    let not_done =
        progress.refused.saturating_add(progress.changed).saturating_add(progress.failed);
    Ok(match not_done {
        0 => Exit::Done,
        all if all == progress.total => Exit::Failed,
        _ => Exit::Partly,
    })
}

async fn show(conn: &mut PgConnection, bulk_id: Uuid, format: Format) -> Result<(), Problem> {
    let Some(bulk) = inspect::bulk(conn, bulk_id).await? else {
        return Err(Problem::new(format!("no bulk action {bulk_id}")).exit(Exit::NotFound));
    };
    let mut unwell = inspect::bulk_items(conn, bulk_id, Some("refused"), TOLD).await?;
    unwell.extend(inspect::bulk_items(conn, bulk_id, Some("changed"), TOLD).await?);
    unwell.extend(inspect::bulk_items(conn, bulk_id, Some("failed"), TOLD).await?);
    let now = inspect::bulk_states(conn, bulk_id).await?;
    if format == Format::Json {
        output::json(&json!({ "bulk": bulk, "not_done": unwell, "states_now": now }));
        return Ok(());
    }
    let counts = [
        ("total", bulk.total),
        ("done", bulk.done),
        ("ordered", bulk.ordered),
        ("refused", bulk.refused),
        ("changed meanwhile", bulk.changed),
        ("failed", bulk.failed),
    ];
    output::data(&format!("Bulk action  {bulk_id} ({})", bulk.state));
    let rows = counts.iter().map(|(what, n)| vec![(*what).to_owned(), n.to_string()]);
    output::table(&["runs", "number"], rows);
    if !unwell.is_empty() {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let rows = unwell
            .iter()
            .map(|item| vec![item.run_id.to_string(), text(&item.outcome), text(&item.why)]);
        output::table(&["run", "outcome", "why"], rows);
    }
    let rows = now.iter().map(|(state, n)| vec![state.clone(), n.to_string()]);
    output::table(&["state now", "number"], rows);
    Ok(())
}

fn tell(preview: &Preview, format: Format) {
    if format == Format::Json {
        return output::json(preview);
    }
    output::data(&format!("{} runs match", preview.total));
    let rows = preview.states.iter().map(|(state, n)| vec![state.clone(), n.to_string()]);
    output::table(&["state", "number"], rows);
    let rows = preview.sample.iter().map(|run| {
        vec![
            run.run_id.to_string(),
            run.workflow.clone(),
            run.state.clone(),
            run.workflow_id.clone(),
        ]
    });
    output::table(&["such as", "workflow", "state", "workflow id"], rows);
}

fn verb(verb: SimpleVerb) -> Verb {
    match verb {
        SimpleVerb::Retry => Verb::Retry,
        SimpleVerb::ResumeForward => Verb::ResumeForward,
        SimpleVerb::Compensate => Verb::Compensate,
        SimpleVerb::Cancel => Verb::Cancel,
        SimpleVerb::Terminate => Verb::Terminate,
        SimpleVerb::Pause => Verb::Pause,
        SimpleVerb::Resume => Verb::Resume,
        SimpleVerb::Close => Verb::Close,
    }
}

fn selection(args: &SelectionArgs) -> Selection {
    let mut selection = Selection::new().ids(args.ids.iter().copied());
    if let Some(workflow) = &args.workflow {
        selection = selection.workflow(workflow);
    }
    for state in &args.state {
        selection = selection.state(state.engine());
    }
    if let Some(class) = &args.class {
        selection = selection.class(class);
    }
    if let Some(fingerprint) = &args.fingerprint {
        selection = selection.fingerprint(fingerprint);
    }
    for (name, value) in &args.attribute {
        selection = selection.attribute(name, value);
    }
    if let Some(at) = args.started_from {
        selection = selection.started_from(at);
    }
    if let Some(at) = args.started_before {
        selection = selection.started_before(at);
    }
    selection
}

fn problem(error: Error) -> Problem {
    let exit = if matches!(error, Error::BulkNotFound(_)) { Exit::NotFound } else { Exit::Failed };
    Problem::new("the bulk action cannot go on").because(error).exit(exit)
}
