//! The audit: all that was done or refused is in it, and nobody changes it.

use domain::Rank;

use crate::browser::{Browser, sign_in};
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
    let seen = page.field("version");
    let without = ada.post(&pause, &[("version", &seen), ("reason", " ")]).await;
    assert_eq!(without.status, 422, "a reason is needed: {}", without.html);
    let given = [("version", seen.as_str()), ("reason", "the bank is away")];
    assert_eq!(ada.post(&pause, &given).await.status, 303);
    assert_eq!(shop.count("queues where paused").await, 1);
    let late = bob.post(&pause, &given).await;
    assert_eq!(late.status, 409, "{}", late.html);
    assert!(late.has("Somebody was faster; nothing was done."), "{}", late.html);
    let resume = format!("/console/queues/{queue}/act/resume");
    let now = bob.get(&resume).await.field("version");
    let given = [("version", now.as_str()), ("reason", "the bank is back")];
    assert_eq!(bob.post(&resume, &given).await.status, 303);
    assert_eq!(shop.count("queues where paused").await, 0);
    let again = [("version", seen.as_str()), ("reason", "the bank is away")];
    let late = ada.post(&pause, &again).await;
    assert_eq!(late.status, 409, "it stands as she saw it, but others were at it: {}", late.html);
    let audit = ada.get("/console/audit?verb=pause_queue").await;
    assert!(audit.has(&ada.name) && audit.has("the bank is away"), "{}", audit.html);
    assert!(audit.has("refused"), "what was refused is there, too");
    shop.stop().await;
}

#[tokio::test]
async fn of_two_who_fire_a_schedule_at_once_one_does() {
    let shop = Shop::open().await;
    let mut conn = shop.pool.acquire().await.unwrap();
    let client = makegood::Client::connect(&shop.database).await.unwrap();
    let nightly = makegood::Schedule::new("nightly", "0 3 1 1 *").unwrap();
    client.schedule::<workflows::MatchPayouts, _>(&mut conn, &nightly, &()).await.unwrap();
    let (mut ada, mut bob) =
        (sign_in(&shop, Rank::Operator).await, sign_in(&shop, Rank::Operator).await);
    let fire = "/console/schedules/nightly/act/trigger";
    let seen = ada.get(fire).await.field("version");
    let given = [("version", seen.as_str()), ("reason", "the books are late")];
    assert_eq!(ada.post(fire, &given).await.status, 303);
    let late = bob.post(fire, &given).await;
    assert_eq!(late.status, 409, "{}", late.html);
    assert_eq!(shop.count("runs").await, 1, "one run, not two");
    shop.stop().await;
}

#[tokio::test]
async fn what_a_rank_does_not_allow_and_who_could_not_sign_in_stand_in_the_audit_with_their_address()
 {
    let shop = Shop::open().await;
    let run = stuck_checkout(&shop).await;
    let mut eve = sign_in(&shop, Rank::Viewer).await;
    let mut bob = sign_in(&shop, Rank::Operator).await;
    eve.post("/console/bulk/new", &[("reason", "because")]).await;
    bob.post(&format!("/console/runs/{run}/act/close"), &[("reason", "because")]).await;
    bob.get("/console/operators").await;
    Browser::new(&shop, &eve.name).enter("not-her-password").await;
    Browser::new(&shop, "my-password-in-the-wrong-field").enter("x").await;
    let mut ada = sign_in(&shop, Rank::Admin).await;
    let audit = ada.get("/console/audit").await;
    assert!(audit.has("127.0.0.1"), "from where: {}", audit.html);
    for (actor, verb, target) in [
        (eve.name.as_str(), "ask", "/bulk/new"),
        (&bob.name, "close", &run.to_string()),
        (&bob.name, "ask", "/operators"),
        (&eve.name, "sign_in", &eve.name),
        ("somebody unknown", "sign_in", "somebody unknown"),
    ] {
        let refused = format!(
            "console_actions
             where outcome = 'refused' and address = '127.0.0.1' and actor = '{actor}'
               and verb = '{verb}' and target = '{target}'"
        );
        assert_eq!(shop.count(&refused).await, 1, "{actor} {verb} {target}");
    }
    assert!(!audit.has("my-password"), "what is no name may be a password");
    shop.stop().await;
}

#[tokio::test]
async fn a_stranger_does_not_fill_the_audit_with_attempts_to_sign_in() {
    let shop = Shop::open().await;
    for n in 0..40 {
        Browser::new(&shop, &format!("guess-{n}")).enter("a wrong password").await;
    }
    let kept = shop.count("console_actions where verb = 'sign_in'").await;
    assert_eq!(kept, 20, "who has to wait is not written down");
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
