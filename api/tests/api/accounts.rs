//! Registering, signing in, and who is let in where.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Shop, read};

fn credentials(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_registers_can_sign_in_and_use_the_token() {
    let shop = Shop::open().await;
    let ada = credentials("ada@example.test", "correct horse battery");
    let registered = shop.post("/api/v1/auth/register", &ada).await;
    assert_eq!(registered.status, 201, "{}", registered.body);
    assert_eq!(registered.text("/data/email"), "ada@example.test");
    assert_eq!(registered.text("/data/role"), "customer", "nobody makes himself an admin");
    assert!(registered.body.pointer("/data/password").is_none(), "no password comes back");

    let again = credentials("ADA@example.test", "another password");
    let again = shop.post("/api/v1/auth/register", &again).await;
    assert_eq!(again.refusal(), (409, "EMAIL_TAKEN".to_owned()), "in any case of its letters");

    let session = shop.post("/api/v1/auth/login", &ada).await;
    assert_eq!(session.status, 200, "{}", session.body);
    assert_eq!(session.text("/data/token_type"), "Bearer");
    assert_eq!(session.body["data"]["expires_in"], 3600);
    let token = session.text("/data/access_token");
    let orders = shop.request(Method::GET, "/api/v1/orders").bearer_auth(token);
    assert_eq!(read(orders).await.status, 200, "the token opens the door");

    let wrong = credentials("ada@example.test", "incorrect horse");
    let wrong = shop.post("/api/v1/auth/login", &wrong).await;
    let unknown = credentials("nobody@example.test", "incorrect horse");
    let unknown = shop.post("/api/v1/auth/login", &unknown).await;
    assert_eq!(wrong.refusal(), (401, "BAD_CREDENTIALS".to_owned()));
    assert_eq!(wrong.refusal(), unknown.refusal(), "one cannot tell which accounts exist");
    assert_eq!(wrong.body["message"], unknown.body["message"]);

    let strange = credentials("ada\0@example.test", "correct horse battery");
    let strange = shop.post("/api/v1/auth/login", &strange).await;
    assert_eq!(strange.refusal(), (400, "BAD_REQUEST".to_owned()), "no text has a NUL");

    shop.run("update users set is_active = false").await;
    let barred = shop.post("/api/v1/auth/login", &ada).await;
    assert_eq!(barred.refusal(), (401, "BAD_CREDENTIALS".to_owned()), "a barred account");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_account_is_refused_with_the_field() {
    let shop = Shop::open().await;
    let bad = [
        (credentials("no-at-sign", "long enough"), "email"),
        (credentials("two@at@signs", "long enough"), "email"),
        (credentials("a b@example.test", "long enough"), "email"),
        (credentials("ada@example.test", "short"), "password"),
        (credentials("ada@example.test", &"x".repeat(129)), "password"),
        (
            json!({ "email": "ada@example.test", "password": "long enough", "role": "admin" }),
            "role",
        ),
    ];
    for (body, field) in bad {
        let reply = shop.post("/api/v1/auth/register", &body).await;
        assert_eq!(reply.refusal(), (400, "BAD_REQUEST".to_owned()), "{body}");
        assert_eq!(reply.text("/error/details/field"), field, "{}", reply.body);
    }
    assert_eq!(shop.count("users").await, 0, "nothing was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_in_without_a_valid_token() {
    let shop = Shop::open().await;
    let order = "/api/v1/orders/0197a0a0-0000-7000-8000-000000000000";
    let guarded = [
        (Method::POST, "/api/v1/orders".to_owned()),
        (Method::GET, "/api/v1/orders".to_owned()),
        (Method::GET, order.to_owned()),
        (Method::GET, format!("{order}/stream")),
        (Method::POST, format!("{order}/cancel")),
        (Method::POST, format!("{order}/retry")),
        (Method::GET, "/api/v1/payments/0197a0a0-0000-7000-8000-000000000000".to_owned()),
        (Method::POST, "/api/v1/payments/create-session".to_owned()),
        (Method::POST, "/api/v1/payments/verify".to_owned()),
    ];
    for (method, path) in guarded {
        let bare = shop.request(method.clone(), &path).json(&json!({}));
        let wrong = bare.try_clone().unwrap().bearer_auth("eyJhbGciOiJIUzI1NiJ9.e30.AAAA");
        let basic = bare.try_clone().unwrap().basic_auth("ada", Some("password"));
        for request in [bare, wrong, basic] {
            let reply = read(request).await;
            assert_eq!(reply.refusal(), (401, "UNAUTHORIZED".to_owned()), "{method} {path}");
        }
    }
    for open in ["/livez", "/info", "/metrics", "/api/v1/products/none"] {
        assert_ne!(shop.get(open).await.status, 401, "{open} is for everybody");
    }
}
