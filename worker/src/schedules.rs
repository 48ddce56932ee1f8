//! What the workers start by the clock. Each worker says it at its start; the schedules are rows, and
//! whichever worker is there fires them.

use makegood::{Client, Error, Overlap, Schedule, Scheduled, Workflow};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use workflows::{MatchPayouts, Reconcile, ReconcileRule, RefundSweep};

/// A look at everything that may come late is due after a day.
const DEEP_EVERY_SECS: u32 = 86_400;

/// How far back the frequent sweep of refunds looks, in hours, and the nightly one: a bank may send
/// money back for weeks.
const SWEEPS: [(&str, &str, i64); 2] =
    [("refunds of late", "*/10 * * * *", 26), ("refunds of the last weeks", "40 3 * * *", 24 * 30)];

/// When the books are compared with the gateway. The same for all workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciling {
    /// When payments are compared: a cron expression in UTC; `None`: never, and refunds are not
    /// swept either.
    pub books: Option<String>,
    /// When payouts are; `None`: never.
    pub payouts: Option<String>,
    /// How old an unpaid payment is before the gateway is asked about it, in seconds.
    pub age_secs: u32,
}

impl Default for Reconciling {
    /// Every five minutes, and at half past two in the night.
    fn default() -> Self {
        let cron = |text: &str| Some(text.to_owned());
        Self { books: cron("*/5 * * * *"), payouts: cron("30 2 * * *"), age_secs: 60 }
    }
}

/// Makes the schedules say what is asked for.
pub(crate) async fn keep(client: &Client, pool: &PgPool, when: &Reconciling) -> Result<(), Error> {
    let mut tx = pool.begin().await?;
    let rule = ReconcileRule { age_secs: when.age_secs, deep_every_secs: DEEP_EVERY_SECS };
    let books = when.books.as_deref();
    one::<Reconcile, _>(client, &mut tx, (Reconcile::NAME, books), &rule).await?;
    let payouts = (MatchPayouts::NAME, when.payouts.as_deref());
    one::<MatchPayouts, _>(client, &mut tx, payouts, &()).await?;
    for (name, cron, hours) in SWEEPS {
        let cron = books.map(|_| cron);
        one::<RefundSweep, _>(client, &mut tx, (name, cron), &hours).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// One run at a time, and no schedule without a rule.
async fn one<W, I>(
    client: &Client,
    conn: &mut PgConnection,
    (name, cron): (&str, Option<&str>),
    input: &I,
) -> Result<(), Error>
where
    W: Workflow<Input = Scheduled<I>>,
    I: Serialize,
{
    let Some(cron) = cron else {
        return match client.delete_schedule(conn, name).await {
            Err(Error::ScheduleNotFound(_)) => Ok(()),
            deleted => deleted,
        };
    };
    let schedule = Schedule::new(name, cron)?.overlap(Overlap::Skip);
    client.schedule::<W, I>(conn, &schedule, input).await?;
    Ok(())
}
