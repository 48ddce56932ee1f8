//! Clients that take their time: they are cut off in the end, and are in nobody's way meanwhile.

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;

use crate::support::{Shop, until};

const SHORT: Duration = Duration::from_millis(500);

/// Everything that the server has to say until it closes the connection.
async fn rest(mut stream: impl AsyncReadExt + Unpin) -> String {
    let mut bytes = Vec::new();
    // Whoever is cut off may find the connection reset.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends one byte after the other, slowly, and never gets to the end; what the server said.
async fn dribble(addr: SocketAddr, begin: String) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(begin.as_bytes()).await.unwrap();
    let (read, mut write) = stream.into_split();
    let writing = tokio::spawn(async move {
        while write.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    });
    let said = rest(read).await;
    writing.abort();
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_dribbles_in_is_cut_off_and_others_are_served_meanwhile() {
    let shop = Shop::open_with(|config| config.silence = SHORT).await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let addr = shop.api.addr();
    let slow = join_all((0..300).map(|_| dribble(addr, "GET /livez HTTP/1.1\r\nx-slow: ".into())));
    let (said, _) = tokio::join!(slow, ada.place("TEA", 1));
    assert_eq!(shop.count("orders").await, 1, "somebody else is served");
    assert!(said.iter().all(String::is_empty), "nothing is said to half a request: {said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_dribbles_in_takes_no_place_and_is_answered_with_408() {
    let shop = Shop::open_with(|config| (config.body_timeout, config.in_flight) = (SHORT, 1)).await;
    shop.product("TEA", 1_000, 10).await;
    let ada = shop.customer().await;
    let addr = shop.api.addr();
    let head = format!(
        "POST /api/v1/orders HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {}\r\n\
         idempotency-key: key-0000001\r\ncontent-type: application/json\r\n\
         content-length: 60000\r\n\r\n",
        ada.token
    );
    let slow = join_all((0..100).map(|_| dribble(addr, head.clone())));
    let (said, _) = tokio::join!(slow, ada.place("TEA", 1)); // There is one place.
    for said in said {
        let (head, body) = said.split_once("\r\n\r\n").expect("an answer");
        assert!(head.starts_with("HTTP/1.1 408 "), "{head}");
        let body: Value = serde_json::from_str(body).expect("the envelope");
        assert_eq!(body["error"]["code"], "BODY_TOO_SLOW", "{body}");
        assert_eq!(body["error"]["retryable"], true, "{body}");
    }
    assert_eq!(shop.count("orders").await, 1, "nothing was made of half a body");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_make_room_for_those_who_wait() {
    let shop =
        Shop::open_with(|config| (config.silence, config.open_connections) = (SHORT, 2)).await;
    let addr = shop.api.addr();
    let idle = [TcpStream::connect(addr).await.unwrap(), TcpStream::connect(addr).await.unwrap()];
    let mut third = TcpStream::connect(addr).await.unwrap();
    third.write_all(b"GET /livez HTTP/1.0\r\n\r\n").await.unwrap();
    let answer = rest(third).await;
    assert!(answer.starts_with("HTTP/1.0 200 "), "served as soon as there is room: {answer}");
    for stream in idle {
        assert_eq!(rest(stream).await, "", "the silent ones were closed");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_no_answers_is_cut_off() {
    let shop = Shop::open_with(|config| {
        config.body_timeout = SHORT;
        config.request_timeout = 2 * SHORT;
    })
    .await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(shop.api.addr()).await.unwrap();
    // Far more answers than fit on the way; none is read.
    until("its connection is gone", async || {
        let request = b"GET /metrics HTTP/1.1\r\nhost: shop\r\n\r\n";
        match stream.try_write(request) {
            Ok(_) => false,
            Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
        }
    })
    .await;
    assert_eq!(shop.get("/livez").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_in_the_middle_of_its_body_leaves_nothing() {
    let shop = Shop::open().await;
    let ada = shop.customer().await;
    let head = format!(
        "POST /api/v1/orders HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {}\r\n\
         idempotency-key: key-0000001\r\ncontent-type: application/json\r\n\
         content-length: 60\r\n\r\n{{\"lines\": [",
        ada.token
    );
    let mut stream = TcpStream::connect(shop.api.addr()).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let said = rest(stream).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 400 "), "{said}");
    assert_eq!(shop.count("orders").await, 0);
}
