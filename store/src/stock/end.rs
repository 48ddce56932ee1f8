//! Ends holds: sold, back on sale, or back on sale after having been sold. Each happens once.
//! Never fails for a hold that was never taken: undoing nothing is done.

use domain::{HoldId, HoldState};
use uuid::Uuid;

use crate::{Conn, Result, row};

/// One way in which a hold changes, and what that does to each unit.
struct Ending {
    kind: &'static str,
    from: HoldState,
    to: HoldState,
    available: i64,
    reserved: i64,
    sold: i64,
}

const FINALISE: Ending = Ending {
    kind: "FINALISE",
    from: HoldState::Held,
    to: HoldState::Finalised,
    available: 0,
    reserved: -1,
    sold: 1,
};

const RELEASE: Ending = Ending {
    kind: "RELEASE",
    from: HoldState::Held,
    to: HoldState::Released,
    available: 1,
    reserved: -1,
    sold: 0,
};

const RESTOCK: Ending = Ending {
    kind: "RESTOCK",
    from: HoldState::Finalised,
    to: HoldState::Restocked,
    available: 1,
    reserved: 0,
    sold: -1,
};

/// Sells what is held by each; answers the holds that changed.
pub async fn finalise(conn: &mut Conn, holds: &[HoldId]) -> Result<Vec<HoldId>> {
    end(conn, holds, &FINALISE).await
}

/// Puts what is held by each back on sale; answers the holds that changed.
pub async fn release(conn: &mut Conn, holds: &[HoldId]) -> Result<Vec<HoldId>> {
    end(conn, holds, &RELEASE).await
}

/// Puts what was sold under each back on sale; answers the holds that changed.
pub async fn restock(conn: &mut Conn, holds: &[HoldId]) -> Result<Vec<HoldId>> {
    end(conn, holds, &RESTOCK).await
}

async fn end(conn: &mut Conn, holds: &[HoldId], ending: &Ending) -> Result<Vec<HoldId>> {
    let holds: Vec<Uuid> = holds.iter().map(|h| h.as_uuid()).collect();
    // Stock first, by key, as when it was taken: the two cannot wait for each other.
    sqlx::query(
        "select i.sku
         from inventory i
         where (i.tenant_id, i.sku) in (
           select h.tenant_id, l.sku
           from holds h
           join hold_lines l on l.hold_id = h.hold_id
           where h.hold_id = any($1)
         )
         order by i.tenant_id, i.sku
         for update of i",
    )
    .bind(&holds)
    .execute(&mut *conn)
    .await?;
    let changed = sqlx::query(
        "update holds
         set state = $3, ended_at = now()
         where hold_id = any($1) and state = $2
         returning hold_id",
    )
    .bind(&holds)
    .bind(ending.from.as_str())
    .bind(ending.to.as_str())
    .fetch_all(&mut *conn)
    .await?;
    let mut changed =
        changed.iter().map(|r| row::id(r, "hold_id")).collect::<Result<Vec<HoldId>>>()?;
    if planted::has("a hold ends twice") {
        changed = holds.iter().copied().map(HoldId::from).collect();
    }
    if !changed.is_empty() {
        move_units(conn, &changed, ending).await?;
    }
    Ok(changed)
}

async fn move_units(conn: &mut Conn, holds: &[HoldId], ending: &Ending) -> Result<()> {
    let holds: Vec<Uuid> = holds.iter().map(|h| h.as_uuid()).collect();
    sqlx::query(
        "update inventory i
         set available = i.available + ended.quantity * $2,
             reserved = i.reserved + ended.quantity * $3,
             sold = i.sold + ended.quantity * $4
         from (
           select h.tenant_id, l.sku, sum(l.quantity)::bigint as quantity
           from holds h
           join hold_lines l on l.hold_id = h.hold_id
           where h.hold_id = any($1)
           group by h.tenant_id, l.sku
         ) ended
         where i.tenant_id = ended.tenant_id and i.sku = ended.sku",
    )
    .bind(&holds)
    .bind(ending.available)
    .bind(ending.reserved)
    .bind(ending.sold)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "insert into stock_movements (tenant_id, sku, hold_id, kind, available_delta,
                                      reserved_delta, sold_delta, at)
         select h.tenant_id, l.sku, h.hold_id, $2, l.quantity * $3, l.quantity * $4,
                l.quantity * $5, h.ended_at
         from holds h
         join hold_lines l on l.hold_id = h.hold_id
         where h.hold_id = any($1)",
    )
    .bind(&holds)
    .bind(ending.kind)
    .bind(ending.available)
    .bind(ending.reserved)
    .bind(ending.sold)
    .execute(conn)
    .await?;
    Ok(())
}
