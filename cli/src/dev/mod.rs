//! `makegood dev`: the parts of the demo, staying up.
//! A worker that dies is started again; anything else that dies ends it all.

mod args;
mod welcome;

use std::{net::TcpListener, path::Path, process::ExitCode, time::Duration};

use anyhow::Context;
use devpg::Options;
use domain::Rank;
use migrations::Cell;
use tokio::{select, time::sleep};

use crate::commands::operators::{self, Password};
use crate::demo::{
    child::Child,
    customer::Web,
    goods::{self, Stocking},
    interrupted,
    parts::{Parts, Store},
    plan::{Binds, Keys, Plan},
    progress::{Step, say},
};

pub(crate) use self::args::DevArgs;

const STOCKING: Stocking = Stocking { plenty: 1_000, scarce: 3, hold: Duration::from_mins(30) };
/// The pause before a dead worker's successor starts.
const MOURNING: Duration = Duration::from_secs(1);

/// Runs the parts until Ctrl-C, then stops them in order.
///
/// # Errors
/// A part did not start, or one that is no worker died.
pub(crate) async fn run(args: DevArgs) -> anyhow::Result<ExitCode> {
    let mut parts = Parts::new()?;
    let outcome = select! {
        outcome = Box::pin(serve(&args, &mut parts)) => outcome,
        () = interrupted() => Ok(()),
    };
    let step = Step::begin("stopping the parts");
    let faults = parts.stop().await;
    step.done("all parts have ended");
    for fault in &faults {
        say(&format!("{fault:#}"));
    }
    if (outcome.is_err() || !faults.is_empty())
        && let Some(logs) = parts.keep_logs()
    {
        say(&format!("the logs of the parts are in {}", logs.display()));
    }
    outcome?;
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Starts everything and watches over it. Returns only when something is wrong.
async fn serve(args: &DevArgs, parts: &mut Parts) -> anyhow::Result<()> {
    let logs = parts.logs.as_ref().context("there is no folder for logs")?.path().to_owned();
    let binds = Binds {
        api: args.api_bind.clone(),
        sandbox: args.sandbox_bind.clone(),
        worker: args.worker_bind.clone(),
    };
    check_free(&binds)?;

    let step = Step::begin("starting PostgreSQL");
    let folder = args.folder();
    let options = Options::durable().persistent(&folder);
    let cluster = parts.start_cluster(options).await?;
    let url = cluster.url("postgres");
    step.done(&format!("PostgreSQL {}, data in {}", cluster.version(), folder.display()));

    let step = Step::begin("migrating and filling the shelves");
    let store = parts.store.insert(Store::connect(&url, Cell::default()).await?);
    if !args.keep {
        store.wipe().await?;
    }
    store.migrate().await?;
    goods::put_on_sale(&store.pool, STOCKING).await?;
    let password = Password::made_up();
    let mut conn = store.pool.acquire().await?;
    operators::give(&mut conn, welcome::OPERATOR, Rank::Admin, &password).await?;
    drop(conn);
    step.done("products on sale");

    let step = Step::begin("starting the API, the gateway sandbox and the worker");
    let plan = Plan {
        keys: Keys::random(),
        binds,
        lease_secs: 5,
        gateway_timeout_ms: 4_000,
        seed: rand::random(),
        odds: "",
        program: None,
        profile: "development",
        workers: &[],
    };
    let api = parts.api.insert(plan.start_api(store, "api", &logs).await?);
    let sandbox = parts.sandbox.insert(plan.start_sandbox(&api.url(), &logs).await?);
    let worker = plan.start_worker(store, &sandbox.url(), "worker", &logs).await?;
    parts.workers.push(worker);
    let web = Web::new(api.url(), sandbox.url())?;
    web.sign_up(welcome::EMAIL, welcome::PASSWORD).await?;
    step.done("everything is up");

    let addresses = welcome::Addresses {
        api: api.url(),
        sandbox: sandbox.url(),
        database: url,
        logs: logs.clone(),
        password,
    };
    welcome::print(&addresses, parts.workers.first());
    let gateway_url = sandbox.url();
    select! {
        error = api.died() => Err(error.context("the API died")),
        error = sandbox.died() => Err(error.context("the gateway sandbox died")),
        fault = watch_workers(&plan, store, &gateway_url, &logs, &mut parts.workers) => fault,
    }
}

/// Starts a worker again whenever one dies.
async fn watch_workers(
    plan: &Plan,
    store: &Store,
    gateway_url: &str,
    logs: &Path,
    workers: &mut [Child],
) -> anyhow::Result<()> {
    loop {
        for worker in workers.iter_mut() {
            let Some(error) = worker.is_dead() else { continue };
            let told = error.to_string();
            say(&format!("✗ {}", told.split(';').next().unwrap_or_default()));
            sleep(MOURNING).await;
            *worker = plan.start_worker(store, gateway_url, "worker", logs).await?;
            let pid = worker.pid().unwrap_or_default();
            say(&format!("✓ worker started again (pid {pid}); its runs go on"));
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Says which setting to change when a port is taken, before anything is started.
fn check_free(binds: &Binds) -> anyhow::Result<()> {
    let all = [
        ("--api-bind", &binds.api),
        ("--sandbox-bind", &binds.sandbox),
        ("--worker-bind", &binds.worker),
    ];
    for (flag, addr) in all {
        TcpListener::bind(addr).with_context(|| {
            format!("cannot listen on {addr}; choose another address with {flag}")
        })?;
    }
    Ok(())
}
