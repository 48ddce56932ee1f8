//! Everybody: customers are signed up, then come to the shop, so many at a time.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use tokio::{sync::Semaphore, task::JoinSet, time::interval};

use super::{customer::Web, journey::Journey, progress::Step, scenario::Crowd};

/// The most accounts that a crowd shares.
const ACCOUNTS: u32 = 20;
/// Sign-ups at once; each costs the API a slow password hash.
const SIGN_UPS: usize = 4;

/// Who comes, and how fast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guests {
    /// What they do.
    pub(crate) crowd: Crowd,
    /// How many come.
    pub(crate) count: u32,
    /// Decides what each does.
    pub(crate) seed: u64,
    /// In the shop at once.
    pub(crate) concurrency: u32,
    /// Between two of them, at least.
    pub(crate) pace: Duration,
}

/// The tokens of the accounts that the crowd shares.
pub(crate) async fn sign_up(web: &Web, guests: Guests) -> anyhow::Result<Vec<String>> {
    let accounts = guests.count.min(ACCOUNTS);
    let sign_ups = (0..accounts).map(|number| async move {
        let password = format!("{:032x}", rand::random::<u128>());
        web.sign_up(&format!("customer{number}@demo.example"), &password).await
    });
    stream::iter(sign_ups).buffered(SIGN_UPS).try_collect().await
}

/// Drives the whole crowd, `guests.concurrency` customers at a time, and answers what each saw.
pub(crate) async fn drive(
    web: &Web,
    tokens: Vec<String>,
    guests: Guests,
    step: &Step,
) -> anyhow::Result<Vec<Journey>> {
    let room = usize::try_from(guests.concurrency)?;
    let doors = Arc::new(Semaphore::new(room));
    let mut inside = JoinSet::new();
    let mut journeys = Vec::new();
    let mut tokens = tokens.into_iter().map(Arc::<str>::from).cycle();
    let mut arrivals = interval(guests.pace.max(Duration::from_nanos(1)));
    for index in 0..guests.count {
        arrivals.tick().await;
        let entry = Arc::clone(&doors).acquire_owned().await?;
        let Some(token) = tokens.next() else { break };
        let (web, number) = (web.clone(), (guests.seed, index));
        let scenario = guests.crowd.scenario(guests.seed, index);
        inside.spawn(async move {
            // Whoever only waits makes room for the next customer.
            Journey::of(&web, &token, scenario, number, move || drop(entry)).await
        });
        while let Some(journey) = inside.try_join_next() {
            journeys.push(journey?);
            step.advance();
        }
    }
    while let Some(journey) = inside.join_next().await {
        journeys.push(journey?);
        step.advance();
    }
    Ok(journeys)
}
