//! What every handler shares. The books sit behind one plain mutex, never held across an await.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    auth::Credentials,
    chance::Chance,
    config::Config,
    faults::Faults,
    refusal::Refusal,
    state::{Rules, State},
    tasks::Tasks,
    webhooks::Webhooks,
};

/// The parts of one running sandbox.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) credentials: Credentials,
    pub(crate) account_id: String,
    pub(crate) http: reqwest::Client,
    pub(crate) tasks: Tasks,
    pub(crate) webhooks: Webhooks,
    state: Mutex<State>,
    faults: Mutex<Faults>,
}

/// How handlers hold the app.
pub(crate) type Shared = Arc<App>;

impl App {
    pub(crate) fn new(
        config: Config,
        http: reqwest::Client,
        tasks: Tasks,
    ) -> Result<Shared, crate::Error> {
        let chance = Chance::new(config.seed);
        let rules = Rules {
            chance,
            strict_receipts: config.strict_receipts,
            capture: config.capture,
            refunds: config.refunds,
        };
        Ok(Arc::new(Self {
            credentials: Credentials::new(&config.key_id, &config.key_secret),
            account_id: chance.id("acc_", &config.key_id, 0),
            http,
            tasks,
            webhooks: Webhooks::new(&config)?,
            state: Mutex::new(State::new(rules)),
            faults: Mutex::new(Faults::new(chance, config.odds.clone())),
            config,
        }))
    }

    /// The books, to read.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The faults asked for and the calls counted.
    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the books and sends off what happened, in the order it happened.
    pub(crate) fn change<T>(
        self: &Arc<Self>,
        change: impl FnOnce(&mut State, u64) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut state = self.state();
        let changed = change(&mut state, unix_now());
        for event in state.take_events() {
            self.announce(&event);
        }
        changed
    }
}

/// The time as the gateway writes it: whole seconds since 1970.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
