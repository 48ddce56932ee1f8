//! The death of a worker: one holds runs and is killed, others carry them on.

use std::time::Duration;

use anyhow::Context;
use makegood_bench::{Measured, Site, recovery};

use crate::demo::{parts::Parts, progress::Step};

use super::{
    args::RecoveryArgs,
    stage::{Traits, start_worker},
    watched,
};

/// Calls of the first worker that nobody will live to see answered.
const FOR_EVER_MS: u64 = 3_600_000;

/// Drives it to its end.
pub(super) async fn drive(
    args: &RecoveryArgs,
    parts: &mut Parts,
    site: &mut Site,
) -> anyhow::Result<Measured> {
    let RecoveryArgs { runs, lease: lease_secs, .. } = *args;
    start_worker(parts, site, Traits { lease_secs, slow_ms: FOR_EVER_MS }).await?;
    let step = Step::of("runs begun", runs);
    watched(parts, recovery::burden(site, runs, |begun| step.reach(begun))).await?;
    step.done(&format!("one worker is in the middle of {runs} calls"));
    for _ in 0..args.site.workers {
        start_worker(parts, site, Traits { lease_secs, slow_ms: 0 }).await?;
    }
    let mut victim = parts.workers.drain(..1).next().context("there is no worker to kill")?;
    site.workers.remove(0);
    let scene = recovery::Scene::set(site, runs).await?;
    victim.kill().await?;
    let step = Step::of("orphans that moved again", runs);
    let lease = Duration::from_secs(lease_secs.into());
    let moved = scene.measure(site, lease, |moved| step.reach(moved));
    let measured = watched(parts, moved).await?;
    step.done(&format!("{runs} orphans were carried on"));
    Ok(measured)
}
