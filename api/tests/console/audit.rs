//! The audit: all that was done or refused is in it, and nobody changes it.

use domain::Rank;

use crate::browser::sign_in;
use crate::stuck::stuck_checkout;
use crate::support::Shop;

#[tokio::test]
async fn a_queue_is_paused_and_resumed_with_a_reason_and_of_two_the_second_is_told() {
    let shop = Shop::open().await;
    stuck_checkout(&shop).await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let mut bob = sign_in(&shop, Rank::Operator).await;
    let queue: String =
        sqlx::query_scalar("select queue from lanes limit 1").fetch_one(&shop.pool).await.unwrap();
    let pause = format!("/console/queues/{queue}/act/pause");
    let page = ada.get(&pause).await;
    assert_eq!(page.status, 200, "{}", page.html);
    let without = ada.post(&pause, &[("paused", "false"), ("reason", " ")]).await;
    assert_eq!(without.status, 422, "a reason is needed: {}", without.html);
    let given = [("paused", "false"), ("reason", "the bank is away")];
    assert_eq!(ada.post(&pause, &given).await.status, 303);
    assert_eq!(shop.count("queues where paused").await, 1);
    let late = bob.post(&pause, &given).await;
    assert_eq!(late.status, 409, "{}", late.html);
    assert!(late.has("Somebody was faster; nothing was done."), "{}", late.html);
    let resume = format!("/console/queues/{queue}/act/resume");
    let given = [("paused", "true"), ("reason", "the bank is back")];
    assert_eq!(bob.post(&resume, &given).await.status, 303);
    assert_eq!(shop.count("queues where paused").await, 0);
    let audit = ada.get("/console/audit?verb=pause_queue").await;
    assert!(audit.has(&ada.name) && audit.has("the bank is away"), "{}", audit.html);
    assert!(audit.has("refused"), "what was refused is there, too");
    shop.stop().await;
}

#[tokio::test]
async fn the_audit_is_narrowed_by_who_what_and_run_and_goes_on_page_by_page() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let run = stuck_checkout(&shop).await;
    let page = ada.get(&format!("/console/runs/{run}/act/retry")).await;
    let (version, state) = (page.field("version"), page.field("state"));
    let given =
        [("version", version.as_str()), ("state", &state), ("reason", "again"), ("intent", "do")];
    assert_eq!(ada.post(&format!("/console/runs/{run}/act/retry"), &given).await.status, 303);
    shop.run(
        "insert into console_actions (action_id, actor, verb, target, outcome, reason, at)
         select gen_random_uuid(), 'somebody', 'noted', 'n' || n, 'done', '',
           now() - n * interval '1 minute'
         from generate_series(1, 120) n",
    )
    .await;
    let of_ada = ada.get(&format!("/console/audit?actor={}", ada.name)).await;
    assert!(of_ada.has("sign_in") && of_ada.has("retry") && !of_ada.has("somebody</th>"));
    let of_run = ada.get(&format!("/console/audit?run={run}")).await;
    assert!(of_run.has("again") && !of_run.has("sign_in</code>"), "{}", of_run.html);
    let mut seen = Vec::new();
    let mut path = "/console/audit?actor=somebody".to_owned();
    loop {
        let page = ada.get(&path).await;
        let targets = page.html.split("data-label=\"To what\" class=\"break\">").skip(1);
        seen.extend(targets.map(|rest| rest.split('<').next().unwrap().trim().to_owned()));
        let Some((_, rest)) = page.html.split_once("rel=\"next\" href=\"") else { break };
        path = rest.split('"').next().unwrap().replace("&amp;", "&").replace("&#38;", "&");
    }
    let wanted: Vec<_> = (1..=120).map(|n| format!("n{n}")).collect();
    assert_eq!(seen, wanted, "each once, the newest first");
    shop.stop().await;
}

#[tokio::test]
async fn nobody_changes_what_stands_in_the_audit() {
    let shop = Shop::open().await;
    sign_in(&shop, Rank::Viewer).await;
    for change in [
        "update console_actions set actor = 'nobody'",
        "delete from console_actions",
        "truncate console_actions",
    ] {
        let refused = sqlx::query(change).execute(&shop.pool).await.unwrap_err();
        let code = refused.as_database_error().unwrap().code();
        assert_eq!(code.as_deref(), Some("23514"), "{change}");
    }
    let mut conn = shop.pool.acquire().await.unwrap();
    sqlx::query("set role makegood_app").execute(&mut *conn).await.unwrap();
    for change in [
        "update console_actions set actor = 'nobody'",
        "delete from console_actions",
        "truncate console_actions",
        "update operator_actions set actor = 'nobody'",
        "truncate operator_actions",
        "update kept_actions set action = '{}'",
    ] {
        let refused = sqlx::query(change).execute(&mut *conn).await.unwrap_err();
        let code = refused.as_database_error().unwrap().code();
        assert_eq!(code.as_deref(), Some("42501"), "the application may not even ask: {change}");
    }
    sqlx::query("reset role").execute(&mut *conn).await.unwrap();
    drop(conn);
    shop.stop().await;
}
