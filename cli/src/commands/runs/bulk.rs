//! Bulk actions: shows what matches, asks, carries it out with a progress bar, tells what came of it.

use api::operations::{BulkShown, Frozen};
use indicatif::{ProgressBar, ProgressStyle};
use makegood::Verb;
use makegood::bulk::{Preview, Progress, Selection};
use serde_json::json;
use uuid::Uuid;

use crate::args::{BulkArgs, BulkVerb, SelectionArgs, SimpleVerb};
use crate::desk::{Desk, Trouble};
use crate::exit::{Exit, Problem};
use crate::output::{self, Format};
use crate::signing;

pub(super) async fn bulk(desk: &mut Desk, verb: &BulkVerb) -> Result<Exit, Problem> {
    match verb {
        BulkVerb::Bulk(args) => start(desk, args).await,
        BulkVerb::BulkResume { bulk_id, output } => carry_out(desk, *bulk_id, output.output).await,
        BulkVerb::BulkCancel { bulk_id, signed, output } => {
            let hand = desk.sign(signed)?;
            if !signed.dry_run {
                desk.bulk_cancel(&hand, *bulk_id).await.map_err(problem)?;
                output::say("It is cancelled; runs whose turn had not come are as they were.");
            }
            show(desk, *bulk_id, output.output).await?;
            Ok(Exit::Done)
        }
        BulkVerb::BulkShow { bulk_id, output } => {
            show(desk, *bulk_id, output.output).await?;
            Ok(Exit::Done)
        }
    }
}

async fn start(desk: &mut Desk, args: &BulkArgs) -> Result<Exit, Problem> {
    let hand = desk.sign(&args.signed)?;
    let bulk = hand.bulk(verb(args.verb), selection(&args.selection), args.rate);
    if args.signed.dry_run {
        let preview = desk.bulk_preview(&hand, bulk).await.map_err(problem)?;
        tell(&preview, args.output.output);
        return Ok(Exit::Done);
    }
    if !args.signed.yes && !signing::can_ask() {
        return Err(Problem::new("nobody can be asked whether this is meant")
            .next("see what matches with --dry-run, then add --yes")
            .exit(Exit::Usage));
    }
    let Frozen { bulk_id, preview } = desk.bulk_freeze(&hand, bulk).await.map_err(problem)?;
    if !args.signed.yes {
        tell(&preview, Format::Table);
        if let Err(unsure) = signing::ask(&preview.total.to_string()) {
            desk.bulk_cancel(&hand.because("not confirmed"), bulk_id).await.map_err(problem)?;
            return Err(unsure);
        }
    }
    carry_out(desk, bulk_id, args.output.output).await
}

async fn carry_out(desk: &mut Desk, bulk_id: Uuid, format: Format) -> Result<Exit, Problem> {
    output::say(&format!("Bulk action {bulk_id}"));
    let bar = ProgressBar::new(0);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let ran = desk.bulk_run(bulk_id, |now: &Progress| {
        bar.set_length(now.total);
        bar.set_position(now.total.saturating_sub(now.left()));
        let Progress { refused, changed, failed, .. } = now;
        bar.set_message(format!("{refused} refused, {changed} changed meanwhile, {failed} failed"));
    });
    let ran = ran.await;
    bar.finish_and_clear();
    let progress = ran.map_err(|trouble| match trouble {
        Trouble::Engine(error) => Problem::new("the bulk action was interrupted")
            .because(error)
            .next(format!("`makegood runs bulk-resume {bulk_id}` goes on with it")),
        trouble => problem(trouble),
    })?;
    show(desk, bulk_id, format).await?;
    let not_done =
        progress.refused.saturating_add(progress.changed).saturating_add(progress.failed);
    Ok(match not_done {
        0 => Exit::Done,
        all if all == progress.total => Exit::Failed,
        _ => Exit::Partly,
    })
}

async fn show(desk: &mut Desk, bulk_id: Uuid, format: Format) -> Result<(), Problem> {
    let shown = desk.bulk_shown(bulk_id).await;
    let shown = shown.map_err(|trouble| match trouble {
        Trouble::BulkNotFound => {
            Problem::new(format!("no bulk action {bulk_id}")).exit(Exit::NotFound)
        }
        trouble => problem(trouble),
    })?;
    let BulkShown { bulk, not_done: unwell, states_now: now } = shown;
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

fn problem(trouble: Trouble) -> Problem {
    match trouble {
        Trouble::BulkNotFound => Problem::new("the bulk action cannot go on")
            .because("it is over, or there is none of this id")
            .next("`makegood runs bulk-show` tells how far it is")
            .exit(Exit::NotFound),
        trouble => trouble.wanting("the bulk action cannot go on"),
    }
}
