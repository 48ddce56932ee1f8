//! What one warehouse does: take the stock, wait for the van, load it. It knows no other warehouse.

use makegood::{Activity, ActivityResult, Ctx, InTransaction, Workflow, WorkflowResult};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use super::stock::{PutBack, TakeStock, Wanted};
use super::{Part, Shelf};

/// Carries one part of an order onto the van, or puts it back.
pub struct Shipment;

impl Workflow for Shipment {
    const NAME: &'static str = "shipment";
    type Input = Part;
    type Output = Parcel;

    async fn run(ctx: Ctx, part: Part) -> WorkflowResult<Parcel> {
        let wanted = Wanted { shelf: part.shelf.clone(), quantity: part.quantity };
        ctx.step::<TakeStock>(&wanted).undo::<PutBack>().await?;
        ctx.sleep(part.van_leaves_in).await?; // a cancel by the order lands here

        let Part { order_id, shelf, quantity, .. } = part;
        let parcel = Parcel { parcel_id: ctx.uuid(), order_id, shelf, quantity };
        ctx.pivot::<LoadVan>(&parcel).await?;
        Ok(parcel)
    }
}

/// A parcel on the van: the output of a [`Shipment`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    /// The parcel.
    pub parcel_id: Uuid,
    /// The order that it belongs to.
    pub order_id: String,
    /// Where it came from, and what is in it.
    pub shelf: Shelf,
    /// How many.
    pub quantity: u32,
}

/// Loads a parcel: the shipment itself cannot take it back any more, only the whole order can.
pub struct LoadVan;

impl Activity for LoadVan {
    const NAME: &'static str = "load_van";
    type Kind = InTransaction;
    type Input = Parcel;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, parcel: Parcel) -> ActivityResult<()> {
        sqlx::query(
            "insert into parcels (parcel_id, order_id, warehouse, sku, quantity)
             values ($1, $2, $3, $4, $5)",
        )
        .bind(parcel.parcel_id)
        .bind(&parcel.order_id)
        .bind(&parcel.shelf.warehouse)
        .bind(&parcel.shelf.sku)
        .bind(i64::from(parcel.quantity))
        .execute(tx)
        .await?;
        Ok(())
    }
}
