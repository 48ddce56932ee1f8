//! A database host that vanishes: connections on which nobody ever answers, and a proxy in front of
//! it that has no server behind it any more.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{copy, copy_bidirectional, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::support::{Shop, server};

const PATH: &str = "/api/v1/products/none-such";

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Open,
    /// What is open is swallowed, and the near side never learns it; new connections are well.
    Silent,
    /// What is open ends, and so does every new connection.
    Closed,
}

/// A way to the server that can be spoiled.
async fn wire() -> (String, watch::Sender<Way>) {
    let url = server();
    let options: PgConnectOptions = url.parse().unwrap();
    let far = format!("{}:{}", options.get_host(), options.get_port());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let through = url.replacen(&far, &listener.local_addr().unwrap().to_string(), 1);
    assert_ne!(through, url, "the server's address has a port");
    let (spoil, mut way) = watch::channel(Way::Open);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            if *way.borrow_and_update() == Way::Closed {
                continue;
            }
            let (far, mut way) = (far.clone(), way.clone());
            tokio::spawn(async move {
                let mut far = TcpStream::connect(far).await.unwrap();
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => return,
                    _ = way.changed() => {}
                }
                if *way.borrow() == Way::Silent {
                    drop(far);
                    let _ = copy(&mut near, &mut sink()).await;
                }
            });
        }
    });
    (through, spoil)
}

async fn shop_behind(url: &str) -> Shop {
    let shop = Shop::open_at(url, |config| {
        config.connections = 2;
        config.settle_wait = Duration::from_millis(100);
        config.request_timeout = Duration::from_millis(500);
    })
    .await;
    assert_eq!(shop.get(PATH).await.status, 404, "all is well");
    shop
}

async fn until_well(shop: &Shop) {
    let begun = Instant::now();
    while shop.get(PATH).await.status != 404 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it has come to itself by now");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_nobody_answers_are_given_up_and_the_api_serves_again() {
    let (url, spoil) = wire().await;
    let shop = shop_behind(&url).await;
    spoil.send(Way::Silent).unwrap();
    until_well(&shop).await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_without_a_server_behind_it_is_a_reason_to_try_again() {
    let (url, spoil) = wire().await;
    let shop = shop_behind(&url).await;
    spoil.send(Way::Closed).unwrap();
    for _ in 0..5 {
        let answer = shop.get(PATH).await;
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert_eq!(answer.body["error"]["retryable"], true, "{}", answer.body);
    }
    spoil.send(Way::Open).unwrap();
    until_well(&shop).await;
    shop.stop().await;
}
