//! Runs that need a person, made by hand: a checkout without a worker, and an incident.

use serde_json::json;
use sqlx::Row;
use uuid::Uuid;

use crate::support::{Shop, until};

/// What is in the incident's words and input, and in nothing that a viewer may see.
pub(crate) const CANARY: &str = "canary.person@example.test";

/// A checkout that is stuck at its first step.
pub(crate) async fn stuck_checkout(shop: &Shop) -> Uuid {
    let sku = format!("TEA-{}", &Uuid::now_v7().simple().to_string()[24..]);
    shop.product(&sku, 500, 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&sku, 1).await;
    let found = sqlx::query("select run_id from runs where workflow_id like '%' || $1 || '%'")
        .bind(&order)
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    let run_id = found.get("run_id");
    stick(shop, run_id).await;
    run_id
}

/// Has a run be stuck where a worker would have given it up.
pub(crate) async fn stick(shop: &Shop, run_id: Uuid) {
    let incident = Uuid::now_v7();
    let call = json!({ "input": { "email": CANARY, "units": 1 }, "undo": "release_stock" });
    let mut tx = shop.pool.begin().await.unwrap();
    sqlx::query(
        "update tasks set state = 'STUCK', due_at = null, incident_id = $2 where run_id = $1",
    )
    .bind(run_id)
    .bind(incident)
    .execute(&mut *tx)
    .await
    .unwrap();
    sqlx::query(
        "insert into incidents (incident_id, run_id, class, step, occurrence, call, message,
           fingerprint)
         values ($1, $2, 'retries_used_up', 'reserve_stock', 0, $3, $4, 'f00d')",
    )
    .bind(incident)
    .bind(run_id)
    .bind(call)
    .bind(format!("no answer for {CANARY}"))
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

/// A run's state.
pub(crate) async fn state(shop: &Shop, run_id: Uuid) -> String {
    let sql = "select coalesce(r.ended_state, k.state)
               from runs r
               left join tasks k on k.run_id = r.run_id
               where r.run_id = $1";
    sqlx::query_scalar(sql).bind(run_id).fetch_one(&shop.pool).await.unwrap()
}

pub(crate) async fn until_state(shop: &Shop, run_id: Uuid, wanted: &str) {
    until(wanted, async || state(shop, run_id).await == wanted).await;
}
