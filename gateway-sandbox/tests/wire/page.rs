//! The page a person clicks through.

use serde_json::json;

use crate::shop::{Shop, read};

async fn press(shop: &Shop, order: &str, fields: &str) -> (u16, String) {
    let call = shop
        .http
        .post(shop.url(&format!("/checkout/{order}")))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(fields.to_owned());
    let answer = call.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn the_page_loads_nothing_from_outside_and_escapes_what_it_shows() {
    let shop = Shop::open().await;
    let body = json!({"amount": 100, "currency": "INR", "receipt": "<script>"});
    let (_, order) = shop.post("/orders", body).await;
    let url = shop.url(&format!("/checkout/{}", order["id"].as_str().unwrap()));
    let answer = shop.http.get(url).send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    let html = answer.text().await.unwrap();
    assert!(html.contains("&lt;script&gt;") && !html.contains("http"), "{html}");
    for asset in ["page.css", "continue.js"] {
        let url = shop.url(&format!("/checkout/assets/{asset}"));
        assert_eq!(read(shop.http.get(url)).await.0, 200, "{asset}");
    }
}

#[tokio::test]
async fn pay_carries_the_three_fields_to_the_shop() {
    let shop = Shop::open().await;
    let order = shop.order("r").await;
    let fields = "button=success&callback_url=http%3A%2F%2F127.0.0.1%3A1%2Fverify%3Fa%3D1%26b";
    let (status, html) = press(&shop, &order, fields).await;
    assert_eq!(status, 200);
    assert!(html.contains("action=\"http://127.0.0.1:1/verify?a=1&amp;b\""), "{html}");
    for name in ["razorpay_payment_id", "razorpay_order_id", "razorpay_signature"] {
        assert!(html.contains(&format!("name={name} value=")), "{name} in {html}");
    }
    assert_eq!(shop.get(&format!("/orders/{order}")).await.1["status"], "paid");
}

#[tokio::test]
async fn fail_offers_another_try_and_close_pays_nothing() {
    let shop = Shop::open().await;
    let order = shop.order("r").await;
    let (status, html) = press(&shop, &order, "button=fail&cancel_url=http%3A%2F%2Fshop").await;
    assert_eq!(status, 400);
    assert!(html.contains(&format!("/checkout/{order}?cancel_url=")), "{html}");
    let (status, _) = press(&shop, &order, "button=close").await;
    assert_eq!(status, 200);
    let (_, after) = shop.get(&format!("/orders/{order}")).await;
    assert_eq!((&after["status"], &after["attempts"]), (&json!("attempted"), &json!(1)));
}
