//! The seed: the same seed and the same calls meet the same faults, in any order of arrival.

use std::{collections::BTreeMap, time::Duration};

use gateway_sandbox::{CallOdds, Config, DelayRange, Odds, Operation, WebhookOdds};
use reqwest::Method;
use serde_json::{Value, json};

use crate::shop::Shop;

const RECEIPTS: usize = 40;

fn config(seed: u64) -> Config {
    let calls = CallOdds {
        error_per_mille: 200,
        drop_after_per_mille: 150,
        drop_before_per_mille: 150,
        delay_per_mille: 100,
        delay_ms: DelayRange { min_ms: 1, max_ms: 3 },
        ..CallOdds::default()
    };
    let by_operation = BTreeMap::from([(Operation::ListOrders, CallOdds::default())]);
    let webhooks =
        WebhookOdds { lose_per_mille: 300, duplicate_per_mille: 300, ..WebhookOdds::default() };
    Config { seed, odds: Odds { calls, by_operation, webhooks }, ..Config::default() }
}

/// What each receipt's first and second try met; the calls run in parallel, in the order given.
async fn outcomes(shop: &Shop, receipts: Vec<usize>) -> BTreeMap<usize, Vec<String>> {
    let calls = receipts.into_iter().map(|n| {
        let body = json!({"amount": 100, "currency": "INR", "receipt": format!("r-{n}")});
        let tries = [0, 1].map(|_| shop.v1(Method::POST, "/orders").json(&body));
        tokio::spawn(async move {
            let mut met = Vec::new();
            for call in tries {
                met.push(match call.timeout(Duration::from_secs(5)).send().await {
                    Ok(answer) => answer.status().to_string(),
                    Err(_) => "dropped".to_owned(),
                });
            }
            (n, met)
        })
    });
    let mut all = BTreeMap::new();
    for call in calls.collect::<Vec<_>>() {
        let (n, met) = call.await.unwrap();
        all.insert(n, met);
    }
    all
}

fn receipts_and_ids(truth: &Value) -> BTreeMap<String, String> {
    let orders = truth["orders"].as_array().unwrap().iter();
    orders.map(|order| (order["id"].to_string(), order["receipt"].to_string())).collect()
}

#[tokio::test]
async fn the_same_seed_meets_the_same_faults_and_makes_the_same_ids() {
    let (one, two) = (Shop::with(config(7)).await, Shop::with(config(7)).await);
    let first = outcomes(&one, (0..RECEIPTS).collect()).await;
    let second = outcomes(&two, (0..RECEIPTS).rev().collect()).await;
    assert_eq!(first, second, "whatever the order of arrival");
    let (one, two) = (one.truth().await, two.truth().await);
    assert_eq!(receipts_and_ids(&one), receipts_and_ids(&two));

    let kinds: std::collections::BTreeSet<_> = first.values().flatten().collect();
    assert!(kinds.len() >= 4, "several kinds of fault happened: {kinds:?}");
    let other = outcomes(&Shop::with(config(8)).await, (0..RECEIPTS).collect()).await;
    assert_ne!(first, other, "another seed, other faults");
}

#[tokio::test]
async fn an_operation_with_odds_of_its_own_follows_them() {
    let shop = Shop::with(config(7)).await;
    for _ in 0..30 {
        assert_eq!(shop.get("/orders").await.0, 200, "its odds are zero");
    }
}

#[tokio::test]
async fn the_same_seed_loses_and_repeats_the_same_webhooks() {
    let mut fates = Vec::new();
    for _ in 0..2 {
        let shop = Shop::with(Config {
            odds: Odds { webhooks: config(7).odds.webhooks, ..Odds::default() },
            seed: 7,
            ..Config::default()
        })
        .await;
        for n in 0..10 {
            shop.paid(&shop.order(&format!("r-{n}")).await).await;
        }
        let truth = shop.truth().await;
        let webhooks = truth["webhooks"].as_array().unwrap().iter();
        let fate =
            |one: &Value| (one["event_id"].clone(), one["kind"].clone(), one["outcome"] == "lost");
        fates.push(webhooks.map(fate).collect::<Vec<_>>());
    }
    assert_eq!(fates[0], fates[1]);
    assert!(fates[0].iter().any(|(_, _, lost)| *lost) && fates[0].len() > 25, "some were lost");
}
