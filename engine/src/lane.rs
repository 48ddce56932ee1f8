//! Lanes: what decides which worker may claim a run, and when its turn comes. Starts no run.
//!
//! A lane is a combination of queue, workflow, version, priority and share that is in use. A task
//! names its lane alone, so that workers look only where there is something for them.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;
use sqlx::PgPool;
use tokio::sync::Mutex;

use crate::attributes::Attributes;
use crate::error::Error;
use crate::store::lanes;

/// The queue of runs that name none.
pub(crate) const DEFAULT_QUEUE: &str = "default";

/// Which due runs come first: as long as one of a higher priority is due, and may be claimed, no
/// lower one is.
///
/// ```
/// assert!(makegood::Priority::High < makegood::Priority::Low, "in the order of their turns");
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Before all others.
    High,
    /// Unless told otherwise.
    #[default]
    Normal,
    /// When nothing else is due.
    Low,
}

impl Priority {
    pub(crate) fn number(self) -> i16 {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }
}

/// In which queue a run waits, how urgent it is, on whose account, and by what it is found.
///
/// ```
/// use makegood::{Priority, StartOptions};
///
/// let options = StartOptions::new().queue("bulk").priority(Priority::Low).share("tenant-7");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartOptions {
    queue: String,
    priority: Priority,
    share: String,
    pub(crate) attributes: Attributes,
}

impl Default for StartOptions {
    fn default() -> Self {
        let (queue, share) = (DEFAULT_QUEUE.to_owned(), String::new());
        Self { queue, priority: Priority::Normal, share, attributes: Attributes::new() }
    }
}

impl StartOptions {
    /// The queue `default`, priority normal, the share that all others have.
    ///
    /// ```
    /// assert_eq!(makegood::StartOptions::new(), makegood::StartOptions::default());
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// In this queue: 1 to 100 characters.
    ///
    /// ```
    /// let options = makegood::StartOptions::new().queue("mail");
    /// ```
    #[must_use]
    pub fn queue(mut self, name: impl Into<String>) -> Self {
        self.queue = name.into();
        self
    }

    /// This urgent.
    ///
    /// ```
    /// let options = makegood::StartOptions::new().priority(makegood::Priority::High);
    /// ```
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// On this account, up to 100 characters: shares of one priority get equal turns, however many
    /// runs each has. A tenant is a good share, an order is not: each share costs every claim of
    /// its workers a look, some 4 us, for ever.
    ///
    /// ```
    /// let options = makegood::StartOptions::new().share("tenant-7");
    /// ```
    #[must_use]
    pub fn share(mut self, account: impl Into<String>) -> Self {
        self.share = account.into();
        self
    }

    /// Found by this: see [`Attributes`]. A child has none of its parent's.
    ///
    /// ```
    /// let options = makegood::StartOptions::new().attribute("customer", "81");
    /// ```
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes = self.attributes.with(name, value);
        self
    }

    /// What the runs of a lane were started with.
    pub(crate) fn of(key: &LaneKey) -> Self {
        let priority = match key.priority {
            0 => Priority::High,
            1 => Priority::Normal,
            _ => Priority::Low,
        };
        let (queue, share) = (key.queue.clone(), key.share.clone());
        Self { queue, priority, share, attributes: Attributes::new() }
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        check_queue(&self.queue)?;
        self.attributes.check()?;
        match self.share.chars().count() {
            0..=100 => Ok(()),
            length => {
                Err(Error::Queue(format!("the share has {length} characters; use up to 100")))
            }
        }
    }
}

/// Whether this can be the name of a queue.
pub(crate) fn check_queue(name: &str) -> Result<(), Error> {
    match name.chars().count() {
        1..=100 => Ok(()),
        length => {
            Err(Error::Queue(format!("the queue's name has {length} characters; use 1 to 100")))
        }
    }
}

/// What makes a lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LaneKey {
    pub(crate) queue: String,
    pub(crate) workflow: String,
    pub(crate) version: i32,
    pub(crate) priority: i16,
    pub(crate) share: String,
}

/// The lanes that this process has started runs in. One for each client, one for each worker.
#[derive(Debug, Clone)]
pub(crate) struct Lanes {
    pool: PgPool,
    known: Arc<RwLock<HashMap<LaneKey, i64>>>,
    /// Whoever looks in the database: of thousands that begin at once, one does for all.
    looking: Arc<Mutex<()>>,
}

impl Lanes {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool, known: Arc::default(), looking: Arc::default() }
    }

    /// The lane for a run about to be started. A new one is added by a statement of its own, never
    /// in the caller's transaction: rolled back, it would be remembered and not be there.
    pub(crate) async fn of(
        &self,
        workflow: &str,
        version: i32,
        options: &StartOptions,
    ) -> Result<i64, sqlx::Error> {
        let key = LaneKey {
            queue: options.queue.clone(),
            workflow: workflow.to_owned(),
            version,
            priority: options.priority.number(),
            share: options.share.clone(),
        };
        if let Some(lane) = self.remembered(&key) {
            return Ok(lane);
        }
        let _looking = self.looking.lock().await;
        if let Some(lane) = self.remembered(&key) {
            return Ok(lane);
        }
        let lane = match lanes::find(&self.pool, &key).await? {
            Some(lane) => lane,
            None => {
                lanes::insert(&self.pool, &key).await?;
                // In a snapshot of its own: somebody else may have added it.
                lanes::find(&self.pool, &key).await?.ok_or(sqlx::Error::RowNotFound)?
            }
        };
        self.known.write().insert(key, lane);
        Ok(lane)
    }

    fn remembered(&self, key: &LaneKey) -> Option<i64> {
        self.known.read().get(key).copied()
    }
}
