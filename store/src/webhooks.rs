//! Webhooks as they came in, byte for byte, and what was done about each.
//! Never one whose signature was wrong: those are turned away before.

use chrono::{DateTime, Utc};
use domain::{GatewayOrderId, GatewayPaymentId, WebhookState};
use sqlx::postgres::PgRow;

use crate::{Conn, Result, row};

/// A webhook whose signature was right.
#[derive(Clone, Debug)]
pub struct NewWebhook<'a> {
    /// The sender's id of the event.
    pub event_id: &'a str,
    /// Which gateway.
    pub gateway: &'a str,
    /// The sender's word for what happened.
    pub event_type: &'a str,
    /// The gateway's order, when the body names one.
    pub gateway_order_id: Option<&'a GatewayOrderId>,
    /// The gateway's payment, when the body names one.
    pub gateway_payment_id: Option<&'a GatewayPaymentId>,
    /// The body, byte for byte.
    pub raw_body: &'a [u8],
}

/// A webhook that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// The sender's id of the event.
    pub event_id: String,
    /// Which gateway.
    pub gateway: String,
    /// The sender's word for what happened.
    pub event_type: String,
    /// The gateway's order, when the body names one.
    pub gateway_order_id: Option<GatewayOrderId>,
    /// The gateway's payment, when the body names one.
    pub gateway_payment_id: Option<GatewayPaymentId>,
    /// The body, byte for byte.
    pub raw_body: Vec<u8>,
    /// What was done about it.
    pub state: WebhookState,
    /// How often somebody tried to do something about it.
    pub attempts: i64,
    /// When it came in.
    pub received_at: DateTime<Utc>,
}

/// Keeps the webhook as RECEIVED; `false` when the event is known.
pub async fn insert(conn: &mut Conn, webhook: &NewWebhook<'_>) -> Result<bool> {
    let added = sqlx::query(
        "insert into webhook_events (event_id, gateway, event_type, gateway_order_id,
                                     gateway_payment_id, raw_body)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (event_id) do nothing",
    )
    .bind(webhook.event_id)
    .bind(webhook.gateway)
    .bind(webhook.event_type)
    .bind(webhook.gateway_order_id.map(GatewayOrderId::as_str))
    .bind(webhook.gateway_payment_id.map(GatewayPaymentId::as_str))
    .bind(webhook.raw_body)
    .execute(conn)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Says what was done about the webhook and counts the attempt; `false` when there is none.
pub async fn set_state(conn: &mut Conn, event_id: &str, state: WebhookState) -> Result<bool> {
    let changed = sqlx::query(
        "update webhook_events
         set state = $2, attempts = attempts + 1, processed_at = now()
         where event_id = $1",
    )
    .bind(event_id)
    .bind(state.as_str())
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// Webhooks about which nothing could be done yet, the least tried first; others skip them meanwhile.
///
/// One that was tried n times waits n * n seconds for the next try, at most an hour, so that those
/// which will never match delay nobody.
pub async fn unmatched(conn: &mut Conn, limit: i64) -> Result<Vec<Webhook>> {
    let rows = sqlx::query(
        "select event_id, gateway, event_type, gateway_order_id, gateway_payment_id, raw_body,
                state, attempts, received_at
         from webhook_events
         where state in ('RECEIVED', 'UNMATCHED')
           and (processed_at is null
                or processed_at <= now() - least(attempts * attempts, 3600) * interval '1 second')
         order by attempts, received_at
         limit $1
         for update skip locked",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter().map(read).collect()
}

/// Forgets events about which nothing is left to do, so many seconds after that was done, at most
/// `limit`; answers how many. Until then a repeat of theirs is known.
///
/// Those of orders that still wait are kept however old they are.
pub async fn forget(conn: &mut Conn, keep_secs: i64, limit: i64) -> Result<u64> {
    let forgotten = sqlx::query(
        "delete from webhook_events
         where event_id in (
           select w.event_id
           from webhook_events w
           where w.state in ('SIGNALLED', 'IGNORED')
             and w.processed_at < now() - $1 * interval '1 second'
             and not exists (
               select from payments p
               join orders o on o.order_id = p.order_id
               where p.gateway_order_id = w.gateway_order_id
                 and o.status in ('PENDING', 'RESERVED'))
           order by w.processed_at
           limit $2)",
    )
    .bind(keep_secs)
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(forgotten.rows_affected())
}

/// Gives up events that matched nothing for so many seconds: they become IGNORED; answers how
/// many.
pub async fn give_up(conn: &mut Conn, after_secs: i64) -> Result<u64> {
    let given_up = sqlx::query(
        "update webhook_events
         set state = 'IGNORED', processed_at = now()
         where state = 'UNMATCHED' and received_at < now() - $1 * interval '1 second'",
    )
    .bind(after_secs)
    .execute(conn)
    .await?;
    Ok(given_up.rows_affected())
}

fn read(row: &PgRow) -> Result<Webhook> {
    Ok(Webhook {
        event_id: row::get(row, "event_id")?,
        gateway: row::get(row, "gateway")?,
        event_type: row::get(row, "event_type")?,
        gateway_order_id: row::maybe_word(row, "gateway_order_id")?,
        gateway_payment_id: row::maybe_word(row, "gateway_payment_id")?,
        raw_body: row::get(row, "raw_body")?,
        state: row::word(row, "state")?,
        attempts: row::get(row, "attempts")?,
        received_at: row::get(row, "received_at")?,
    })
}
