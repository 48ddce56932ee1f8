//! What the gateway's client makes of answers that no honest gateway gives.
//! The other side is a bare socket here: what a well-behaved one does is tested in `gateway`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test ends at the first surprise"
)]

mod peer;

use std::net::SocketAddr;
use std::time::Duration;

use activities::gateway::{
    Gateway, GatewayConfig, GatewayError, GatewayOrder, GatewayOrderStatus, GatewayPaymentStatus,
    NewGatewayOrder, Notes, RazorpayClient,
};
use domain::{Capture, Currency, Money};
use futures::future::join_all;
use tokio::net::{TcpSocket, TcpStream};

use crate::peer::{Does, Peer};

const ORDER: &str = r#"{"id":"order_1","amount":11686,"currency":"INR","receipt":"r-1"}"#;

fn config(address: SocketAddr) -> GatewayConfig {
    let mut config =
        GatewayConfig::new(&format!("http://{address}"), "rzp_test_1", "hush-hush".into());
    config.timeout = Duration::from_millis(400);
    config.connect_timeout = Duration::from_millis(200);
    config.breaker.failures = u32::MAX;
    config
}

fn client(address: SocketAddr) -> RazorpayClient {
    RazorpayClient::new(config(address)).unwrap()
}

fn rupees(paise: i64) -> Money {
    Money::from_minor(paise, Currency::Inr)
}

fn new_order() -> NewGatewayOrder {
    NewGatewayOrder {
        receipt: "r-1".into(),
        amount: rupees(11686),
        capture: Capture::Automatic,
        notes: Notes::new(),
    }
}

/// What creating an order, and what listing orders, comes to with such a peer.
async fn both(
    does: Does,
) -> (Result<GatewayOrder, GatewayError>, Result<Vec<GatewayOrder>, GatewayError>) {
    let peer = Peer::that(does).await;
    // One client each: what the first call meets may hold the second back.
    let (creating, listing) = (client(peer.address), client(peer.address));
    (creating.create_order(&new_order()).await, listing.orders_by_receipt("r-1").await)
}

#[tokio::test]
async fn without_a_usable_answer_an_effect_is_in_doubt_and_a_read_may_be_repeated() {
    let peers = [
        ("a page of HTML", Does::Answers("200 OK", "<html><body>Welcome</body></html>")),
        ("truncated JSON", Does::Answers("200 OK", r#"{"id":"order_1","amount":116"#)),
        ("a body cut off", Does::Says("HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{\"id\":")),
        ("an empty body", Does::Answers("200 OK", "")),
        ("no content", Does::Says("HTTP/1.1 204 No Content\r\n\r\n")),
        ("another object", Does::Answers("200 OK", r#"{"entity":"event"}"#)),
        (
            "a float amount",
            Does::Answers("200 OK", r#"{"id":"order_1","amount":1.5,"currency":"INR"}"#),
        ),
        (
            "a strange currency",
            Does::Answers("200 OK", r#"{"id":"order_1","amount":1,"currency":"??"}"#),
        ),
        ("noise", Does::Says("\u{1}\u{2}\u{3}\r\n\r\n")),
        ("silence and a close", Does::Closes),
        ("a reset", Does::Resets),
        ("a hang", Does::Hangs),
        ("a broken server", Does::Answers("500 Internal Server Error", "")),
        ("a broken proxy", Does::Answers("502 Bad Gateway", "<html>502</html>")),
    ];
    for (what, does) in peers {
        let (created, listed) = both(does).await;
        assert!(
            matches!(created, Err(GatewayError::Unknown { .. })),
            "after {what} the order may exist: {created:?}"
        );
        assert!(
            matches!(listed, Err(GatewayError::Unavailable { .. })),
            "after {what} a read may be repeated: {listed:?}"
        );
    }
}

#[tokio::test]
async fn a_refusal_is_read_in_every_shape_and_shows_no_page() {
    let shapes = [
        r#"{"error":{"code":"BAD_REQUEST_ERROR","reason":"too_low","description":"no"}}"#,
        r#"{"message":"no"}"#,
        r#""no""#,
        "no",
    ];
    for body in shapes {
        let (created, _) = both(Does::Answers("400 Bad Request", body)).await;
        let Err(GatewayError::Rejected { status, description, .. }) = created else {
            panic!("{body} is a refusal: {created:?}");
        };
        assert_eq!((status, description.as_deref()), (Some(400), Some("no")), "{body}");
    }
    let (created, _) = both(Does::Answers("400 Bad Request", "<html>secret page</html>")).await;
    assert!(matches!(created, Err(GatewayError::Rejected { .. })), "{created:?}");
    assert!(!format!("{created:?}").contains("secret page"), "no page in an error: {created:?}");
}

#[tokio::test]
async fn before_a_connection_stands_nothing_can_have_happened() {
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let refused = client(nobody.local_addr().unwrap()).create_order(&new_order()).await;
    assert!(matches!(refused, Err(GatewayError::Unavailable { .. })), "{refused:?}");

    let listener = nobody.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) =
        tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await
    {
        waiting.push(stream); // until the queue of the listener, which accepts nobody, is full
    }
    let unanswered = client(address).create_order(&new_order()).await;
    assert!(matches!(unanswered, Err(GatewayError::Unavailable { .. })), "{unanswered:?}");
}

#[tokio::test]
async fn a_gateway_that_sheds_load_says_when_to_come_back() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let answer = format!("HTTP/1.1 {status}\r\nretry-after: 3\r\ncontent-length: 0\r\n\r\n");
        let (created, _) = both(Does::Says(answer.leak())).await;
        let error = created.unwrap_err();
        assert!(matches!(error, GatewayError::Unavailable { .. }), "{status}: {error:?}");
        assert_eq!(error.retry_after(), Some(Duration::from_secs(3)), "{status}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_keys() {
    let elsewhere = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\n\
                     content-length: 0\r\n\r\n";
    let (created, listed) = both(Does::Says(elsewhere)).await;
    assert!(matches!(created, Err(GatewayError::Misconfigured { .. })), "{created:?}");
    assert!(matches!(listed, Err(GatewayError::Misconfigured { .. })), "{listed:?}");
}

#[tokio::test]
async fn odd_but_harmless_fields_do_not_spoil_an_answer() {
    let odd = r#"{"id":"order_1","entity":"order","amount":11686,"amount_paid":null,"currency":"INR",
        "receipt":7,"status":"brand_new","attempts":"many","notes":[],"created_at":"yesterday",
        "offer":{"deep":[1,2]}}"#;
    let (created, _) = both(Does::Answers("201 Created", odd)).await;
    let order = created.unwrap();
    assert_eq!((order.amount, order.amount_paid), (rupees(11686), rupees(0)));
    assert_eq!(order.status, GatewayOrderStatus::Unrecognised, "an unknown word is no failure");
    assert_eq!((order.receipt, order.created_at, order.notes), (None, None, Notes::new()));

    let failed = r#"{"items":[{"id":"pay_2","order_id":null,"amount":1,"currency":"INR",
        "status":"failed","captured":true,"error_code":"","error_reason":"payment_cancelled",
        "created_at":20},{"id":"pay_1","order_id":"","amount":1,"currency":"INR",
        "status":"authorized","captured":true,"error_reason":"NA","created_at":10}]}"#;
    let peer = Peer::that(Does::Answers("200 OK", failed)).await;
    let order_id = "order_1".parse().unwrap();
    let payments = client(peer.address).order_payments(&order_id).await.unwrap();
    let (first, second) = (&payments[0], &payments[1]);
    assert_eq!((first.id.as_str(), second.id.as_str()), ("pay_1", "pay_2"), "oldest first");
    assert_eq!(first.status, GatewayPaymentStatus::Authorized, "the status counts, not the flag");
    assert_eq!((&first.failure, &first.order_id), (&None, &None));
    assert_eq!(second.failure.as_deref(), Some("payment_cancelled"));
}

#[tokio::test]
async fn an_order_with_another_receipt_is_never_taken_for_ours() {
    let strangers = r#"{"items":[{"id":"order_9","amount":11686,"currency":"INR","receipt":"r-2"},
        {"id":"order_8","amount":11686,"currency":"INR","receipt":null}]}"#;
    let (_, listed) = both(Does::Answers("200 OK", strangers)).await;
    assert_eq!(listed, Ok(Vec::new()), "the filter was ignored, and we noticed");
}

#[tokio::test]
async fn an_answer_about_another_payment_is_not_taken() {
    let other = r#"{"id":"pay_2","amount":100,"currency":"INR","status":"captured"}"#;
    let peer = Peer::that(Does::Answers("200 OK", other)).await;
    let asked = "pay_1".parse().unwrap();
    let read = client(peer.address).payment(&asked).await;
    assert!(matches!(read, Err(GatewayError::Unavailable { .. })), "{read:?}");
    let captured = client(peer.address).capture(&asked, rupees(100)).await;
    assert!(matches!(captured, Err(GatewayError::Unknown { .. })), "{captured:?}");
}

#[tokio::test]
async fn a_page_that_comes_again_ends_the_list() {
    let page = format!(r#"{{"items":[{}]}}"#, vec![ORDER; 100].join(","));
    let (_, listed) = both(Does::Answers("200 OK", page.leak())).await;
    assert_eq!(listed.map(|orders| orders.len()), Ok(1), "the same page again brings no more");
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let flood = format!("HTTP/1.1 200 OK\r\n\r\n{}", " ".repeat(5 << 20));
    let (created, _) = both(Does::Says(flood.leak())).await;
    let Err(GatewayError::Unknown { detail, .. }) = created else {
        panic!("an answer past the limit leaves doubt: {created:?}");
    };
    assert!(detail.contains("too long"), "{detail}");
}

// RES-02
#[tokio::test]
async fn a_gateway_that_has_become_slow_is_asked_by_a_few_calls_at_once_and_the_others_wait() {
    let peer = Peer::that(Does::Hangs).await;
    let client =
        RazorpayClient::new(GatewayConfig { calls_at_once: 2, ..config(peer.address) }).unwrap();
    let answers = join_all((0..40).map(|_| client.orders_by_receipt("r-1"))).await;
    let asked = answers.iter().filter(|a| matches!(a, Err(GatewayError::Unavailable { .. })));
    let held = answers.iter().filter(|a| matches!(a, Err(GatewayError::Held { .. })));
    let (asked, held) = (asked.count(), held.count());
    assert_eq!(asked + held, 40, "{answers:?}");
    assert!((2..=10).contains(&asked), "two at a time, for a second: {asked}");
}
