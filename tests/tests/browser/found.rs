//! From "something is stuck" to "it is mended".

use makegood_tests::{Depot, Env, PASSPHRASE, Shop, View, is_installed};
use thirtyfour::Key;

#[tokio::test]
async fn somebody_signs_in_comes_to_the_page_that_was_asked_for_and_signs_out() {
    if !is_installed("signing in") {
        return;
    }
    let shop = Shop::plan().workers(0).open().await;
    shop.operator("ada", "operator").await;
    let ada = shop.browser(View::default()).await;
    ada.go("/console/incidents").await;
    ada.fill("#name", "ada").await;
    ada.fill("#password", "not the password").await;
    ada.press(Key::Enter).await;
    ada.read("[role=alert]", "Name or password is wrong.").await;
    ada.fill("#password", PASSPHRASE).await;
    ada.press(Key::Enter).await;
    ada.read("h1", "Incidents").await;
    assert_eq!(ada.path().await, "/console/incidents", "where one wanted to go");
    ada.click(".who button").await;
    ada.see("#password").await;
    ada.go("/console/runs").await;
    ada.see("#password").await;
    ada.close().await;
}

#[tokio::test]
async fn the_one_stuck_checkout_among_ten_thousand_runs_is_found_understood_and_mended() {
    if !is_installed("the one stuck checkout") {
        return;
    }
    let keys = "MAKEGOOD_GATEWAY_KEY_SECRET";
    let mut shop = Shop::plan().worker_env(keys, "sandbox-wrong-secret").open().await;
    let depot = Depot::open(&shop.database().await).await;
    depot.send_letters(100).await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    shop.holds("it is stuck", "select exists (select from run_states where state = 'STUCK')").await;
    let letters = "select count(*) = 10000 from run_states where state = 'WAITING'";
    shop.holds("the letters wait", letters).await;

    // The overview says that there is something; the list shows which, by keys and a filter.
    let ada = shop.signed_in("ada", "operator", View::default()).await;
    ada.read("#incidents", "gateway").await;
    ada.press("g").await;
    ada.press("r").await;
    ada.see("#runs").await;
    assert!(ada.has("a[rel=next]").await, "there are many");
    ada.click("[data-test=narrow] summary").await;
    ada.choose("select[name=state]", "STUCK").await;
    ada.fill("input[name=workflow]", "checkout").await;
    ada.press(Key::Enter).await;
    ada.see("[data-test=term]").await;
    assert!(ada.path().await.contains("state=STUCK"), "the filter is in the address");
    assert_eq!(ada.script("return document.querySelectorAll('#runs tbody tr').length").await, 1);
    ada.press("j").await;
    ada.press(Key::Enter).await;

    // Why, and what comes next.
    ada.read("[data-test=state]", "Stuck").await;
    ada.read("[data-test=incident]", "gateway keys at create_gateway_order").await;
    ada.read("[data-test=next]", "Nothing, until a person has mended it.").await;
    ada.see("#timeline svg").await;
    let run = ada.path().await;

    // Its cause is mended, and so is the run; the page follows it by itself to its end.
    shop.worker(0).terminate().await;
    shop.start_worker_with(Env::from([(keys.to_owned(), "sandbox-key-secret".to_owned())])).await;
    ada.click("[data-test=verb-retry]").await;
    ada.read("[data-test=change]", "Stuck").await;
    ada.fill("#reason", "the keys are right now").await;
    ada.click("[data-test=do]").await;
    ada.see("#timeline").await;
    ada.mark().await;
    ada.read("[data-test=state]", "Waiting").await;
    let session = customer.session(&order).await;
    let proof = customer.pay(&session).await;
    customer.verify(&order, &proof).await;
    ada.read("[data-test=state]", "Completed").await;
    assert!(ada.is_same_page().await, "nobody had to load it anew");
    customer.wait_for(&order, "PAID").await;

    // Whoever is asked where an order is finds it by its number.
    let order = customer.order(&order).await;
    ada.press("/").await;
    ada.press(order["order_number"].as_str().unwrap()).await;
    ada.press(Key::Enter).await;
    ada.read("[data-test=state]", "Completed").await;
    assert_eq!(ada.path().await, run.split('?').next().unwrap(), "the same run");
    ada.close().await;
    depot.close().await;
}
