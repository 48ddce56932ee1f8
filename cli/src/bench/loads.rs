//! Each load with its bar: what is driven, and what a person sees meanwhile.

use std::time::Duration;

use makegood_bench::{Error, Measured, Site, engine, flash_sale, idle, latency, timers, waiting};

use crate::demo::progress::Step;

use super::args::{EngineArgs, FlashSaleArgs, IdleArgs, LatencyArgs, LoadArgs};

/// Drives a load whose workers live on to its end.
pub(super) async fn drive(load: &LoadArgs, site: &Site) -> Result<Measured, Error> {
    match load {
        LoadArgs::Engine(args) => engine(args, site).await,
        LoadArgs::Latency(args) => latency(args, site).await,
        LoadArgs::Idle(args) => idle(args, site).await,
        LoadArgs::FlashSale(args) => flash_sale(args, site).await,
        LoadArgs::Timers(args) => ring(args.runs, site).await,
        LoadArgs::Waiting(args) => beside(args.runs, site).await,
        LoadArgs::Recovery(_) | LoadArgs::Checkout(_) | LoadArgs::Console(_) => {
            Err(Error::Wrong("this load starts processes of its own".to_owned()))
        }
    }
}

async fn engine(args: &EngineArgs, site: &Site) -> Result<Measured, Error> {
    let EngineArgs { work, runs, concurrency, .. } = *args;
    let load = engine::Load { work: work.into(), runs, concurrency };
    let step = Step::of("runs", runs);
    let measured = engine::measure(site, load, |ended| step.reach(ended)).await?;
    step.done(&format!("{runs} runs driven"));
    Ok(measured)
}

async fn latency(args: &LatencyArgs, site: &Site) -> Result<Measured, Error> {
    let LatencyArgs { work, runs, rate, .. } = *args;
    let pace = latency::Pace { work: work.into(), runs, rate };
    let step = Step::of("runs", runs);
    let measured = latency::measure(site, pace, |ended| step.reach(ended)).await?;
    step.done(&format!("{runs} runs driven"));
    Ok(measured)
}

async fn idle(args: &IdleArgs, site: &Site) -> Result<Measured, Error> {
    let step = Step::begin("watching idle workers");
    let measured = idle::measure(site, Duration::from_secs(args.seconds)).await?;
    step.done(&format!("idle for {} s", args.seconds));
    Ok(measured)
}

async fn flash_sale(args: &FlashSaleArgs, site: &Site) -> Result<Measured, Error> {
    let FlashSaleArgs { runs: buyers, units, .. } = *args;
    let step = Step::of("orders placed, then decided", buyers);
    let sale = flash_sale::Sale { buyers, units };
    let measured = flash_sale::measure(site, sale, |decided| step.reach(decided)).await?;
    step.done(&format!("{} of {units} units sold to {buyers} buyers", units.min(buyers)));
    Ok(measured)
}

async fn ring(timers: u64, site: &Site) -> Result<Measured, Error> {
    let step = Step::of("timers set, then fired", timers);
    let measured = timers::measure(site, timers, |fired| step.reach(fired)).await?;
    step.done(&format!("{timers} timers have fired"));
    Ok(measured)
}

async fn beside(waiting: u64, site: &Site) -> Result<Measured, Error> {
    let step = Step::of("waiting runs", waiting);
    let measured = waiting::measure(site, waiting, |made| step.reach(made)).await?;
    step.done(&format!("fresh runs driven beside {waiting} that wait"));
    Ok(measured)
}
