//! Who may not act, and who comes too late.

use makegood_tests::{Depot, Shop, View, is_installed};
use serde_json::json;

#[tokio::test]
async fn a_viewer_has_nothing_to_act_with_and_a_forged_form_is_refused() {
    if !is_installed("a viewer") {
        return;
    }
    let shop = Shop::plan().workers(0).open().await;
    let depot = Depot::open(&shop.database().await).await;
    depot.breaks("print_label", "somebody", "no paper");
    let run = depot.send("somebody").await;
    let eve = shop.signed_in("eve", "viewer", View::default()).await;
    eve.go(&format!("/console/runs/{run}")).await;
    eve.read("[data-test=state]", "Stuck").await;
    assert!(eve.says("Your rank lets you look.").await);
    assert!(!eve.has("a[data-test^=verb-]").await, "no verb leads anywhere");
    assert!(!eve.has("main form[method=post]").await, "no form to send");
    eve.go("/console/incidents").await;
    eve.follow("print_label").await;
    eve.see("#helps").await;
    assert!(!eve.has("[data-test=bulk]").await);

    // The token of her own session is in the page; the form is not, so she writes one.
    let forged = "const csrf = document.querySelector('input[name=csrf]').value;
        fetch(arguments[0], { method: 'POST', credentials: 'same-origin',
          body: new URLSearchParams({ csrf, reason: 'because', intent: 'do' }) })
          .then((given) => answer(given.status), (fault) => answer(String(fault)));";
    for verb in ["retry", "cancel", "close"] {
        let to = json!(format!("/console/runs/{run}/act/{verb}"));
        assert_eq!(eve.script_that_answers(forged, vec![to]).await, json!(403), "{verb}");
    }
    assert_eq!(shop.count("operator_actions").await, 0, "nothing was done");
    eve.close().await;
    depot.close().await;
}

#[tokio::test]
async fn of_two_operators_at_one_run_the_second_is_told() {
    if !is_installed("two operators") {
        return;
    }
    let shop = Shop::plan().workers(0).open().await;
    let depot = Depot::open(&shop.database().await).await;
    depot.breaks("print_label", "somebody", "no paper");
    let run = depot.send("somebody").await;
    shop.holds("it is stuck", "select exists (select from run_states where state = 'STUCK')").await;
    let ada = shop.signed_in("ada", "operator", View::default()).await;
    let bob = shop.signed_in("bob", "operator", View::default()).await;
    for (who, verb) in [(&ada, "compensate"), (&bob, "retry")] {
        who.go(&format!("/console/runs/{run}")).await;
        who.click(&format!("[data-test=verb-{verb}]")).await;
        who.fill("#reason", &format!("{verb} is best")).await;
    }
    depot.mends();
    bob.click("[data-test=do]").await;
    bob.read("[data-test=state]", "Waiting").await;
    ada.click("[data-test=do]").await;
    ada.read("[data-test=moved]", "nothing was done").await;
    ada.read("[data-test=moved]", "bob").await;
    ada.read("[data-test=moved]", "retry is best").await;
    let state = format!("select state from run_states where run_id = '{run}'");
    assert_eq!(shop.read::<String>(&state).await, "WAITING", "the first one's word holds");
    assert_eq!(shop.count("operator_actions").await, 1);
    ada.close().await;
    bob.close().await;
    depot.close().await;
}
