//! What an operator does to queues and schedules: looked at, done and written down in one
//! transaction, like the verbs on runs.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Operator;
use crate::client::{QueueLimits, Rate};
use crate::error::Error;
use crate::lane::check_queue;
use crate::run::Signature;
use crate::store::setting_actions::{self, NewSettingAction};
use crate::store::{queues, schedules};

/// What an operator does to a queue or a schedule.
///
/// ```
/// use makegood::Setting;
///
/// let rest = Setting::PauseQueue("mail".to_owned());
/// assert_eq!((rest.verb(), rest.name()), ("pause_queue", "mail"));
/// let sent = serde_json::to_value(&rest).unwrap();
/// assert_eq!(sent, serde_json::json!({ "verb": "pause_queue", "of": "mail" }));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verb", content = "of", rename_all = "snake_case")]
pub enum Setting {
    /// Sets a queue's limits, as [`crate::Client::set_queue`].
    SetQueue {
        /// The queue.
        queue: String,
        /// How many of its runs may be in memory at once.
        concurrency: Limit<u32>,
        /// How many may begin in a period.
        rate: Limit<Rate>,
    },
    /// Lets no worker claim from a queue, as [`crate::Client::pause_queue`].
    PauseQueue(String),
    /// Lets workers claim from it again, as [`crate::Client::resume_queue`].
    ResumeQueue(String),
    /// Lets a schedule rest, as [`crate::Client::pause_schedule`].
    PauseSchedule(String),
    /// Lets it fire again, as [`crate::Client::resume_schedule`].
    ResumeSchedule(String),
    /// Starts a run of it now, as [`crate::Client::fire_schedule`].
    FireSchedule(String),
}

/// What becomes of a limit. It is decided under the queue's lock: of two who change different
/// limits at once, neither takes the other's back.
///
/// ```
/// use makegood::{Limit, Setting};
///
/// let queue = "mail".to_owned();
/// let set = Setting::SetQueue { queue, concurrency: Limit::Set(3), rate: Limit::Keep };
/// assert_eq!(set.verb(), "set_queue");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit<T> {
    /// It stays as it is.
    Keep,
    /// There is none any more.
    Lift,
    /// It is this from now on.
    Set(T),
}

impl<T> Limit<T> {
    fn of(self, now: Option<T>) -> Option<T> {
        match self {
            Self::Keep => now,
            Self::Lift => None,
            Self::Set(limit) => Some(limit),
        }
    }
}

impl Setting {
    /// The spelling in the tables.
    ///
    /// ```
    /// # use makegood::Setting;
    /// assert_eq!(Setting::FireSchedule("nightly books".to_owned()).verb(), "fire_schedule");
    /// ```
    pub fn verb(&self) -> &'static str {
        match self {
            Self::SetQueue { .. } => "set_queue",
            Self::PauseQueue(_) => "pause_queue",
            Self::ResumeQueue(_) => "resume_queue",
            Self::PauseSchedule(_) => "pause_schedule",
            Self::ResumeSchedule(_) => "resume_schedule",
            Self::FireSchedule(_) => "fire_schedule",
        }
    }

    /// The name of the queue or schedule.
    ///
    /// ```
    /// # use makegood::Setting;
    /// assert_eq!(Setting::ResumeQueue("mail".to_owned()).name(), "mail");
    /// ```
    pub fn name(&self) -> &str {
        match self {
            Self::SetQueue { queue: name, .. }
            | Self::PauseQueue(name)
            | Self::ResumeQueue(name)
            | Self::PauseSchedule(name)
            | Self::ResumeSchedule(name)
            | Self::FireSchedule(name) => name,
        }
    }

    fn subject(&self) -> &'static str {
        match self {
            Self::SetQueue { .. } | Self::PauseQueue(_) | Self::ResumeQueue(_) => "queue",
            Self::PauseSchedule(_) | Self::ResumeSchedule(_) | Self::FireSchedule(_) => "schedule",
        }
    }
}

/// What a [`Setting`] changed, or would change.
///
/// ```no_run
/// # async fn example(ada: makegood::Operator) -> Result<(), makegood::Error> {
/// let change = ada.set(&makegood::Setting::PauseQueue("mail".to_owned())).await?;
/// println!("{} -> {}", change.before["paused"], change.after["paused"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The queue or schedule as it stood, as in the table of its name.
    pub before: Value,
    /// The same afterwards.
    pub after: Value,
    /// The run that was started.
    pub run_id: Option<Uuid>,
    /// Names it as it stood, for [`Operator::expecting`]. A schedule that fires by the clock is another
    /// only for who fires it by hand.
    pub version: String,
}

impl Operator {
    /// Changes a queue or a schedule, and writes down who did it and why.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator) -> Result<(), makegood::Error> {
    /// ada.set(&makegood::Setting::PauseSchedule("nightly books".to_owned())).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of the client's method of the same name; [`Error::SettingChanged`] when it is no longer
    /// as [`Operator::expecting`] says.
    pub async fn set(&self, setting: &Setting) -> Result<Change, Error> {
        let mut tx = self.client.connections().begin().await?;
        match self.set_in(&mut tx, setting).await {
            Ok(change) => {
                tx.commit().await?;
                self.was_set(setting);
                Ok(change)
            }
            Err(error) => {
                tx.rollback().await?;
                Err(error)
            }
        }
    }

    /// As [`Operator::set`], in the caller's transaction. Call [`Operator::was_set`] after the commit.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator, pool: sqlx::PgPool)
    /// # -> Result<(), makegood::Error> {
    /// let pause = makegood::Setting::PauseQueue("reports".to_owned());
    /// let mut tx = pool.begin().await?;
    /// ada.set_in(&mut tx, &pause).await?;
    /// tx.commit().await?;
    /// ada.was_set(&pause);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Operator::set`]; the transaction is then to be rolled back.
    pub async fn set_in(&self, tx: &mut PgConnection, setting: &Setting) -> Result<Change, Error> {
        self.change(tx, setting).await
    }

    /// Says in log and metrics what [`Operator::set_in`] did, and tells the workers.
    ///
    /// ```no_run
    /// # fn example(ada: makegood::Operator) {
    /// ada.was_set(&makegood::Setting::PauseQueue("reports".to_owned())); // after the commit
    /// # }
    /// ```
    pub fn was_set(&self, setting: &Setting) {
        let (verb, actor) = (setting.verb(), self.signature.actor.as_str());
        metrics::counter!("makegood_operator_actions_total", "verb" => verb).increment(1);
        tracing::info!(
            setting.name = setting.name(),
            operator.verb = verb,
            operator.actor = actor,
            operator.reason = self.signature.reason,
            "an operator acted",
        );
        self.client.wake();
    }

    /// What [`Operator::set`] would change, or why it would not: it is tried, and taken back.
    ///
    /// ```no_run
    /// # async fn example(ada: makegood::Operator) -> Result<(), makegood::Error> {
    /// let would = ada.foresee_setting(&makegood::Setting::PauseQueue("mail".to_owned())).await?;
    /// println!("{}", would.after);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`Operator::set`].
    pub async fn foresee_setting(&self, setting: &Setting) -> Result<Change, Error> {
        let mut tx = self.client.connections().begin().await?;
        let change = self.change(&mut tx, setting).await;
        tx.rollback().await?;
        change
    }

    async fn change(&self, conn: &mut PgConnection, setting: &Setting) -> Result<Change, Error> {
        let (subject, name) = (setting.subject(), setting.name());
        if subject == "queue" {
            check_queue(name)?;
        }
        let (before, version) = standing(&mut *conn, setting).await?;
        if self.expected.as_ref().is_some_and(|expected| *expected != version) {
            return Err(Error::SettingChanged(name.to_owned()));
        }
        let run_id = match setting {
            Setting::SetQueue { concurrency, rate, .. } => {
                let now = QueueLimits::standing(&before);
                let limits = QueueLimits {
                    concurrency: concurrency.of(now.concurrency),
                    rate: rate.of(now.rate),
                };
                queues::set(&mut *conn, name, limits.stored()?).await?;
                None
            }
            Setting::PauseQueue(_) => {
                queues::set_paused(&mut *conn, name, true).await?;
                None
            }
            Setting::ResumeQueue(_) => {
                queues::set_paused(&mut *conn, name, false).await?;
                None
            }
            Setting::PauseSchedule(_) => {
                self.client.pause_schedule(&mut *conn, name).await?;
                None
            }
            Setting::ResumeSchedule(_) => {
                self.client.resume_schedule(&mut *conn, name).await?;
                None
            }
            Setting::FireSchedule(_) => {
                Some(self.client.fire_schedule(&mut *conn, name).await?.run_id)
            }
        };
        let (after, _) = standing(&mut *conn, setting).await?;
        let Signature { actor, reason } = &self.signature;
        let action = NewSettingAction {
            action_id: Uuid::now_v7(),
            subject,
            name,
            verb: setting.verb(),
            actor,
            reason,
            before: &before.to_string(),
            after: &after.to_string(),
            request_id: self.signed().request_id,
        };
        setting_actions::insert(conn, &action).await?;
        Ok(Change { before, after, run_id, version })
    }
}

/// The queue or schedule as it stands, its row locked, and its version.
async fn standing(conn: &mut PgConnection, setting: &Setting) -> Result<(Value, String), Error> {
    let (subject, name) = (setting.subject(), setting.name());
    if subject == "queue" {
        let (seen, revision) = queues::standing(conn, name).await?;
        return Ok((seen, revision.to_string()));
    }
    let found = schedules::standing(&mut *conn, name).await?;
    let found = found.ok_or_else(|| Error::ScheduleNotFound(name.to_owned()))?;
    // In a statement after the lock: it sees what whoever held the lock before has done.
    let last = setting_actions::last(conn, subject, name).await?.unwrap_or_default();
    let fires = matches!(setting, Setting::FireSchedule(_));
    let firing = if fires { found.firing } else { String::new() };
    Ok((found.seen, format!("{}/{last}/{firing}", found.rule)))
}
