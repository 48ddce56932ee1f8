//! The database refuses bad rows by itself, whoever sends them.

mod support;

use support::{TestDatabase, state, test_database};

async fn assert_refused(db: &TestDatabase, rows: &[(&str, &str)]) {
    for (sql, wanted) in rows {
        let found = state(db.run(sql).await);
        assert_eq!(found.as_deref(), Some(*wanted), "must be refused: {sql}");
    }
}

const CHECK: &str = "23514";
const UNIQUE: &str = "23505";
const FOREIGN_KEY: &str = "23503";

#[tokio::test]
async fn stock_can_neither_be_negative_nor_fail_to_add_up() {
    let db = test_database().await;
    db.product("A", 10).await;
    db.product("B", 0).await;
    assert_refused(
        &db,
        &[
            ("update inventory set available = -1, reserved = 11", CHECK),
            ("update inventory set reserved = -1, available = 11", CHECK),
            ("update inventory set sold = -1, available = 11", CHECK),
            ("update inventory set received = -1, available = -1", CHECK),
            ("update inventory set available = available + 1", CHECK),
            ("update inventory set sold = sold + 1", CHECK),
            ("insert into inventory (tenant_id, sku) values ('retail', 'none')", FOREIGN_KEY),
            ("insert into inventory (tenant_id, sku) values ('retail', 'A')", UNIQUE),
        ],
    )
    .await;
}

#[tokio::test]
async fn orders_refuse_bad_money_quantities_and_currencies() {
    let db = test_database().await;
    let order = db.order(&[(&support::sku("A"), 2)]).await;
    let item = |line: &str| {
        format!(
            "insert into order_items (order_id, line_no, sku, name, unit_price_minor, quantity,
               line_total_minor) values ('{order}', {line})"
        )
    };
    let bad_sum = item("2, 'A', 'A', 5, 2, 11");
    let no_units = item("2, 'A', 'A', 5, 0, 0");
    let negative = item("2, 'A', 'A', -5, 1, -5");
    let line_twice = item("1, 'A', 'A', 5, 1, 5");
    assert_refused(
        &db,
        &[
            (&bad_sum, CHECK),
            (&no_units, CHECK),
            (&negative, CHECK),
            (&line_twice, UNIQUE),
            ("update orders set total_minor = total_minor + 1", CHECK),
            ("update orders set subtotal_minor = -1, total_minor = -1", CHECK),
            ("update orders set currency = 'rupee'", CHECK),
            ("update orders set status = 'LOST'", CHECK),
            ("update orders set status = 'FAILED', reason_code = null", CHECK),
            ("delete from users", FOREIGN_KEY),
            ("delete from tenants", FOREIGN_KEY),
        ],
    )
    .await;
}

#[tokio::test]
async fn payments_captures_and_refunds_refuse_what_makes_no_sense() {
    let db = test_database().await;
    let settled = db.settled().await;
    let refund = |amount: i64| {
        format!(
            "insert into refunds (refund_id, order_id, gateway_payment_id, amount_minor, currency,
               idempotency_key, reason, actor)
             values (gen_random_uuid(), '{}', '{}', {amount}, 'INR', 'k', 'r', 'a')",
            settled.order, settled.names.payment
        )
    };
    let nothing = refund(0);
    db.run(&refund(1)).await.unwrap();
    let same_key = refund(1);
    assert_refused(
        &db,
        &[
            (&nothing, CHECK),
            (&same_key, UNIQUE),
            ("update payments set amount_minor = 0", CHECK),
            ("update payments set gateway_payment_id = null", CHECK),
            ("update refunds set status = 'PROCESSED'", CHECK),
            ("update refunds set status = 'FAILED'", CHECK),
            ("update refunds set amount_minor = 2", CHECK),
            ("update refunds set reason = 'another', gateway_refund_id = 'x'", CHECK),
            ("update refunds set actor = 'somebody else'", CHECK),
            ("update refunds set override_reason = 'for a friend'", CHECK),
            ("update gateway_captures set disposition = 'REFUNDED'", CHECK),
            ("update gateway_captures set disposition = 'FULFILLED', order_id = null", CHECK),
            ("delete from orders", FOREIGN_KEY),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_ledger_refuses_entries_without_a_subject_a_side_or_a_balance() {
    let db = test_database().await;
    let settled = db.settled().await;
    let transaction = |subject: &str, reference: &str| {
        format!(
            "insert into ledger_transactions (ledger_transaction_id, tenant_id, order_id, job_id,
               kind, payment_ref) values ('{}', 'retail', {subject}, 'CAPTURE', '{reference}')",
            uuid::Uuid::now_v7()
        )
    };
    let (neither, both) =
        (transaction("null, null", "x"), transaction("gen_random_uuid(), gen_random_uuid()", "x"));
    let again = transaction("gen_random_uuid(), null", settled.names.payment.as_str());
    let entry = |rows: &str| {
        format!(
            "insert into ledger_entries (ledger_transaction_id, entry_no, account, debit_minor,
               credit_minor, currency)
             select t.ledger_transaction_id, e.* from ledger_transactions t, (values {rows}) as e"
        )
    };
    let one_sided = entry("(3, 'GATEWAY', 5, 0, 'INR')");
    let differing = entry("(3, 'GATEWAY', 5, 0, 'INR'), (4, 'SALES', 0, 4, 'INR')");
    let currencies = entry("(3, 'GATEWAY', 5, 0, 'INR'), (4, 'SALES', 0, 5, 'USD')");
    let both_sides = entry("(3, 'GATEWAY', 5, 5, 'INR')");
    let no_account = entry("(3, 'POCKET', 5, 0, 'INR'), (4, 'SALES', 0, 5, 'INR')");
    assert_refused(
        &db,
        &[
            (&neither, CHECK),
            (&both, CHECK),
            (&again, UNIQUE),
            (&one_sided, CHECK),
            (&differing, CHECK),
            (&currencies, CHECK),
            (&both_sides, CHECK),
            (&no_account, CHECK),
        ],
    )
    .await;
    let balanced = entry("(3, 'GATEWAY', 5, 0, 'INR'), (4, 'SALES', 0, 5, 'INR')");
    assert_eq!(db.run(&balanced).await.unwrap(), 2, "a balanced pair is accepted");
}

#[tokio::test]
async fn append_only_tables_refuse_every_change() {
    let db = test_database().await;
    db.settled().await;
    for table in ["ledger_transactions", "ledger_entries", "stock_movements", "order_events"] {
        let changes = [
            format!("update {table} set {column} = {column}", column = first_column(table)),
            format!("delete from {table}"),
            format!("truncate {table} cascade"),
        ];
        for sql in changes {
            let refused = db.run(&sql).await.unwrap_err().to_string();
            assert!(refused.contains("append-only"), "{sql}: {refused}");
        }
    }
}

fn first_column(table: &str) -> &'static str {
    match table {
        "stock_movements" => "hold_id",
        "order_events" => "order_id",
        _ => "ledger_transaction_id",
    }
}

#[tokio::test]
async fn a_movement_of_each_kind_exists_once_for_a_hold() {
    let db = test_database().await;
    let settled = db.settled().await;
    let movement = |hold: &str, kind: &str, available: i64, reserved: i64| {
        format!(
            "insert into stock_movements (tenant_id, sku, hold_id, kind, available_delta,
               reserved_delta) values ('retail', '{}', {hold}, '{kind}', {available}, {reserved})",
            settled.sku
        )
    };
    let hold = format!("'{}'", settled.hold);
    assert_refused(
        &db,
        &[
            (&movement(&hold, "RESERVE", -1, 1), UNIQUE),
            (&movement(&hold, "RELEASE", 1, 1), CHECK),
            (&movement("null", "RELEASE", 1, -1), CHECK),
            (&movement(&hold, "RECEIVE", 1, -1), CHECK),
        ],
    )
    .await;
}

#[tokio::test]
async fn updated_at_is_kept_on_every_table_that_has_it() {
    let db = test_database().await;
    let settled = db.settled().await;
    db.run(&format!(
        "insert into refunds (refund_id, order_id, gateway_payment_id, amount_minor, currency,
           idempotency_key, reason, actor)
         values (gen_random_uuid(), '{}', '{}', 1, 'INR', 'k', 'r', 'a')",
        settled.order, settled.names.payment
    ))
    .await
    .unwrap();
    let tables: Vec<(String,)> = sqlx::query_as(
        "select table_name::text from information_schema.columns
         where table_schema = $1 and column_name = 'updated_at'",
    )
    .bind(db.cell.name())
    .fetch_all(&db.pool)
    .await
    .unwrap();
    let shop =
        ["tenants", "users", "products", "orders", "payments", "gateway_captures", "refunds"];
    for table in shop {
        assert!(tables.iter().any(|(name,)| name == table), "{table} has updated_at");
        let changed = db
            .run(&format!("update {table} set updated_at = 'epoch'"))
            .await
            .unwrap_or_else(|e| unreachable!("{table}: {e}"));
        assert!(changed > 0, "{table} has a row");
        let stale = format!("delete from {table} where updated_at < now() - interval '1 day'");
        let stale = db.run(&stale).await.unwrap();
        assert_eq!(stale, 0, "{table}: the time is the trigger's, not the caller's");
    }
}
