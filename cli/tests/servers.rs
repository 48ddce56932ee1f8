//! The servers as processes: they say where they listen, tell how they are, and end in order.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

mod support;

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use devpg::{Cluster, Options};
use gateway_sandbox::Sandbox;
use support::cell::TestCell;
use support::process::Process;
use support::{KEY_ID, SECRET, command, shop, until};

const PATIENCE: Duration = Duration::from_secs(30);

/// A worker with one second to drain.
fn worker(cell: &TestCell, gateway: &str) -> Command {
    let mut worker = command(&["worker", "--worker-bind", "127.0.0.1:0"]);
    worker.args(["--lease-secs", "300", "--gateway-url", gateway]);
    worker.args(["--gateway-timeout-ms", "60000"]);
    worker.args(["--reconcile-cron", "never", "--payout-cron", "never"]);
    worker.envs(cell.env()).env("MAKEGOOD_DRAIN_SECS", "1");
    worker.env("MAKEGOOD_GATEWAY_KEY_ID", KEY_ID).env("MAKEGOOD_GATEWAY_KEY_SECRET", SECRET);
    worker
}

/// A gateway that takes calls and never answers.
fn silent_gateway() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn sandbox_command() -> Command {
    let mut sandbox = command(&["gateway-sandbox", "--sandbox-bind", "127.0.0.1:0"]);
    sandbox.env("MAKEGOOD_GATEWAY_KEY_ID", KEY_ID).env("MAKEGOOD_GATEWAY_KEY_SECRET", SECRET);
    sandbox.env("MAKEGOOD_WEBHOOK_SECRET", SECRET);
    sandbox
}

#[test]
fn a_worker_is_ready_shows_its_metrics_and_ends_on_sigterm() {
    let cell = TestCell::new();
    let (_gateway, url) = silent_gateway();
    let mut worker = Process::start(worker(&cell, &url));
    assert_eq!(worker.role, "worker");
    assert_eq!(worker.get("/livez").0, 200);
    worker.await_status("/readyz", 200, PATIENCE);
    until("the gauges are shown", PATIENCE, || {
        let metrics = worker.get("/metrics").1;
        let shown = ["makegood_runs{state=\"STUCK\"} 0", "makegood_workers_live 1"];
        shown.iter().all(|line| metrics.contains(line)).then_some(())
    });
    worker.signal("TERM");
    let (code, took) = worker.end(PATIENCE);
    assert_eq!(code, Some(0), "{}", worker.log());
    assert!(took < Duration::from_secs(6), "within the drain limit and 5 s, not {took:?}");
    let alive = cell.text("select count(*)::text from workers where alive");
    assert_eq!(alive.as_deref(), Some("0"), "its lease is given back");
}

#[test]
fn a_draining_worker_hands_a_run_back_and_another_carries_it_on() {
    let cell = TestCell::new();
    let (gateway, url) = silent_gateway();
    let mut first = Process::start(worker(&cell, &url));
    shop::place_order(&cell);
    let (_call, _) = gateway.accept().unwrap();
    let owner = cell.text("select owner::text from tasks");
    assert!(owner.is_some(), "the first worker holds the run, in a call that takes long");
    first.signal("TERM");
    let (code, took) = first.end(PATIENCE);
    assert_eq!(code, Some(0), "{}", first.log());
    assert!(took < Duration::from_secs(6), "within the drain limit and 5 s, not {took:?}");
    let free = cell.text("select state from tasks where owner is null and due_at is not null");
    assert!(free.is_some(), "the run is handed back at once, not when the lease of 300 s ends");

    let config = gateway_sandbox::Config {
        key_id: KEY_ID.to_owned(),
        key_secret: SECRET.into(),
        ..gateway_sandbox::Config::default()
    };
    let sandbox = cell.runtime.block_on(Sandbox::start(config)).unwrap();
    let mut second = Process::start(worker(&cell, &sandbox.url()));
    until("the checkout awaits its payment", PATIENCE, || {
        let query = "select state from tasks where state = 'WAITING' and owner is null";
        cell.text(query)
            .filter(|_| cell.text("select status from orders").as_deref() == Some("RESERVED"))
    });
    second.signal("TERM");
    assert_eq!(second.end(PATIENCE).0, Some(0));
    let waiting = cell.text("select state from tasks where due_at is not null");
    assert_eq!(waiting.as_deref(), Some("WAITING"), "a waiting run outlives its worker");
    assert_eq!(cell.run(&["audit"]).code, Some(0), "and every promise holds");
    cell.runtime.block_on(sandbox.stop());
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_the_calls_under_way() {
    let cell = TestCell::new();
    let (gateway, url) = silent_gateway();
    let mut worker = worker(&cell, &url);
    worker.env("MAKEGOOD_DRAIN_SECS", "120");
    let mut worker = Process::start(worker);
    shop::place_order(&cell);
    let (_call, _) = gateway.accept().unwrap();
    worker.signal("INT");
    until("it says that it ends", PATIENCE, || worker.log().contains("ending").then_some(()));
    worker.signal("INT");
    assert_eq!(worker.end(PATIENCE).0, Some(130), "{}", worker.log());
}

#[test]
fn a_worker_lives_without_its_database_and_is_ready_again_when_it_is_back() {
    let mut cluster = Cluster::start(&Options::fast()).unwrap();
    let cell = TestCell::on(cluster.url("postgres")).migrated();
    let (_gateway, url) = silent_gateway();
    let worker = Process::start(worker(&cell, &url));
    worker.await_status("/readyz", 200, PATIENCE);
    cluster.kill().unwrap();
    worker.await_status("/readyz", 503, PATIENCE);
    assert_eq!(worker.get("/livez").0, 200, "a restart would cure nothing");
    cluster.restart().unwrap();
    worker.await_status("/readyz", 200, PATIENCE);
    drop((worker, cell));
    cluster.stop().unwrap();
}

#[test]
fn a_worker_refuses_a_cell_that_is_not_migrated() {
    let cell = TestCell::unmade();
    let (_gateway, url) = silent_gateway();
    let refused = support::ended(&mut worker(&cell, &url));
    assert_eq!(refused.code, Some(1), "{}", refused.err);
    assert!(refused.err.contains("run `makegood migrate` first"), "{}", refused.err);
}

#[test]
fn a_server_ends_with_its_parent_when_asked_to_and_only_then() {
    let cell = TestCell::new();
    let (_gateway, url) = silent_gateway();
    let mut worker = worker(&cell, &url);
    worker.arg("--exit-with-parent");
    let mut worker = Process::start(worker);
    worker.orphan();
    assert_eq!(worker.end(PATIENCE).0, Some(0), "{}", worker.log());

    let mut sandbox = sandbox_command();
    sandbox.arg("--exit-with-parent");
    let mut sandbox = Process::start(sandbox);
    assert_eq!(sandbox.role, "gateway-sandbox");
    sandbox.orphan();
    assert_eq!(sandbox.end(PATIENCE).0, Some(0), "{}", sandbox.log());

    let mut alone = Process::start(sandbox_command());
    alone.orphan();
    assert_eq!(alone.get("/sandbox/state").0, 200, "it goes on");
    alone.signal("INT");
    assert_eq!(alone.end(PATIENCE).0, Some(0), "until it is told to end");
}

#[test]
fn an_api_serves_and_ends_on_sigterm() {
    let cell = TestCell::new();
    let mut api = command(&["api", "--api-bind", "127.0.0.1:0", "--exit-with-parent"]);
    api.envs(cell.env()).env("MAKEGOOD_JWT_SECRET", SECRET).env("MAKEGOOD_WEBHOOK_SECRET", SECRET);
    api.env("MAKEGOOD_GATEWAY_KEY_ID", KEY_ID).env("MAKEGOOD_GATEWAY_KEY_SECRET", SECRET);
    let mut api = Process::start(api);
    assert_eq!(api.role, "api");
    assert_eq!(api.get("/livez").0, 200);
    api.await_status("/readyz", 200, PATIENCE);
    api.signal("TERM");
    assert_eq!(api.end(PATIENCE).0, Some(0), "{}", api.log());
}
