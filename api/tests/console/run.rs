//! A run's page: what an operator reads of it, in every state, and that it follows the run.

use domain::Rank;
use reqwest::Method;
use uuid::Uuid;

use crate::browser::{Browser, sign_in};
use crate::support::{Shop, until};
use crate::trade::{ship, sign, worker};

/// Waits until the run is in this state.
async fn until_state(shop: &Shop, run: Uuid, state: &str) {
    let so = format!("run_states where run_id = '{run}' and state = '{state}'");
    until(state, async || shop.count(&so).await == 1).await;
}

/// The text at a test's hook, without its tags.
fn text_at(html: &str, hook: &str) -> String {
    let marker = format!("data-test=\"{hook}\"");
    let (_, rest) = html.split_once(&marker).unwrap_or_else(|| panic!("no {hook} in {html}"));
    let (_, rest) = rest.split_once('>').unwrap();
    let end = rest.find("</p>").into_iter().chain(rest.find("</div></div>")).min().unwrap();
    let mut text = String::new();
    let mut inside = false;
    for c in rest[..end].chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_stuck_run_says_why_what_comes_next_and_what_can_be_done() {
    let shop = Shop::open().await;
    let worker = worker(&shop).await;
    let run = ship(&shop, "parcel-1", "fails").await;
    until_state(&shop, run, "STUCK").await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let page = ada.get(&format!("/console/runs/{run}")).await;
    assert_eq!(page.status, 200);
    assert!(text_at(&page.html, "state").starts_with("Stuck "), "{}", page.html);
    assert_eq!(text_at(&page.html, "next"), "Nothing, until a person has mended it.");
    let incident = text_at(&page.html, "incident");
    assert!(incident.contains("retries used up at print_label"), "{incident}");
    assert!(
        page.has("the printer &#60;is&#62; on fire"),
        "what the world said is text, not markup"
    );
    let retry = format!("href=\"/console/runs/{run}/act/retry\"");
    assert!(page.has(&retry) && page.has("Customer") || page.has("customer 81"));
    let (_, resume) = page.html.split_once("data-test=\"verb-resume\"").unwrap();
    let resume = &resume[..resume.find("</li>").unwrap()];
    assert!(resume.contains("Resume") && resume.contains("it is stuck"), "why not: {resume}");
    assert!(!page.has(&format!("/console/runs/{run}/act/resume\"")), "and it is no link");
    assert!(
        page.has("aria-label=\"print_label, retries used up, needs a person\""),
        "{}",
        page.html
    );
    worker.drain().await.unwrap();
    shop.stop().await;
}

#[tokio::test]
async fn a_run_that_was_made_good_shows_its_undos_and_each_row_has_a_page() {
    let shop = Shop::open().await;
    let worker = worker(&shop).await;
    let run = ship(&shop, "parcel-1", "refuses").await;
    until_state(&shop, run, "COMPENSATED").await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let page = ada.get("/console/runs/parcel-1").await;
    assert_eq!(page.location(), format!("/console/runs/{run}"), "the starter's id leads there too");
    let page = ada.get(&format!("/console/runs/{run}")).await;
    assert!(text_at(&page.html, "why").contains("NO_SUCH_STREET"), "{}", page.html);
    assert!(page.has("class=\"rule back\"") && page.has("undo pack"), "{}", page.html);
    assert!(page.has("url(#undo-hatch)"), "an undo is told by its hatching");

    let rows: Vec<(i32, String)> =
        sqlx::query_as("select seq, kind from steps where run_id = $1 order by seq")
            .bind(run)
            .fetch_all(&shop.pool)
            .await
            .unwrap();
    for (seq, kind) in &rows {
        let path = format!("/console/runs/{run}/steps/{seq}");
        assert!(kind == "intent" || page.has(&path), "{kind} {seq} has a link");
        let step = ada.get(&path).await;
        assert_eq!(step.status, 200, "{path}");
        if kind == "rejected" {
            assert!(step.has("<code>NO_SUCH_STREET</code>") && step.has("Ada &#60;b&#62;"));
            assert!(step.has(&format!("{run}:print_label:0<")), "the key that the world got");
        }
    }
    let beyond = ada.get(&format!("/console/runs/{run}/steps/99")).await;
    assert_eq!(beyond.status, 404);
    let odd = ada.get(&format!("/console/runs/{run}?show=odd")).await;
    assert!(odd.has("print_label") && !odd.has("<title>pack,"), "what went wrong alone");
    assert_eq!(ada.get(&format!("/console/runs/{}", Uuid::now_v7())).await.status, 404);
    assert_eq!(ada.get("/console/runs/nothing-of-that-name").await.status, 404);
    worker.drain().await.unwrap();
    shop.stop().await;
}

#[tokio::test]
async fn every_part_of_a_run_is_a_link_and_viewers_see_no_values() {
    let shop = Shop::open().await;
    let worker = worker(&shop).await;
    let run = ship(&shop, "parcel-1", "works").await;
    until_state(&shop, run, "WAITING").await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let mut eve = sign_in(&shop, Rank::Viewer).await;
    let page = ada.get(&format!("/console/runs/{run}")).await;
    let next = text_at(&page.html, "next");
    assert!(next.starts_with("It waits for signed, until 2"), "{next}");
    sign(&shop, "parcel-1").await;
    until_state(&shop, run, "COMPLETED").await;
    let client = makegood::Client::connect(&shop.database).await.unwrap();
    let operator = client.operator("grace", "once more").unwrap();
    let cut = makegood::Cut::Row(1);
    let fork = operator.fork(run, &cut, "parcel-2").await.unwrap();

    let part = |tab: &str| format!("/console/runs/{run}?tab={tab}");
    for (tab, says) in [
        ("record", "print_label"),
        ("signals", "sign-1"),
        ("family", fork.to_string().as_str()),
        ("shown", "where"),
        ("incidents", "It never needed a person"),
        ("actions", "once more"),
        ("json", "Download all of it"),
    ] {
        for person in [&mut ada, &mut eve] {
            let page = person.get(&part(tab)).await;
            assert_eq!(page.status, 200, "{tab}");
            assert!(page.has(says), "{tab} says {says}: {}", page.html);
        }
    }
    assert_eq!(ada.get(&part("nonsense")).await.status, 400);
    for path in [
        part("json"),
        part("signals"),
        part("shown"),
        format!("/console/runs/{run}/json"),
        format!("/console/runs/{run}/steps/0"),
    ] {
        let (hers, theirs) = (ada.get(&path).await, eve.get(&path).await);
        let canaries = ["Ada", "at the door"];
        assert!(canaries.iter().any(|canary| hers.has(canary)), "{path} shows an operator values");
        assert!(
            canaries.iter().all(|canary| !theirs.has(canary)),
            "{path} hides them: {}",
            theirs.html
        );
    }
    let file = ada.get(&format!("/console/runs/{run}/json")).await;
    let whole: serde_json::Value = serde_json::from_str(&file.html).unwrap();
    assert_eq!(whole["run"]["output"], "Ada");
    assert_eq!(whole["signals"][0]["payload"]["by"], "Ada");
    assert_eq!(whole["relatives"][0]["run_id"], fork.to_string());
    worker.drain().await.unwrap();
    shop.stop().await;
}

#[tokio::test]
async fn a_run_of_ten_thousand_rows_is_shown_in_part_and_quickly() {
    let shop = Shop::open().await;
    let run = ship(&shop, "parcel-1", "works").await;
    shop.run(&format!(
        "insert into steps (run_id, seq, kind, name, occurrence, attempts, input, result, next, at)
         select '{run}', s, 'done', 'pack', s, case when s = 5000 then 7 else 1 end,
           to_jsonb(repeat('x', 200)), to_jsonb(repeat('y', 200)),
           jsonb_build_array(jsonb_build_object('name', 'pack', 'occurrence', s + 1, 'input', 1)),
           now() + s * interval '1 ms'
         from generate_series(0, 9999) s"
    ))
    .await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let page = ada.get(&format!("/console/runs/{run}")).await;
    assert!(page.has("10,000 rows") && page.has("rows not drawn"), "{}", page.status);
    assert!(page.has(&format!("/console/runs/{run}/steps/5000\"")), "the odd one is drawn");
    assert!(page.html.len() < 300_000, "{} bytes", page.html.len());
    let later = ada.get(&format!("/console/runs/{run}?tab=record&from=9900")).await;
    assert!(later.has("/steps/9999\"") && later.has("Earlier rows") && !later.has("Later rows"));
    shop.stop().await;
}

#[tokio::test]
async fn a_file_of_the_console_is_sent_again_only_when_it_is_another_one() {
    let shop = Shop::open().await;
    let anybody = Browser::new(&shop, "anybody");
    let path = "/console/assets/console.js";
    let first = anybody.read(anybody.request(Method::GET, path)).await;
    assert_eq!((first.status, first.headers["cache-control"].to_str().unwrap()), (200, "no-cache"));
    let tag = first.headers["etag"].clone();
    let again = anybody.request(Method::GET, path).header("if-none-match", &tag);
    let again = anybody.read(again).await;
    assert_eq!((again.status, again.html.len()), (304, 0));
    let other = anybody.request(Method::GET, path).header("if-none-match", "\"another\"");
    assert_eq!(anybody.read(other).await.html, first.html, "an old one is replaced");
    shop.stop().await;
}

#[tokio::test]
async fn a_checkout_names_its_order_and_leads_to_all_runs_of_it() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let customer = shop.customer().await;
    customer.place("TEA", 1).await;
    let run: Uuid =
        sqlx::query_scalar("select run_id from runs").fetch_one(&shop.pool).await.unwrap();
    let number: String =
        sqlx::query_scalar("select order_number from orders").fetch_one(&shop.pool).await.unwrap();
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let page = ada.get(&format!("/console/runs/{run}")).await;
    let (_, rest) = page.html.split_once("<dt>Order</dt><dd><a href=\"").unwrap();
    let (href, rest) = rest.split_once('"').unwrap();
    assert!(rest.starts_with(&format!(">{number}, PENDING")), "{}", &rest[..80]);
    assert!(ada.get(href).await.has(&run.to_string()), "{href} finds it");
    shop.stop().await;
}

#[tokio::test]
async fn a_long_run_is_sent_as_a_file_in_parts_and_arrives_whole() {
    let shop = Shop::open().await;
    let run = ship(&shop, "parcel-1", "works").await;
    shop.run(&format!(
        "insert into steps (run_id, seq, kind, name, occurrence, input, at)
         select '{run}', s, 'done', 'pack', s, to_jsonb(repeat('x', 100000)), now()
         from generate_series(0, 99) s"
    ))
    .await;
    shop.run(&format!(
        "insert into signals (run_id, signal_id, kind, payload)
         select '{run}', 's' || s, 'note', to_jsonb(repeat('y', 1000)) from generate_series(1, 40) s"
    ))
    .await;
    for rank in [Rank::Operator, Rank::Viewer] {
        let mut ada = sign_in(&shop, rank).await;
        let file = ada.get(&format!("/console/runs/{run}/json")).await;
        assert!(!file.headers.contains_key("content-length"), "nobody knew how long it would be");
        let file: serde_json::Value = serde_json::from_str(&file.html).unwrap();
        let seqs: Vec<_> = file["steps"].as_array().unwrap().iter().map(|s| &s["seq"]).collect();
        assert!(seqs.iter().zip(0..).all(|(seq, n)| **seq == n) && seqs.len() == 100, "{seqs:?}");
        let signals = file["signals"].as_array().unwrap();
        assert_eq!(signals.len(), 40);
        assert!(signals.iter().all(|signal| signal["payload"].is_string()), "{signals:?}");
        let is_whole = file["steps"][99]["input"].as_str().unwrap().len() == 100_000;
        assert_eq!(is_whole, rank == Rank::Operator, "a viewer gets its frame alone");
        assert!(file["actions"].is_array() && file["run"]["run_id"] == run.to_string());
    }
    shop.stop().await;
}
