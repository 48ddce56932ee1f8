//! Personal tokens: made, used, refused and ended; and what they do not open.

use domain::Rank;
use reqwest::header::IF_MATCH;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::browser::{Browser, PASSWORD, sign_in};
use crate::stuck::{state, stuck_checkout};
use crate::support::{Reply, Shop, read};

const PAGE: &str = "/console/account/tokens";
const ME: &str = "/api/v1/operations/me";

async fn make(browser: &mut Browser<'_>, name: &str, rank: &str) -> String {
    let given = [("name", name), ("rank", rank), ("days", "30"), ("current", PASSWORD)];
    let made = browser.post(PAGE, &given).await;
    assert_eq!(made.status, 201, "{}", made.html);
    let (_, rest) = made.html.split_once("id=\"token\">").unwrap();
    rest.split_once('<').unwrap().0.to_owned()
}

fn asked(shop: &Shop, method: Method, path: &str, token: &str) -> RequestBuilder {
    shop.request(method, path).bearer_auth(token)
}

async fn me(shop: &Shop, token: &str) -> Reply {
    read(asked(shop, Method::GET, ME, token)).await
}

#[tokio::test]
async fn a_token_is_shown_once_works_until_its_owner_ends_it_and_both_are_written_down() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let token = make(&mut ada, "laptop", "operator").await;
    let whose = me(&shop, &token).await;
    let wanted = json!({ "operator": ada.name, "token": "laptop", "rank": "operator" });
    assert_eq!(whose.body["data"], wanted);
    let page = ada.get(PAGE).await;
    assert!(page.has("laptop") && !page.has(&token), "its name, and never again itself");
    for (name, rank) in [("above", "admin"), ("laptop", "viewer"), ("No name!", "viewer")] {
        let given = [("name", name), ("rank", rank), ("days", "30"), ("current", PASSWORD)];
        let refused = ada.post(PAGE, &given).await;
        assert_eq!(refused.status, 422, "{name} as {rank}: {}", refused.html);
    }
    let guess = [("name", "more"), ("rank", "viewer"), ("days", "30"), ("current", "a guess")];
    let guessed = ada.post(PAGE, &guess).await;
    assert_eq!(guessed.status, 422, "a session alone makes none: {}", guessed.html);
    assert!(guessed.has("The present password is wrong."), "{}", guessed.html);
    let mut eve = sign_in(&shop, Rank::Admin).await;
    eve.post("/console/account/tokens/revoke", &[("name", "laptop")]).await;
    assert_eq!(me(&shop, &token).await.status, 200, "it is not hers");
    ada.post("/console/account/tokens/revoke", &[("name", "laptop")]).await;
    let ended = me(&shop, &token).await;
    assert_eq!(ended.refusal(), (401, "TOKEN_REFUSED".to_owned()));
    assert!(ended.text("/error/message").contains("was revoked at"), "{}", ended.body);
    assert!(!ended.text("/error/details/next").is_empty(), "what to do is told");
    let written = "console_actions
                   where verb in ('create_token', 'revoke_token') and actor = target
                     and coalesce(before ->> 'token', after ->> 'token') = 'laptop'";
    assert_eq!(shop.count(written).await, 2);
    shop.stop().await;
}

#[tokio::test]
async fn neither_a_cookie_nor_a_customer_s_token_opens_the_operations_nor_a_token_the_console() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Admin).await;
    let by_cookie = read(ada.request(Method::GET, ME)).await;
    assert_eq!(
        by_cookie.refusal(),
        (401, "TOKEN_REFUSED".to_owned()),
        "a browser sends it unasked"
    );
    let customer = shop.customer().await;
    assert_eq!(me(&shop, &customer.token).await.status, 401, "a customer is no operator");
    let token = make(&mut ada, "laptop", "admin").await;
    let page = ada.read(asked(&shop, Method::GET, "/console/runs", &token)).await;
    assert_eq!(page.status, 303, "a token is no session: {}", page.html);
    let orders = read(asked(&shop, Method::GET, "/api/v1/orders", &token)).await;
    assert_eq!(orders.status, 401, "nor a customer's");
    shop.stop().await;
}

#[tokio::test]
async fn a_verb_names_the_version_that_was_looked_at_and_what_is_refused_is_written_down() {
    let shop = Shop::open().await;
    let run = stuck_checkout(&shop).await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let token = make(&mut ada, "laptop", "operator").await;
    let post = async |part: &str, version: Option<&str>, body: Value| {
        let path = format!("/api/v1/operations/{part}");
        let request = asked(&shop, Method::POST, &path, &token).json(&body);
        read(match version {
            Some(version) => request.header(IF_MATCH, version),
            None => request,
        })
        .await
    };
    let retry = json!({ "what": { "verb": "retry" }, "reason": "the gateway answers" });
    let seen = post(&format!("runs/{run}/foresee"), None, retry.clone()).await;
    let version = format!("\"{}\"", seen.text("/data/version"));
    assert_eq!(state(&shop, run).await, "STUCK", "to look changes nothing");
    let odd = post(&format!("runs/{run}/act"), Some("nonsense"), retry.clone()).await;
    assert_eq!((odd.status, state(&shop, run).await.as_str()), (400, "STUCK"));
    let silent =
        post(&format!("runs/{run}/act"), None, json!({ "what": { "verb": "retry" } })).await;
    assert_eq!(silent.refusal(), (422, "UNSIGNED".to_owned()), "an action needs a reason");
    let close = post(
        &format!("runs/{run}/act"),
        None,
        json!({ "what": { "verb": "close" }, "reason": "x" }),
    )
    .await;
    assert_eq!(close.refusal(), (403, "RANK_TOO_LOW".to_owned()));
    let done = post(&format!("runs/{run}/act"), Some(&version), retry.clone()).await;
    assert_eq!((done.status, done.text("/data/carried")), (200, "done".to_owned()));
    let late = post(&format!("runs/{run}/act"), Some(&version), retry).await;
    assert_eq!(late.refusal(), (412, "REFUSED".to_owned()), "it has moved on");
    assert_eq!(late.text("/error/details/refusal/why"), "moved_on");
    let actor = format!("{} (token laptop)", ada.name);
    let done = format!("operator_actions where actor = '{actor}' and request_id is not null");
    assert_eq!(shop.count(&done).await, 1);
    let refused = format!("console_actions where actor = '{actor}' and outcome = 'refused'");
    assert_eq!(shop.count(&refused).await, 2, "the rank, and the one that came too late");
    let pause = json!({ "what": { "verb": "pause_queue", "of": "mail" }, "reason": "it is slow" });
    let seen = post("settings/foresee", None, pause.clone()).await;
    let version = format!("\"{}\"", seen.text("/data/version"));
    assert_eq!(post("settings", Some(&version), pause.clone()).await.status, 200);
    let late = post("settings", Some(&version), pause).await;
    assert_eq!(late.refusal(), (412, "SETTING_CHANGED".to_owned()), "a setting has moved on, too");
    assert_eq!(shop.count(&refused).await, 3, "which is written down");
    let odd = post("runs/none/act", None, json!({})).await;
    assert_eq!(odd.refusal(), (422, "BAD_PATH".to_owned()), "a part that is none is told");
    let page = ada.get("/console/audit").await;
    assert!(page.has(&actor), "the audit names the token");
    shop.stop().await;
}

#[tokio::test]
async fn a_viewer_s_token_acts_on_no_route_and_sees_no_recorded_value() {
    let shop = Shop::open().await;
    let run = stuck_checkout(&shop).await;
    let mut eve = sign_in(&shop, Rank::Viewer).await;
    let token = make(&mut eve, "laptop", "viewer").await;
    let source = include_str!("../../src/operations/mod.rs");
    let routes: Vec<_> = source.split(".route(").skip(1).collect();
    assert!(routes.len() > 10, "the routes are found");
    let document = include_str!("../../../docs/console.md");
    for route in routes {
        let path = route.split('"').nth(1).unwrap();
        assert!(document.contains(&format!("{path}`")), "the document names {path}");
        let path =
            path.replace("{run_id}", &run.to_string()).replace("{bulk_id}", &run.to_string());
        let path = path.replace("{name}", "x").replace("{fingerprint}", "f00d");
        let path = format!("/api/v1/operations{path}");
        let body = json!({ "what": { "verb": "retry" }, "reason": "x" });
        let tried = read(asked(&shop, Method::POST, &path, &token).json(&body)).await;
        assert!(matches!(tried.status, 403 | 405), "POST {path}: {} {}", tried.status, tried.body);
        let unknown = read(shop.request(Method::GET, &path)).await;
        assert!(matches!(unknown.status, 401 | 405), "GET {path}: {}", unknown.status);
    }
    assert_eq!(state(&shop, run).await, "STUCK", "nothing has moved");
    let whole = format!("/api/v1/operations/runs/{run}");
    let whole = read(asked(&shop, Method::GET, &whole, &token)).await;
    assert_eq!(whole.status, 200, "{}", whole.body);
    assert!(whole.body["data"]["detail"]["input"].to_string().contains("hidden from viewers"));
    shop.stop().await;
}
