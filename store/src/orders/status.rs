//! The one place where an order's status is written, always with its event.
//! Never a move that the transition table lacks: the database refuses it as well.

use std::time::Duration;

use domain::{OrderId, OrderStatus};

use super::insert::whole_seconds;
use crate::{Conn, Result, row};

/// A change of an order's status.
#[derive(Clone, Copy, Debug)]
pub struct StatusChange<'a> {
    /// The order.
    pub order_id: OrderId,
    /// The statuses in which the change applies.
    pub from: &'a [OrderStatus],
    /// The new status.
    pub to: OrderStatus,
    /// Who does it.
    pub actor: &'a str,
    /// Why, as a code; FAILED needs one. None keeps the code that stands there.
    pub reason_code: Option<&'a str>,
    /// Why, in words.
    pub reason_detail: Option<&'a str>,
}

/// Another attempt at an order whose last one failed.
#[derive(Clone, Copy, Debug)]
pub struct Reopening<'a> {
    /// The order.
    pub order_id: OrderId,
    /// The workflow that carries the new attempt.
    pub workflow_id: &'a str,
    /// How long it waits for the money, on the database's clock; whole seconds.
    pub expires_in: Duration,
    /// How often the order may be tried in all.
    pub max_attempts: i64,
    /// Who asks for it.
    pub actor: &'a str,
}

/// Changes the status and writes the event; `false`, with nothing changed, in any other status.
///
/// # Errors
/// `Refused` when the transition table does not allow the move.
pub async fn set_status(conn: &mut Conn, change: &StatusChange<'_>) -> Result<bool> {
    let from: Vec<&str> = change.from.iter().map(|s| s.as_str()).collect();
    let changed = sqlx::query(
        "with before as (
           select order_id, status
           from orders
           where order_id = $1 and status = any($2)
           for no key update
         )
         update orders o
         set status = $3, reason_code = coalesce($4, o.reason_code),
             reason_detail = coalesce($5, o.reason_detail), version = o.version + 1
         from before
         where o.order_id = before.order_id
         returning before.status as from_status",
    )
    .bind(change.order_id.as_uuid())
    .bind(from)
    .bind(change.to.as_str())
    .bind(change.reason_code)
    .bind(change.reason_detail)
    .fetch_optional(&mut *conn)
    .await?;
    let Some(changed) = changed else { return Ok(false) };
    let event = Event {
        from: row::word(&changed, "from_status")?,
        to: change.to,
        actor: change.actor,
        reason: change.reason_code,
    };
    insert_event(conn, change.order_id, &event).await?;
    Ok(true)
}

/// FAILED to PENDING for another attempt; `false` when the order is not FAILED or was tried enough.
pub async fn reopen(conn: &mut Conn, again: &Reopening<'_>) -> Result<bool> {
    let changed = sqlx::query(
        "update orders
         set status = 'PENDING', attempt = attempt + 1, version = version + 1, workflow_id = $2,
             expires_at = now() + $3::bigint * interval '1 second',
             reason_code = null, reason_detail = null
         where order_id = $1 and status = 'FAILED' and attempt < $4",
    )
    .bind(again.order_id.as_uuid())
    .bind(again.workflow_id)
    .bind(whole_seconds(again.expires_in)?)
    .bind(again.max_attempts)
    .execute(&mut *conn)
    .await?;
    if changed.rows_affected() == 0 {
        return Ok(false);
    }
    let event = Event {
        from: OrderStatus::Failed,
        to: OrderStatus::Pending,
        actor: again.actor,
        reason: Some("RETRY"),
    };
    insert_event(conn, again.order_id, &event).await?;
    Ok(true)
}

struct Event<'a> {
    from: OrderStatus,
    to: OrderStatus,
    actor: &'a str,
    reason: Option<&'a str>,
}

async fn insert_event(conn: &mut Conn, order: OrderId, event: &Event<'_>) -> Result<()> {
    sqlx::query(
        "insert into order_events (order_id, from_status, to_status, actor, reason)
         values ($1, $2, $3, $4, $5)",
    )
    .bind(order.as_uuid())
    .bind(event.from.as_str())
    .bind(event.to.as_str())
    .bind(event.actor)
    .bind(event.reason)
    .execute(conn)
    .await?;
    Ok(())
}
