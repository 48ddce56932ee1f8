//! Orders in many parts, in the database: opened, closed, or called back. They move no van.

use makegood::{Activity, ActivityError, ActivityResult, InTransaction, Undoes};
use sqlx::PgConnection;

use super::stock::{self, Shelf, Wanted};

/// Opens an order; refuses with `ORDER_EXISTS`.
pub struct OpenOrder;

impl Activity for OpenOrder {
    const NAME: &'static str = "open_order";
    type Kind = InTransaction;
    type Input = String;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, order_id: String) -> ActivityResult<()> {
        let sql = "insert into split_orders (order_id) values ($1) on conflict do nothing";
        let opened = sqlx::query(sql).bind(&order_id).execute(tx).await?;
        match opened.rows_affected() {
            1 => Ok(()),
            _ => Err(ActivityError::rejected("ORDER_EXISTS")),
        }
    }
}

/// Calls an order back. A child that had ended cannot be cancelled any more: what it left behind
/// is its parent's to undo, and here it is its parcels. Answers with how many they were.
pub struct CallBack;

impl Activity for CallBack {
    const NAME: &'static str = "call_back";
    type Kind = InTransaction;
    type Input = Undoes<OpenOrder>;
    type Output = usize;

    async fn run(&self, tx: &mut PgConnection, opened: Undoes<OpenOrder>) -> ActivityResult<usize> {
        let order_id = opened.input;
        let parcels: Vec<(String, String, i64)> = sqlx::query_as(
            "delete from parcels where order_id = $1 returning warehouse, sku, quantity",
        )
        .bind(&order_id)
        .fetch_all(&mut *tx)
        .await?;
        let mut back = Vec::new();
        for (warehouse, sku, quantity) in parcels {
            let quantity = u32::try_from(quantity)?;
            back.push(Wanted { shelf: Shelf { warehouse, sku }, quantity });
        }
        stock::add(&mut *tx, &back).await?;
        set_status(tx, &order_id, "CALLED_BACK").await?;
        Ok(back.len())
    }
}

/// Closes an order whose parcels are all on their way.
pub struct CloseOrder;

impl Activity for CloseOrder {
    const NAME: &'static str = "close_order";
    type Kind = InTransaction;
    type Input = String;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, order_id: String) -> ActivityResult<()> {
        set_status(tx, &order_id, "SHIPPED").await
    }
}

async fn set_status(tx: &mut PgConnection, order_id: &str, status: &str) -> ActivityResult<()> {
    let sql = "update split_orders set status = $2 where order_id = $1 and status = 'OPEN'";
    let set = sqlx::query(sql).bind(order_id).bind(status).execute(tx).await?;
    match set.rows_affected() {
        1 => Ok(()),
        _ => Err(ActivityError::review("order_status", format!("order {order_id} is not open"))),
    }
}
