//! What the gateway paid out is compared with our captures, refunds and ledger.

use makegood_tests::Shop;
use serde_json::Value;

fn findings(report: &Value) -> Vec<(String, String)> {
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    let word = |finding: &Value, field: &str| finding[field].as_str().unwrap_or("").to_owned();
    findings.iter().map(|found| (word(found, "kind"), word(found, "subject"))).collect()
}

// G81
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_line_of_a_payout_has_its_capture_or_refund_and_a_break_is_kept() {
    let shop = Shop::plan().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    for _ in 0..3 {
        customer.buy(&[("tea", 1)]).await;
    }
    let late = customer.place(&[("tea", 1)]).await;
    let session = customer.session(&late).await;
    customer.cancel(&late).await.expect(202);
    customer.wait_for(&late, "CANCELLED").await;
    customer.pay(&session).await;
    let settled = "select count(*) = 4 from gateway_captures";
    shop.holds("the books have every capture", settled).await;
    shop.audit().await;
    let (report, code) = shop.reconcile(&["--payouts"]).await;
    assert_eq!((findings(&report), code), (Vec::new(), Some(0)), "{report}");
    let lines = shop.count("payout_lines where state = 'MATCHED'").await;
    assert!(lines >= 4, "a line for each payment, and for each refund: {lines}");
    assert_eq!(report["asked"].as_i64(), Some(lines));

    let truth = shop.gateway_truth().await;
    let [changed, missing] = [&truth.payments[0].id, &truth.payments[1].id];
    let past_guards = "set local session_replication_role = replica";
    shop.run(&format!(
        "begin; {past_guards};
         update gateway_captures set amount_minor = 999 where gateway_payment_id = '{changed}';
         delete from gateway_captures where gateway_payment_id = '{missing}';
         insert into gateway_captures (gateway_payment_id, gateway_order_id, amount_minor, currency,
           disposition, at)
         values ('pay_forgotten', 'order_forgotten', 100, 'INR', 'REVIEW',
           now() - interval '10 days 1 hour');
         commit"
    ))
    .await;
    let (report, code) = shop.reconcile(&["--payouts"]).await;
    assert_eq!(code, Some(1), "a person must look: {report}");
    let mut wanted = vec![
        ("not_paid_out".to_owned(), "pay_forgotten".to_owned()),
        ("payout_differs".to_owned(), changed.clone()),
        ("payout_differs".to_owned(), missing.clone()),
    ];
    let mut found = findings(&report);
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted, "{report}");
    assert_eq!(shop.count("payout_lines where state = 'BROKEN' and detail <> ''").await, 2);
}
