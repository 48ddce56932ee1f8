//! `makegood demo`: everything on one machine, a crowd of customers, and death in the middle.
//!
//! Start the parts, drive the crowd and kill a worker on the way, wait until every saga has ended,
//! audit, compare with the gateway's books, stop the parts. With `--chaos`, `troubles` come over the
//! crowd meanwhile and `desk` decides what is left to a person. Whatever happens in between, nothing
//! is left behind: every part ends when this process does.

mod aftermath;
mod args;
mod chaos;
pub(crate) mod child;
pub(crate) mod comparison;
pub(crate) mod crowd;
pub(crate) mod customer;
pub(crate) mod desk;
pub(crate) mod diary;
pub(crate) mod ends;
mod figures;
pub(crate) mod gateway_books;
pub(crate) mod goods;
pub(crate) mod journey;
pub(crate) mod parts;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod report;
pub(crate) mod scenario;
mod session;
pub(crate) mod settle;
pub(crate) mod stage;
pub(crate) mod tables;
pub(crate) mod troubles;
pub(crate) mod truth;
mod watch;

use std::{fs::File, io::Write, process::ExitCode, time::Instant};

use anyhow::Context;
use tokio::select;

use crate::audit::audit;

use self::{
    chaos::{Chaos, Toll, kills_for},
    comparison::Compared,
    desk::Desk,
    parts::Parts,
    progress::{Step, say},
    report::{ChaosReport, Findings, Report},
    settle::Settled,
    stage::Stage,
    troubles::Troubles,
};

pub(crate) use self::{
    args::{DemoArgs, secret},
    stage::{Interrupted, interrupted},
};

/// Runs the demo; success means that every promise held.
///
/// # Errors
/// A part did not start, or died by itself.
pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    // First of all: a report that cannot be written would be noticed only at the end.
    let report_file = match &args.report {
        Some(path) => {
            let file = File::create(path);
            let file = file.with_context(|| {
                format!("cannot write {}; name a file in a folder that exists", path.display())
            })?;
            Some((path.clone(), file))
        }
        None => None,
    };
    let mut parts = Parts::new()?;
    let outcome = select! {
        outcome = Box::pin(story(&args, &mut parts)) => outcome,
        () = interrupted() => Err(Interrupted.into()),
    };
    let is_kept = outcome.is_ok() && args.keep;
    if is_kept {
        stage::stay_up(&parts).await;
    }
    let step = Step::begin("stopping the parts");
    let mut faults = parts.stop_processes().await;
    let held = faults.is_empty() && matches!(&outcome, Ok(report) if report.held);
    stage::leave_database(&args, &parts, held || is_kept).await;
    faults.extend(parts.stop().await);
    step.done("all parts have ended");
    if !held || !faults.is_empty() {
        stage::leave_logs(&mut parts, &outcome);
    }
    if outcome.as_ref().is_err_and(anyhow::Error::is::<Interrupted>) {
        return Ok(ExitCode::from(130));
    }
    let mut report = outcome?;
    for fault in faults {
        report.add_fault(format!("{fault:#}"));
    }
    if let Some((path, mut file)) = report_file {
        let text = serde_json::to_string_pretty(&report)?;
        file.write_all(text.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    tables::conclude(&report);
    Ok(if report.held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The whole story, on one screen.
async fn story(args: &DemoArgs, parts: &mut Parts) -> anyhow::Result<Report> {
    let begun = Instant::now();
    let stage = Stage::set(args, parts).await?;
    let Stage { plan, logs, web, gateway_url } = &stage;
    let Parts { store: Some(store), api: Some(api), sandbox: Some(sandbox), workers, .. } = parts
    else {
        anyhow::bail!("a part is missing");
    };

    let step = Step::begin("signing customers up");
    let tokens = crowd::sign_up(web, args.guests()).await?;
    step.done(&format!("{} customers signed up and in", tokens.len()));

    let toll = Toll::default();
    let (gateway_url, checkouts, toll) = (gateway_url.as_str(), args.checkouts, &toll);
    let client = store.client().await?;
    let desk = Desk::new(&store.pool, &client);
    let troubles = Troubles::new(&store.pool, web, checkouts);
    let is_calm = |settled: &Settled| {
        let has_chaos_ended = troubles.are_over() && settled.stuck == 0;
        toll.kills() >= kills_for(checkouts) && (!args.chaos || has_chaos_ended)
    };
    let chaos = Chaos { plan, store, web, gateway_url, logs, checkouts, toll };
    let driven = Step::of("checkouts", checkouts.into());
    let crowded = async {
        let (before, begun) = (figures::server_commits(&store.pool).await?, Instant::now());
        let journeys = crowd::drive(web, tokens, args.guests(), &driven).await?;
        let crowd = begun.elapsed();
        let server_commits = figures::server_commits(&store.pool).await?.saturating_sub(before);
        driven.note(&format!("all {checkouts} checkouts driven; waiting for every saga to end"));
        driven.step_aside();
        let ended = Step::of("sagas ended", checkouts.into());
        let settle = async || settle::settle(&store.pool, web, checkouts, &ended, is_calm).await;
        let mut settled = settle().await?;
        let mut compared = Compared::default();
        while args.chaos && settled.listed.is_empty() && compared.may_go_on() {
            compared.once_more(&client, &store.pool).await?;
            settled = settle().await?;
        }
        ended.done(&format!("{} sagas have ended", settled.started.saturating_sub(settled.open)));
        anyhow::Ok((journeys, crowd, server_commits, settled, compared))
    };
    let (journeys, crowd, server_commits, settled, compared) = select! {
        crowded = Box::pin(crowded) => crowded?,
        error = Box::pin(chaos.reign(workers, &driven)) => return Err(error),
        error = troubles.reign(&driven), if args.chaos => return Err(error),
        error = desk.sit(), if args.chaos => return Err(error),
        error = api.died() => return Err(error.context("the API died")),
        error = sandbox.died() => return Err(error.context("the gateway sandbox died")),
    };
    driven.done(&format!("{checkouts} checkouts driven, workers killed: {}", toll.kills()));

    let step = Step::begin("auditing every promise, and the gateway's books against ours");
    let audit = audit(&mut *store.pool.acquire().await?, migrations::Part::Whole).await?;
    let books = web.gateway_books().await?;
    let verdict = truth::compare(&store.pool, &books, &journeys).await?;
    step.done(&format!("{} promises audited", audit.invariants.len()));
    let elapsed = begun.elapsed();
    let journeys = journeys.as_slice();
    let report = Report::of(Findings {
        args,
        journeys,
        toll,
        settled,
        audit,
        verdict,
        chaos: args.chaos.then(|| ChaosReport::of(&books, desk.decided(), compared)),
        commits: figures::carrying_commits(&store.pool).await?,
        server_commits,
        crowd,
        elapsed,
    });
    tables::print(&report);
    say("");
    Ok(report)
}
