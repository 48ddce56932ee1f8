//! Carries a bulk action out, under a claim on the database's clock.
//!
//! Each run has a transaction of its own. It renews the claim, asks whether to go on, carries out
//! the verb, writes it down, settles the run and counts it; so whoever goes on after a crash does
//! nothing twice and forgets nothing, and whoever lost the claim writes nothing.

use std::time::Duration;

use sqlx::PgConnection;
use tokio::time::{Interval, MissedTickBehavior, interval};
use uuid::Uuid;

use super::{Go, Guard, Progress};
use crate::client::Client;
use crate::error::{Error, refused, transient};
use crate::operator::{Acted, Carried, Refusal, Signed, Verb, VerbKind, carry_out};
use crate::run::Signature;
use crate::store::bulk::{self, Claim, Order};

/// How long a claim lasts that is not renewed. The slowest pace renews it every second.
pub(super) const LEASE_SECS: i32 = 15;

/// A bulk action under our claim.
pub(super) struct Drive<'a> {
    client: &'a Client,
    claim: Claim,
    verb: Verb,
    signature: Signature,
    pace: Interval,
}

/// How far one step has come.
enum Step {
    Settled,
    /// It ends here, with so much done.
    Over(Progress),
    /// Another has the claim, or it was cancelled.
    Lost,
}

/// What became of one run.
struct Settled {
    outcome: &'static str,
    why: Option<String>,
    acted: Option<Acted>,
}

impl<'a> Drive<'a> {
    pub(super) fn new(client: &'a Client, claim: Claim, order: Order) -> Result<Self, Error> {
        let verb = serde_json::from_str(&order.verb)
            .map_err(|source| Error::Json { what: "the verb".to_owned(), source })?;
        let per_second = u32::try_from(order.per_second).unwrap_or(1).max(1);
        let mut pace = interval(Duration::from_secs(1) / per_second);
        // After a slow one the pace goes on, it does not catch up.
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let signature = Signature { actor: order.actor, reason: order.reason };
        Ok(Self { client, claim, verb, signature, pace })
    }

    /// Goes on until it is over, or is to rest; `None` when the claim is lost.
    pub(super) async fn run(mut self, guard: &mut impl Guard) -> Result<Option<Progress>, Error> {
        loop {
            self.pace.tick().await;
            match self.step(guard).await? {
                Step::Settled => {}
                Step::Over(progress) => return Ok(Some(progress)),
                Step::Lost => return Ok(None),
            }
        }
    }

    /// The next run, if there is one and it is its turn.
    async fn step(&self, guard: &mut impl Guard) -> Result<Step, Error> {
        let mut tries = 0_u32;
        loop {
            let mut tx = self.client.connections().begin().await?;
            let Some(tally) = bulk::hold(&mut tx, self.claim, LEASE_SECS).await? else {
                tx.rollback().await?;
                return Ok(Step::Lost);
            };
            let bulk_id = self.claim.bulk_id;
            let now = Progress::of(&tally);
            match guard.before(&mut tx, &now).await? {
                Go::On => {}
                Go::Rest => {
                    tx.rollback().await?;
                    let mut conn = self.client.connections().acquire().await?;
                    bulk::release(&mut conn, self.claim).await?;
                    return Ok(Step::Over(now));
                }
                Go::Stop { actor, reason } => {
                    bulk::cancel(&mut tx, bulk_id, &actor, &reason).await?;
                    tx.commit().await?;
                    return Ok(Step::Over(now));
                }
            }
            let Some((run_id, version)) = bulk::next(&mut tx, bulk_id).await? else {
                bulk::finish(&mut tx, bulk_id).await?;
                tx.commit().await?;
                return Ok(Step::Over(now));
            };
            let settled = match self.act(&mut tx, run_id, &version).await {
                Ok(settled) => settled,
                Err(Error::Database(error)) if transient(&error) && tries < 3 => {
                    tx.rollback().await?;
                    tries = tries.saturating_add(1);
                    continue;
                }
                Err(Error::Database(error)) if !refused(&error) => {
                    // It may be gone with its connection; what it wrote is gone either way.
                    let _ = tx.rollback().await;
                    return Err(error.into());
                }
                Err(error) => {
                    // What the verb wrote goes; the run is settled anew.
                    tx.rollback().await?;
                    tx = self.client.connections().begin().await?;
                    if bulk::hold(&mut tx, self.claim, LEASE_SECS).await?.is_none() {
                        tx.rollback().await?;
                        return Ok(Step::Lost);
                    }
                    Settled { outcome: "failed", why: Some(error.to_string()), acted: None }
                }
            };
            let Settled { outcome, why, acted } = settled;
            let action_id = acted.as_ref().map(|acted| acted.action_id);
            bulk::settle(&mut tx, (bulk_id, run_id), outcome, why.as_deref(), action_id).await?;
            tx.commit().await?;
            if let Some(acted) = acted {
                acted.tell(&self.signature, run_id, self.verb.kind());
            }
            self.client.wake();
            return Ok(Step::Settled);
        }
    }

    async fn act(
        &self,
        conn: &mut PgConnection,
        run_id: Uuid,
        version: &str,
    ) -> Result<Settled, Error> {
        // A pause is for runs that move: wherever it is by now, it stops there.
        let expected = (self.verb.kind() != VerbKind::Pause).then_some(version);
        let signed = Signed::in_bulk(&self.signature, self.claim.bulk_id, expected);
        match carry_out(conn, signed, run_id, &self.verb).await {
            Ok(acted) => {
                let outcome = match acted.carried {
                    Carried::Done => "done",
                    Carried::Ordered => "ordered",
                };
                Ok(Settled { outcome, why: None, acted: Some(acted) })
            }
            Err(Error::Refused { refusal, .. }) => {
                let (outcome, why) = match *refusal {
                    Refusal::MovedOn { state } => {
                        let why = format!("it has moved on since, and is {} now", state.as_str());
                        ("changed", why)
                    }
                    refusal => ("refused", format!("{refusal}; {}", refusal.next())),
                };
                Ok(Settled { outcome, why: Some(why), acted: None })
            }
            Err(error) => Err(error),
        }
    }
}
