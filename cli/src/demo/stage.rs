//! Sets the stage of a demo, and clears it again.

use std::{fmt, path::PathBuf, time::Duration};

use anyhow::Context;
use devpg::Options;
use migrations::Cell;
use secrecy::ExposeSecret;
use sqlx::{Connection, PgConnection};
use tokio::signal::unix::{SignalKind, signal};

use super::{
    args::DemoArgs,
    customer::Web,
    goods::{self, Stocking},
    parts::{Parts, Store},
    plan::{Binds, Keys, Plan},
    progress::{Step, say},
    report::Report,
};

/// How long stock is held: short, so that nobody waits long for the abandoned to expire.
const HOLD: Duration = Duration::from_secs(10);
/// Faults that the gateway draws by the seed, beside those that scenarios plant.
const ODDS: &str = "create_order.drop_after=15,create_order.hang_after=10,create_order.error=15,\
                    create_order.hang_ms=2500,order_payments.error=20,refund.drop_after=100";
/// The same for chaos: every fault that the gateway knows, in calls and in webhooks.
pub(crate) const CHAOS_ODDS: &str = "calls.drop_before=10,calls.drop_after=10,calls.hang_after=5,\
    calls.hang_ms=1500,calls.error=20,calls.delay=30,calls.delay_min_ms=20,calls.delay_max_ms=400,\
    create_order.drop_before=15,create_order.drop_after=20,create_order.hang_after=10,\
    create_order.hang_ms=2500,create_order.error=20,refund.drop_before=20,refund.drop_after=100,\
    refund.hang_after=20,refund.hang_ms=1500,refund.error=30,webhooks.lose=60,\
    webhooks.duplicate=60,webhooks.reorder=40,webhooks.delay=60,webhooks.delay_min_ms=50,\
    webhooks.delay_max_ms=2000";
/// In chaos the books are compared by the clock, as often as a clock can say, and an outage of the
/// gateway is noticed to be over soon.
pub(crate) const CHAOS_WORKERS: &[(&str, &str)] = &[
    ("MAKEGOOD_RECONCILE_CRON", "* * * * *"),
    ("MAKEGOOD_RECONCILE_AGE_SECS", "15"),
    ("MAKEGOOD_GATEWAY_BREAKER_PAUSE_MS", "3000"),
];

/// What the story needs to know of its stage.
pub(super) struct Stage {
    pub(super) plan: Plan,
    pub(super) logs: PathBuf,
    pub(super) web: Web,
    pub(super) gateway_url: String,
}

impl Stage {
    /// Starts every part in order, and puts it into `parts` as soon as it runs.
    pub(super) async fn set(args: &DemoArgs, parts: &mut Parts) -> anyhow::Result<Self> {
        let logs = parts.logs.as_ref().context("there is no folder for logs")?.path().to_owned();
        let url = database_url(args, parts).await?;

        let store = parts.store.insert(open_shop(&url, args.checkouts).await?);

        let step = Step::begin("starting the API, the gateway sandbox and the workers");
        let plan = Plan {
            keys: Keys::random(),
            binds: Binds::any(),
            lease_secs: 2,
            gateway_timeout_ms: 1_000,
            seed: args.seed,
            odds: if args.chaos { CHAOS_ODDS } else { ODDS },
            program: None,
            profile: "test",
            workers: if args.chaos { CHAOS_WORKERS } else { &[] },
        };
        let api = parts.api.insert(plan.start_api(store, "api", &logs).await?).url();
        let sandbox = plan.start_sandbox(&api, &logs).await?;
        let gateway_url = parts.sandbox.insert(sandbox).url();
        for number in 1..=args.workers {
            let name = format!("worker-{number}");
            let worker = plan.start_worker(store, &gateway_url, &name, &logs).await?;
            parts.workers.push(worker);
        }
        step.done(&format!("API at {api}, gateway at {gateway_url}, {} workers", args.workers));
        let (key_id, key_secret) = plan.keys.of_gateway();
        let web = Web::new(api, gateway_url.clone())?.with_dashboard(key_id, key_secret);
        Ok(Self { plan, logs, web, gateway_url })
    }
}

/// A fresh cell with enough on its shelves for so many checkouts, and hardly enough of one thing.
pub(crate) async fn open_shop(url: &str, checkouts: u32) -> anyhow::Result<Store> {
    let step = Step::begin("migrating a fresh cell and filling the shelves");
    let cell = Cell::new(&format!("demo_{:08x}", rand::random::<u32>()))?;
    let store = Store::connect(url, cell).await?;
    store.migrate().await?;
    let plenty = i64::from(checkouts).saturating_mul(4);
    let scarce = i64::from(checkouts / 40).max(1);
    let stocking = Stocking { plenty, scarce, hold: HOLD };
    goods::put_on_sale(&store.pool, stocking).await?;
    step.done(&format!("cell {} migrated, products on sale", store.cell()));
    Ok(store)
}

async fn database_url(args: &DemoArgs, parts: &mut Parts) -> anyhow::Result<String> {
    if let Some(url) = &args.database_url {
        let url = url.expose_secret().to_owned();
        let reached = PgConnection::connect(&url).await;
        reached.context(
            "cannot reach the PostgreSQL of --database-url; is it up, and is the address right?",
        )?;
        return Ok(url);
    }
    let step = Step::begin("starting PostgreSQL");
    let options = Options { max_connections: 300, ..Options::durable() };
    let cluster = parts.start_cluster(options).await?;
    step.done(&format!("PostgreSQL {} on port {}", cluster.version(), cluster.port()));
    Ok(cluster.url("postgres"))
}

/// Somebody ended it early.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// Resolves on Ctrl-C, SIGTERM or SIGHUP.
pub(crate) async fn interrupted() {
    let of = |kind| async move {
        match signal(kind) {
            Ok(mut signals) => {
                signals.recv().await;
            }
            // Without a handler the signal ends the process, and the parts end with it.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = of(SignalKind::interrupt()) => {}
        () = of(SignalKind::terminate()) => {}
        () = of(SignalKind::hangup()) => {}
    }
}

/// Leaves the parts up for a look, until Ctrl-C.
pub(super) async fn stay_up(parts: &Parts) {
    let url = |part: &Option<super::child::Child>| part.as_ref().map(super::child::Child::url);
    say("Everything is still up:");
    say(&format!("  API              {}", url(&parts.api).unwrap_or_default()));
    say(&format!("  gateway sandbox  {}", url(&parts.sandbox).unwrap_or_default()));
    for worker in &parts.workers {
        say(&format!("  {:<16} {}", worker.name(), worker.url()));
    }
    if let Some(cluster) = &parts.cluster {
        say(&format!("  database         {}", cluster.url("postgres")));
    }
    if let Some(store) = &parts.store {
        say(&format!("  cell             {}", store.cell()));
    }
    say("Ctrl-C ends it.");
    interrupted().await;
}

/// Drops the cell in a database that is not ours, unless somebody will want to look at it.
pub(super) async fn leave_database(args: &DemoArgs, parts: &Parts, is_done: bool) {
    let (Some(store), true) = (&parts.store, args.database_url.is_some()) else { return };
    if !is_done {
        return say(&format!("the cell {} is left for a look", store.cell()));
    }
    if let Err(error) = store.wipe().await {
        say(&format!("the cell {} could not be dropped: {error:#}", store.cell()));
    }
}

/// Says where the logs are, which are kept when something failed.
pub(super) fn leave_logs(parts: &mut Parts, outcome: &anyhow::Result<Report>) {
    if matches!(outcome, Err(error) if error.is::<Interrupted>()) {
        return;
    }
    if let Some(folder) = parts.keep_logs() {
        say(&format!("the logs of the parts are in {}", folder.display()));
    }
}
