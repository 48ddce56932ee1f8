//! What probes and dashboards ask, and that starting writes nothing.

use std::time::Duration;

use api::{Api, Config, Keys, StartError};
use metrics_exporter_prometheus::PrometheusBuilder;

use crate::support::{KEY_SECRET, Shop, WEBHOOK_SECRET, tenant};

fn config(jwt_secret: &str) -> Config {
    let keys = Keys {
        jwt_secret: jwt_secret.into(),
        gateway_key_id: "rzp_test_1".to_owned(),
        gateway_key_secret: KEY_SECRET.into(),
        webhook_secret: WEBHOOK_SECRET.into(),
        webhook_secret_previous: None,
    };
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let mut config = Config::new(tenant(), keys, metrics);
    config.bind = ([127, 0, 0, 1], 0).into();
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_answer_bare_and_truthfully() {
    let shop = Shop::open().await;
    let live = shop.get("/livez").await;
    assert_eq!((live.status, &live.body["status"]), (200, &"ok".into()));
    let ready = shop.get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert_eq!(ready.body["checks"]["database"], "ok");
    assert_eq!(ready.body["checks"]["migrations"], "ok");
    let worker = ready.text("/checks/worker");
    assert!(worker.starts_with("warn"), "a missing worker is a warning only: {worker}");
    let database = shop.get("/health/db").await;
    assert_eq!((database.status, &database.body["status"]), (200, &"ok".into()));
    let info = shop.get("/info").await;
    assert_eq!(info.body["name"], "makegood-api");
    assert_eq!(info.body["version"], env!("CARGO_PKG_VERSION"));

    shop.run("delete from schema_migrations where name like 'shop/006%'").await;
    let behind = shop.get("/readyz").await;
    assert_eq!(behind.status, 503);
    assert!(behind.text("/checks/migrations").contains("shop/006"), "{}", behind.body);

    shop.run("drop table schema_migrations").await;
    assert_eq!(shop.get("/readyz").await.status, 503);
    assert_eq!(shop.get("/health/db").await.status, 503, "it asks a real table");
    assert_eq!(shop.get("/livez").await.status, 200, "a restart would not mend that");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_are_counted_by_route_and_status() {
    let shop = Shop::open().await;
    shop.get("/api/v1/products/some-sku-or-other").await;
    let metrics = shop.get("/metrics").await;
    let text = metrics.body.as_str().unwrap();
    let counted = |line: &&str| {
        line.starts_with("makegood_http_requests_total")
            && line.contains("route=\"/api/v1/products/{sku}\"")
            && line.contains("status=\"404\"")
    };
    assert!(text.lines().any(|line| counted(&line)), "by the route's pattern: {text}");
    assert!(text.contains("makegood_http_request_seconds"), "{text}");
    assert!(!text.contains("some-sku-or-other"), "what clients write is no label");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn starting_and_stopping_write_nothing() {
    let shop = Shop::open().await;
    let tables = [
        "orders",
        "users",
        "payments",
        "webhook_events",
        "outbox",
        "runs",
        "tasks",
        "signals",
        "workers",
        "products",
    ];
    for table in tables {
        assert_eq!(shop.count(table).await, 0, "{table} is empty after the start");
    }
    let second = Api::start(config(&"s".repeat(32)), &shop.database).await.unwrap();
    second.stop().await;
    for table in tables {
        assert_eq!(shop.count(table).await, 0, "{table} is empty after the stop");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unusable_configuration_names_every_fault_and_no_secret() {
    let shop = Shop::open().await;
    let mut bad = config("too-short-a-secret");
    bad.connections = 0;
    bad.keys.gateway_key_id = String::new();
    bad.request_timeout = Duration::from_secs(1);
    let printed = format!("{bad:?}");
    for secret in ["too-short-a-secret", KEY_SECRET, WEBHOOK_SECRET] {
        assert!(!printed.contains(secret), "a secret was printed: {printed}");
    }
    let Err(StartError::Config(faults)) = Api::start(bad, &shop.database).await else {
        panic!("it must not start");
    };
    assert_eq!(faults.len(), 4, "{faults:?}");
}
