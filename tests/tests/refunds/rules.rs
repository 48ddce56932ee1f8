//! Who may ask for what, and until when.

use makegood_tests::{Answer, Shop, Web};
use serde_json::json;

use crate::{Paid, inr};

// REF-05
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outside_the_policy_a_customer_is_refused_and_an_admin_needs_a_reason() {
    let paid = Paid::in_a_shop(Shop::plan()).await;
    let admin = paid.shop.person("admin").await;
    let outside = async |what: &str| {
        let refused = paid.ask("a-customers-wish", inr("6.00")).await;
        assert_eq!((refused.status, refused.code()), (409, "OUTSIDE_REFUND_POLICY"), "{what}");
    };
    paid.shop.run("update tenants set refund_basis_points = 5000").await;
    outside("half of it at most").await;
    paid.ask("a-smaller-wish", inr("3.00")).await.expect(202);
    paid.shop.run("update tenants set refund_basis_points = 10000, refund_window_secs = 0").await;
    outside("the time is over").await;
    paid.shop.run("update tenants set customers_refund = false, refund_window_secs = 60000").await;
    outside("customers do not ask here").await;
    admin.refund(&paid.order, "the-shops-own", inr("1.00")).await.expect(202);

    paid.shop.run("update tenants set refund_window_secs = 0").await;
    let refused = admin.refund(&paid.order, "without-a-reason", inr("1.00")).await;
    assert_eq!((refused.status, refused.code()), (409, "OUTSIDE_REFUND_POLICY"), "{refused}");
    let wish = json!({"amount": {"amount": "1.00", "currency": "INR"},
                      "override_reason": "a gesture"});
    let forbidden = paid.ask("a-customers-gesture", wish.clone()).await;
    assert_eq!((forbidden.status, forbidden.code()), (403, "FORBIDDEN"), "{forbidden}");
    let made = admin.refund(&paid.order, "with-a-reason", wish).await.expect(202);
    assert_eq!(made.text("/data/refund/override_reason"), "a gesture", "{made}");
    paid.shop.audit().await;
    let kept: i64 = paid
        .shop
        .count("refunds where override_reason = 'a gesture' and actor like 'admin:%'")
        .await;
    assert_eq!(kept, 1, "who went past the policy, and why, is kept");
}

// AZ-06
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_and_the_anonymous_are_refused_before_the_gateway_is_asked() {
    let paid = Paid::in_a_shop(Shop::plan()).await;
    let path = format!("/api/v1/orders/{}/refunds", paid.order);
    let anonymous = Web::new().post(&paid.shop.api.url(&path)).json(&json!({"reason": "mine"}));
    Answer::of(anonymous.header("idempotency-key", "anonymous-1")).await.unwrap().expect(401);
    for role in ["customer", "vendor", "service"] {
        let stranger = paid.shop.person(role).await;
        stranger.refund(&paid.order, "not-my-order", json!({})).await.expect(403);
        stranger.try_refunds(&paid.order).await.expect(403);
    }
    let unknown = uuid::Uuid::nil().to_string();
    paid.customer.refund(&unknown, "no-such-order", json!({})).await.expect(404);
    paid.shop.audit().await;
    assert_eq!(paid.shop.gateway_truth().await.calls_of("refund"), 0, "the gateway heard nothing");
    assert_eq!(paid.shop.count("refunds").await, 0, "and nothing is written down");
}

// REF-02
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remainder_that_the_gateway_never_gives_back_is_refused_with_the_reason() {
    let paid = Paid::in_a_shop(Shop::plan()).await;
    paid.ask("nearly-all", inr("9.50")).await.expect(202);
    paid.customer.wait_for_refunds(&paid.order, &["PROCESSED"]).await;
    let refused = paid.ask("the-rest", json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "REFUND_TOO_SMALL"), "{refused}");
    assert_eq!(refused.text("/error/details/left/amount"), "0.50", "{refused}");
    paid.shop.audit().await;
    assert_eq!(paid.shop.gateway_truth().await.calls_of("refund"), 1, "the gateway is not asked");
    assert_eq!(paid.customer.status(&paid.order).await, "PAID", "a part of it is still paid");
    assert_eq!(paid.booked("GATEWAY").await, 50, "and the books say how much");
}

// REF-02
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_never_paid_or_is_no_amount_is_refused() {
    let paid = Paid::in_a_shop(Shop::plan()).await;
    let unpaid = paid.customer.place(&[("tea", 1)]).await;
    let refused = paid.customer.refund(&unpaid, "nothing-was-paid", json!({})).await;
    assert_eq!((refused.status, refused.code()), (409, "NOTHING_TO_REFUND"), "{refused}");
    for amount in ["0.00", "-1.00", "0.99"] {
        paid.ask("hardly-anything", inr(amount)).await.expect(400);
    }
    let dollars = json!({"amount": {"amount": "1.00", "currency": "USD"}});
    paid.ask("another-currency", dollars).await.expect(400);
    paid.ask("without-reason", json!({"reason": "  "})).await.expect(400);
    assert_eq!(paid.shop.count("refunds").await, 0);
}
