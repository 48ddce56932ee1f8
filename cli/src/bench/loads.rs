//! Each load with its bar: what is driven, and what a person sees meanwhile.

use std::time::Duration;

use makegood_bench::{Error, Measured, Site, engine, idle, latency};

use crate::demo::progress::Step;

use super::args::{EngineArgs, IdleArgs, LatencyArgs, LoadArgs};

/// Drives a load to its end.
pub(super) async fn drive(load: &LoadArgs, site: &Site) -> Result<Measured, Error> {
    match load {
        LoadArgs::Engine(args) => engine(args, site).await,
        LoadArgs::Latency(args) => latency(args, site).await,
        LoadArgs::Idle(args) => idle(args, site).await,
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
