//! Who may send what: tried on every route that there is.

use domain::Rank;
use reqwest::Method;

use crate::browser::{Browser, sign_in};
use crate::stuck::{state, stuck_checkout};
use crate::support::Shop;

/// The routes of the console, as its router has them.
fn routes() -> Vec<String> {
    let source = include_str!("../../src/console/mod.rs");
    let parts = source.split(".route(").skip(1);
    let path = |part: &str| part.split('"').nth(1).unwrap().to_owned();
    let routes: Vec<_> = parts.map(path).collect();
    assert!(routes.len() > 15, "the routes are found: {routes:?}");
    routes
}

/// What anybody may send who is signed in: it is about themselves.
const OWN: [&str; 8] = [
    "/account/password",
    "/account/end-session",
    "/account/tokens",
    "/account/tokens/revoke",
    "/sign-out",
    "/views",
    "/views/remove",
    "/theme",
];

fn filled(route: &str, run: &str) -> String {
    let verb = if route.starts_with("/runs/") { "retry" } else { "pause" };
    let path = route.replace("{id}", run).replace("{verb}", verb).replace("{seq}", "0");
    let path = path.replace("{name}", "default").replace("{fingerprint}", "f00d");
    format!("/console{}", path.trim_end_matches('/'))
}

#[tokio::test]
async fn a_viewer_can_act_on_no_route_that_there_is() {
    let shop = Shop::open().await;
    let run = stuck_checkout(&shop).await;
    let mut eve = sign_in(&shop, Rank::Viewer).await;
    for route in routes() {
        if OWN.contains(&route.as_str()) || route == "/sign-in" {
            continue;
        }
        let path = filled(&route, &run.to_string());
        let given = [("reason", "because"), ("intent", "do"), ("verb", "retry")];
        let tried = eve.post(&path, &given).await;
        assert!(matches!(tried.status, 403 | 405), "POST {path}: {} {}", tried.status, tried.html);
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            let request = eve.request(method.clone(), &path).header("x-csrf-token", &eve.csrf);
            let tried = eve.read(request.header("sec-fetch-site", "same-origin")).await;
            assert!(matches!(tried.status, 403 | 405), "{method} {path}: {}", tried.status);
        }
    }
    assert_eq!(state(&shop, run).await, "STUCK", "nothing has moved");
    assert_eq!(shop.count("operator_actions").await, 0);
    assert_eq!(shop.count("bulk_actions").await, 0);
    shop.stop().await;
}

#[tokio::test]
async fn whoever_is_not_signed_in_sees_and_changes_nothing_on_any_route() {
    let shop = Shop::open().await;
    let run = stuck_checkout(&shop).await;
    let mut nobody = Browser::new(&shop, "nobody");
    for route in routes() {
        if route == "/sign-in" || route.starts_with("/assets") || route == "/theme" {
            continue;
        }
        let path = filled(&route, &run.to_string());
        for seen in [nobody.get(&path).await, nobody.send(&path, &[("reason", "x")]).await] {
            let away = seen.status == 303 && seen.location().starts_with("/console/sign-in?next=");
            assert!(away || seen.status == 405, "{path}: {} {}", seen.status, seen.html);
        }
    }
    assert_eq!(state(&shop, run).await, "STUCK");
    shop.stop().await;
}

#[tokio::test]
async fn a_form_of_an_operator_without_its_token_acts_on_no_route_that_there_is() {
    let shop = Shop::open().await;
    let run = stuck_checkout(&shop).await;
    let mut ada = sign_in(&shop, Rank::Admin).await;
    for route in routes() {
        if route == "/sign-in" || route.starts_with("/assets") || route == "/theme" {
            continue;
        }
        let path = filled(&route, &run.to_string());
        let tried = ada.send(&path, &[("reason", "because"), ("intent", "do")]).await;
        assert!(matches!(tried.status, 403 | 405), "{path}: {} {}", tried.status, tried.html);
    }
    assert_eq!(state(&shop, run).await, "STUCK");
    shop.stop().await;
}
