//! Processes as an operator sees them: they end in order, log what was asked for, and say how
//! they are.

use std::time::Duration;

use futures::future::join_all;
use makegood_tests::{Env, Process, Shop, Stock, until};
use serde_json::Value;

/// A worker's limit for calls under way, and what handing back and answering may take.
const LIMIT: Duration = Duration::from_secs(15);

// RES-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_end_under_load_api_and_worker_exit_in_time_and_lose_nothing() {
    let mut shop = Shop::plan().workers(1).open().await;
    shop.product("tea", 1_000).await;
    let customer = shop.customer().await;
    let orders = join_all((0..30).map(|_| customer.place(&[("tea", 1)]))).await;
    let mut paying = Vec::new();
    for order in orders.iter().take(15) {
        let session = customer.session(order).await;
        paying.push((order, customer.pay(&session).await));
    }
    let verifying = join_all(paying.iter().map(|(order, proof)| customer.try_verify(order, proof)));
    let ending = async {
        let half = "select count(*) >= 3 from orders where status = 'PAID'";
        shop.holds("settling is under way", half).await;
        let worker = shop.workers[0].terminate().await;
        let api = shop.api.terminate().await;
        [worker, api]
    };
    let (answers, ends) = futures::future::join(verifying, ending).await;
    for (status, took) in ends {
        assert!(status.success(), "it ends in order: {status}");
        assert!(took < LIMIT, "within its limit, not {took:?}");
    }
    for answer in answers.into_iter().flatten() {
        assert!([200, 202].contains(&answer.status), "who was let in is answered: {answer}");
    }
    let held = "tasks where owner is not null";
    assert_eq!(shop.count(held).await, 0, "every run was handed back");
    shop.restart_api().await;
    shop.start_worker().await;
    let customer = shop.returning(&customer);
    for (order, proof) in &paying {
        customer.verify(order, proof).await;
        customer.wait_for(order, "PAID").await;
    }
    for order in orders.iter().skip(15) {
        customer.cancel(order).await.expect(202);
    }
    shop.audit().await;
    assert_eq!(shop.count("orders").await, 30, "every acknowledged order is there");
    assert_eq!(shop.stock("tea").await, Stock { available: 985, reserved: 0, sold: 15 });
}

// RES-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_ends_with_the_process_that_started_it() {
    let mut shop = Shop::plan().open().await;
    let mut worker = shop.workers.remove(0);
    worker.abandon();
    let status = worker.ended(LIMIT).await.expect("it notices");
    assert!(status.success(), "and ends in order: {status}");
    let mine = "workers where alive";
    assert_eq!(shop.count(mine).await, 0, "its lease is given back");
}

fn is_json(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|value| value.is_object())
}

// OBS-03, CFG-07, PAY-20
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_json_in_production_and_text_otherwise_at_the_level_asked_for() {
    let live = [
        ("MAKEGOOD_PROFILE", "production"),
        ("MAKEGOOD_GATEWAY_KEY_ID", "rzp_live_Zk3mQ8vT"),
        ("MAKEGOOD_GATEWAY_KEY_SECRET", "q7Lw2VnXc9RtBz5KdMpJ4sHf"),
        ("MAKEGOOD_WEBHOOK_SECRET", "Yb8Nc3WqPz6TfKj2LmVx5Rds"),
        ("MAKEGOOD_JWT_SECRET", "u4Xk9PqLz2VbNw7TcRm5YdHs3FgJ8aQe1ZxCvBn6"),
    ];
    let mut production = Shop::plan().workers(0);
    for (variable, value) in live {
        production = production.api_env(variable, value);
    }
    // No format is chosen: the profile decides.
    let production = production.api_env("MAKEGOOD_LOG_FORMAT", "").open().await;
    production.get(&production.api.url("/readyz")).await;
    let log = production.api.log();
    assert!(log.lines().count() > 0 && log.lines().all(is_json), "JSON, line by line:\n{log}");
    for (_, secret) in live.iter().skip(2) {
        assert!(!log.contains(secret), "no secret is logged");
    }

    let development = Shop::plan().workers(0).api_env("MAKEGOOD_LOG", "warn").open().await;
    development.get(&development.api.url("/livez")).await;
    let log = development.api.log();
    assert!(!log.lines().any(is_json), "text for people:\n{log}");
    assert!(!log.contains(" INFO "), "only what was asked for:\n{log}");
}

// PAY-20, CFG-06
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_of_the_wrong_mode_and_missing_addresses_stop_a_process_at_its_start() {
    let key = |profile: &str, key: &str| -> Env {
        [
            ("MAKEGOOD_PROFILE", profile),
            ("MAKEGOOD_GATEWAY_KEY_ID", key),
            ("MAKEGOOD_GATEWAY_KEY_SECRET", "q7Lw2VnXc9RtBz5KdMpJ4sHf"),
        ]
        .map(|(variable, value)| (variable.to_owned(), value.to_owned()))
        .into()
    };
    for (profile, id) in [("test", "rzp_live_Zk3mQ8vT"), ("production", "rzp_test_Zk3mQ8vT")] {
        let output = Process::command(&["worker"], &key(profile, id)).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{profile} refuses {id}: {said}");
        for missing in ["MAKEGOOD_GATEWAY_KEY_ID", "MAKEGOOD_GATEWAY_URL", "MAKEGOOD_DATABASE_URL"]
        {
            assert!(said.contains(missing), "all faults at once, {missing} among them: {said}");
        }
    }
}

// SAGA-12, RES-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_killed_under_load_is_made_up_for_by_the_others() {
    let mut shop = Shop::plan().workers(3).lease(1).open().await;
    shop.product("tea", 1_000).await;
    let customer = shop.customer().await;
    let buying = join_all((0..60).map(|_| customer.buy(&[("tea", 1)])));
    let mut victims: Vec<Process> = shop.workers.drain(..2).collect();
    let killing = async {
        for (index, victim) in victims.iter_mut().enumerate() {
            let busy =
                format!("select count(*) > {} from orders where status = 'PAID'", index * 20);
            until("checkouts are under way", async || shop.read::<bool>(&busy).await.then_some(()))
                .await;
            victim.kill9().await;
        }
    };
    futures::future::join(buying, killing).await;
    shop.audit().await;
    assert_eq!(shop.stock("tea").await, Stock { available: 940, reserved: 0, sold: 60 });
    assert_eq!(shop.count("ledger_transactions").await, 60, "each is paid once");
}
