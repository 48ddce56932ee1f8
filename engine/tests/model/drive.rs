//! Drives cases: starts them, tells them what the outside tells them, and answers their waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use makegood::Client;
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{PgPool, Row};
use tokio::sync::watch;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::facts::Facts;
use crate::program::{Case, When, Word};
use crate::script::{Maybe, No, Script, Yes};
use crate::storm::Weather;
use crate::support::TestCell;
use crate::world::{self, Told, world};

/// A run that is stuck so often for nothing that it will be for ever.
const RETRIES: u32 = 12;

/// Nothing has ended for so long.
const STALL: Duration = Duration::from_secs(15);

/// Drives the cases in a cell until all have ended, and gathers what is found then.
pub async fn drive(cell: &TestCell, cases: &[Case], weather: Weather, seed: u64) -> Facts {
    for case in cases {
        world().open(&case.program.case, &cell.client, &cell.pool);
    }
    let (over, is_over) = watch::channel(false);
    let mut helpers = JoinSet::new();
    helpers.spawn(weather.blow(cell.database.clone(), cell.pool.clone(), seed, is_over.clone()));
    helpers.spawn(answer(cell.client.clone(), cell.pool.clone(), is_over.clone()));
    helpers.spawn(repair(cell.client.clone(), cell.pool.clone(), is_over));
    let mut senders = JoinSet::new();
    for some in cases.chunks(100) {
        start(cell, some).await;
        for case in some {
            send_later(cell, case, &mut senders);
        }
    }
    while senders.join_next().await.is_some() {}
    if all_ended(&cell.pool).await {
        for case in cases {
            send_late(cell, case).await;
        }
        cell.client.wake();
        all_ended(&cell.pool).await;
    }
    let _ = over.send(true);
    while let Some(helper) = helpers.join_next().await {
        helper.unwrap();
    }
    Facts::gather(&cell.pool).await
}

/// Starts runs in one transaction, with all that comes with their start.
async fn start(cell: &TestCell, cases: &[Case]) {
    let client = &cell.client;
    let mut tx = cell.pool.begin().await.unwrap();
    let mut told = Vec::new();
    for Case { program, sends, cancel, .. } in cases {
        let case = program.case.as_str();
        client.start::<Script>(&mut tx, case, program).await.unwrap();
        for send in sends.iter().filter(|send| send.when == When::WithStart) {
            let (id, word) = (send.id.clone(), send.word);
            for _ in 0..=u32::from(send.twice) {
                let sent = match word {
                    Word::Yes => {
                        let word = Yes(id.clone());
                        client.signal::<Script, Yes>(&mut tx, case, &id, &word).await
                    }
                    Word::No => {
                        client.signal::<Script, No>(&mut tx, case, &id, &No(id.clone())).await
                    }
                    Word::Maybe => {
                        let word = Maybe(id.clone());
                        client.signal::<Script, Maybe>(&mut tx, case, &id, &word).await
                    }
                };
                let (case, id, delivery) = (case.to_owned(), id.clone(), sent.unwrap());
                told.push(Told::Signal { case, id, delivery });
            }
        }
        if *cancel == Some(When::WithStart) {
            let cancellation = client.cancel::<Script>(&mut tx, case, &"enough").await.unwrap();
            told.push(Told::Cancel { case: case.to_owned(), cancellation });
        }
    }
    tx.commit().await.unwrap();
    told.into_iter().for_each(|told| world().tell(told));
    client.wake();
}

fn send_later(cell: &TestCell, case: &Case, senders: &mut JoinSet<()>) {
    let Case { program, sends, cancel, .. } = case;
    let office = || (cell.client.clone(), cell.pool.clone(), program.case.clone());
    for send in sends.clone() {
        let When::After { ms } = send.when else { continue };
        let (client, pool, case) = office();
        senders.spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            for _ in 0..=u32::from(send.twice) {
                world::signal(&client, &pool, &case, &send.id, send.word).await;
            }
            client.wake();
        });
    }
    if let Some(When::After { ms }) = cancel {
        let ((client, pool, case), ms) = (office(), *ms);
        senders.spawn(async move {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            world::cancel(&client, &pool, &case).await;
            client.wake();
        });
    }
}

async fn send_late(cell: &TestCell, case: &Case) {
    let (client, pool, name) = (&cell.client, &cell.pool, &case.program.case);
    for send in case.sends.iter().filter(|send| send.when == When::Late) {
        for _ in 0..=u32::from(send.twice) {
            world::signal(client, pool, name, &send.id, send.word).await;
        }
    }
    if case.cancel == Some(When::Late) {
        world::cancel(client, pool, name).await;
    }
}

/// Waits until no run lives, or nothing moves any more.
async fn all_ended(pool: &PgPool) -> bool {
    let (mut last, mut since) = (0, Instant::now());
    loop {
        let sql = "select count(*), coalesce(sum(epoch + step_count), 0)::bigint from tasks";
        let row = sqlx::query(sql).fetch_one(pool).await.unwrap();
        let (live, moved): (i64, i64) = (row.get(0), row.get(1));
        if live == 0 {
            return true;
        }
        let now = live * 1_000_000 + moved;
        if now != last {
            (last, since) = (now, Instant::now());
        }
        if since.elapsed() > STALL {
            eprintln!("nothing moves any more: {:?}", standing(pool).await);
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What stands still, and who could move it.
async fn standing(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select 'run ' || k.state || ' owner ' || coalesce(k.owner::text, 'none') || ' due in '
           || coalesce((k.due_at - now())::text, 'never') || ' waits '
           || coalesce(k.waits::text, 'none') || ' ' || count(*)
         from tasks k
         group by k.state, k.owner, k.due_at, k.waits
         union all
         select 'worker ' || w.incarnation || ' leased for ' || (w.lease_until - now())
         from workers w
         where w.alive",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

/// Waits a little; `false` when it is over.
pub async fn pause(over: &mut watch::Receiver<bool>, pause: Duration) -> bool {
    tokio::time::timeout(pause, over.wait_for(|over| *over)).await.is_err()
}

/// Answers the waits that end only because they are answered.
async fn answer(client: Client, pool: PgPool, mut over: watch::Receiver<bool>) {
    let mut answered: BTreeSet<(Uuid, String)> = BTreeSet::new();
    while pause(&mut over, Duration::from_millis(15)).await {
        let waiting = "select k.run_id, k.waits, r.workflow_id
                       from tasks k
                       join runs r on r.run_id = k.run_id
                       where k.state = 'WAITING' and k.due_at > now() + interval '10 s'
                         and exists (
                           select 1 from jsonb_object_keys(k.waits) w(key)
                           where split_part(w.key, '#', 1) in ('yes', 'no', 'maybe'))";
        for row in sqlx::query(waiting).fetch_all(&pool).await.unwrap() {
            let (run_id, workflow_id): (Uuid, String) = (row.get(0), row.get(2));
            let Json(waits): Json<BTreeMap<String, Value>> = row.get(1);
            for key in waits.into_keys() {
                let Some((name, occurrence)) = key.split_once('#') else { continue };
                let Some(word) = Word::named(name) else { continue };
                if answered.insert((run_id, key.clone())) {
                    let id = format!("answer to {name} {occurrence}");
                    world::signal(&client, &pool, &workflow_id, &id, word).await;
                }
            }
        }
        client.wake();
    }
}

/// Tries again whatever is stuck, as a person would who has repaired the cause.
async fn repair(client: Client, pool: PgPool, mut over: watch::Receiver<bool>) {
    let mut retried: BTreeMap<Uuid, u32> = BTreeMap::new();
    while pause(&mut over, Duration::from_millis(25)).await {
        let stuck = "select i.run_id, r.input->>'case', i.class || ': ' || i.message
                     from incidents i
                     join runs r on r.run_id = i.run_id
                     where i.resolved_at is null";
        for row in sqlx::query(stuck).fetch_all(&pool).await.unwrap() {
            let (run_id, case, why): (Uuid, String, String) = (row.get(0), row.get(1), row.get(2));
            let count = retried.entry(run_id).or_default();
            if *count == RETRIES {
                world().wrong(&case, format!("it is stuck for ever: {why}"));
            }
            if *count < RETRIES
                && let Err(error) = client.retry(run_id, "the test", "repaired").await
            {
                eprintln!("{case} could not be retried: {error}");
                continue;
            }
            *count += 1;
        }
    }
}
