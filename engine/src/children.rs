//! Children: the mail between them and their parents, and how a made-good parent cancels them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;
use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use crate::action::Letter;
use crate::activity::{Activity, ActivityError, ActivityResult, Attempt, Outside};
use crate::clock::Clock;
use crate::ctx::{ChildEnd, ChildId};
use crate::fault;
use crate::retry::RetryPolicy;
use crate::run::{CANCEL, CHILD, null};
use crate::store::{mail, runs};
use crate::wake::Bells;

/// The name of the activity that undoes the start of a child.
pub(crate) const CANCEL_CHILD: &str = "$cancel_child";

/// Undoes the start of a child: asks it to cancel itself, and waits until it has ended. A child
/// past its pivot goes on to its own end.
pub(crate) struct CancelChild {
    pool: PgPool,
    bells: Bells,
}

/// The recorded start of a child, as its undo reads it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StartedChild {
    input: ChildId,
}

impl CancelChild {
    pub(crate) fn new(pool: PgPool, bells: Bells) -> Self {
        Self { pool, bells }
    }
}

impl Activity for CancelChild {
    const NAME: &'static str = CANCEL_CHILD;
    type Kind = Outside;
    type Input = StartedChild;
    type Output = String;

    async fn run(&self, attempt: &mut Attempt, started: StartedChild) -> ActivityResult<String> {
        let child = started.input.run_id;
        let mut tx = self.pool.begin().await?;
        if let Some(state) = runs::ended_state(&mut tx, child).await? {
            tx.rollback().await?;
            return Ok(state);
        }
        let payload = to_raw_value(&serde_json::json!({ "parent": attempt.run_id }))?;
        let signal_id = CANCEL.to_owned();
        let letter = Letter { run_id: child, signal_id, kind: CANCEL, payload };
        mail::send_one(&mut tx, &letter).await?;
        tx.commit().await?;
        self.bells.post.notify_one();
        Err(ActivityError::retryable(format!("the child {child} is being undone")))
    }

    fn retry(&self) -> RetryPolicy {
        // Its end is noticed by the next look only.
        let (initial, cap) = (Duration::from_millis(50), Duration::from_secs(5));
        RetryPolicy { initial, cap, ..RetryPolicy::attempts(u32::MAX) }
    }
}

/// What a child tells its parent when it ends.
pub(crate) fn letter(parent: Uuid, child: Uuid, end: &ChildEnd) -> Letter {
    Letter {
        run_id: parent,
        signal_id: format!("{CHILD}:{child}"),
        kind: CHILD,
        payload: to_raw_value(end).unwrap_or_else(|_| null()),
    }
}

/// Letters in one delivery.
const BATCH: i64 = 500;

/// How often a worker looks for letters that another one wrote and did not live to deliver.
const ROUND: Duration = Duration::from_secs(5);

/// The longest pause before another look at letters to a run that somebody has locked.
const LONGEST_LOCK: Duration = Duration::from_millis(500);

/// Between two deliveries: so that a fan-out's ends reach their parent in few turns.
const GATHER: Duration = Duration::from_millis(5);

/// Delivers mail until the worker is over. Ends only between two deliveries.
pub(crate) async fn deliver(
    pool: PgPool,
    bells: Bells,
    clock: Clock,
    mut over: watch::Receiver<bool>,
) {
    let mut pause = ROUND;
    loop {
        tokio::select! {
            () = bells.post.notified() => {}
            () = tokio::time::sleep(pause) => {}
            _ = over.wait_for(|over| *over) => return,
        }
        pause = match deliver_all(&pool, &bells, &clock).await {
            Ok(0) => ROUND,
            // To runs that somebody has locked: soon, and then less and less often.
            Ok(_) if pause == ROUND => GATHER,
            Ok(_) => pause.saturating_mul(2).min(LONGEST_LOCK),
            Err(error) => {
                tracing::warn!(%error, "mail could not be delivered; trying again");
                ROUND
            }
        };
        tokio::time::sleep(GATHER).await;
    }
}

/// Looks at all letters once, and says how many stay.
async fn deliver_all(pool: &PgPool, bells: &Bells, clock: &Clock) -> Result<usize, sqlx::Error> {
    let (mut behind, mut stay) = (Uuid::nil(), 0_usize);
    while let Some(delivery) = deliver_some(pool, clock, behind).await? {
        behind = delivery.last;
        stay = stay.saturating_add(delivery.stay);
        bells.due.notify_one();
    }
    Ok(stay)
}

/// What came of one delivery.
struct Delivery {
    /// The last letter that it looked at.
    last: Uuid,
    stay: usize,
}

/// Delivers the oldest letters behind this one; `None` when there are none. It waits for no run's
/// row: it holds up to a batch of them.
async fn deliver_some(
    pool: &PgPool,
    clock: &Clock,
    behind: Uuid,
) -> Result<Option<Delivery>, sqlx::Error> {
    if !mail::any(pool, behind).await? {
        return Ok(None);
    }
    let mut tx = pool.begin().await?;
    let taken = mail::lock(&mut tx, behind, BATCH).await?;
    let Some(last) = taken.last().map(|(mail_id, _)| *mail_id) else {
        tx.rollback().await?;
        return Ok(None);
    };
    let addressees: Vec<Uuid> = taken.iter().map(|(_, letter)| letter.run_id).collect();
    let busy = mail::lock_idle(&mut tx, &addressees).await?;
    let (stay, taken): (Vec<_>, Vec<_>) =
        taken.into_iter().partition(|(_, letter)| busy.contains(&letter.run_id));
    let (mail_ids, letters): (Vec<_>, Vec<_>) = taken.into_iter().unzip();
    let reached = mail::deliver(&mut tx, &letters, clock.now()).await?;
    mail::ring(&mut tx, &reached).await?;
    mail::remove(&mut tx, &mail_ids).await?;
    fault::point("before the delivery of mail", "");
    tx.commit().await?;
    fault::point("after the delivery of mail", "");
    Ok(Some(Delivery { last, stay: stay.len() }))
}
