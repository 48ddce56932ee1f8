//! Children: the mail between them and their parents, and how a made-good parent cancels them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;
use sqlx::PgPool;
use tokio::sync::watch;
use uuid::Uuid;

use crate::action::Letter;
use crate::activity::{Activity, ActivityError, ActivityResult, Attempt, Outside};
use crate::ctx::{ChildEnd, ChildId};
use crate::fault;
use crate::lease::Clock;
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

/// Between two deliveries: so that a fan-out's ends reach their parent in few turns.
const GATHER: Duration = Duration::from_millis(5);

/// Delivers mail until the worker is over. Ends only between two deliveries.
pub(crate) async fn deliver(
    pool: PgPool,
    bells: Bells,
    clock: Clock,
    mut over: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = bells.post.notified() => {}
            () = tokio::time::sleep(ROUND) => {}
            _ = over.wait_for(|over| *over) => return,
        }
        loop {
            match deliver_some(&pool, &clock).await {
                Ok(0) => break,
                Ok(_) => bells.due.notify_one(),
                Err(error) => {
                    tracing::warn!(%error, "mail could not be delivered; trying again");
                    break;
                }
            }
        }
        tokio::time::sleep(GATHER).await;
    }
}

async fn deliver_some(pool: &PgPool, clock: &Clock) -> Result<usize, sqlx::Error> {
    if !mail::any(pool).await? {
        return Ok(0);
    }
    let mut tx = pool.begin().await?;
    let letters = mail::take(&mut tx, BATCH).await?;
    let reached = mail::deliver(&mut tx, &letters, clock.now()).await?;
    mail::ring(&mut tx, &reached).await?;
    fault::point("before the delivery of mail", "");
    tx.commit().await?;
    fault::point("after the delivery of mail", "");
    Ok(letters.len())
}
