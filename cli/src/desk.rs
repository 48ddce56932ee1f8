//! The one place at which commands for operators ask and act: the database itself, or the API.
//! What it answers is the same, so every command is written once.

mod direct;
mod remote;
mod trouble;

use api::operations::{Acted, BulkAsk, BulkShown, Frozen, GroupRuns, Progressed, WholeRun};
use makegood::bulk::{Preview, Progress, Selection};
use makegood::inspect::{IncidentGroup, RunPage, RunSummary, SettingAction, WorkerView};
use makegood::{Change, Foreseen, QueueStatus, RunFilter, ScheduleView, Setting, StuckAt, Verb};
use uuid::Uuid;

use self::direct::Direct;
use self::remote::Remote;
pub(crate) use self::trouble::Trouble;
use crate::args::{DeskArgs, SignedArgs};
use crate::exit::{Exit, Problem};
use crate::logging;
use crate::settings::DeskSettings;
use crate::signing::user;

/// Where a command asks.
pub(crate) enum Desk {
    /// The database itself, with all the rights of who may connect to it.
    Direct(Box<Direct>),
    /// The API, with the rights of a token.
    Remote(Remote),
}

/// Who acts, and why.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    /// Nobody over the API: there the token says who.
    actor: Option<String>,
    reason: String,
}

impl Signed {
    /// The same person, for another reason.
    pub(crate) fn because(&self, reason: &str) -> Self {
        Self { reason: reason.to_owned(), ..self.clone() }
    }

    /// A verb for many runs, as this person asks for it.
    pub(crate) fn bulk(&self, what: Verb, selection: Selection, per_second: u32) -> BulkAsk {
        BulkAsk { what, selection, per_second, reason: self.reason.clone() }
    }
}

/// Which ids mean a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Its own, or its whole workflow id.
    Whole,
    /// Also a part of the workflow id between colons.
    Part,
}

/// The same call of either desk.
macro_rules! ask {
    ($desk:expr, $call:ident($($arg:expr),*)) => {
        match $desk {
            Desk::Direct(direct) => direct.$call($($arg),*).await,
            Desk::Remote(remote) => remote.$call($($arg),*).await,
        }
    };
}

impl Desk {
    /// The one that the settings name; it answers, or the command ends here.
    pub(crate) async fn open(args: &DeskArgs) -> Result<Self, Problem> {
        let (settings, surroundings) = DeskSettings::read(args)?;
        logging::start(&surroundings.log);
        Ok(match settings {
            DeskSettings::Database(database) => {
                Self::Direct(Box::new(Direct::open(*database).await?))
            }
            DeskSettings::Api { url, token } => Self::Remote(Remote::new(url, token)?),
        })
    }

    /// Who acts. Over the API that is whoever's token it is.
    pub(crate) fn sign(&self, signed: &SignedArgs) -> Result<Signed, Problem> {
        // Only a rehearsal goes without a reason, and it is taken back.
        let reason = signed.reason.as_deref().unwrap_or("a rehearsal").trim().to_owned();
        let unsigned = |what: &str| {
            Problem::new(format!("an operator's action needs {what}"))
                .next("say with --reason what was wrong and what was done about it, and with --actor who")
                .exit(Exit::Usage)
        };
        if reason.is_empty() {
            return Err(unsigned("a reason"));
        }
        let actor = match (self, &signed.actor) {
            (Self::Remote(_), None) => None,
            (Self::Remote(_), Some(_)) => {
                return Err(Problem::new("nobody else is named over the API")
                    .because("whoever's token it is acts")
                    .next("leave out --actor, or use another token")
                    .exit(Exit::Usage));
            }
            (Self::Direct(_), Some(actor)) if actor.trim().is_empty() => {
                return Err(unsigned("an actor"));
            }
            (Self::Direct(_), Some(actor)) => Some(actor.clone()),
            (Self::Direct(_), None) => Some(user()?),
        };
        Ok(Signed { actor, reason })
    }

    /// A page of the runs that a filter means.
    pub(crate) async fn list(&mut self, filter: &RunFilter) -> Result<RunPage, Trouble> {
        ask!(self, list(filter))
    }

    /// The runs that an id means.
    pub(crate) async fn named(
        &mut self,
        id: &str,
        naming: Naming,
    ) -> Result<Vec<RunSummary>, Trouble> {
        ask!(self, named(id, naming))
    }

    /// All of a run.
    pub(crate) async fn whole(&mut self, run_id: Uuid) -> Result<WholeRun, Trouble> {
        ask!(self, whole(run_id))
    }

    /// How far a run is.
    pub(crate) async fn progress(&mut self, run_id: Uuid) -> Result<Progressed, Trouble> {
        ask!(self, progress(run_id))
    }

    /// At which step it is stuck.
    pub(crate) async fn stuck_at(&mut self, run_id: Uuid) -> Result<Option<StuckAt>, Trouble> {
        ask!(self, stuck_at(run_id))
    }

    /// What a verb would do.
    pub(crate) async fn foresee(
        &mut self,
        signed: &Signed,
        run_id: Uuid,
        verb: &Verb,
    ) -> Result<Foreseen, Trouble> {
        ask!(self, foresee(signed, run_id, verb))
    }

    /// Carries a verb out; with a version, only on a run that still stands so.
    pub(crate) async fn act(
        &mut self,
        signed: &Signed,
        run_id: Uuid,
        verb: &Verb,
        expected: Option<&str>,
    ) -> Result<Acted, Trouble> {
        ask!(self, act(signed, run_id, verb, expected))
    }

    /// Open incidents, alike ones together.
    pub(crate) async fn incidents(&mut self) -> Result<Vec<IncidentGroup>, Trouble> {
        ask!(self, incidents())
    }

    /// The runs of a group of incidents, and how earlier ones were resolved.
    pub(crate) async fn incident(
        &mut self,
        fingerprint: &str,
        limit: u32,
    ) -> Result<GroupRuns, Trouble> {
        ask!(self, incident(fingerprint, limit))
    }

    pub(crate) async fn workers(&mut self) -> Result<Vec<WorkerView>, Trouble> {
        ask!(self, workers())
    }

    pub(crate) async fn queues(&mut self) -> Result<Vec<QueueStatus>, Trouble> {
        ask!(self, queues())
    }

    pub(crate) async fn schedules(&mut self) -> Result<Vec<ScheduleView>, Trouble> {
        ask!(self, schedules())
    }

    /// What operators did to a schedule.
    pub(crate) async fn schedule_actions(
        &mut self,
        name: &str,
    ) -> Result<Vec<SettingAction>, Trouble> {
        ask!(self, schedule_actions(name))
    }

    /// What a setting would change.
    pub(crate) async fn foresee_setting(
        &mut self,
        signed: &Signed,
        setting: &Setting,
    ) -> Result<Change, Trouble> {
        ask!(self, foresee_setting(signed, setting))
    }

    /// Changes a queue or a schedule.
    pub(crate) async fn set(
        &mut self,
        signed: &Signed,
        setting: &Setting,
    ) -> Result<Change, Trouble> {
        ask!(self, set(signed, setting))
    }

    /// Which runs a bulk action would be for.
    pub(crate) async fn bulk_preview(
        &mut self,
        signed: &Signed,
        bulk: BulkAsk,
    ) -> Result<Preview, Trouble> {
        ask!(self, bulk_preview(signed, bulk))
    }

    /// Freezes which runs a bulk action is for, and does nothing to them.
    pub(crate) async fn bulk_freeze(
        &mut self,
        signed: &Signed,
        bulk: BulkAsk,
    ) -> Result<Frozen, Trouble> {
        ask!(self, bulk_freeze(signed, bulk))
    }

    /// Sees a bulk action to its end: carries it out, or has the API do so and looks on.
    pub(crate) async fn bulk_run(
        &mut self,
        bulk_id: Uuid,
        progress: impl FnMut(&Progress),
    ) -> Result<Progress, Trouble> {
        ask!(self, bulk_run(bulk_id, progress))
    }

    /// Stops a bulk action.
    pub(crate) async fn bulk_cancel(
        &mut self,
        signed: &Signed,
        bulk_id: Uuid,
    ) -> Result<(), Trouble> {
        ask!(self, bulk_cancel(signed, bulk_id))
    }

    /// How far a bulk action is.
    pub(crate) async fn bulk_shown(&mut self, bulk_id: Uuid) -> Result<BulkShown, Trouble> {
        ask!(self, bulk_shown(bulk_id))
    }
}
