//! On a telephone, and without scripts.

use makegood_tests::{Browser, Depot, PASSPHRASE, Shop, View, is_installed};

/// Every page there is to look at, for this run and this group.
pub(crate) fn pages(run: &str, group: &str) -> Vec<String> {
    let own =
        ["retry", "skip_step", "edit_input", "fork"].map(|verb| format!("/runs/{run}/act/{verb}"));
    let parts = ["record", "signals", "family", "shown", "incidents", "actions", "json"];
    let parts = parts.map(|tab| format!("/runs/{run}?tab={tab}"));
    let others = [
        "",
        "/runs",
        "/runs?state=STUCK",
        "/incidents",
        "/workers",
        "/queues",
        "/schedules",
        "/bulk",
        "/bulk/new?state=STUCK",
        "/audit",
        "/account",
        "/account/tokens",
    ];
    let others = others.map(str::to_owned);
    let run =
        [format!("/runs/{run}"), format!("/runs/{run}/steps/1"), format!("/incidents/{group}")];
    let all = others.into_iter().chain(run).chain(own).chain(parts);
    all.map(|page| format!("/console{page}")).collect()
}

/// A shop with something on each of its pages: a run that is stuck, and its group.
pub(crate) async fn with_something_to_see() -> (Shop, Depot, String, String) {
    let shop = Shop::plan().open().await;
    let depot = Depot::open(&shop.database().await).await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    customer.place(&[("tea", 1)]).await;
    depot.breaks("print_label", "somebody", "no paper in a tray whose name is rather long to read");
    let run = depot.send("somebody").await;
    depot.send("somebody else").await;
    shop.holds("one is stuck", "select exists (select from run_states where state = 'STUCK')")
        .await;
    let group = shop.read::<String>("select fingerprint from incidents").await;
    (shop, depot, run.to_string(), group)
}

#[tokio::test]
async fn no_page_scrolls_sideways_at_360_pixels_and_a_run_is_mended_there() {
    if !is_installed("a narrow window") {
        return;
    }
    let (shop, depot, run, group) = with_something_to_see().await;
    let narrow = View { width: 360, height: 740, ..View::default() };
    let ada = shop.signed_in("ada", "operator", narrow).await;
    let mut wide = Vec::new();
    for page in pages(&run, &group) {
        ada.go(&page).await;
        ada.see("h1").await;
        let over = "return document.documentElement.scrollWidth - innerWidth";
        let over = ada.script(over).await.as_i64().unwrap();
        if over > 0 {
            wide.push(format!("{page} by {over} px: {}", widest(&ada).await));
        }
    }
    assert!(wide.is_empty(), "every page fits, but: {wide:#?}");
    ada.go(&format!("/console/runs/{run}")).await;
    depot.mends();
    ada.click("[data-test=verb-retry]").await;
    ada.fill("#reason", "there is paper").await;
    ada.click("[data-test=do]").await;
    ada.read("[data-test=state]", "Waiting").await;
    ada.close().await;
    depot.close().await;
}

#[tokio::test]
async fn no_list_hides_a_column_at_1280_pixels() {
    if !is_installed("a window of 1280 pixels") {
        return;
    }
    let (shop, depot, run, group) = with_something_to_see().await;
    let ada = shop.signed_in("ada", "operator", View { width: 1280, ..View::default() }).await;
    let mut hidden = Vec::new();
    for page in pages(&run, &group) {
        ada.go(&page).await;
        ada.see("h1").await;
        let over = "return Math.max(0, ...[...document.querySelectorAll('.table')]
            .map((box) => box.scrollWidth - box.clientWidth))";
        let over = ada.script(over).await.as_i64().unwrap();
        if over > 0 {
            hidden.push(format!("{page} by {over} px"));
        }
    }
    assert!(hidden.is_empty(), "each table shows all of its columns, but: {hidden:#?}");
    ada.close().await;
    depot.close().await;
}

/// The elements that reach over the edge, for whoever mends it.
async fn widest(browser: &Browser) -> String {
    let script = "return [...document.querySelectorAll('main *')]
        .filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
        .slice(0, 5).map((one) => one.outerHTML.slice(0, 90)).join(' | ')";
    browser.script(script).await.to_string()
}

#[tokio::test]
async fn every_page_is_read_and_a_run_is_mended_without_scripts() {
    if !is_installed("a browser without scripts") {
        return;
    }
    let (shop, depot, run, group) = with_something_to_see().await;
    shop.operator("ada", "operator").await;
    let ada = shop.browser(View { has_script: false, ..View::default() }).await;
    ada.sign_in("ada", PASSPHRASE).await;
    for page in pages(&run, &group) {
        ada.go(&page).await;
        ada.see("h1").await;
        assert!(!ada.says("This page failed").await, "{page}");
    }
    ada.go("/console/runs").await;
    ada.click("[data-test=narrow] summary").await;
    ada.choose("select[name=state]", "STUCK").await;
    ada.click("[data-test=narrow] button").await;
    ada.follow("ship:somebody").await;
    ada.read("[data-test=state]", "Stuck").await;
    depot.mends();
    ada.click("[data-test=verb-retry]").await;
    ada.fill("#reason", "there is paper").await;
    ada.click("[data-test=do]").await;
    let waits = format!("select state = 'WAITING' from run_states where run_id = '{run}'");
    shop.holds("it goes on", &waits).await;
    ada.go(&format!("/console/runs/{run}")).await;
    ada.read("[data-test=state]", "Waiting").await;
    ada.close().await;
    depot.close().await;
}
