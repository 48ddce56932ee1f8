//! Very many timers that are due in one moment: none may fire early, and how late is the last?

use std::time::Duration;

use chrono::TimeDelta;
use makegood::Workflow;

use crate::figures::{Percentiles, ms_each};
use crate::measured::Measured;
use crate::meter::Meter;
use crate::works::Timer;
use crate::{Error, Site, crowd};

/// How many timers a machine sets in a second at the least; those that are not set by the time
/// that they are due would measure something else, which is an error.
const SET_PER_S: u64 = 2_000;
/// From the last of them on.
const MARGIN: Duration = Duration::from_secs(5);

/// Sets timers, waits for the moment, and until all have fired. `seen` hears how far it is: first
/// how many are set, then how many have fired.
///
/// # Errors
/// When one fires early or never, when they could not be set in time, or when the database does
/// not answer.
pub async fn measure(site: &Site, timers: u64, seen: impl Fn(u64)) -> Result<Measured, Error> {
    let lead = MARGIN.saturating_add(Duration::from_secs(timers / SET_PER_S));
    let begun = crowd::now(&site.pool).await?;
    let due = begun + TimeDelta::from_std(lead).unwrap_or_default();
    let inputs = vec![due; usize::try_from(timers).unwrap_or_default()];
    crowd::start::<Timer>(site, inputs, &seen).await?;
    crowd::parked::<Timer>(&site.pool, |_| ()).await?;
    let set = crowd::now(&site.pool).await?;
    let Ok(left) = (due - set).to_std() else {
        let why = format!("is too many: {timers} timers were not set within {} s", lead.as_secs());
        return Err(Error::Setting { flag: "--runs", why });
    };
    tokio::time::sleep(left.saturating_sub(Duration::from_secs(1))).await;
    let meter = Meter::begin(site).await?;
    crowd::ended::<Timer>(&site.pool, |left| seen(timers.saturating_sub(left))).await?;
    let (late, early) = crowd::lateness(&site.pool, Timer::NAME, due).await?;
    let last = late.iter().max().copied().unwrap_or_default();
    let fired = u64::try_from(late.len()).unwrap_or_default();
    if early > 0 || fired != timers {
        return Err(Error::Wrong(format!("of {timers} timers {fired} fired, and {early} early")));
    }
    let mut costs = meter.end(site).await?;
    costs.elapsed = last;
    let setting = (set - begun).to_std().unwrap_or_default();
    Ok(Measured {
        work: "timers",
        runs: timers,
        runs_in_all: timers,
        steps_per_run: 0,
        latency: Some(Percentiles::of(late)),
        costs,
        particular: [("early", early.into()), ("set_in_s", ms_each(setting, 1_000).into())].into(),
    })
}
