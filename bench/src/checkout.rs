//! The cost of checkouts that are driven over HTTP, by whoever drives them.

use std::time::Duration;

use sqlx::Row;

use crate::figures::{Percentiles, each, ms_each};
use crate::measured::Measured;
use crate::meter::Meter;
use crate::{Error, Site, processes};

/// What is driven, and which processes carry it besides the workers.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Checkouts measured.
    pub runs: u64,
    /// Checkouts before them.
    pub warm_up: u64,
    /// The API's process.
    pub api: Option<u32>,
    /// The gateway sandbox's.
    pub gateway: Option<u32>,
}

/// A measurement under way.
pub struct Stretch {
    load: Load,
    meter: Meter,
    before: Others,
}

#[derive(Debug, Clone, Copy)]
struct Others {
    api: Option<Duration>,
    gateway: Option<Duration>,
    carrying: u64,
}

impl Others {
    async fn read(site: &Site, load: Load) -> Result<Self, Error> {
        let cpu = |pid: Option<u32>| pid.and_then(|pid| processes::cpu(&[pid]));
        let mut conn = site.pool.acquire().await?;
        let carrying = makegood::inspect::carrying_commits(&mut conn, "checkout").await?;
        let carrying = carrying.cast_unsigned();
        Ok(Self { api: cpu(load.api), gateway: cpu(load.gateway), carrying })
    }
}

impl Stretch {
    /// Begins, after the warm-up.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin(site: &Site, load: Load) -> Result<Self, Error> {
        let before = Others::read(site, load).await?;
        Ok(Self { load, meter: Meter::begin(site).await?, before })
    }

    /// Ends, with how long each checkout took from being placed until it was shown as paid.
    ///
    /// # Errors
    /// When not every order is paid by one payment, or the database does not answer.
    pub async fn end(self, site: &Site, waits: Vec<Duration>) -> Result<Measured, Error> {
        let Self { load, meter, before } = self;
        let costs = meter.end(site).await?;
        let after = Others::read(site, load).await?;
        let all = load.runs.saturating_add(load.warm_up);
        check(site, all).await?;
        let cpu = |before: Option<Duration>, after: Option<Duration>| {
            Some(ms_each(after?.saturating_sub(before?), load.runs))
        };
        let carrying = after.carrying.saturating_sub(before.carrying);
        Ok(Measured {
            work: "checkout",
            runs: load.runs,
            runs_in_all: all,
            steps_per_run: 6,
            latency: Some(Percentiles::of(waits)),
            costs,
            particular: [
                ("api_cpu_ms_per_run", cpu(before.api, after.api).into()),
                ("gateway_cpu_ms_per_run", cpu(before.gateway, after.gateway).into()),
                ("carrying_commits_per_run", each(carrying, load.runs).into()),
            ]
            .into(),
        })
    }
}

/// Every order is paid, each by one payment.
async fn check(site: &Site, expected: u64) -> Result<(), Error> {
    let row = sqlx::query(
        "select (select count(*) from orders where status = 'PAID') as paid,
           (select count(*) from orders) as orders,
           (select count(*) from payments where status = 'SUCCESS') as payments",
    )
    .fetch_one(&site.pool)
    .await?;
    let count = |name: &str| row.try_get::<i64, _>(name).map(i64::cast_unsigned);
    let found = (count("paid")?, count("orders")?, count("payments")?);
    if found == (expected, expected, expected) {
        return Ok(());
    }
    let what = format!("paid orders, orders and payments are {found:?} instead of {expected} each");
    Err(Error::Wrong(what))
}
