//! The one place where an order's status is written, always with its event.
//! Never a move that the transition table lacks: the database refuses it as well.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use domain::{OrderId, OrderStatus};
use uuid::Uuid;

use super::insert::whole_seconds;
use super::{Order, read_order};
use crate::{Conn, Error, Result, row};

/// A change of an order's status.
#[derive(Clone, Copy, Debug)]
pub struct StatusChange<'a> {
    /// The order.
    pub order_id: OrderId,
    /// The new status.
    pub to: OrderStatus,
    /// Who does it.
    pub actor: &'a str,
    /// Why, as a code; FAILED needs one. None keeps the code that stands there.
    pub reason_code: Option<&'a str>,
    /// Why, in words.
    pub reason_detail: Option<&'a str>,
}

impl<'a> StatusChange<'a> {
    /// A change that needs no reason.
    pub const fn new(order_id: OrderId, to: OrderStatus, actor: &'a str) -> Self {
        Self { order_id, to, actor, reason_code: None, reason_detail: None }
    }
}

/// Another attempt at an order that has failed or expired.
#[derive(Clone, Copy, Debug)]
pub struct Reopening<'a> {
    /// The order.
    pub order_id: OrderId,
    /// Where it must stand: FAILED or EXPIRED.
    pub from: OrderStatus,
    /// The workflow that carries the new attempt.
    pub workflow_id: &'a str,
    /// How long it waits for the money, on the database's clock; whole seconds.
    pub expires_in: Duration,
    /// How often the order may be tried in all.
    pub max_attempts: i64,
    /// Who asks for it.
    pub actor: &'a str,
    /// Why, as a code.
    pub reason: &'a str,
    /// The asker's name for the intention, if he has one; it is kept with the order.
    pub key: Option<&'a str>,
}

/// Locks orders against other changes until the transaction ends, in the order of their ids, and
/// answers where they stand; one that does not exist is missing from the answer.
pub async fn lock(conn: &mut Conn, orders: &[OrderId]) -> Result<BTreeMap<OrderId, OrderStatus>> {
    let orders: Vec<Uuid> = orders.iter().map(|o| o.as_uuid()).collect();
    let rows = sqlx::query(
        "select order_id, status
         from orders
         where order_id = any($1)
         order by order_id
         for no key update",
    )
    .bind(orders)
    .fetch_all(conn)
    .await?;
    rows.iter().map(|r| Ok((row::id(r, "order_id")?, row::word(r, "status")?))).collect()
}

/// Changes the status of each order that stands at one of `from`, and writes the events; answers
/// the orders that changed. Of several changes to one order the first counts.
///
/// # Errors
/// `Refused` when the transition table does not allow a move.
pub async fn set_status(
    conn: &mut Conn,
    from: &[OrderStatus],
    changes: &[StatusChange<'_>],
) -> Result<Vec<OrderId>> {
    let mut seen = BTreeSet::new();
    let changes: Vec<_> = changes.iter().filter(|c| seen.insert(c.order_id)).collect();
    let from: Vec<&str> = from.iter().map(|s| s.as_str()).collect();
    let orders: Vec<Uuid> = changes.iter().map(|c| c.order_id.as_uuid()).collect();
    let statuses: Vec<&str> = changes.iter().map(|c| c.to.as_str()).collect();
    let codes: Vec<Option<&str>> = changes.iter().map(|c| c.reason_code).collect();
    let details: Vec<Option<&str>> = changes.iter().map(|c| c.reason_detail).collect();
    let rows = sqlx::query(
        "with before as (
           select order_id, status
           from orders
           where order_id = any($1) and status = any($2)
           order by order_id
           for no key update
         )
         update orders o
         set status = change.status, reason_code = coalesce(change.code, o.reason_code),
             reason_detail = coalesce(change.detail, o.reason_detail), version = o.version + 1
         from before
         join unnest($1::uuid[], $3::text[], $4::text[], $5::text[])
           as change (order_id, status, code, detail)
           on change.order_id = before.order_id
         where o.order_id = before.order_id
         returning o.order_id, before.status as from_status",
    )
    .bind(orders)
    .bind(from)
    .bind(statuses)
    .bind(codes)
    .bind(details)
    .fetch_all(&mut *conn)
    .await?;
    let before = rows
        .iter()
        .map(|r| Ok((row::id(r, "order_id")?, row::word(r, "from_status")?)))
        .collect::<Result<BTreeMap<OrderId, OrderStatus>>>()?;
    let events: Vec<Event<'_>> = changes
        .iter()
        .filter_map(|change| {
            Some(Event {
                order_id: change.order_id,
                from: *before.get(&change.order_id)?,
                to: change.to,
                actor: change.actor,
                reason: change.reason_code,
            })
        })
        .collect();
    if !events.is_empty() {
        insert_events(conn, &events).await?;
    }
    Ok(events.iter().map(|event| event.order_id).collect())
}

/// Back to PENDING for another attempt; `None` when the order does not stand there (any more) or
/// was tried enough.
pub async fn reopen(conn: &mut Conn, again: &Reopening<'_>) -> Result<Option<Order>> {
    let changed = sqlx::query(
        "update orders
         set status = 'PENDING', attempt = attempt + 1, version = version + 1, workflow_id = $2,
             expires_at = now() + $3::bigint * interval '1 second',
             reason_code = null, reason_detail = null,
             retry_keys = retry_keys || array_remove(array[$4::text], null)
         where order_id = $1 and status = $5 and attempt < $6
         returning order_id, tenant_id, order_number, user_id, status, reason_code, reason_detail,
                   currency, subtotal_minor, tax_minor, total_minor, attempt, version, workflow_id,
                   expires_at, created_at, updated_at, paid_at",
    )
    .bind(again.order_id.as_uuid())
    .bind(again.workflow_id)
    .bind(whole_seconds(again.expires_in)?)
    .bind(again.key)
    .bind(again.from.as_str())
    .bind(again.max_attempts)
    .fetch_optional(&mut *conn)
    .await?;
    let Some(changed) = changed else { return Ok(None) };
    let event = Event {
        order_id: again.order_id,
        from: again.from,
        to: OrderStatus::Pending,
        actor: again.actor,
        reason: Some(again.reason),
    };
    insert_events(conn, &[event]).await?;
    Ok(Some(read_order(&changed)?))
}

/// Whether the order was reopened under this key before.
pub async fn was_reopened(conn: &mut Conn, order: OrderId, key: &str) -> Result<bool> {
    let found = sqlx::query(
        "select $2 = any(retry_keys) as was_reopened
         from orders
         where order_id = $1",
    )
    .bind(order.as_uuid())
    .bind(key)
    .fetch_optional(conn)
    .await?;
    row::get(&found.ok_or(Error::NotFound)?, "was_reopened")
}

struct Event<'a> {
    order_id: OrderId,
    from: OrderStatus,
    to: OrderStatus,
    actor: &'a str,
    reason: Option<&'a str>,
}

/// The events of orders that have just changed: their time is that of the change.
async fn insert_events(conn: &mut Conn, events: &[Event<'_>]) -> Result<()> {
    let orders: Vec<Uuid> = events.iter().map(|e| e.order_id.as_uuid()).collect();
    let from: Vec<&str> = events.iter().map(|e| e.from.as_str()).collect();
    let to: Vec<&str> = events.iter().map(|e| e.to.as_str()).collect();
    let actors: Vec<&str> = events.iter().map(|e| e.actor).collect();
    let reasons: Vec<Option<&str>> = events.iter().map(|e| e.reason).collect();
    sqlx::query(
        "insert into order_events (order_id, from_status, to_status, actor, reason, at)
         select o.order_id, event.from_status, event.to_status, event.actor, event.reason,
                o.updated_at
         from orders o
         join unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
           as event (order_id, from_status, to_status, actor, reason)
           on event.order_id = o.order_id",
    )
    .bind(orders)
    .bind(from)
    .bind(to)
    .bind(actors)
    .bind(reasons)
    .execute(conn)
    .await?;
    Ok(())
}
