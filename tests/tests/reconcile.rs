//! The reconciler: with every webhook lost and the browser closed, the gateway's word is found all
//! the same; what no rule decides is flagged; a clean cell is left alone.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

use futures::future::join_all;
use makegood_tests::{Answer, Shop, Stock, Web, until};
use serde_json::{Value, json};

/// What a report says of itself.
fn tally(report: &Value) -> [i64; 3] {
    ["found", "fixed", "flagged"].map(|count| report[count].as_i64().unwrap_or(-1))
}

/// The kinds of a report's findings with this outcome, in order.
fn kinds(report: &Value, outcome: &str) -> Vec<String> {
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let of = findings.iter().filter(|finding| finding["outcome"] == outcome);
    let mut kinds: Vec<_> =
        of.map(|finding| finding["kind"].as_str().unwrap_or_default().to_owned()).collect();
    kinds.sort_unstable();
    kinds
}

/// Opens an order at the gateway past the shop, pays it, and answers the payment.
async fn pay_a_stranger(shop: &Shop, order: &Value) -> String {
    let web = Web::new();
    let keys = ("rzp_test_sandbox000000", Some("sandbox-key-secret"));
    let made = web.post(&shop.gateway("/v1/orders")).basic_auth(keys.0, keys.1).json(order);
    let made = Answer::of(made).await.unwrap().expect(200);
    let pay = json!({"order_id": made.text("/id"), "outcome": "captured"});
    let paid = Answer::of(web.post(&shop.gateway("/checkout/pay")).json(&pay)).await;
    paid.unwrap().expect(200).text("/razorpay_payment_id").to_owned()
}

// REC-05, D56
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_every_webhook_lost_and_the_browser_closed_the_clock_alone_settles_every_payment() {
    let plan = Shop::plan().workers(2).without_webhooks();
    let plan = plan.worker_env("MAKEGOOD_RECONCILE_CRON", "* * * * * *");
    let shop = plan.worker_env("MAKEGOOD_RECONCILE_AGE_SECS", "0").open().await;
    shop.product("tea", 30).await;
    let customer = shop.customer().await;
    let orders = join_all((0..20).map(|n| {
        let customer = &customer;
        async move {
            let order = customer.place(&[("tea", 1)]).await;
            let session = customer.session(&order).await;
            let outcome = if n % 4 == 0 { "failed" } else { "captured" };
            customer.try_pay(&session, json!({ "outcome": outcome })).await;
            (order, outcome)
        }
    }));
    for (order, outcome) in orders.await {
        let wanted = if outcome == "failed" { "FAILED" } else { "PAID" };
        customer.wait_for(&order, wanted).await;
    }
    assert_eq!(shop.count("webhook_events").await, 0, "no webhook came");
    let told = "signals where payload ->> 'source' = 'reconciler'";
    assert!(shop.count(told).await >= 20, "the reconciler told each checkout");
    assert_eq!(shop.stock("tea").await, Stock { available: 15, reserved: 0, sold: 15 });
    let one = "select max(n) from (select count(*) as n from reconcile_reports r
               join reconcile_reports o on o.started_at < coalesce(r.ended_at, now())
                 and coalesce(o.ended_at, now()) > r.started_at
               where o.report_id <> r.report_id group by r.report_id) overlapping";
    assert_eq!(shop.read::<Option<i64>>(one).await, None, "one comparison at a time");
    let once = "select count(*) = 15 from ledger_transactions where kind = 'CAPTURE'";
    assert!(shop.read::<bool>(once).await, "each payment is booked once");
}

// REC-05, D49, D53
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_came_after_its_order_had_ended_is_found_without_any_webhook() {
    let shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    customer.cancel(&order).await.expect(202);
    customer.wait_for(&order, "CANCELLED").await;
    customer.pay(&session).await; // Nobody tells the shop.
    let (report, code) = shop.reconcile(&[]).await;
    assert_eq!(code, Some(0), "nothing is left for a person: {report}");
    assert_eq!(kinds(&report, "FIXED"), ["capture_not_known"], "{report}");
    shop.audit().await;
    assert_eq!(shop.summary(&order).await.captures.len(), 1, "the money is in the books");
    let (report, code) = shop.reconcile(&[]).await;
    assert_eq!((tally(&report), code), ([0, 0, 0], Some(0)), "and known from then on: {report}");
}

// REC-05, D49
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_money_of_a_payment_that_began_hours_ago_is_found_by_the_next_hourly_look() {
    let yearly = Shop::plan().worker_env("MAKEGOOD_RECONCILE_CRON", "0 0 1 1 *");
    let shop = yearly.worker_env("MAKEGOOD_RECONCILE_AGE_SECS", "0").without_webhooks();
    let shop = shop.open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let order = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&order).await;
    customer.cancel(&order).await.expect(202);
    customer.wait_for(&order, "CANCELLED").await;
    let first = shop.fire("reconcile").await;
    customer.pay(&session).await; // Nobody tells the shop.
    let payment = shop.gateway_truth().await.payments[0].id.clone();
    shop.meddle(&format!("payments/{payment}/age"), &json!({"hours": 20})).await.expect(200);
    let soon = shop.fire("reconcile").await;
    for early in [&first, &soon] {
        assert_eq!(early["found"], 0, "each look goes back an hour: {early}");
    }
    let an_hour_later = "update reconcile_reports
        set started_at = started_at - interval '61 minutes',
            looked_since = looked_since - interval '61 minutes'";
    shop.run(an_hour_later).await;
    let hourly = shop.fire("reconcile").await;
    let latest = "select looked_since > now() - interval '25 hours'
                  from reconcile_reports order by started_at desc limit 1";
    assert!(shop.read::<bool>(latest).await, "it looks a day back, not at all five days");
    assert_eq!((&hourly["found"], &hourly["fixed"]), (&1.into(), &1.into()), "{hourly}");
    let back = "select exists (select from gateway_captures where disposition = 'REFUNDED')";
    shop.holds("the money goes back", back).await;
    shop.audit().await;
}

// REC-04, G82, D60
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_for_nobody_is_flagged_and_another_environments_is_none_of_our_business() {
    let shop = Shop::plan().open().await;
    let gone = "0197f0a0000070008000000000000000-1";
    let orphan = json!({"amount": 5_000, "currency": "INR", "receipt": gone});
    let nameless = json!({"amount": 6_000, "currency": "INR"});
    let foreign = json!({"amount": 7_000, "currency": "INR", "receipt": "staging-81"});
    let orphan = pay_a_stranger(&shop, &orphan).await;
    let nameless = pay_a_stranger(&shop, &nameless).await;
    let foreign = pay_a_stranger(&shop, &foreign).await;
    let (report, code) = shop.reconcile(&[]).await;
    assert_eq!(code, Some(1), "a person must look: {report}");
    assert_eq!(kinds(&report, "FLAGGED"), ["capture_of_nobody"; 2]);
    let text = report.to_string();
    for flagged in [orphan, nameless] {
        assert!(text.contains(&flagged), "{flagged} is named in {report}");
    }
    assert!(!text.contains(&foreign), "{foreign} is another shop's");
    assert_eq!(shop.count("gateway_captures").await, 0, "nothing was made up");
    let ignored = "webhook_events where state = 'UNMATCHED'";
    until("the strangers' webhooks are kept", async || {
        (shop.count(ignored).await >= 3).then_some(())
    })
    .await;
    assert_eq!(shop.count("signals").await, 0, "and nobody was told anything");
}

/// Damage done past every guard.
async fn damage(shop: &Shop, sql: &str) {
    shop.run(&format!("begin; set local session_replication_role = replica; {sql}; commit")).await;
}

// REC-04
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_planted_fault_is_found_and_put_right_or_flagged() {
    let mut shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 50).await;
    let customer = shop.customer().await;
    let paid = customer.buy(&[("tea", 1)]).await;
    let unbalanced = customer.buy(&[("tea", 1)]).await;
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let order = customer.place(&[("tea", 2)]).await;
        customer.session(&order).await;
        waiting.push(order);
    }
    let [held, orphan, stale] = waiting.try_into().expect("three orders");
    // A worker that is away changes nothing while the faults are planted.
    shop.worker(0).terminate().await;
    let clean = "select count(*) = 3 from tasks where owner is null";
    shop.holds("the runs are handed back", clean).await;
    damage(
        &shop,
        &format!("update orders set paid_at = null, status = 'RESERVED' where order_id = '{paid}'"),
    )
    .await;
    damage(
        &shop,
        &format!(
            "update ledger_entries e set debit_minor = debit_minor + 1 from ledger_transactions t
             where t.ledger_transaction_id = e.ledger_transaction_id and e.debit_minor > 0
               and t.order_id = '{unbalanced}'"
        ),
    )
    .await;
    damage(&shop, &format!("update orders set status = 'CANCELLED' where order_id = '{held}'"))
        .await;
    damage(
        &shop,
        &format!(
            "delete from tasks k using runs r, orders o where k.run_id = r.run_id
               and r.workflow_id = o.workflow_id and o.order_id in ('{orphan}', '{held}');
             update runs r set ended_state = 'CLOSED', ended_at = now() from orders o
             where r.workflow_id = o.workflow_id and o.order_id in ('{orphan}', '{held}')"
        ),
    )
    .await;
    damage(
        &shop,
        &format!(
            "update orders set expires_at = now() - interval '11 minutes' where order_id = '{stale}'"
        ),
    )
    .await;
    damage(&shop, "update inventory set reserved = reserved + 1, received = received + 1").await;
    let lost = "insert into steps (run_id, seq, kind, name, at)
                values (gen_random_uuid(), 0, 'done', 'of nobody', now())";
    damage(&shop, lost).await;
    shop.start_worker().await;
    let (report, code) = shop.reconcile(&[]).await;
    assert_eq!(code, Some(1), "a person must look: {report}");
    assert_eq!(kinds(&report, "FIXED"), ["leftover_hold"], "the hold is released: {report}");
    let flagged = kinds(&report, "FLAGGED");
    for kind in [
        "a payment that was paid has an order that was paid",
        "every ledger transaction balances",
        "reserved equals what is held",
        "what is recorded belongs to a run",
        "order_without_run",
        "order_past_deadline",
    ] {
        assert!(flagged.contains(&kind.to_owned()), "{kind} is flagged: {report}");
    }
    for order in [&orphan, &stale] {
        assert!(report.to_string().contains(order), "{order} is named: {report}");
    }
    let released = format!("holds where order_id = '{held}' and state = 'RELEASED'");
    assert_eq!(shop.count(&released).await, 1);
    let again = shop.reconcile(&[]).await.0;
    assert!(kinds(&again, "FIXED").is_empty(), "what was put right is right: {again}");
    assert_eq!(kinds(&again, "FLAGGED"), flagged, "what was flagged is still there");
}

/// Every row of the shop and of its runs, in one word.
const EVERYTHING: &str = "
    select md5(string_agg(t.all_rows, '|' order by t.name)) from (
      select 'orders' as name, string_agg(o::text, ',' order by order_id) as all_rows from orders o
      union all select 'payments', string_agg(p::text, ',' order by payment_id) from payments p
      union all select 'captures', string_agg(c::text, ',' order by gateway_payment_id)
        from gateway_captures c
      union all select 'refunds', string_agg(r::text, ',' order by refund_id) from refunds r
      union all select 'ledger', string_agg(l::text, ',' order by ledger_transaction_id, entry_no)
        from ledger_entries l
      union all select 'stock', string_agg(i::text, ',' order by sku) from inventory i
      union all select 'movements', string_agg(m::text, ',' order by movement_id)
        from stock_movements m
      union all select 'holds', string_agg(h::text, ',' order by hold_id) from holds h
      union all select 'webhooks', string_agg(w::text, ',' order by event_id) from webhook_events w
      union all select 'outbox', string_agg(b::text, ',' order by message_id) from outbox b
      union all select 'signals', string_agg(s::text, ',' order by signal_id) from signals s
    ) t";

// REC-07
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_clean_cell_two_comparisons_change_nothing() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    customer.buy(&[("tea", 1)]).await;
    let declined = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&declined).await;
    customer.try_pay(&session, json!({"outcome": "failed"})).await;
    customer.wait_for(&declined, "FAILED").await;
    let open = customer.place(&[("tea", 1)]).await;
    customer.session(&open).await;
    let quiet = "select not exists (select from webhook_events where state <> 'SIGNALLED')";
    shop.holds("every webhook is passed on", quiet).await;
    shop.ended_but(1).await;
    let before: String = shop.read(EVERYTHING).await;
    for args in [&[][..], &[], &["--payouts"], &["--payouts"]] {
        let (report, code) = shop.reconcile(args).await;
        assert_eq!((tally(&report), code), ([0, 0, 0], Some(0)), "{args:?}: {report}");
        assert_eq!(shop.read::<String>(EVERYTHING).await, before, "{args:?} changed nothing");
    }
    let kept = "reconcile_reports where outcome = 'DONE' and asked > 0 and found = 0";
    assert_eq!(shop.count(kept).await, 4, "each has its report");
    let listed = shop.command(&["reconcile", "reports", "-o", "json"]).output().await.unwrap();
    let listed: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.len(), 4, "which can be listed: {listed:?}");
}

// REC-06
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_comparison_does_not_begin_beside_a_first_and_one_given_up_blocks_nobody() {
    let shop = Shop::plan().open().await;
    let open = "insert into reconcile_reports (report_id, kind, looked_since, started_at)
                values (gen_random_uuid(), 'BOOKS', now(), now() - interval '10 minutes')";
    shop.run(open).await;
    assert_eq!(shop.reconcile(&[]).await.1, Some(4), "another one is under way");
    assert_eq!(shop.reconcile(&["--payouts"]).await.1, Some(0), "of its own kind only");
    shop.run(
        "update reconcile_reports set started_at = now() - interval '61 minutes'
              where kind = 'BOOKS'",
    )
    .await;
    assert_eq!(shop.reconcile(&[]).await.1, Some(0), "after an hour it is given up");
    assert_eq!(shop.count("reconcile_reports where outcome = 'ABANDONED'").await, 1);
}
