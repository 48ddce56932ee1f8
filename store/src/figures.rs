//! How the shop's trade goes, in a few numbers for people. Each read is bounded; changes nothing.

use chrono::{DateTime, Utc};

use crate::{Conn, Result, row};

/// Orders and payments are counted among so many of the newest.
pub const NEWEST: i64 = 10_000;
/// Holds and products are looked through up to so many.
const MOST: i64 = 10_000;
/// So many units, or fewer, are few.
pub const FEW_UNITS: i64 = 5;
/// So many products with few units are named.
const NAMED: i64 = 8;

/// The trade of the last day, and what is short or late now.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// The orders of the last day by status, the most frequent first.
    pub orders: Vec<(String, i64)>,
    /// Payments of the last day that failed.
    pub failed_payments: i64,
    /// Refunds of the last day that failed.
    pub failed_refunds: i64,
    /// Orders with a hold that ends in the next five minutes.
    pub expiring: i64,
    /// Orders whose hold should have ended already, and since when the first.
    pub overdue: i64,
    /// When the first of the overdue ones should have ended.
    pub overdue_since: Option<DateTime<Utc>>,
    /// Products of which few units are available, the scarcest first: tenant, SKU and units.
    pub scarce: Vec<(String, String, i64)>,
}

/// All of them, as of now.
pub async fn figures(conn: &mut Conn) -> Result<Figures> {
    let orders = sqlx::query_as(
        "select o.status, count(*)
         from (select status, created_at from orders order by order_id desc limit $1) o
         where o.created_at >= now() - interval '1 day'
         group by o.status
         order by count(*) desc, o.status",
    );
    let orders = orders.bind(NEWEST).fetch_all(&mut *conn).await?;
    let counts = sqlx::query(
        "select
           (
             select count(*)
             from (select status, created_at from payments order by payment_id desc limit $1) p
             where p.status = 'FAILED' and p.created_at >= now() - interval '1 day'
           ) as failed_payments,
           (
             select count(*)
             from (select status, created_at from refunds order by refund_id desc limit $1) r
             where r.status = 'FAILED' and r.created_at >= now() - interval '1 day'
           ) as failed_refunds,
           count(*) filter (where o.expires_at > now()) as expiring,
           count(*) filter (where o.expires_at <= now()) as overdue,
           min(o.expires_at) filter (where o.expires_at <= now()) as overdue_since
         from (
           select expires_at
           from orders
           where status = 'RESERVED' and expires_at <= now() + interval '5 minutes'
           order by expires_at
           limit $2
         ) o",
    );
    let counts = counts.bind(NEWEST).bind(MOST).fetch_one(&mut *conn).await?;
    let scarce = sqlx::query_as(
        "select i.tenant_id, i.sku, i.available
         from (select tenant_id, sku, available from inventory limit $1) i
         where i.available <= $2
         order by i.available, i.tenant_id, i.sku
         limit $3",
    );
    let scarce = scarce.bind(MOST).bind(FEW_UNITS).bind(NAMED).fetch_all(conn).await?;
    Ok(Figures {
        orders,
        failed_payments: row::get(&counts, "failed_payments")?,
        failed_refunds: row::get(&counts, "failed_refunds")?,
        expiring: row::get(&counts, "expiring")?,
        overdue: row::get(&counts, "overdue")?,
        overdue_since: row::get(&counts, "overdue_since")?,
        scarce,
    })
}
