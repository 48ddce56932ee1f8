//! Personal data in everything that people and programs put into a run: no page shows it to a viewer.

use domain::Rank;
use serde_json::json;
use uuid::Uuid;

use crate::browser::{Browser, sign_in};
use crate::stuck::{CANARY, stick, stuck_checkout};
use crate::support::Shop;

/// A telephone's number as people write it.
const PHONE: &str = "+91 98765 43210";

/// A checkout with a person's data wherever a run can have some.
async fn telling_checkout(shop: &Shop) -> Uuid {
    let run = stuck_checkout(shop).await;
    let person = json!({
        "email": CANARY, "phone": CANARY, "mobile": PHONE, "contact": CANARY, "vpa": CANARY, "name": CANARY,
        "address": { "street": CANARY }, "card": { "last4": CANARY }, "notes": [CANARY],
    });
    for sql in [
        "update runs set input = input || jsonb_build_object('customer', $2::jsonb)
         where run_id = $1",
        "update runs set attributes = jsonb_build_object('email', $2::jsonb ->> 'email')
         where run_id = $1",
        "insert into steps (run_id, seq, kind, name, occurrence, input, result, attempts,
           at)
         values ($1, 1000, 'rejected', 'charge', 0, $2,
           jsonb_build_object('code', 'DECLINED', 'message', $2::jsonb ->> 'email'), 1, now())",
        "insert into signals (run_id, signal_id, kind, payload)
         values ($1, 'pay-1', 'payment_hint', $2)",
        "insert into published (run_id, key, value, at) values ($1, 'status', $2, now())",
        "update incidents set message = 'no answer from ' || ($2::jsonb ->> 'mobile')
         where run_id = $1",
    ] {
        let done = sqlx::query(sql).bind(run).bind(&person).execute(&shop.pool).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    run
}

fn pages(run: Uuid) -> Vec<String> {
    let mut pages = vec![
        "/console".to_owned(),
        "/console/runs".to_owned(),
        "/console/runs?state=STUCK".to_owned(),
        "/console/runs.csv".to_owned(),
        "/console/runs.json".to_owned(),
        "/console/incidents".to_owned(),
        "/console/incidents/f00d".to_owned(),
        "/console/workers".to_owned(),
        "/console/queues".to_owned(),
        "/console/schedules".to_owned(),
        "/console/bulk".to_owned(),
        "/console/audit".to_owned(),
        format!("/console/runs/{run}"),
        format!("/console/runs/{run}/json"),
        format!("/console/runs/{run}/steps/1000"),
    ];
    for tab in ["record", "signals", "family", "shown", "incidents", "actions", "json"] {
        pages.push(format!("/console/runs/{run}?tab={tab}"));
    }
    pages
}

async fn shows(who: &mut Browser<'_>, page: &str) -> bool {
    let seen = who.get(page).await;
    assert!(matches!(seen.status, 200 | 400 | 404), "{page}: {}", seen.status);
    if (page.ends_with("/json") || page.ends_with(".json")) && seen.status == 200 {
        serde_json::from_str::<serde_json::Value>(&seen.html)
            .unwrap_or_else(|error| panic!("{page} is no JSON: {error} in {}", seen.html));
    }
    seen.has(CANARY) || seen.has(PHONE) || seen.has("98765 43210")
}

#[tokio::test]
async fn no_page_shows_personal_data_to_a_viewer() {
    let shop = Shop::open().await;
    let run = telling_checkout(&shop).await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    // An action whose before and after have it.
    let page = ada.get(&format!("/console/runs/{run}/act/retry")).await;
    let (version, state) = (page.field("version"), page.field("state"));
    let given =
        [("version", version.as_str()), ("state", &state), ("reason", "again"), ("intent", "do")];
    ada.post(&format!("/console/runs/{run}/act/retry"), &given).await;
    stick(&shop, run).await;
    let mut eve = sign_in(&shop, Rank::Viewer).await;
    let (mut told, mut leaks) = (0, Vec::new());
    for page in pages(run) {
        told += usize::from(shows(&mut ada, &page).await);
        if shows(&mut eve, &page).await {
            leaks.push(page);
        }
    }
    assert!(told >= 6, "operators do see it, or this test looks at nothing: {told} pages");
    assert_eq!(leaks, Vec::<String>::new(), "pages that tell a viewer a person's data");
    shop.stop().await;
}
