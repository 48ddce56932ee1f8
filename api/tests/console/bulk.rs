//! One verb for many runs: exactly those that were shown, confirmed, followed, and stopped.

use domain::Rank;
use uuid::Uuid;

use crate::browser::{Browser, Seen, sign_in};
use crate::stuck::{state, stick, stuck_checkout, until_state};
use crate::support::{Shop, until};

const STUCK: &str = "/console/bulk/new?state=STUCK";

/// Freezes what the page shows, and answers where the bulk action is.
async fn freeze(who: &mut Browser<'_>, page: &Seen, verb: &str, per_second: &str) -> String {
    let filter = page.field("filter");
    let fields = [
        ("filter", filter.as_str()),
        ("verb", verb),
        ("reason", "the depot is open again"),
        ("per_second", per_second),
    ];
    let frozen = who.post("/console/bulk/new", &fields).await;
    assert_eq!(frozen.status, 303, "{}", frozen.html);
    frozen.location().to_owned()
}

async fn stuck_checkouts(shop: &Shop, count: usize) -> Vec<Uuid> {
    let mut runs = Vec::new();
    for _ in 0..count {
        runs.push(stuck_checkout(shop).await);
    }
    runs
}

#[tokio::test]
async fn exactly_the_runs_that_were_frozen_are_retried_and_what_became_of_each_is_told() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let runs = stuck_checkouts(&shop, 3).await;
    let page = ada.get(STUCK).await;
    assert!(page.has("Act on 3 runs"), "{}", page.html);
    let bulk = freeze(&mut ada, &page, "retry", "1000").await;
    let later = stuck_checkout(&shop).await;
    // One of them moves on before it is its turn.
    let gone = runs[0];
    shop.run(&format!(
        "update tasks set state = 'RUNNING', incident_id = null, due_at = now()
         where run_id = '{gone}';
         update incidents set resolved_at = now(), resolution = 'retry' where run_id = '{gone}'"
    ))
    .await;
    let frozen = ada.get(&bulk).await;
    assert!(frozen.has("Frozen: these 3 runs and no others"), "{}", frozen.html);
    assert_eq!(shop.count("operator_actions").await, 0, "freezing does nothing to any run");
    let begun = ada.post(&format!("{bulk}/begin"), &[]).await;
    assert_eq!(begun.status, 303, "{}", begun.html);
    for run in &runs {
        until_state(&shop, *run, "RUNNING").await;
    }
    until("it is carried out", async || ada.get(&bulk).await.has("Carried out")).await;
    assert_eq!(state(&shop, later).await, "STUCK", "who came later was not shown, nor touched");
    let done = ada.get(&bulk).await;
    assert!(
        done.has("it has moved on since, and is RUNNING now"),
        "why, at its run: {}",
        done.html
    );
    let changed = ada.get(&format!("{bulk}?outcome=changed")).await;
    assert!(changed.has(&gone.to_string()) && !changed.has(&runs[1].to_string()));
    assert!(done.has("0 need a person again"), "{}", done.html);
    stick(&shop, runs[1]).await;
    let after = ada.get(&bulk).await;
    assert!(after.has("1 need a person again"), "carried out is not mended: {}", after.html);
    let signed = format!("operator_actions where actor = '{}' and bulk_id is not null", ada.name);
    assert_eq!(shop.count(&signed).await, 2, "each run's own record says who and why");
    shop.stop().await;
}

#[tokio::test]
async fn what_cannot_be_taken_back_needs_the_number_of_runs_typed() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let runs = stuck_checkouts(&shop, 2).await;
    let page = ada.get(STUCK).await;
    assert!(!page.has("value=\"terminate\""), "an operator is not offered what admins do");
    let bulk = freeze(&mut ada, &page, "compensate", "1000").await;
    for count in ["", "1", "two"] {
        let refused = ada.post(&format!("{bulk}/begin"), &[("count", count)]).await;
        assert_eq!(refused.status, 409, "{count:?}");
        assert!(refused.has("Type 2 to confirm"), "{}", refused.html);
    }
    assert_eq!(state(&shop, runs[0]).await, "STUCK");
    let begun = ada.post(&format!("{bulk}/begin"), &[("count", "2")]).await;
    assert_eq!(begun.status, 303, "{}", begun.html);
    until_state(&shop, runs[0], "COMPENSATING").await;
    until_state(&shop, runs[1], "COMPENSATING").await;
    let fields = [("filter", "state=STUCK"), ("verb", "terminate"), ("reason", "because")];
    let tried = ada.post("/console/bulk/new", &fields).await;
    assert_eq!(tried.status, 403, "nor may she send it: {}", tried.html);
    shop.stop().await;
}

#[tokio::test]
async fn a_bulk_action_keeps_its_pace_and_is_stopped_and_nobody_begins_anothers() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let mut bob = sign_in(&shop, Rank::Operator).await;
    stuck_checkouts(&shop, 3).await;
    let page = ada.get(STUCK).await;
    let bulk = freeze(&mut ada, &page, "retry", "1").await;
    let bobs = bob.post(&format!("{bulk}/begin"), &[]).await;
    assert_eq!(bobs.status, 409, "it would bear her name: {}", bobs.html);
    ada.post(&format!("{bulk}/begin"), &[]).await;
    until("the first is done", async || shop.count("operator_actions").await > 0).await;
    let stopped = bob.post(&format!("{bulk}/stop"), &[("reason", "it does not help")]).await;
    assert_eq!(stopped.status, 303, "{}", stopped.html);
    let page = ada.get(&bulk).await;
    assert!(page.has("Stopped") && page.has("it does not help"), "{}", page.html);
    let left = shop.count("tasks where state = 'STUCK'").await;
    assert!(left >= 1, "at one a second the last had not had its turn");
    shop.stop().await;
}

#[tokio::test]
async fn a_bulk_action_whose_process_is_gone_is_carried_on_by_another() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let runs = stuck_checkouts(&shop, 2).await;
    let page = ada.get(STUCK).await;
    let bulk = freeze(&mut ada, &page, "retry", "1000").await;
    let id = bulk.rsplit('/').next().unwrap();
    shop.run(&format!(
        "update bulk_actions
         set state = 'RUNNING', keeper = 'console', driver = gen_random_uuid(), driven_until = now() - interval '1 second'
         where bulk_id = '{id}'"
    ))
    .await;
    for run in runs {
        until_state(&shop, run, "RUNNING").await;
    }
    until("it is carried out", async || ada.get(&bulk).await.has("Carried out")).await;
    shop.stop().await;
}

#[tokio::test]
async fn what_was_frozen_an_hour_ago_is_not_begun_and_its_owner_is_told_what_to_do() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    let runs = stuck_checkouts(&shop, 1).await;
    let page = ada.get(STUCK).await;
    let bulk = freeze(&mut ada, &page, "retry", "1000").await;
    assert!(ada.get(&bulk).await.has("it lapses"), "its page says for how long it lives");
    shop.run("update bulk_actions set expires_at = now()").await;
    let late = ada.post(&format!("{bulk}/begin"), &[]).await;
    assert_eq!(late.status, 409, "{}", late.html);
    assert!(late.has("Choose the runs again"), "{}", late.html);
    let seen = ada.get(&bulk).await;
    assert!(seen.has("Not begun in time") && !seen.has("data-test=\"begin\""), "{}", seen.html);
    assert_eq!(state(&shop, runs[0]).await, "STUCK");
    let refused = "console_actions where verb = 'begin_bulk' and outcome = 'refused'";
    assert_eq!(shop.count(refused).await, 1, "it is written down, too");
    shop.stop().await;
}

#[tokio::test]
async fn a_bulk_action_stops_before_the_next_run_once_its_owner_may_not_any_more() {
    let shop = Shop::open().await;
    for (change, why) in [
        ("set disabled_at = now()", "may not sign in any more"),
        ("set rank = 'viewer'", "is viewer by now; this needs operator"),
    ] {
        let mut ada = sign_in(&shop, Rank::Operator).await;
        let mut bob = sign_in(&shop, Rank::Operator).await;
        stuck_checkouts(&shop, 4).await;
        let page = ada.get(STUCK).await;
        let bulk = freeze(&mut ada, &page, "retry", "1").await;
        ada.post(&format!("{bulk}/begin"), &[]).await;
        let hers = format!("operator_actions where actor = '{}'", ada.name);
        until("the first is done", async || shop.count(&hers).await > 0).await;
        shop.run(&format!("update operators {change} where name = '{}'", ada.name)).await;
        let done = shop.count(&hers).await;
        until("it is stopped", async || bob.get(&bulk).await.has("Stopped")).await;
        assert_eq!(shop.count(&hers).await, done, "not one run more");
        let seen = bob.get(&bulk).await;
        assert!(seen.has(&format!("{} {why}", ada.name)), "it says why: {}", seen.html);
        let written = "console_actions where verb = 'stop_bulk' and actor = 'the console'
                       and reason like '%' || '"
            .to_owned();
        assert_eq!(shop.count(&format!("{written}{why}'")).await, 1, "and the audit, too");
    }
    shop.stop().await;
}

#[tokio::test]
async fn what_is_frozen_or_stopped_is_in_the_audit_or_did_not_happen() {
    let shop = Shop::open().await;
    let mut ada = sign_in(&shop, Rank::Operator).await;
    stuck_checkouts(&shop, 1).await;
    let page = ada.get(STUCK).await;
    let bulk = freeze(&mut ada, &page, "retry", "1").await;
    // The audit takes nothing any more.
    shop.run("alter table console_actions add constraint is_full check (actor = '') not valid")
        .await;
    let stopped = ada.post(&format!("{bulk}/stop"), &[("reason", "a mistake")]).await;
    assert_eq!(stopped.status, 500, "{}", stopped.html);
    assert!(ada.get(&bulk).await.has("Not begun"), "nothing was done without its record");
    let fields = [("filter", "state=STUCK"), ("verb", "retry"), ("reason", "again")];
    assert_eq!(ada.post("/console/bulk/new", &fields).await.status, 500);
    assert_eq!(shop.count("bulk_actions").await, 1);
    shop.stop().await;
}
