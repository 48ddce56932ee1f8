//! How a refund moves on. Never back from FAILED: another try is another refund.

use domain::{GatewayRefundId, RefundId, RefundStatus};
use uuid::Uuid;

use crate::{Conn, Result, row};

/// What a refund that failed was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// It had not left.
    FromPending,
    /// It had left, and came back: the books have it.
    FromProcessed,
    /// It had failed before: nothing changed.
    Before,
}

/// Writes down the gateway's name for a PENDING refund, or why it is not made yet.
pub async fn name(
    conn: &mut Conn,
    refund: RefundId,
    gateway_refund: Option<&GatewayRefundId>,
    waits_for: Option<&str>,
) -> Result<bool> {
    let changed = sqlx::query(
        "update refunds
         set gateway_refund_id = coalesce(gateway_refund_id, $2), failure_code = $3
         where refund_id = $1 and status = 'PENDING'
           and (gateway_refund_id is null or failure_code is distinct from $3)",
    )
    .bind(refund.as_uuid())
    .bind(gateway_refund.map(GatewayRefundId::as_str))
    .bind(waits_for)
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// PENDING becomes PROCESSED; `false` in any other status.
pub async fn mark_processed(
    conn: &mut Conn,
    refund: RefundId,
    gateway_refund: &GatewayRefundId,
) -> Result<bool> {
    let changed = sqlx::query(
        "update refunds
         set status = 'PROCESSED', gateway_refund_id = $2, failure_code = null
         where refund_id = $1 and status = 'PENDING'",
    )
    .bind(refund.as_uuid())
    .bind(gateway_refund.as_str())
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}

/// PENDING or PROCESSED becomes FAILED, which frees its amount.
pub async fn mark_failed(
    conn: &mut Conn,
    refund: RefundId,
    gateway_refund: Option<&GatewayRefundId>,
    code: &str,
) -> Result<Failed> {
    let changed = sqlx::query(
        "with before as (
           select refund_id, status
           from refunds
           where refund_id = $1 and status <> 'FAILED'
           for no key update
         )
         update refunds r
         set status = 'FAILED', gateway_refund_id = coalesce(r.gateway_refund_id, $2),
             failure_code = $3
         from before
         where r.refund_id = before.refund_id
         returning before.status as status",
    )
    .bind(refund.as_uuid())
    .bind(gateway_refund.map(GatewayRefundId::as_str))
    .bind(code)
    .fetch_optional(conn)
    .await?;
    let Some(before) = changed else { return Ok(Failed::Before) };
    Ok(match row::word::<RefundStatus>(&before, "status")? {
        RefundStatus::Pending => Failed::FromPending,
        RefundStatus::Processed => Failed::FromProcessed,
        RefundStatus::Failed => Failed::Before,
    })
}

/// Says that runs see to these refunds now.
pub async fn watch(conn: &mut Conn, refunds: &[RefundId]) -> Result<u64> {
    let refunds: Vec<Uuid> = refunds.iter().map(|r| r.as_uuid()).collect();
    let changed = sqlx::query(
        "update refunds
         set watched = true
         where refund_id = any($1) and not watched",
    )
    .bind(refunds)
    .execute(conn)
    .await?;
    Ok(changed.rows_affected())
}
