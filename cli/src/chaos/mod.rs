//! `makegood chaos`: the shop under attack, and what it still stands by.
//!
//! One run: set the `fleet` up with wires between all of its parts, let the crowd in and the `storm`
//! over it, wait in the calm until every saga has ended, audit, compare with the gateway's books and
//! with the customers' diary. The crowd, its scenarios and the comparisons are those of the demo.

mod acknowledged;
mod args;
mod deck;
mod fleet;
mod report;
mod storm;
mod tables;
mod tally;
mod ways;
mod wire;

use std::{
    fs::{File, Permissions},
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::ExitCode,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use anyhow::Context;
use devpg::{Cluster, Options};
use tempfile::TempDir;
use tokio::{select, task::spawn_blocking, time::sleep};

pub(crate) use self::args::ChaosArgs;

use self::{
    args::Extent,
    fleet::Fleet,
    report::{Findings, Report, RunReport},
    storm::Storm,
    tally::Tally,
    ways::Ways,
};
use crate::{
    audit::audit,
    demo::{
        Interrupted,
        child::Child,
        comparison::Compared,
        crowd::{self, Guests},
        customer::{Patience, Web},
        desk::Desk,
        diary::Diary,
        interrupted,
        parts::Store,
        plan::{Binds, Keys, Plan},
        progress::{Step, say},
        scenario::Crowd,
        settle,
        stage::{CHAOS_ODDS, CHAOS_WORKERS, open_shop},
        troubles::Troubles,
        truth,
    },
};

const LEASE_SECS: u32 = 2;
const APIS: u32 = 2;
/// A customer notices soon that a connection leads nowhere, and outlasts any storm.
const PATIENCE: Patience = Patience { call: Duration::from_secs(5), whole: Duration::from_mins(2) };
/// After the storm, a desk or a trouble that fails for longer than this has a fault of its own.
const GRACE: Duration = Duration::from_secs(10);

/// Drives every run; success means that every promise held in each.
///
/// # Errors
/// A part did not start, or died by itself.
pub(crate) async fn run(args: ChaosArgs) -> anyhow::Result<ExitCode> {
    let file = args.report.as_ref().map(|path| {
        let file = File::create(path);
        file.with_context(|| format!("cannot write {}; is its folder there?", path.display()))
    });
    let mut file = file.transpose()?;
    let mut runs = Vec::new();
    for number in 0..u64::from(args.extent().runs) {
        let seed = args.seed.wrapping_add(number);
        let run = match one(&args, seed).await {
            Ok(run) => run,
            Err(error) => {
                say(&format!("again with: {}", args.replay(seed)));
                let interrupted = error.is::<Interrupted>();
                return if interrupted { Ok(ExitCode::from(130)) } else { Err(error) };
            }
        };
        tables::print(&run);
        let held = run.held;
        runs.push(run);
        if !held {
            break;
        }
    }
    let report = Report::of(args.tier, runs);
    if let Some(file) = &mut file {
        file.write_all(serde_json::to_string_pretty(&report)?.as_bytes())
            .context("cannot write the report")?;
    }
    tables::conclude(&report);
    Ok(if report.held { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One run in a folder of its own, which is kept unless all held.
async fn one(args: &ChaosArgs, seed: u64) -> anyhow::Result<RunReport> {
    // The server may run under another account, which has to find its data.
    let folder = tempfile::Builder::new()
        .prefix("makegood-chaos-")
        .permissions(Permissions::from_mode(0o711))
        .tempdir()
        .context("cannot create a folder for the run")?;
    let mut scene = Scene::default();
    let outcome = select! {
        outcome = Box::pin(story(args, seed, folder.path(), &mut scene)) => outcome,
        () = interrupted() => Err(Interrupted.into()),
    };
    let step = Step::begin("stopping the parts");
    let faults = scene.stop().await;
    step.done("all parts have ended");
    if outcome.as_ref().is_err_and(anyhow::Error::is::<Interrupted>) {
        return outcome;
    }
    let outcome = outcome.map(|mut run| {
        for fault in faults {
            run.add_fault(format!("{fault:#}"));
        }
        run
    });
    if !outcome.as_ref().is_ok_and(|run| run.held) {
        leave(folder);
    }
    outcome
}

/// What has been started so far. Dropping it ends it too.
#[derive(Default)]
struct Scene {
    fleet: Option<Fleet>,
    sandbox: Option<Child>,
}

impl Scene {
    async fn stop(&mut self) -> Vec<anyhow::Error> {
        let mut faults = Vec::new();
        let mut fleet = self.fleet.take();
        if let Some(fleet) = &mut fleet {
            fleet.ways.heal();
            faults.extend(fleet.stop().await);
            fleet.store.pool.close().await;
        }
        if let Some(sandbox) = self.sandbox.take() {
            faults.extend(sandbox.stop().await.err());
        }
        if let Some(cluster) = fleet.and_then(|mut fleet| fleet.cluster.take()) {
            let stopped = spawn_blocking(move || cluster.stop()).await;
            faults.extend(match stopped {
                Ok(stopped) => stopped.err().map(anyhow::Error::from),
                Err(panic) => Some(panic.into()),
            });
        }
        faults
    }
}

fn leave(folder: TempDir) {
    say(&format!("logs, diary and database are kept in {}", folder.keep().display()));
}

/// One run, on one screen.
async fn story(
    args: &ChaosArgs,
    seed: u64,
    folder: &Path,
    scene: &mut Scene,
) -> anyhow::Result<RunReport> {
    let begun = Instant::now();
    let extent @ Extent { sagas, .. } = args.extent();
    let web = set(args, seed, folder, scene).await?;
    let diary_file = folder.join("diary.jsonl");
    let diary = Arc::new(Diary::begin(&diary_file)?);
    let web = web.with_diary(Arc::clone(&diary));
    let Scene { fleet: Some(fleet), sandbox: Some(sandbox) } = scene else {
        anyhow::bail!("a part is missing");
    };
    let (store, ways) = (fleet.store.clone(), Arc::clone(&fleet.ways));
    let (pool, client) = (store.pool.clone(), store.client().await?);

    let (crowd, count) = (Crowd::Chaos, sagas);
    let guests = Guests { crowd, count, seed, concurrency: args.concurrency, pace: extent.pace() };
    let step = Step::begin("signing customers up");
    let tokens = crowd::sign_up(&web, guests).await?;
    step.done(&format!("{} customers signed up and in", tokens.len()));

    let driven = Step::of("checkouts", sagas.into());
    let lease = Duration::from_secs(LEASE_SECS.into());
    let (desk, tally) = (Desk::new(&pool, &client), Tally::default());
    let troubles = Troubles::new(&pool, &web, sagas);
    let storm = Storm {
        seed,
        pool: pool.clone(),
        lease,
        diary: &diary,
        tally: &tally,
        crowd: &driven,
        customers: sagas.into(),
        next_program: None,
        is_over: AtomicBool::new(false),
    };
    let stormy = async {
        let begun = Instant::now();
        let crowd = async {
            let journeys = crowd::drive(&web, tokens, guests, &driven).await;
            storm.end();
            anyhow::Ok((journeys?, begun.elapsed()))
        };
        let processes = storm.strike_processes(&mut *fleet);
        let wires = async {
            storm.trouble_wires(&ways).await;
            anyhow::Ok(())
        };
        let (crowd, (), ()) = tokio::try_join!(crowd, processes, wires)?;
        driven.note("the storm is over; waiting for every saga to end");
        driven.step_aside();
        let ended = Step::of("sagas ended", sagas.into());
        // What is still open to the database may have ended with it.
        let store = store.anew().await?;
        let calm = select! {
            calm = calm(&store, &web, sagas, &ended, &troubles) => calm?,
            error = storm::watch_over(fleet, &tally) => return Err(error),
        };
        ended.done(&format!("{} sagas have ended", calm.0.started.saturating_sub(calm.0.open)));
        anyhow::Ok((crowd, calm))
    };
    let ((journeys, crowd), (settled, compared)) = select! {
        done = Box::pin(stormy) => done?,
        error = troubles.reign(&driven) => return Err(error),
        error = sit(&desk, &storm) => return Err(error),
        error = sandbox.died() => return Err(error.context("the gateway sandbox died")),
    };
    driven.done(&format!("{sagas} checkouts driven through the storm"));

    let step = Step::begin("auditing every promise, the gateway's books and the customers' diary");
    let pool = store.anew().await?.pool;
    let mut conn = pool.acquire().await?;
    let audit = audit(&mut conn, migrations::Part::Whole).await?;
    let entries = Diary::read(&diary_file)?;
    let acknowledged = acknowledged::check(&mut conn, &entries).await?;
    drop(conn);
    let books = web.gateway_books().await?;
    let verdict = truth::compare(&pool, &books, &journeys).await?;
    let promises = audit.invariants.len();
    step.done(&format!("{promises} promises and {} answers audited", acknowledged.answers));
    Ok(RunReport::of(Findings {
        seed,
        replay: args.replay(seed),
        checkouts: sagas,
        lease,
        journeys: &journeys,
        settled,
        audit,
        verdict,
        acknowledged,
        books: &books,
        decided: desk.decided(),
        compared,
        book: tally.close(),
        crowd,
        elapsed: begun.elapsed(),
    }))
}

/// Waits until every saga has ended, and has the books compared until that finds nothing more.
async fn calm(
    store: &Store,
    web: &Web,
    sagas: u32,
    ended: &Step,
    troubles: &Troubles<'_>,
) -> anyhow::Result<(settle::Settled, Compared)> {
    let (pool, client) = (&store.pool, store.client().await?);
    let is_calm = |settled: &settle::Settled| troubles.are_over() && settled.stuck == 0;
    let settle = async || settle::settle(pool, web, sagas, ended, is_calm).await;
    let mut settled = settle().await?;
    let mut compared = Compared::default();
    while settled.listed.is_empty() && compared.may_go_on() {
        compared.once_more(&client, pool).await?;
        settled = settle().await?;
    }
    Ok((settled, compared))
}

/// Starts every part, with wires between them, and answers the way to the shop.
async fn set(args: &ChaosArgs, seed: u64, folder: &Path, scene: &mut Scene) -> anyhow::Result<Web> {
    let step = Step::begin("starting PostgreSQL");
    let options = Options { max_connections: 400, ..Options::durable() };
    let options = options.persistent(folder.join("postgres"));
    let cluster = spawn_blocking(move || Cluster::start(&options)).await??;
    step.done(&format!("PostgreSQL {} on port {}", cluster.version(), cluster.port()));
    let store = open_shop(&cluster.url("postgres"), args.extent().sagas).await?;

    let step = Step::begin("starting the gateway sandbox, the API and the workers");
    let plan = Plan {
        keys: Keys::random(),
        binds: Binds::any(),
        lease_secs: LEASE_SECS,
        gateway_timeout_ms: 1_000,
        seed,
        odds: CHAOS_ODDS,
        program: args.upgrade_from.clone(),
        profile: "test",
        workers: CHAOS_WORKERS,
    };
    let database = ([127, 0, 0, 1], cluster.port()).into();
    let ways = Arc::new(Ways::lay(args.workers, APIS, database).await?);
    let url = |addr| format!("http://{addr}");
    let (shop, webhooks) = (url(ways.customers.addr()), url(ways.webhooks.addr()));
    let sandbox = Plan { program: None, ..plan.clone() }.start_sandbox(&webhooks, folder).await?;
    let gateway = sandbox.url();
    for worker in &ways.workers {
        worker.gateway.lead_to(vec![sandbox.addr()?]);
    }
    scene.sandbox = Some(sandbox);
    let (key_id, key_secret) = plan.keys.of_gateway();
    let fleet = scene.fleet.insert(Fleet::new(plan, folder.to_owned(), store, ways));
    fleet.cluster = Some(cluster);
    fleet.fill().await?;
    step.done(&format!("shop at {shop}, gateway at {gateway}, {} workers", args.workers));
    let web = Web::new(shop, gateway)?.with_dashboard(key_id, key_secret);
    Ok(web.with_webhooks_to(&webhooks).with_patience(PATIENCE))
}

/// Decides what is left to a person. In the storm the database may be away for a while.
async fn sit(desk: &Desk<'_>, storm: &Storm<'_>) -> anyhow::Error {
    let mut calm_since: Option<Instant> = None;
    loop {
        let error = desk.sit().await;
        if storm.has_ended() && calm_since.get_or_insert_with(Instant::now).elapsed() > GRACE {
            return error;
        }
        sleep(Duration::from_millis(200)).await;
    }
}
