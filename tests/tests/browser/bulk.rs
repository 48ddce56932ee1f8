//! One verb for a whole group of incidents.

use makegood_tests::{Depot, Shop, View, is_installed};

#[tokio::test]
async fn a_group_of_incidents_is_retried_with_a_preview_progress_and_a_result_for_each() {
    if !is_installed("a bulk action") {
        return;
    }
    let shop = Shop::plan().workers(0).open().await;
    let depot = Depot::open(&shop.database().await).await;
    let names: Vec<String> = (0..12).map(|n| format!("customer {n}")).collect();
    for name in &names {
        depot.breaks("print_label", name, "no paper in tray 2");
        depot.send(name).await;
    }
    let stuck = "select count(*) = 12 from run_states where state = 'STUCK'";
    shop.holds("all of them are stuck", stuck).await;

    let ada = shop.signed_in("ada", "operator", View::default()).await;
    ada.press("g").await;
    ada.press("i").await;
    ada.read("#incidents", "no paper in tray").await;
    ada.read("#incidents", "12").await;
    ada.press("j").await;
    ada.press(thirtyfour::Key::Enter).await;
    ada.see("#helps").await;
    ada.click("[data-test=bulk]").await;

    // What would be done, to how many; then exactly those are frozen.
    ada.read("h1", "Act on 12 runs").await;
    ada.click("input[value=retry]").await;
    ada.fill("input[name=reason]", "tray 2 has paper again").await;
    ada.fill("input[name=per_second]", "4").await;
    ada.click("[data-test=freeze]").await;
    ada.read("[data-test=bulk-state]", "4 a second").await;
    ada.read("#begin-title", "these 12 runs and no others").await;
    let untouched = "select count(*) = 0 from operator_actions";
    assert!(shop.read::<bool>(untouched).await, "nothing is done yet");

    // One more comes too late for this selection.
    depot.breaks("print_label", "latecomer", "no paper in tray 2");
    let late = depot.send("latecomer").await;
    shop.holds("it is stuck, too", "select count(*) = 13 from run_states where state = 'STUCK'")
        .await;
    depot.mends();
    if ada.has("input[name=count]").await {
        ada.fill("input[name=count]", "12").await;
    }
    ada.click("[data-test=begin]").await;
    ada.see("progress").await;
    ada.mark().await;
    ada.read("[data-test=figures]", "12").await;
    ada.read("[data-test=aftermath]", "0 need a person again").await;
    assert!(ada.is_same_page().await, "its progress was seen without loading it anew");
    let results = "return [...document.querySelectorAll('#items tbody tr')].length";
    assert_eq!(ada.script(results).await, 12, "a result for each");
    for name in &names {
        depot.sign(name).await;
    }
    ada.read("[data-test=aftermath]", "12 have ended").await;
    let state = format!("select state = 'STUCK' from run_states where run_id = '{late}'");
    assert!(shop.read::<bool>(&state).await, "what was not in the selection is as it was");

    // It is on record for the group, and in the audit.
    ada.press("g").await;
    ada.press("a").await;
    ada.read("#audit", "tray 2 has paper again").await;
    ada.close().await;
    depot.close().await;
}
