//! The API as a desk: each call is one request with the token, and its answer or what went wrong.

mod wire;

use std::time::Duration;

use api::operations::{
    Acted, Ask, BulkAsk, BulkShown, Frozen, GroupRuns, Progressed, SettingAsk, StopAsk, WholeRun,
};
use makegood::bulk::{Preview, Progress};
use makegood::inspect::{BulkView, IncidentGroup, RunPage, RunSummary, SettingAction, WorkerView};
use makegood::{Change, Foreseen, QueueStatus, RunFilter, ScheduleView, Setting, StuckAt, Verb};
use reqwest::Url;
use secrecy::SecretString;
use serde_json::Value;
use tokio::time::interval;
use uuid::Uuid;

use self::wire::Wire;
use super::{Naming, Signed, Trouble};
use crate::exit::Problem;

/// Between two looks at a bulk action that the API carries out.
const LOOK: Duration = Duration::from_millis(250);

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

    pub(super) async fn bulk_preview(&self, _: &Signed, ask: BulkAsk) -> Result<Preview, Trouble> {
        self.wire.post(&["bulk", "preview"], &ask, None).await
    }

    pub(super) async fn bulk_freeze(&self, _: &Signed, ask: BulkAsk) -> Result<Frozen, Trouble> {
        self.wire.post(&["bulk"], &ask, None).await
    }

    /// The API carries it out, also when nobody looks on any more.
    pub(super) async fn bulk_run(
        &self,
        bulk_id: Uuid,
        mut progress: impl FnMut(&Progress),
    ) -> Result<Progress, Trouble> {
        let begin = bulk_id.to_string();
        let () = self.wire.post(&["bulk", &begin, "begin"], &Value::Null, None).await?;
        let mut pace = interval(LOOK);
        loop {
            pace.tick().await;
            let BulkShown { bulk, .. } = self.bulk_shown(bulk_id).await?;
            let now = standing(&bulk);
            progress(&now);
            if !matches!(bulk.state.as_str(), "FROZEN" | "RUNNING") {
                return Ok(now);
            }
        }
    }

    pub(super) async fn bulk_cancel(&self, signed: &Signed, bulk_id: Uuid) -> Result<(), Trouble> {
        let ask = StopAsk { reason: signed.reason.clone() };
        self.wire.post(&["bulk", &bulk_id.to_string(), "stop"], &ask, None).await
    }

    pub(super) async fn bulk_shown(&self, bulk_id: Uuid) -> Result<BulkShown, Trouble> {
        self.wire.get(&["bulk", &bulk_id.to_string()], "").await
    }
}

fn standing(bulk: &BulkView) -> Progress {
    let count = |n: i64| u64::try_from(n).unwrap_or_default();
    Progress {
        total: count(bulk.total),
        done: count(bulk.done),
        ordered: count(bulk.ordered),
        refused: count(bulk.refused),
        changed: count(bulk.changed),
        failed: count(bulk.failed),
    }
}
