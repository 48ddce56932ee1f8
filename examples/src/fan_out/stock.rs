//! Stock of warehouses, in batches: one transaction for all who want it at the same moment.
//!
//! One row a shelf is what everybody wants in a sale. Taken one by one, each run waits for the row
//! until the one before has committed; an [`InBatch`] activity takes for hundreds of runs at once.

use std::collections::BTreeMap;

use makegood::{Activity, ActivityError, ActivityResult, InBatch, Undoes};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

/// A warehouse, and what lies there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Shelf {
    /// Where.
    pub warehouse: String,
    /// What.
    pub sku: String,
}

/// How many of what one run wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// From where, and what.
    pub shelf: Shelf,
    /// How many.
    pub quantity: u32,
}

/// Takes stock for many runs, as far as it goes: each gets all that it wants or `OUT_OF_STOCK`.
pub struct TakeStock;

impl Activity for TakeStock {
    const NAME: &'static str = "take_stock";
    type Kind = InBatch;
    type Input = Wanted;
    type Output = ();

    /// One result for each input, in their order. A refused one must have had no effect.
    async fn run(
        &self,
        tx: &mut PgConnection,
        all: Vec<Wanted>,
    ) -> ActivityResult<Vec<ActivityResult<()>>> {
        let mut available = lock(tx, all.iter().map(|wanted| &wanted.shelf)).await?;
        let take = |wanted: &Wanted| match available.get_mut(&wanted.shelf) {
            Some(left) if *left >= i64::from(wanted.quantity) => {
                *left -= i64::from(wanted.quantity);
                Ok(())
            }
            Some(_) | None => Err(ActivityError::rejected("OUT_OF_STOCK")),
        };
        let answers = all.iter().map(take).collect();
        set(tx, &available).await?;
        Ok(answers)
    }
}

/// Puts back what was taken, for many runs.
pub struct PutBack;

impl Activity for PutBack {
    const NAME: &'static str = "put_back";
    type Kind = InBatch;
    type Input = Undoes<TakeStock>;
    type Output = ();

    async fn run(
        &self,
        tx: &mut PgConnection,
        all: Vec<Undoes<TakeStock>>,
    ) -> ActivityResult<Vec<ActivityResult<()>>> {
        // What was taken is known by its result: without one, there is nothing to put back.
        let taken = all.iter().filter(|undo| undo.output.is_some());
        let back: Vec<Wanted> = taken.map(|undo| undo.input.clone()).collect();
        add(tx, &back).await?;
        Ok(all.iter().map(|_| Ok(())).collect())
    }
}

/// Puts so many back onto their shelves.
pub(super) async fn add(tx: &mut PgConnection, back: &[Wanted]) -> ActivityResult<()> {
    let mut available = lock(tx, back.iter().map(|wanted| &wanted.shelf)).await?;
    for wanted in back {
        *available.entry(wanted.shelf.clone()).or_default() += i64::from(wanted.quantity);
    }
    Ok(set(tx, &available).await?)
}

/// What is available, locked in the order of the shelves, so that two batches cannot deadlock.
async fn lock(
    tx: &mut PgConnection,
    shelves: impl Iterator<Item = &Shelf>,
) -> Result<BTreeMap<Shelf, i64>, sqlx::Error> {
    let (warehouses, skus): (Vec<&str>, Vec<&str>) =
        shelves.map(|shelf| (shelf.warehouse.as_str(), shelf.sku.as_str())).unzip();
    let rows: Vec<(String, String, i64)> = sqlx::query_as(
        "select warehouse, sku, available
         from warehouse_stock
         where (warehouse, sku) in (select * from unnest($1::text[], $2::text[]))
         order by warehouse, sku
         for update",
    )
    .bind(warehouses)
    .bind(skus)
    .fetch_all(tx)
    .await?;
    let shelf = |(warehouse, sku, available)| (Shelf { warehouse, sku }, available);
    Ok(rows.into_iter().map(shelf).collect())
}

/// Writes what is available now on shelves that are locked.
async fn set(tx: &mut PgConnection, available: &BTreeMap<Shelf, i64>) -> Result<(), sqlx::Error> {
    let (warehouses, skus): (Vec<&str>, Vec<&str>) =
        available.keys().map(|shelf| (shelf.warehouse.as_str(), shelf.sku.as_str())).unzip();
    let left: Vec<i64> = available.values().copied().collect();
    sqlx::query(
        "update warehouse_stock s
         set available = n.available
         from unnest($1::text[], $2::text[], $3::bigint[]) n(warehouse, sku, available)
         where s.warehouse = n.warehouse and s.sku = n.sku",
    )
    .bind(warehouses)
    .bind(skus)
    .bind(left)
    .execute(tx)
    .await
    .map(|_| ())
}
