//! Requests that make no sense: each is told so on a page, with a status that means it, and is no
//! fault of ours.

use domain::Rank;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use uuid::Uuid;

use crate::browser::{Browser, Seen, sign_in};
use crate::support::Shop;
use crate::trade::ship;

async fn sent(browser: &Browser<'_>, path: &str, body: String) -> Seen {
    let request = browser.request(Method::POST, path);
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
    browser.read(request).await
}

fn is_page(seen: &Seen) -> bool {
    seen.has("<h1>") && seen.has("href=\"/console\"")
}

#[tokio::test]
async fn whatever_stands_in_an_address_nothing_of_ours_fails() {
    let shop = Shop::open().await;
    let run = ship(&shop, "parcel-1", "works").await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let texts = [
        "%00",
        "a%00b",
        "%FF",
        "%F0%9F%A6%80",
        "%27%22%3C",
        "9999999999999999999",
        "-1",
        "",
        "%25",
    ];
    let times = [
        "9999-12-31T23:59:59Z",
        "-0001-01-01T00:00:00Z",
        "%2B262142-12-31T23:59:59Z",
        "-262143-01-01T00:00:00Z",
        "99999999999999d",
        "0s",
    ];
    let mut paths = Vec::new();
    for text in texts {
        for key in [
            "state",
            "workflow",
            "tenant",
            "attr.x",
            "id",
            "class",
            "fingerprint",
            "error",
            "quiet_for",
            "since",
            "sort",
            "after",
            "limit",
            "not.id",
            "not.error",
            "what",
        ] {
            paths.push(format!("/console/runs?{key}={text}"));
        }
        for key in ["actor", "verb", "run", "before", "behind"] {
            paths.push(format!("/console/audit?{key}={text}"));
        }
        for key in ["tab", "show", "from", "did", "ordered"] {
            paths.push(format!("/console/runs/{run}?{key}={text}"));
        }
        for page in [
            "search?q=",
            "incidents/",
            "bulk?before=",
            "bulk/",
            "runs/",
            "sign-in?back=",
            "live?of=",
            "runs.csv?id=",
            "bulk/new?id=",
            "bulk/new?verb=",
            "assets/",
            "account?did=",
        ] {
            paths.push(format!("/console/{page}{text}"));
        }
        paths.push(format!("/console/runs/{run}/steps/{text}"));
        paths.push(format!("/console/runs/{run}/act/{text}"));
        paths.push(format!("/console/queues/{text}/act/pause"));
        paths.push(format!("/console/schedules/{text}/act/fire"));
    }
    for time in times {
        for key in [
            "since",
            "until",
            "ended_since",
            "not.ended_since",
            "ended_until",
            "quiet_for",
            "not.quiet_for",
        ] {
            paths.push(format!("/console/runs?{key}={time}"));
        }
        paths.push(format!("/console/bulk?before={time}"));
        paths.push(format!("/console/audit?before={time}&behind={run}"));
    }
    for from in ["2147483647", "-2147483648", "2147483648"] {
        paths.push(format!("/console/runs/{run}?tab=record&from={from}"));
    }
    for path in paths {
        let seen = ada.get(&path).await;
        assert!(seen.status < 500, "{path}: {} {}", seen.status, seen.html);
        let is_told = seen.status < 400 || is_page(&seen) || path.contains("/assets/");
        assert!(is_told, "{path}: {} {}", seen.status, seen.html);
    }
    shop.stop().await;
}

#[tokio::test]
async fn a_form_that_cannot_be_used_is_told_so_with_the_status_that_means_it() {
    let shop = Shop::open().await;
    let run = ship(&shop, "parcel-1", "works").await;
    let ada = sign_in(&shop, Rank::Admin).await;
    let csrf = &ada.csrf;
    let pause = format!("/console/runs/{run}/act/pause");
    let nul = sent(&ada, &pause, format!("csrf={csrf}&reason=a%00b&version=1")).await;
    assert_eq!(nul.status, 400, "{}", nul.html);
    assert!(is_page(&nul) && nul.has("NUL"), "{}", nul.html);
    for path in
        ["/console/views", "/console/sign-in", "/console/theme", "/console/account/password"]
    {
        let nul = sent(&ada, path, format!("csrf={csrf}&name=a%00b&password=%00&theme=%00")).await;
        assert_eq!((nul.status, is_page(&nul)), (400, true), "{path}: {}", nul.html);
    }
    let large = "x".repeat(1024 * 1024);
    for path in [pause.as_str(), "/console/sign-in"] {
        let large = sent(&ada, path, format!("csrf={csrf}&reason={large}")).await;
        assert_eq!((large.status, is_page(&large)), (413, true), "{path}: {}", large.html);
    }
    let short = sent(&ada, "/console/views/remove", format!("csrf={csrf}")).await;
    assert!((400..500).contains(&short.status) && is_page(&short), "{}", short.html);
    let json = ada.request(Method::POST, "/console/theme").header(CONTENT_TYPE, "application/json");
    let json = ada.read(json.body("{}")).await;
    assert_eq!((json.status, is_page(&json)), (415, true), "{}", json.html);
    let wrong =
        ada.read(ada.request(Method::DELETE, "/console/runs").header("x-csrf-token", csrf)).await;
    assert_eq!((wrong.status, is_page(&wrong)), (405, true), "{}", wrong.html);
    let nothing = ada.read(ada.request(Method::GET, "/console/nothing/here")).await;
    assert_eq!((nothing.status, is_page(&nothing)), (404, true), "{}", nothing.html);
    let nobody = format!("/console/runs/{}/act/pause", Uuid::now_v7());
    let nobody = sent(&ada, &nobody, format!("csrf={csrf}&reason=why&version=1")).await;
    assert_eq!((nobody.status, is_page(&nobody)), (404, true), "{}", nobody.html);
    let bulk = format!("/console/bulk/{}/begin", Uuid::now_v7());
    let bulk = sent(&ada, &bulk, format!("csrf={csrf}")).await;
    assert_eq!((bulk.status, is_page(&bulk)), (404, true), "{}", bulk.html);
    shop.stop().await;
}

#[tokio::test]
async fn a_database_that_is_busy_is_told_apart_from_a_fault_of_ours() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let mut other = shop.pool.begin().await.unwrap();
    sqlx::query("lock table incidents in access exclusive mode")
        .execute(&mut *other)
        .await
        .unwrap();
    let late = ada.get("/console/runs?state=STUCK").await;
    assert_eq!(late.status, 503, "{}", late.html);
    assert!(late.headers.contains_key("retry-after") && late.has("load the page again"));
    other.rollback().await.unwrap();
    assert_eq!(ada.get("/console/runs?state=STUCK").await.status, 200);
    shop.stop().await;
}
