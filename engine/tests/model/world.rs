//! The world outside, and how often what was tried. It never knows what the engine recorded.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, OnceLock};

use makegood::{ActivityError, ActivityResult, Cancellation, Client, Delivery};
use sqlx::PgPool;
use tokio::sync::Semaphore;

use super::program::{Deed, Kind, Mishap, StepOp, Word};
use super::script::{Maybe, No, Script, Yes};

/// A step of a case.
pub type Place = (String, u32);

/// The world outside.
#[derive(Default)]
pub struct World {
    /// Attempts so far, of steps and of undos.
    tried: Mutex<HashMap<(Place, bool), usize>>,
    /// What was done outside, by idempotency key.
    booked: Mutex<BTreeMap<String, Place>>,
    /// What was undone from outside; the world refuses it for ever after.
    undone: Mutex<BTreeSet<Place>>,
    panicked: Mutex<BTreeSet<Place>>,
    deeds: Mutex<BTreeSet<Place>>,
    told: Mutex<Vec<Told>>,
    /// What should never have been asked of the world.
    pub wrongs: Mutex<Vec<(String, String)>>,
    offices: Mutex<HashMap<String, (Client, PgPool)>>,
}

/// What a run was told, and what the engine acknowledged.
#[derive(Debug, Clone)]
pub enum Told {
    Signal { case: String, id: String, delivery: Delivery },
    Cancel { case: String, cancellation: Cancellation },
}

pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::default)
}

impl World {
    /// From where the steps of a case themselves signal and cancel.
    pub fn open(&self, case: &str, client: &Client, pool: &PgPool) {
        let office = (client.clone(), pool.clone());
        self.offices.lock().unwrap().insert(case.to_owned(), office);
    }

    pub fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    pub fn tell(&self, told: Told) {
        self.told.lock().unwrap().push(told);
    }

    /// The keys under which a step took effect outside.
    pub fn bookings(&self) -> BTreeMap<Place, Vec<String>> {
        let mut found: BTreeMap<Place, Vec<String>> = BTreeMap::new();
        for (key, place) in self.booked.lock().unwrap().iter() {
            found.entry(place.clone()).or_default().push(key.clone());
        }
        found
    }

    pub fn undone(&self) -> BTreeSet<Place> {
        self.undone.lock().unwrap().clone()
    }

    /// The mishap of the next attempt.
    pub fn try_once(&self, case: &str, step: &StepOp, undoing: bool) -> Option<Mishap> {
        let place = (case.to_owned(), step.op);
        let mut tried = self.tried.lock().unwrap();
        let count = tried.entry((place, undoing)).or_default();
        let mishaps = if undoing { &step.undo_mishaps } else { &step.mishaps };
        let mishap = mishaps.get(*count).copied();
        *count += 1;
        mishap
    }

    /// A step takes effect outside; once for each key, and not after it was undone.
    pub fn book(&self, case: &str, op: u32, key: &str) {
        let place = (case.to_owned(), op);
        if !self.undone.lock().unwrap().contains(&place) {
            self.booked.lock().unwrap().insert(key.to_owned(), place);
        }
    }

    pub fn has(&self, key: &str) -> bool {
        self.booked.lock().unwrap().contains_key(key)
    }

    pub fn unbook(&self, case: &str, op: u32) {
        self.undone.lock().unwrap().insert((case.to_owned(), op));
    }

    pub fn wrong(&self, case: &str, what: String) {
        self.wrongs.lock().unwrap().push((case.to_owned(), what));
    }

    /// Whether the program comes here for the first time.
    pub fn first_visit(&self, case: &str, op: u32) -> bool {
        self.panicked.lock().unwrap().insert((case.to_owned(), op))
    }

    /// Something else happens while a step is under way, once.
    pub async fn act(&self, case: &str, op: u32, deed: Deed) {
        let office = self.offices.lock().unwrap().get(case).cloned();
        let Some((client, pool)) = &office else { return };
        if !self.deeds.lock().unwrap().insert((case.to_owned(), op)) {
            return;
        }
        match deed {
            Deed::Cancel => cancel(client, pool, case).await,
            Deed::Signal(word) => {
                signal(client, pool, case, &format!("deed{op}"), word).await;
            }
        }
        client.wake();
    }
}

/// Few speak at once, so that nobody waits too long for a connection.
static QUEUE: Semaphore = Semaphore::const_new(4);

/// Sends a signal to a run, in a transaction of its own.
pub async fn signal(client: &Client, pool: &PgPool, case: &str, id: &str, word: Word) {
    let _turn = QUEUE.acquire().await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    let sent = match word {
        Word::Yes => client.signal::<Script, Yes>(&mut tx, case, id, &Yes(id.into())).await,
        Word::No => client.signal::<Script, No>(&mut tx, case, id, &No(id.into())).await,
        Word::Maybe => client.signal::<Script, Maybe>(&mut tx, case, id, &Maybe(id.into())).await,
    };
    match sent {
        Ok(delivery) => {
            tx.commit().await.unwrap();
            let (case, id) = (case.to_owned(), id.to_owned());
            world().tell(Told::Signal { case, id, delivery });
        }
        Err(error) => world().wrong(case, format!("signal {id} was refused: {error}")),
    }
}

/// Cancels a run, in a transaction of its own.
pub async fn cancel(client: &Client, pool: &PgPool, case: &str) {
    let _turn = QUEUE.acquire().await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    match client.cancel::<Script>(&mut tx, case, &"enough").await {
        Ok(cancellation) => {
            tx.commit().await.unwrap();
            world().tell(Told::Cancel { case: case.to_owned(), cancellation });
        }
        Err(error) => world().wrong(case, format!("a cancel was refused: {error}")),
    }
}

/// What a mishap says, for activities of every kind.
pub fn answer(mishap: Mishap) -> ActivityError {
    match mishap {
        Mishap::Retryable => ActivityError::retryable("try again"),
        Mishap::Unknown | Mishap::Half => ActivityError::unknown("who knows"),
        Mishap::Review => ActivityError::review("odd", "a person must look"),
        Mishap::Panic => panic!("planned"),
        Mishap::Rejected => ActivityError::rejected("ONCE"),
    }
}

/// A refusal in the end.
pub fn refused(step: &StepOp) -> ActivityResult<()> {
    if step.rejects { Err(ActivityError::rejected("NO")) } else { Ok(()) }
}

impl Kind {
    /// The name of its activity.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tx => "tx",
            Self::Batch => "batch",
            Self::Out => "out",
            Self::Read => "read",
        }
    }
}
