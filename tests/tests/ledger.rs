//! The ledger as operators see it, and as nobody can change it.

use makegood_tests::{Shop, Stock};
use serde_json::{Value, json};

// LED-03
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trial_balance_shows_what_stands_where_and_fails_when_it_does_not_balance() {
    let shop = Shop::plan().tax_basis_points(1_800).open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let kept = customer.buy(&[("tea", 1)]).await;
    let back = customer.buy(&[("tea", 2)]).await;
    customer.refund(&back, "all-of-the-second", json!({})).await.expect(202);
    customer.sees(&back, "REFUNDED").await;
    shop.audit().await;
    let command = ["ledger", "trial-balance", "-o", "json"];
    let shown = shop.command(&command).output().await.unwrap();
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    let balances: Vec<(&str, &str)> = shown["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (line["account"].as_str().unwrap(), line["balance"]["amount"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        balances,
        [("GATEWAY", "11.80"), ("SALES", "-10.00"), ("TAX", "-1.80")],
        "what is left is the sale of {kept}"
    );
    assert_eq!(shown["totals"][0]["debit"]["amount"], "59.00", "35.40 and 11.80 in, 23.60 out");
    assert_eq!(shown["balanced"], true);

    shop.run(
        "set session_replication_role = replica;
         update ledger_entries set debit_minor = debit_minor + 1
         where entry_no = 1 and account = 'GATEWAY'
           and ledger_transaction_id = (select ledger_transaction_id from ledger_transactions
                                        where kind = 'CAPTURE' order by 1 limit 1);
         set session_replication_role = origin",
    )
    .await;
    let shown = shop.command(&["ledger", "trial-balance"]).output().await.unwrap();
    assert_eq!(shown.status.code(), Some(1), "it does not balance");
}

// LED-05
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_applications_role_does_its_work_and_may_change_nothing_that_only_grows() {
    let shop = Shop::plan().as_role("makegood_app").open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.buy(&[("tea", 1)]).await;
    customer.refund(&order, "all-of-the-order", json!({})).await.expect(202);
    customer.sees(&order, "REFUNDED").await;
    let lost = customer.place(&[("tea", 1)]).await;
    customer.session(&lost).await;
    customer.cancel(&lost).await.expect(202);
    customer.wait_for(&lost, "CANCELLED").await;
    shop.audit().await;
    assert_eq!(shop.stock("tea").await, Stock { available: 9, reserved: 0, sold: 1 });

    let mut conn = shop.pool.acquire().await.unwrap();
    sqlx::query("set role makegood_app").execute(&mut *conn).await.unwrap();
    for table in migrations::ONLY_GROW {
        for change in ["delete from", "truncate"] {
            let sql = sqlx::AssertSqlSafe(format!("{change} {table}"));
            let refused = sqlx::query(sql).execute(&mut *conn).await.unwrap_err();
            let state = refused.as_database_error().unwrap().code();
            assert_eq!(state.as_deref(), Some("42501"), "{change} {table}: {refused}");
        }
    }
    for change in [
        "update ledger_entries set debit_minor = 1",
        "update ledger_transactions set kind = 'CAPTURE'",
        "alter table ledger_entries disable trigger all",
        "drop table ledger_entries",
        "update schema_migrations set checksum = ''",
    ] {
        let refused = sqlx::query(change).execute(&mut *conn).await.unwrap_err();
        let state = refused.as_database_error().unwrap().code();
        assert_eq!(state.as_deref(), Some("42501"), "{change}: {refused}");
    }
    sqlx::query("reset role").execute(&mut *conn).await.unwrap();
}

// LED-05
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_doctor_says_whether_a_login_could_change_the_books() {
    for (role, wanted) in [(None, "warn"), (Some("makegood_app"), "ok")] {
        let plan = Shop::plan().workers(0);
        let plan = if let Some(role) = role { plan.as_role(role) } else { plan };
        let shop = plan.open().await;
        let told = shop.command(&["doctor", "-o", "json"]).output().await.unwrap();
        let told: Vec<Value> = serde_json::from_slice(&told.stdout).unwrap();
        let rights = told.iter().find(|finding| finding["check"] == "rights").unwrap();
        assert_eq!(rights["verdict"], wanted, "{rights}");
    }
}
