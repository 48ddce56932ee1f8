//! What the shop does by the clock. A worker that starts keeps the schedules; that they are fired once
//! is the engine's business.

use makegood::{Client, Database, Overlap, Schedule};
use sqlx::PgPool;
use workflows::RefundSweep;

use crate::Error;

/// How far back the frequent sweep of refunds looks, in hours, and the nightly one: a bank may send
/// money back for weeks.
const LATELY: i64 = 26;
const FOR_WEEKS: i64 = 24 * 30;

/// Keeps every schedule of the shop.
///
/// # Errors
/// When the database does not answer.
pub(crate) async fn keep(database: &Database, pool: &PgPool) -> Result<(), Error> {
    let client = Client::connect(database).await?;
    let mut conn = pool.acquire().await.map_err(makegood::Error::from)?;
    for (name, when, hours) in [
        ("refunds of late", "*/10 * * * *", LATELY),
        ("refunds of the last weeks", "40 3 * * *", FOR_WEEKS),
    ] {
        let sweep = Schedule::new(name, when)?.overlap(Overlap::Skip);
        client.schedule::<RefundSweep, _>(&mut conn, &sweep, &hours).await?;
    }
    Ok(())
}
