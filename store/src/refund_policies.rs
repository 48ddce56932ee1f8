//! What each shop allows of refunds, and how long ago an order was paid, by the database's clock.
//! Never a decision: the domain judges.

use domain::{OrderId, RefundPolicy, TenantId};

use crate::{Conn, Error, Result, row};

/// A policy as it applies to one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The shop's policy.
    pub policy: RefundPolicy,
    /// How many seconds ago the order was paid; none when it was not.
    pub paid_secs_ago: Option<i64>,
}

/// The policy of the order's shop, or `NotFound`.
pub async fn of_order(conn: &mut Conn, order: OrderId) -> Result<Applied> {
    let found = sqlx::query(
        "select t.customers_refund, t.refund_window_secs, t.refund_basis_points,
                extract(epoch from now() - o.paid_at)::bigint as paid_secs_ago
         from orders o
         join tenants t on t.tenant_id = o.tenant_id
         where o.order_id = $1",
    )
    .bind(order.as_uuid())
    .fetch_optional(conn)
    .await?
    .ok_or(Error::NotFound)?;
    let policy = RefundPolicy {
        customers_may_ask: row::get(&found, "customers_refund")?,
        window_secs: row::get(&found, "refund_window_secs")?,
        basis_points: row::get(&found, "refund_basis_points")?,
    };
    Ok(Applied { policy, paid_secs_ago: row::get(&found, "paid_secs_ago")? })
}

/// Gives a shop another policy; `false` when there is no such shop.
pub async fn set(conn: &mut Conn, tenant: &TenantId, policy: &RefundPolicy) -> Result<bool> {
    let changed = sqlx::query(
        "update tenants
         set customers_refund = $2, refund_window_secs = $3, refund_basis_points = $4
         where tenant_id = $1",
    )
    .bind(tenant.as_str())
    .bind(policy.customers_may_ask)
    .bind(policy.window_secs)
    .bind(policy.basis_points)
    .execute(conn)
    .await?;
    Ok(changed.rows_affected() == 1)
}
