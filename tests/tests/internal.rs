//! What other systems of ours may ask: orders are confirmed, ended before their time and listed, by
//! nobody but a service.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

use std::time::Duration;

use makegood_tests::{Answer, Customer, Shop, Stock, Web};
use reqwest::Method;
use serde_json::json;

/// An account's token after its role was changed by the shop's operator.
async fn token_of(shop: &Shop, role: &str) -> String {
    let email = format!("{role}@example.test");
    let account = json!({"email": email, "password": "correct horse battery staple"});
    let web = Web::new();
    let open = |path: &str| Answer::of(web.post(&shop.api.url(path)).json(&account));
    open("/api/v1/auth/register").await.unwrap().expect(201);
    shop.run(&format!("update users set role = '{role}' where email = '{email}'")).await;
    let answer = open("/api/v1/auth/login").await.unwrap().expect(200);
    answer.text("/data/access_token").to_owned()
}

async fn ask(shop: &Shop, method: Method, path: &str, token: Option<&str>) -> Answer {
    let url = shop.api.url(path);
    let request = if method == Method::GET { Web::new().get(&url) } else { Web::new().post(&url) };
    let request = request.header("idempotency-key", format!("key-{path}"));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    Answer::of(request.timeout(Duration::from_secs(30))).await.unwrap()
}

async fn open_order(customer: &Customer) -> makegood_tests::Session {
    let order = customer.place(&[("tea", 1)]).await;
    customer.session(&order).await
}

// REC-02
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_confirms_expires_and_lists_orders_and_nobody_else_does() {
    let shop = Shop::plan().without_webhooks().open().await;
    shop.product("tea", 10).await;
    let customer = shop.customer().await;
    let (paid, unpaid) = (open_order(&customer).await, open_order(&customer).await);
    let service = token_of(&shop, "service").await;
    let admin = token_of(&shop, "admin").await;
    let confirm = |order: &str| format!("/internal/v1/orders/{order}/confirm");
    let expire = |order: &str| format!("/internal/v1/orders/{order}/expire");
    let list = |secs: u32| format!("/internal/v1/orders/expiring?within_secs={secs}");
    for (method, path) in [
        (Method::POST, confirm(&paid.order_id)),
        (Method::POST, expire(&paid.order_id)),
        (Method::GET, list(10)),
    ] {
        assert_eq!(ask(&shop, method.clone(), &path, None).await.status, 401, "{path}");
        assert_eq!(ask(&shop, method, &path, Some(&admin)).await.status, 403, "{path}");
    }
    let soon = async |secs| {
        let answer = ask(&shop, Method::GET, &list(secs), Some(&service)).await.expect(200);
        answer.body.pointer("/data/orders").unwrap().as_array().unwrap().len()
    };
    assert_eq!((soon(60).await, soon(3_600).await), (0, 2), "those whose time ends by then");

    let early = ask(&shop, Method::POST, &confirm(&unpaid.order_id), Some(&service)).await;
    assert_eq!(early.status, 202, "the gateway knows of no payment: {early}");
    assert_eq!(early.text("/data/status"), "RESERVED", "a service's word pays nothing");
    customer.pay(&paid).await;
    let answer = ask(&shop, Method::POST, &confirm(&paid.order_id), Some(&service)).await;
    assert!([200, 202].contains(&answer.status), "{answer}");
    customer.wait_for(&paid.order_id, "PAID").await;
    ask(&shop, Method::POST, &expire(&unpaid.order_id), Some(&service)).await.expect(202);
    customer.wait_for(&unpaid.order_id, "EXPIRED").await;
    let late = ask(&shop, Method::POST, &expire(&paid.order_id), Some(&service)).await;
    assert_eq!(late.status, 409, "a paid order does not expire: {late}");
    shop.audit().await;
    assert_eq!(shop.stock("tea").await, Stock { available: 9, reserved: 0, sold: 1 });
}

// REC-06
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn admins_read_the_reports_of_comparisons() {
    let shop = Shop::plan().open().await;
    let (report, _) = shop.reconcile(&[]).await;
    let (admin, service) = (token_of(&shop, "admin").await, token_of(&shop, "service").await);
    let path = "/api/v1/reconciliations";
    assert_eq!(ask(&shop, Method::GET, path, None).await.status, 401);
    assert_eq!(ask(&shop, Method::GET, path, Some(&service)).await.status, 403);
    let answer = ask(&shop, Method::GET, path, Some(&admin)).await.expect(200);
    assert_eq!(answer.body.pointer("/data/reports/0/report_id"), Some(&report["report_id"]));
    let id = report["report_id"].as_str().unwrap();
    let one = ask(&shop, Method::GET, &format!("{path}?report={id}"), Some(&admin)).await;
    assert_eq!(one.expect(200).body.pointer("/data/findings"), Some(&json!([])));
}
