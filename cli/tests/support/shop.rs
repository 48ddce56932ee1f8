//! A placed order with its checkout started, as the API does it.

use std::time::Duration;

use domain::{
    CartLine, Currency, HoldId, Money, OrderId, PricedLine, PricedOrder, Role, Sku, TenantId,
    Terms, UserId,
};
use makegood::{Client, Database, StartOptions};
use sqlx::Connection;
use store::orders::{self, NewOrder};
use store::products::{self, Product};
use store::stock;
use store::users::{self, NewUser, PasswordHash};
use uuid::Uuid;
use workflows::{Checkout, PlacedOrder};

use super::cell::TestCell;

const CURRENCY: Currency = Currency::Inr;

/// Puts ten units of one product on sale.
pub fn stocked(cell: &TestCell) -> Sku {
    let sku: Sku = "TEA-1".parse().unwrap();
    let mut conn = cell.conn();
    let product = Product {
        tenant_id: tenant(),
        sku: sku.clone(),
        name: "Tea".to_owned(),
        unit_price: Money::from_minor(1_000, CURRENCY),
        is_active: true,
    };
    cell.runtime.block_on(async {
        products::upsert(&mut conn, &product).await.unwrap();
        stock::receive(&mut conn, &tenant(), &sku, 10.try_into().unwrap()).await.unwrap();
    });
    sku
}

/// Places an order for one unit and starts its checkout, in one transaction.
pub fn place_order(cell: &TestCell) -> OrderId {
    let sku = stocked(cell);
    cell.runtime.block_on(place(cell, sku))
}

async fn place(cell: &TestCell, sku: Sku) -> OrderId {
    let database = Database::new(&cell.url, cell.cell.name()).unwrap();
    let client = Client::connect(&database).await.unwrap();
    let pool = database.pool("test", 1).await.unwrap();
    let user_id = UserId::from(Uuid::now_v7());
    let order_id = OrderId::from(Uuid::now_v7());
    let line = PricedLine {
        sku: sku.clone(),
        name: "Tea".to_owned(),
        unit_price: Money::from_minor(1_000, CURRENCY),
        quantity: 1.try_into().unwrap(),
    };
    let priced = PricedOrder::price(vec![line], CURRENCY, 0.into()).unwrap();
    let workflow_id = format!("checkout:{order_id}:1");

    let mut conn = pool.acquire().await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    let user = NewUser {
        user_id,
        tenant_id: tenant(),
        email: "buyer@example.test".to_owned(),
        password_hash: PasswordHash("hash".to_owned()),
        role: Role::Customer,
    };
    users::insert(&mut tx, &user).await.unwrap();
    let order = NewOrder {
        order_id,
        tenant_id: &tenant(),
        user_id,
        workflow_id: &workflow_id,
        idempotency_key: None,
        priced: &priced,
        expires_in: Duration::from_mins(30),
    };
    let order = orders::insert(&mut tx, &order, "test").await.unwrap();
    let lines = vec![CartLine { sku, quantity: 1.try_into().unwrap() }];
    let input = PlacedOrder::of(&order, HoldId::from(Uuid::now_v7()), lines, Terms::default());
    let found_by = StartOptions::new().attribute("customer", "ada");
    client.start_with::<Checkout>(&mut tx, &workflow_id, &input, &found_by).await.unwrap();
    tx.commit().await.unwrap();
    client.wake();
    order_id
}

fn tenant() -> TenantId {
    "retail".parse().unwrap()
}
