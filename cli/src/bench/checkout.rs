//! The shop's own checkout: a crowd places, pays and verifies over HTTP, and nothing goes wrong.
//! Every part is a process, as in production: the API, the gateway sandbox, the workers.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use makegood_bench::{Measured, Site, checkout};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::demo::{
    child::Child,
    customer::Web,
    goods::{self, Stocking},
    journey::Journey,
    parts::Parts,
    plan::{Binds, Keys, Plan},
    progress::Step,
    scenario::Scenario,
};

use super::{args::CheckoutArgs, watched};

/// Longer than any measurement.
const HOLD: Duration = Duration::from_mins(30);
/// Accounts that the customers share.
const ACCOUNTS: u32 = 4;

/// Drives it to its end.
pub(super) async fn drive(
    args: &CheckoutArgs,
    parts: &mut Parts,
    site: &mut Site,
) -> anyhow::Result<Measured> {
    let step = Step::begin("starting the API, the gateway sandbox and the workers");
    let web = open(args, parts, site).await?;
    let mut tokens = Vec::new();
    for number in 0..ACCOUNTS {
        let password = format!("{:032x}", rand::random::<u128>());
        tokens.push(web.sign_up(&format!("customer{number}@bench.example"), &password).await?);
    }
    step.done("the shop is open");
    let warm_up = args.concurrency.min(args.runs);
    crowd(&web, &tokens, (0, warm_up), args.concurrency, |_| ()).await?;
    let others = [&parts.api, &parts.sandbox].map(|part| part.as_ref().and_then(Child::pid));
    let load = checkout::Load {
        runs: args.runs.into(),
        warm_up: warm_up.into(),
        api: others[0],
        gateway: others[1],
    };
    let step = Step::of("checkouts", args.runs.into());
    let meter = checkout::Stretch::begin(site, load).await?;
    let end = warm_up.saturating_add(args.runs);
    let numbers = (warm_up, end);
    let paid = crowd(&web, &tokens, numbers, args.concurrency, |paid| step.reach(paid));
    let waits = watched(parts, paid).await?;
    let measured = meter.end(site, waits).await?;
    step.done(&format!("{} checkouts paid", args.runs));
    Ok(measured)
}

/// Puts goods on sale and starts every part.
async fn open(args: &CheckoutArgs, parts: &mut Parts, site: &mut Site) -> anyhow::Result<Web> {
    let logs = parts.logs.as_ref().context("there is no folder for logs")?.path().to_owned();
    let store = parts.store.as_ref().context("there is no cell")?;
    let plenty = i64::from(args.runs).saturating_mul(8).max(10_000);
    goods::put_on_sale(&store.pool, Stocking { plenty, scarce: 1, hold: HOLD }).await?;
    let plan = Plan {
        keys: Keys::random(),
        binds: Binds::any(),
        lease_secs: 15,
        gateway_timeout_ms: 4_000,
        seed: 1,
        odds: "",
        program: None,
        profile: "test",
        workers: &[],
    };
    let api = parts.api.insert(plan.start_api(store, "api", &logs).await?).url();
    let gateway = parts.sandbox.insert(plan.start_sandbox(&api, &logs).await?).url();
    for number in 1..=args.site.workers {
        let worker = plan.start_worker(store, &gateway, &format!("worker-{number}"), &logs).await?;
        site.workers.extend(worker.pid());
        parts.workers.push(worker);
    }
    Web::new(api, gateway)
}

/// Lets customers in, so many at a time, and answers how long each waited from placing the order
/// until it was shown as paid.
async fn crowd(
    web: &Web,
    tokens: &[String],
    (first, end): (u32, u32),
    concurrency: u32,
    seen: impl Fn(u64),
) -> anyhow::Result<Vec<Duration>> {
    let doors = Arc::new(Semaphore::new(usize::try_from(concurrency)?));
    let (mut inside, mut waits) = (JoinSet::new(), Vec::new());
    let mut tokens = tokens.iter().cycle().cloned();
    for index in first..end {
        let entry = Arc::clone(&doors).acquire_owned().await?;
        let (web, token) = (web.clone(), tokens.next().context("nobody has signed up")?);
        inside.spawn(async move {
            let journey = Journey::of(&web, &token, Scenario::PaidByBoth, (1, index), || ()).await;
            drop(entry);
            journey
        });
        while let Some(journey) = inside.try_join_next() {
            waits.push(paid(&journey?)?);
        }
        seen(u64::try_from(waits.len())?);
    }
    while let Some(journey) = inside.join_next().await {
        waits.push(paid(&journey?)?);
        seen(u64::try_from(waits.len())?);
    }
    Ok(waits)
}

/// How long it took; an error unless the order was paid without a complaint.
fn paid(journey: &Journey) -> anyhow::Result<Duration> {
    ensure!(journey.complaint.is_none(), "customer {}: {:?}", journey.index, journey.complaint);
    journey.paid_after.with_context(|| format!("customer {} was not paid for", journey.index))
}
