//! Messages committed with the state they announce, sent afterwards, at least once.
//! Never sent from here.

use chrono::{DateTime, Utc};
use domain::{MessageId, TenantId};
use serde_json::Value;
use uuid::Uuid;

use crate::{Conn, Result, row};

/// A message to be announced.
#[derive(Clone, Debug)]
pub struct NewMessage<'a> {
    /// The message's id; readers drop repeats by it.
    pub message_id: MessageId,
    /// Its shop.
    pub tenant_id: &'a TenantId,
    /// What it is about, such as `order.paid`.
    pub topic: &'a str,
    /// What keeps messages in order, such as the order's id.
    pub key: &'a str,
    /// The message.
    pub payload: &'a Value,
}

/// A message that has not been sent yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The message's id.
    pub message_id: MessageId,
    /// Its shop.
    pub tenant_id: TenantId,
    /// What it is about.
    pub topic: String,
    /// What keeps messages in order.
    pub key: String,
    /// The message.
    pub payload: Value,
    /// When it was announced.
    pub created_at: DateTime<Utc>,
}

/// Adds a message; `false` when its id is known.
pub async fn push(conn: &mut Conn, message: &NewMessage<'_>) -> Result<bool> {
    let added = sqlx::query(
        "insert into outbox (message_id, tenant_id, topic, key, payload)
         values ($1, $2, $3, $4, $5)
         on conflict (message_id) do nothing",
    )
    .bind(message.message_id.as_uuid())
    .bind(message.tenant_id.as_str())
    .bind(message.topic)
    .bind(message.key)
    .bind(message.payload)
    .execute(conn)
    .await?;
    Ok(added.rows_affected() == 1)
}

/// Messages not sent yet, the oldest first; others skip them until the transaction ends.
pub async fn unsent(conn: &mut Conn, limit: i64) -> Result<Vec<Message>> {
    let rows = sqlx::query(
        "select message_id, tenant_id, topic, key, payload, created_at
         from outbox
         where sent_at is null
         order by message_id
         limit $1
         for update skip locked",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.iter()
        .map(|r| {
            Ok(Message {
                message_id: row::id(r, "message_id")?,
                tenant_id: row::word(r, "tenant_id")?,
                topic: row::get(r, "topic")?,
                key: row::get(r, "key")?,
                payload: row::get(r, "payload")?,
                created_at: row::get(r, "created_at")?,
            })
        })
        .collect()
}

/// Marks messages as sent; answers how many were not before.
pub async fn mark_sent(conn: &mut Conn, messages: &[MessageId]) -> Result<u64> {
    let messages: Vec<Uuid> = messages.iter().map(|m| m.as_uuid()).collect();
    let changed = sqlx::query(
        "update outbox
         set sent_at = now()
         where message_id = any($1) and sent_at is null",
    )
    .bind(messages)
    .execute(conn)
    .await?;
    Ok(changed.rows_affected())
}
