//! The API as a desk: each call is one request with the token, and its answer or what went wrong.

mod wire;

use api::operations::{Acted, Ask, GroupRuns, Progressed, SettingAsk, WholeRun};
use makegood::inspect::{IncidentGroup, RunPage, RunSummary, SettingAction, WorkerView};
use makegood::{Change, Foreseen, QueueStatus, RunFilter, ScheduleView, Setting, StuckAt, Verb};
use reqwest::Url;
use secrecy::SecretString;
use uuid::Uuid;

use self::wire::Wire;
use super::{Naming, Signed, Trouble};
use crate::exit::Problem;

/// The API, and the token for it.
pub(crate) struct Remote {
    wire: Wire,
}

impl Remote {
    pub(super) fn new(url: Url, token: SecretString) -> Result<Self, Problem> {
        Ok(Self { wire: Wire::new(url, token)? })
    }

    pub(super) async fn list(&self, filter: &RunFilter) -> Result<RunPage, Trouble> {
        self.wire.get(&["runs"], &filter.to_string()).await
    }

    pub(super) async fn named(&self, id: &str, naming: Naming) -> Result<Vec<RunSummary>, Trouble> {
        let part = if naming == Naming::Part { "true" } else { "false" };
        let query = [("id", id), ("part", part)];
        self.wire.get_with(&["search"], &query).await
    }

    pub(super) async fn whole(&self, run_id: Uuid) -> Result<WholeRun, Trouble> {
        self.wire.get(&["runs", &run_id.to_string()], "").await
    }

    pub(super) async fn progress(&self, run_id: Uuid) -> Result<Progressed, Trouble> {
        self.wire.get(&["runs", &run_id.to_string(), "progress"], "").await
    }

    pub(super) async fn stuck_at(&self, run_id: Uuid) -> Result<Option<StuckAt>, Trouble> {
        self.wire.get(&["runs", &run_id.to_string(), "stuck-at"], "").await
    }

    pub(super) async fn foresee(
        &self,
        signed: &Signed,
        run_id: Uuid,
        verb: &Verb,
    ) -> Result<Foreseen, Trouble> {
        let ask = Ask { what: verb.clone(), reason: signed.reason.clone() };
        self.wire.post(&["runs", &run_id.to_string(), "foresee"], &ask, None).await
    }

    pub(super) async fn act(
        &self,
        signed: &Signed,
        run_id: Uuid,
        verb: &Verb,
        expected: Option<&str>,
    ) -> Result<Acted, Trouble> {
        let ask = Ask { what: verb.clone(), reason: signed.reason.clone() };
        self.wire.post(&["runs", &run_id.to_string(), "act"], &ask, expected).await
    }

    pub(super) async fn incidents(&self) -> Result<Vec<IncidentGroup>, Trouble> {
        self.wire.get(&["incidents"], "").await
    }

    pub(super) async fn incident(
        &self,
        fingerprint: &str,
        limit: u32,
    ) -> Result<GroupRuns, Trouble> {
        self.wire.get_with(&["incidents", fingerprint], &[("limit", &limit.to_string())]).await
    }

    pub(super) async fn workers(&self) -> Result<Vec<WorkerView>, Trouble> {
        self.wire.get(&["workers"], "").await
    }

    pub(super) async fn queues(&self) -> Result<Vec<QueueStatus>, Trouble> {
        self.wire.get(&["queues"], "").await
    }

    pub(super) async fn schedules(&self) -> Result<Vec<ScheduleView>, Trouble> {
        self.wire.get(&["schedules"], "").await
    }

    pub(super) async fn schedule_actions(&self, name: &str) -> Result<Vec<SettingAction>, Trouble> {
        self.wire.get(&["schedules", name, "actions"], "").await
    }

    pub(super) async fn foresee_setting(
        &self,
        signed: &Signed,
        setting: &Setting,
    ) -> Result<Change, Trouble> {
        let ask = SettingAsk { what: setting.clone(), reason: signed.reason.clone() };
        self.wire.post(&["settings", "foresee"], &ask, None).await
    }

    pub(super) async fn set(&self, signed: &Signed, setting: &Setting) -> Result<Change, Trouble> {
        let ask = SettingAsk { what: setting.clone(), reason: signed.reason.clone() };
        self.wire.post(&["settings"], &ask, None).await
    }
}
