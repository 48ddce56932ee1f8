//! Requests as no client library would send them: each gets a plain refusal, nothing is done by
//! halves, and the next caller is served.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Shop;

/// The status and the code of a refusal.
type Refused = (u16, &'static str);

/// What comes back for these bytes until the server closes the connection, or all is answered.
async fn raw(shop: &Shop, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(shop.api.addr()).await.unwrap();
    // A server that refuses early need not read to the end.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

fn status(answer: &str) -> u16 {
    let status = answer.strip_prefix("HTTP/1.1 ").or_else(|| answer.strip_prefix("HTTP/1.0 "));
    status.and_then(|rest| rest.get(..3)).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_http_is_refused_and_the_next_caller_is_served() {
    let short = Duration::from_millis(300);
    let shop =
        Shop::open_with(|config| (config.silence, config.body_timeout) = (short, short)).await;
    let many = |n: usize| "x-h: 1\r\n".repeat(n);
    let hook = "POST /api/v1/webhooks/razorpay HTTP/1.1\r\nhost: s\r\n";
    let tls = "\u{16}\u{3}\u{1}\u{2}\0\u{1}\0\u{1}\u{fc}\u{3}\u{3}";
    let cases: Vec<(&str, String, &[u16])> = vec![
        ("a TLS greeting", tls.to_owned(), &[400]),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), &[0, 400]),
        ("no version", "GET /livez\r\n\r\n".to_owned(), &[400]),
        ("HTTP/9", "GET /livez HTTP/9.9\r\n\r\n".to_owned(), &[400]),
        ("words", "hello, shop\r\n\r\n".to_owned(), &[400]),
        ("a header without a colon", format!("{hook}what\r\n\r\n"), &[400]),
        ("a space before the colon", format!("{hook}a : b\r\n\r\n"), &[400]),
        ("a NUL in a header", format!("{hook}a: b\0c\r\n\r\n"), &[400]),
        ("a folded header", format!("{hook}a: b\r\n c\r\n\r\n"), &[400]),
        ("a line feed in the target", "GET /li\nvez HTTP/1.1\r\n\r\n".to_owned(), &[400]),
        (
            "a target that is too long",
            format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(40_000)),
            &[431],
        ),
        (
            "a long query",
            format!(
                "GET /api/v1/orders?after={} HTTP/1.1\r\nhost: s\r\nconnection: close\r\n\r\n",
                "a".repeat(20_000)
            ),
            &[401],
        ),
        ("too many headers", format!("{hook}{}\r\n", many(101)), &[431]),
        ("a header that is too long", format!("{hook}a: {}\r\n\r\n", "b".repeat(40_000)), &[431]),
        ("a length that is no number", format!("{hook}content-length: many\r\n\r\n"), &[400]),
        ("a negative length", format!("{hook}content-length: -1\r\n\r\n"), &[400]),
        ("a signed length", format!("{hook}content-length: +4\r\n\r\n{{}}  "), &[400]),
        (
            "an endless length",
            format!("{hook}content-length: 99999999999999999999\r\n\r\n"),
            &[400],
        ),
        (
            "two lengths",
            format!("{hook}content-length: 2\r\ncontent-length: 4\r\n\r\n{{}}  "),
            &[400],
        ),
        ("an unknown coding", format!("{hook}transfer-encoding: gzip\r\n\r\n"), &[400]),
        (
            "a chunk that is none",
            format!("{hook}transfer-encoding: chunked\r\n\r\nzz\r\n{{}}\r\n0\r\n\r\n"),
            &[400],
        ),
        (
            "an endless chunk",
            format!("{hook}transfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n"),
            &[400],
        ),
        (
            "a chunk that ends early",
            format!("{hook}transfer-encoding: chunked\r\n\r\n5\r\n{{}}"),
            &[408],
        ),
        (
            "an announced giant",
            format!("{hook}expect: 100-continue\r\ncontent-length: 1073741824\r\n\r\n"),
            &[413],
        ),
        (
            "a method of one's own",
            "FROBNICATE /api/v1/orders HTTP/1.1\r\nhost: s\r\nconnection: close\r\n\r\n".to_owned(),
            &[405],
        ),
        (
            "a path out of the root",
            "GET /../../etc/passwd HTTP/1.1\r\nhost: s\r\nconnection: close\r\n\r\n".to_owned(),
            &[404],
        ),
        (
            "a path with a NUL",
            "GET /api/v1/products/%00 HTTP/1.1\r\nhost: s\r\nconnection: close\r\n\r\n".to_owned(),
            &[404],
        ),
        (
            "a path that is no UTF-8",
            "GET /api/v1/products/%ff%fe HTTP/1.1\r\nhost: s\r\nconnection: close\r\n\r\n"
                .to_owned(),
            &[404],
        ),
    ];
    for (what, bytes, expected) in cases {
        let answer = raw(&shop, bytes.as_bytes()).await;
        assert!(expected.contains(&status(&answer)), "{what}: {answer:?}");
        let fair = raw(&shop, b"GET /livez HTTP/1.0\r\n\r\n").await;
        assert_eq!(status(&fair), 200, "after {what}");
    }
    assert_eq!((shop.count("webhook_events").await, shop.count("orders").await), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_a_row_are_answered_in_their_order() {
    let shop = Shop::open().await;
    let one = |n: usize| {
        let last = if n == 49 { "connection: close\r\n" } else { "" };
        format!(
            "GET /api/v1/nothing HTTP/1.1\r\nhost: s\r\nx-request-id: in-a-row-{n}\r\n{last}\r\n"
        )
    };
    let all: String = (0..50).map(one).collect();
    let answers = raw(&shop, all.as_bytes()).await;
    let ids: Vec<&str> = answers.lines().filter_map(|l| l.strip_prefix("x-request-id: ")).collect();
    let wanted: Vec<String> = (0..50).map(|n| format!("in-a-row-{n}")).collect();
    assert_eq!(ids, wanted, "{answers}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_hidden_in_a_body_is_not_carried_out() {
    let shop = Shop::open().await;
    let hidden = "GET /api/v1/nothing HTTP/1.1\r\nhost: s\r\nx-request-id: hidden-one\r\n\r\n";
    let hook = "POST /api/v1/webhooks/razorpay HTTP/1.1\r\nhost: s\r\nconnection: close\r\n";
    for head in [
        // A proxy that heeds the other of the two would see another end of the body.
        format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", hidden.len() + 5),
        format!("transfer-encoding: chunked\r\ncontent-length: {}\r\n", hidden.len() + 5),
        format!("content-length: {}\r\n", hidden.len() + 5),
    ] {
        let answers = raw(&shop, format!("{hook}{head}\r\n0\r\n\r\n{hidden}").as_bytes()).await;
        assert!(!answers.contains("hidden-one"), "{head:?} hides a request: {answers}");
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{head:?}: {answers}");
        assert_eq!(status(&answers), 400, "{head:?}: {answers}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_no_client_would_send_are_refused_by_name() {
    let shop = Shop::open().await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let json = "application/json";
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n)).into_bytes();
    let utf16: Vec<u8> = "{\"lines\": []}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let lines = |line: &str| format!("{{\"lines\": [{line}]}}").into_bytes();
    let twice = br#"{"lines": [{"sku": "TEA", "quantity": 1}], "lines": []}"#.to_vec();
    let cases: Vec<(&str, &str, Vec<u8>, Refused)> = vec![
        ("nothing", json, Vec::new(), (400, "BAD_REQUEST")),
        ("no kind", "", lines(""), (415, "UNSUPPORTED_MEDIA_TYPE")),
        (
            "a form",
            "application/x-www-form-urlencoded",
            b"lines=1".to_vec(),
            (415, "UNSUPPORTED_MEDIA_TYPE"),
        ),
        ("XML", "text/xml", b"<lines/>".to_vec(), (415, "UNSUPPORTED_MEDIA_TYPE")),
        ("depth", json, deep(20_000), (400, "BAD_REQUEST")),
        (
            "depth in a line",
            json,
            [b"{\"lines\": [".to_vec(), deep(20_000)].concat(),
            (400, "BAD_REQUEST"),
        ),
        ("UTF-16", "application/json; charset=utf-16", utf16, (400, "BAD_REQUEST")),
        (
            "Latin-1",
            json,
            b"{\"lines\": [{\"sku\": \"caf\xe9\", \"quantity\": 1}]}".to_vec(),
            (400, "BAD_REQUEST"),
        ),
        (
            "half a surrogate",
            json,
            lines(r#"{"sku": "\ud800", "quantity": 1}"#),
            (400, "BAD_REQUEST"),
        ),
        ("a NUL", json, lines(r#"{"sku": "TEA\u0000", "quantity": 1}"#), (400, "BAD_REQUEST")),
        ("a list for an object", json, b"[]".to_vec(), (400, "BAD_REQUEST")),
        ("null", json, b"null".to_vec(), (400, "BAD_REQUEST")),
        (
            "a huge number",
            json,
            lines(r#"{"sku": "TEA", "quantity": 1e400}"#),
            (400, "BAD_REQUEST"),
        ),
        (
            "a number past 64 bits",
            json,
            lines(r#"{"sku": "TEA", "quantity": 18446744073709551616}"#),
            (400, "BAD_REQUEST"),
        ),
        (
            "a negative number",
            json,
            lines(r#"{"sku": "TEA", "quantity": -1}"#),
            (400, "BAD_REQUEST"),
        ),
        (
            "a number as text",
            json,
            lines(r#"{"sku": "TEA", "quantity": "1"}"#),
            (400, "BAD_REQUEST"),
        ),
        ("true", json, lines(r#"{"sku": "TEA", "quantity": true}"#), (400, "BAD_REQUEST")),
        ("one field twice", json, twice, (400, "BAD_REQUEST")),
        (
            "a price",
            json,
            lines(r#"{"sku": "TEA", "quantity": 1, "unit_price": 1}"#),
            (400, "BAD_REQUEST"),
        ),
        ("too much", json, vec![b' '; 65_537], (413, "BODY_TOO_LARGE")),
    ];
    for (what, kind, body, (status, code)) in cases {
        let request = ada.request(reqwest::Method::POST, "/api/v1/orders");
        let request = request.header("idempotency-key", "key-0000001").header("content-type", kind);
        let reply = crate::support::read(request.body(body)).await;
        assert_eq!(reply.refusal(), (status, code.to_owned()), "{what}: {}", reply.body);
        assert_eq!(reply.body["data"], Value::Null, "{what}");
    }
    for kib in [65, 500, 3_000] {
        let request = ada.request(reqwest::Method::POST, "/api/v1/orders");
        let reply = crate::support::read(request.body(vec![b' '; kib * 1024])).await;
        assert_eq!(reply.refusal(), (413, "BODY_TOO_LARGE".to_owned()), "{kib} KiB are heard");
    }
    assert_eq!(shop.count("orders").await, 0, "nothing was written");
    assert_eq!(ada.status(&ada.place("TEA", 1).await).await, "PENDING", "and a fair one is taken");
}
