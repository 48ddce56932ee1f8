//! What the workers start by the clock. Each worker says it at its start; the schedules are rows, and
//! whichever worker is there fires them.

use makegood::{Client, Error, Overlap, Schedule, Scheduled, Workflow};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use workflows::{MatchPayouts, Reconcile, ReconcileRule, RefundSweep};

/// A look at everything that may come late is due after a day.
const DEEP_EVERY_SECS: u32 = 86_400;

/// When the gateway's refunds are looked through, and how many hours back: a bank may send money
/// back for weeks.
const REFUND_SWEEPS: [(&str, &str, i64); 2] =
    [("refunds of late", "*/10 * * * *", 26), ("refunds of the last weeks", "40 3 * * *", 30 * 24)];

/// When the books are compared with the gateway. The same for all workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciling {
    /// When payments are compared: a cron expression in UTC; `None`: never.
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
    one::<Reconcile, _>(client, &mut tx, when.books.as_deref(), &rule).await?;
    one::<MatchPayouts, _>(client, &mut tx, when.payouts.as_deref(), &()).await?;
    for (name, cron, hours) in REFUND_SWEEPS {
        let sweep = Schedule::new(name, cron)?.overlap(Overlap::Skip);
        client.schedule::<RefundSweep, i64>(&mut tx, &sweep, &hours).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// One run at a time: the report that is open keeps a second one out, and this saves its start.
async fn one<W, I>(
    client: &Client,
    conn: &mut PgConnection,
    cron: Option<&str>,
    input: &I,
) -> Result<(), Error>
where
    W: Workflow<Input = Scheduled<I>>,
    I: Serialize,
{
    let Some(cron) = cron else {
        return match client.delete_schedule(conn, W::NAME).await {
            Err(Error::ScheduleNotFound(_)) => Ok(()),
            deleted => deleted,
        };
    };
    let schedule = Schedule::new(W::NAME, cron)?.overlap(Overlap::Skip);
    client.schedule::<W, I>(conn, &schedule, input).await?;
    Ok(())
}
