//! A world outside the database that can be told to fail, to hang, and what it has met.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use makegood::{ActivityError, ActivityResult};

use crate::trades::Plan;

/// What the world does when it meets an event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    Retryable,
    Unknown,
    Rejected,
    Review,
    Panic,
}

/// The world outside: bookings by idempotency key, events, and faults to come.
#[derive(Default)]
pub struct World {
    bookings: Mutex<BTreeMap<String, Vec<(String, String)>>>,
    events: Mutex<BTreeMap<String, Vec<String>>>,
    faults: Mutex<BTreeMap<(String, String), Vec<Fault>>>,
    early: Mutex<BTreeMap<(String, String), Vec<Fault>>>,
    stalls: Mutex<BTreeMap<(String, String), Arc<tokio::sync::Semaphore>>>,
}

pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::default)
}

impl World {
    /// The next times that this event happens, it fails like this, after its effect.
    pub fn fail(&self, plan: &Plan, event: &str, faults: &[Fault]) {
        let key = (plan.trip.clone(), event.to_owned());
        self.faults.lock().unwrap().insert(key, faults.to_vec());
    }

    /// The same, before its effect.
    pub fn fail_early(&self, plan: &Plan, event: &str, faults: &[Fault]) {
        let key = (plan.trip.clone(), event.to_owned());
        self.early.lock().unwrap().insert(key, faults.to_vec());
    }

    /// This event takes its effect and then hangs until a permit is added.
    pub fn hang(&self, plan: &Plan, event: &str) -> Arc<tokio::sync::Semaphore> {
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let key = (plan.trip.clone(), event.to_owned());
        self.stalls.lock().unwrap().insert(key, Arc::clone(&gate));
        gate
    }

    pub fn booked(&self, trip: &str) -> Vec<(String, String)> {
        self.bookings.lock().unwrap().get(trip).cloned().unwrap_or_default()
    }

    pub fn events(&self, plan: &Plan) -> Vec<String> {
        self.events.lock().unwrap().get(&plan.trip).cloned().unwrap_or_default()
    }

    pub fn times(&self, plan: &Plan, event: &str) -> usize {
        self.events(plan).iter().filter(|e| *e == event).count()
    }

    /// Waits until this event has happened so often.
    pub async fn until_met(&self, plan: &Plan, event: &str, times: usize) {
        for _ in 0..3_000 {
            if self.times(plan, event) >= times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{event} happens {times} times: {:?}", self.events(plan));
    }

    pub fn book(&self, trip: &str, what: &str, key: &str) {
        let mut bookings = self.bookings.lock().unwrap();
        bookings.entry(trip.to_owned()).or_default().push((what.to_owned(), key.to_owned()));
    }

    pub fn unbook(&self, trip: &str, key: &str) {
        let mut bookings = self.bookings.lock().unwrap();
        bookings.entry(trip.to_owned()).or_default().retain(|(_, known)| known != key);
    }

    /// Notes an event and answers with the next fault planned for it.
    pub fn meet(&self, trip: &str, event: &str) -> ActivityResult<()> {
        let key = (trip.to_owned(), event.to_owned());
        self.events.lock().unwrap().entry(key.0.clone()).or_default().push(key.1.clone());
        answer(&self.faults, &key)
    }

    pub fn before(&self, trip: &str, event: &str) -> ActivityResult<()> {
        answer(&self.early, &(trip.to_owned(), event.to_owned()))
    }

    pub async fn stall(&self, trip: &str, event: &str) {
        let key = (trip.to_owned(), event.to_owned());
        let gate = self.stalls.lock().unwrap().get(&key).cloned();
        if let Some(gate) = gate {
            let _permit = gate.acquire().await.unwrap();
        }
    }
}

fn answer(
    faults: &Mutex<BTreeMap<(String, String), Vec<Fault>>>,
    key: &(String, String),
) -> ActivityResult<()> {
    let fault = {
        let mut faults = faults.lock().unwrap();
        let pending = faults.get_mut(key).filter(|pending| !pending.is_empty());
        pending.map(|pending| pending.remove(0))
    };
    match fault {
        None => Ok(()),
        Some(Fault::Retryable) => Err(ActivityError::retryable("try again")),
        Some(Fault::Unknown) => Err(ActivityError::unknown("who knows")),
        Some(Fault::Rejected) => Err(ActivityError::rejected("NO")),
        Some(Fault::Review) => Err(ActivityError::review("odd", "a person must look")),
        Some(Fault::Panic) => panic!("planned"),
    }
}
