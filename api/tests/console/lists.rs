//! The overview and the lists: they find what is asked for, link to each other, keep every term,
//! and say what they do not know.

use domain::Rank;
use uuid::Uuid;

use crate::browser::{Browser, Seen, sign_in};
use crate::support::{Shop, until};
use crate::trade::{ship, worker};

async fn until_state(shop: &Shop, run: Uuid, state: &str) {
    let so = format!("run_states where run_id = '{run}' and state = '{state}'");
    until(state, async || shop.count(&so).await == 1).await;
}

/// A shop with two stuck parcels and one that waits, and somebody who looks.
async fn parcels() -> (Shop, [Uuid; 3]) {
    let shop = Shop::open().await;
    let worker = worker(&shop).await;
    let first = ship(&shop, "parcel-1", "fails").await;
    let second = ship(&shop, "parcel-2", "fails").await;
    let waiting = ship(&shop, "parcel-3", "fine").await;
    for (run, state) in [(first, "STUCK"), (second, "STUCK"), (waiting, "WAITING")] {
        until_state(&shop, run, state).await;
    }
    worker.drain().await.unwrap();
    (shop, [first, second, waiting])
}

/// The workflow ids of a list, in its order.
fn listed(page: &Seen) -> Vec<String> {
    let rows = page.html.split("<tr data-href=").skip(1);
    let id = |row: &str| {
        let (_, rest) = row.split_once("<a class=\"break\"").unwrap();
        let (_, rest) = rest.split_once('>').unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    rows.map(id).collect()
}

/// The address of the link with these words.
fn link(page: &Seen, words: &str) -> String {
    let (before, _) = page.html.split_once(words).unwrap_or_else(|| panic!("{words}: {page:?}"));
    let (_, href) = before.rsplit_once("href=\"").unwrap();
    href.split_once('"').unwrap().0.replace("&#38;", "&").replace("&amp;", "&")
}

async fn seen(browser: &mut Browser<'_>, path: &str) -> Seen {
    let page = browser.get(path).await;
    assert_eq!(page.status, 200, "{path}: {}", page.html);
    page
}

#[tokio::test]
async fn the_overview_counts_what_needs_a_person_and_leads_there() {
    let (shop, _) = parcels().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let page = seen(&mut ada, "/console").await;
    assert!(page.has("No worker is alive"), "the worker has ended: {}", page.html);
    let stuck = link(&page, "<strong>2</strong>");
    assert_eq!(listed(&seen(&mut ada, &stuck).await), ["parcel-2", "parcel-1"]);
    let group = link(&page, "Retries used up at print_label");
    let group = seen(&mut ada, &group).await;
    assert!(group.has("the printer &#60;is&#62; on fire"), "{}", group.html);
    assert!(group.has("Mend the cause, then retry"), "what helps is said");
    assert_eq!(listed(&group), ["parcel-2", "parcel-1"]);
    assert!(group.has("Never yet."), "nobody has resolved one");
    shop.stop().await;
}

#[tokio::test]
async fn a_group_tells_who_resolved_its_incidents_and_why() {
    let (shop, [first, second, _]) = parcels().await;
    let client = makegood::Client::connect(&shop.database).await.unwrap();
    for run in [first, second] {
        let operator = client.operator("ada", "the printer was replaced").unwrap();
        operator.terminate(run).await.unwrap();
    }
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let group: String = sqlx::query_scalar("select min(fingerprint) from incidents")
        .fetch_one(&shop.pool)
        .await
        .unwrap();
    let page = seen(&mut ada, &format!("/console/incidents/{group}")).await;
    assert!(page.has("None of this group is open"), "{}", page.html);
    assert!(page.has("the printer was replaced") && page.has(">ada<"), "{}", page.html);
    assert!(seen(&mut ada, "/console/incidents").await.has("Nothing needs a person."));
    let unknown = ada.get("/console/incidents/unknown").await;
    assert_eq!(unknown.status, 404);
    shop.stop().await;
}

#[tokio::test]
async fn a_term_more_keeps_the_others_and_each_can_be_turned_or_taken_away() {
    let (shop, _) = parcels().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let page = seen(&mut ada, "/console/runs?workflow=ship&attr.customer=81").await;
    assert_eq!(listed(&page), ["parcel-3", "parcel-2", "parcel-1"], "the newest first");
    for kept in ["name=\"workflow\" value=\"ship\"", "name=\"attr.customer\" value=\"81\""] {
        assert!(page.has(kept), "the form brings along {kept}: {}", page.html);
    }
    let stuck = seen(&mut ada, &link(&page, ">Needs attention<")).await;
    assert_eq!(listed(&stuck), ["parcel-2", "parcel-1"], "of this customer and workflow");
    assert!(
        stuck.has("workflow ship")
            && stuck.has("customer 81")
            && stuck.has("<span>needs attention</span>")
    );
    let turned = link(&stuck, "aria-label=\"Instead: needs no attention\"");
    assert_eq!(listed(&seen(&mut ada, &turned).await), ["parcel-3"]);
    let removed = link(&stuck, "aria-label=\"Remove: needs attention\"");
    assert_eq!(removed, "/console/runs?workflow=ship&attr.customer=81");
    let oldest = link(&page, "Started ↓");
    assert_eq!(listed(&seen(&mut ada, &oldest).await), ["parcel-1", "parcel-2", "parcel-3"]);
    shop.stop().await;
}

#[tokio::test]
async fn pages_keep_the_terms_and_a_list_that_means_nothing_says_so() {
    let (shop, _) = parcels().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let page = seen(&mut ada, "/console/runs?state=STUCK&limit=1").await;
    assert_eq!(listed(&page), ["parcel-2"]);
    let next = link(&page, "Next page");
    assert!(next.contains("state=STUCK") && next.contains("limit=1"), "{next}");
    let next = seen(&mut ada, &next).await;
    assert_eq!(listed(&next), ["parcel-1"]);
    assert!(next.has("First page") && !next.has("Next page"));
    let wrong = ada.get("/console/runs?state=%3Cb%3E").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.has("a state is RUNNING") && !wrong.has("<b>"), "{}", wrong.html);
    let none = seen(&mut ada, "/console/runs?error=nobody+has+this").await;
    assert!(none.has("No run is like that."));
    shop.stop().await;
}

#[tokio::test]
async fn a_list_is_kept_under_a_name_by_whoever_saved_it_alone() {
    let (shop, _) = parcels().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    seen(&mut ada, "/console/runs?state=STUCK").await;
    let saved =
        ada.post("/console/views", &[("name", "Night watch"), ("query", "state=STUCK")]).await;
    assert_eq!((saved.status, saved.location()), (303, "/console/runs?state=STUCK"));
    let page = seen(&mut ada, "/console/runs").await;
    assert_eq!(link(&page, "Night watch"), "/console/runs?state=STUCK");
    let mut bob = sign_in(&shop, Rank::Viewer).await;
    assert!(!seen(&mut bob, "/console/runs").await.has("Night watch"), "it is hers");
    let odd = ada.post("/console/views", &[("name", "x"), ("query", "state=STOCK")]).await;
    assert_eq!(odd.status, 400, "only a list is kept");
    let gone = ada.post("/console/views/remove", &[("name", "Night watch"), ("back", "")]).await;
    assert_eq!((gone.status, gone.location()), (303, "/console/runs"));
    assert!(!seen(&mut ada, "/console/runs").await.has("Night watch"));
    shop.stop().await;
}

#[tokio::test]
async fn a_page_of_the_list_is_exported_as_it_is() {
    let (shop, _) = parcels().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let csv = seen(&mut ada, "/console/runs.csv?state=STUCK").await.html;
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 3, "a head and two runs: {csv}");
    assert!(lines[1].contains("\"parcel-2\"") && lines[1].contains("\"retries_used_up\""));
    let json = seen(&mut ada, "/console/runs.json?state=STUCK").await.html;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["runs"][1]["workflow_id"], "parcel-1");
    shop.stop().await;
}

#[tokio::test]
async fn whatever_is_pasted_leads_to_the_run() {
    let (shop, [first, ..]) = parcels().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let run = format!("/console/runs/{first}");
    for text in [first.to_string().as_str(), "parcel-1", "%20parcel-1%20"] {
        let found = ada.get(&format!("/console/search?q={text}")).await;
        assert_eq!((found.status, found.location()), (303, run.as_str()), "{text}");
    }
    let part = ada.get("/console/search?q=parcel").await.location().to_owned();
    assert_eq!(part, "/console/runs?id=parcel");
    assert_eq!(listed(&seen(&mut ada, &part).await).len(), 3, "what begins with it is listed");
    shop.stop().await;
}

#[tokio::test]
async fn workers_and_queues_show_who_works_and_what_waits() {
    let shop = Shop::open().await;
    let worker = worker(&shop).await;
    let client = makegood::Client::connect(&shop.database).await.unwrap();
    client.set_queue("labels", makegood::QueueLimits::new().concurrency(7)).await.unwrap();
    client.pause_queue("labels").await.unwrap();
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let page = seen(&mut ada, "/console/workers").await;
    assert!(page.has(">Alive<") && page.has(&format!("process {}", std::process::id())));
    assert!(page.has(env!("CARGO_PKG_VERSION")), "its version: {}", page.html);
    let page = seen(&mut ada, "/console/queues").await;
    assert!(page.has("labels") && page.has("7 at once") && page.has(">Paused<"), "{}", page.html);
    worker.drain().await.unwrap();
    let page = seen(&mut ada, "/console/workers").await;
    assert!(page.has("No worker is alive") && page.has("The last that ended"));
    assert!(seen(&mut ada, "/console/schedules").await.has("There is no schedule."));
    shop.stop().await;
}

#[tokio::test]
async fn an_order_is_found_by_its_number_its_id_its_shop_and_its_customer() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let (customer, other) = (shop.customer().await, shop.customer().await);
    let order = customer.place("TEA", 1).await;
    other.place("TEA", 1).await;
    let (number, run): (String, Uuid) = sqlx::query_as(
        "select o.order_number, r.run_id
         from orders o
         join runs r on r.workflow_id = o.workflow_id
         where o.order_id = $1::uuid",
    )
    .bind(&order)
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    for text in [&order, &number] {
        let found = ada.get(&format!("/console/search?q={text}")).await;
        assert_eq!(found.location(), format!("/console/runs/{run}"), "{text}");
    }
    let checkout = format!("checkout:{order}:1");
    for query in [format!("attr.order={number}"), format!("attr.customer={}", customer.id)] {
        let page = seen(&mut ada, &format!("/console/runs?{query}")).await;
        assert_eq!(listed(&page), [checkout.as_str()], "{query}");
    }
    assert_eq!(listed(&seen(&mut ada, "/console/runs?tenant=retail").await).len(), 2);
    assert_eq!(listed(&seen(&mut ada, "/console/runs?not.tenant=retail").await), [""; 0]);
    shop.stop().await;
}

#[tokio::test]
async fn colours_are_the_readers_choice_and_lead_back_to_the_page() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let page = seen(&mut ada, "/console/runs").await;
    assert!(!page.has("data-theme"), "the system decides at first");
    let request = ada.request(reqwest::Method::POST, "/console/theme");
    let request = request.header("referer", shop.url("/console/runs?state=STUCK"));
    let form = request.header("content-type", "application/x-www-form-urlencoded");
    let chosen = ada.read(form.body("theme=dark")).await;
    assert_eq!((chosen.status, chosen.location()), (303, "/console/runs?state=STUCK"));
    let cookie =
        chosen.headers["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let both = format!("{}; {cookie}", ada.cookie.clone().unwrap());
    ada.cookie = Some(both);
    assert!(seen(&mut ada, "/console/runs").await.has("<html lang=\"en\" data-theme=\"dark\">"));
    shop.stop().await;
}

#[tokio::test]
async fn the_overview_shows_orders_failed_payments_holds_that_end_and_stock_that_runs_short() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Viewer).await;
    let empty = seen(&mut ada, "/console").await;
    assert!(empty.has("None were placed.") && empty.has("more than 5 units"), "{}", empty.html);
    shop.product("TEA", 1_000, 100).await;
    shop.product("RARE", 1_000, 3).await;
    shop.product("GONE", 1_000, 1).await;
    shop.run("update inventory set available = 0, sold = 1 where sku = 'GONE'").await;
    let customer = shop.customer().await;
    for _ in 0..3 {
        customer.place("TEA", 1).await;
    }
    shop.run(
        "update orders set status = 'RESERVED', expires_at = now() + interval '1 minute'
         where order_id = (select min(order_id::text)::uuid from orders)",
    )
    .await;
    shop.run(
        "update orders set status = 'RESERVED', expires_at = now() - interval '1 minute'
         where order_id = (select max(order_id::text)::uuid from orders)",
    )
    .await;
    shop.run(
        "insert into payments (payment_id, tenant_id, order_id, workflow_id, gateway,
           gateway_order_id, status, amount_minor, currency)
         select gen_random_uuid(), tenant_id, order_id, workflow_id, 'razorpay', 'order_1', 'FAILED',
           1000, 'INR'
         from orders limit 1",
    )
    .await;
    let page = seen(&mut ada, "/console").await;
    for told in [
        "<dt>reserved</dt><dd>2</dd>",
        "<dt>pending</dt><dd>1</dd>",
        "<dt>Failed payments</dt><dd>1</dd>",
        "<dt>Holds that end soon</dt><dd>1 in 5 min</dd>",
        "<dt>Holds past their end</dt><dd>1, the first",
        "GONE</dt><dd><strong>none left</strong>",
        "RARE</dt><dd>3 left",
    ] {
        assert!(page.has(told), "{told} in {}", page.html);
    }
    assert!(!page.has("TEA</dt>"), "there is enough tea");
    shop.stop().await;
}
