//! What workers ask of the database while there is nothing to do.

use std::time::Duration;

use crate::figures::Rate;
use crate::measured::Measured;
use crate::meter::{Meter, commits};
use crate::{Error, Site};

/// Sessions hand their counts of transactions in after this long at the latest.
const COUNTS_COME_IN: Duration = Duration::from_secs(11);

/// Looks at idle workers for so long.
///
/// # Errors
/// When the database does not answer.
pub async fn measure(site: &Site, stretch: Duration) -> Result<Measured, Error> {
    tokio::time::sleep(COUNTS_COME_IN).await;
    let before = commits(&site.pool).await?;
    let meter = Meter::begin(site).await?;
    tokio::time::sleep(stretch).await;
    let costs = meter.end(site).await?;
    let transactions = commits(&site.pool).await?.saturating_sub(before);
    let per_s = |count: u64| Rate { count, elapsed: costs.elapsed }.per_s();
    Ok(Measured {
        work: "idle",
        runs: 0,
        runs_in_all: 0,
        steps_per_run: 0,
        latency: None,
        costs,
        particular: [
            ("statements_per_s", costs.statements.map(per_s).into()),
            ("transactions_per_s", per_s(transactions).into()),
            ("wal_bytes_per_s", costs.wal_bytes.map(per_s).into()),
        ]
        .into(),
    })
}
