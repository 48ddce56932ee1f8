//! The database itself as a desk: the engine's reads on one connection, its client for the rest.

use api::operations::{
    Acted, BulkAsk, BulkShown, Frozen, GroupRuns, Progressed, WholeRun, bulk_shown, group_runs,
    progressed, whole_run,
};
use makegood::bulk::{Bulk, Preview, Progress};
use makegood::inspect::{self, IncidentGroup, RunPage, RunSummary, SettingAction, WorkerView};
use makegood::{
    Change, Client, Error, Foreseen, Operator, QueueStatus, RunFilter, ScheduleView, Setting,
    StuckAt, Verb,
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Naming, Signed, Trouble};
use crate::connect;
use crate::exit::Problem;
use crate::settings::DatabaseSettings;
use crate::signing;

/// A connection, and the engine's client once it is needed.
pub(crate) struct Direct {
    database: DatabaseSettings,
    conn: PgConnection,
    client: Option<Client>,
}

impl Direct {
    pub(super) async fn open(database: DatabaseSettings) -> Result<Self, Problem> {
        let conn = connect::connection(&database).await?;
        Ok(Self { database, conn, client: None })
    }

    async fn client(&mut self) -> Result<Client, Problem> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = signing::client(&self.database).await?;
        Ok(self.client.insert(client).clone())
    }

    async fn hand(&mut self, signed: &Signed) -> Result<Operator, Trouble> {
        let actor = signed.actor.as_deref().unwrap_or_default();
        Ok(self.client().await?.operator(actor, &signed.reason)?)
    }

    pub(super) async fn list(&mut self, filter: &RunFilter) -> Result<RunPage, Trouble> {
        Ok(inspect::list(&mut self.conn, filter).await?)
    }

    pub(super) async fn named(
        &mut self,
        id: &str,
        naming: Naming,
    ) -> Result<Vec<RunSummary>, Trouble> {
        let named = inspect::named(&mut self.conn, id).await?;
        if named.is_empty() && naming == Naming::Part {
            return Ok(inspect::run(&mut self.conn, id).await?.into_iter().collect());
        }
        Ok(named)
    }

    pub(super) async fn whole(&mut self, run_id: Uuid) -> Result<WholeRun, Trouble> {
        let client = self.client().await?;
        let whole = whole_run(&mut self.conn, &client, run_id).await?;
        Ok(whole.ok_or_else(|| Error::RunNotFound(run_id.to_string()))?)
    }

    pub(super) async fn progress(&mut self, run_id: Uuid) -> Result<Progressed, Trouble> {
        let now = progressed(&mut self.conn, run_id).await?;
        Ok(now.ok_or_else(|| Error::RunNotFound(run_id.to_string()))?)
    }

    pub(super) async fn stuck_at(&mut self, run_id: Uuid) -> Result<Option<StuckAt>, Trouble> {
        Ok(self.client().await?.operator("nobody", "a look")?.stuck_at(run_id).await?)
    }

    pub(super) async fn foresee(
        &mut self,
        signed: &Signed,
        run_id: Uuid,
        verb: &Verb,
    ) -> Result<Foreseen, Trouble> {
        Ok(self.hand(signed).await?.foresee(run_id, verb).await?)
    }

    pub(super) async fn act(
        &mut self,
        signed: &Signed,
        run_id: Uuid,
        verb: &Verb,
        expected: Option<&str>,
    ) -> Result<Acted, Trouble> {
        let hand = self.hand(signed).await?;
        let hand = match expected {
            Some(version) => hand.expecting(version),
            None => hand,
        };
        Ok(api::operations::carry_out(&hand, run_id, verb).await?)
    }

    pub(super) async fn incidents(&mut self) -> Result<Vec<IncidentGroup>, Trouble> {
        Ok(inspect::incident_groups(&mut self.conn, api::operations::GROUPS).await?)
    }

    pub(super) async fn incident(
        &mut self,
        fingerprint: &str,
        limit: u32,
    ) -> Result<GroupRuns, Trouble> {
        Ok(group_runs(&mut self.conn, fingerprint, limit).await?)
    }

    pub(super) async fn workers(&mut self) -> Result<Vec<WorkerView>, Trouble> {
        Ok(inspect::workers(&mut self.conn).await?)
    }

    pub(super) async fn queues(&mut self) -> Result<Vec<QueueStatus>, Trouble> {
        Ok(self.client().await?.queues().await?)
    }

    pub(super) async fn schedules(&mut self) -> Result<Vec<ScheduleView>, Trouble> {
        let client = self.client().await?;
        Ok(client.schedules(&mut self.conn).await?)
    }

    pub(super) async fn schedule_actions(
        &mut self,
        name: &str,
    ) -> Result<Vec<SettingAction>, Trouble> {
        let most = api::operations::ACTIONS;
        Ok(inspect::setting_actions(&mut self.conn, "schedule", Some(name), most).await?)
    }

    pub(super) async fn foresee_setting(
        &mut self,
        signed: &Signed,
        setting: &Setting,
    ) -> Result<Change, Trouble> {
        Ok(self.hand(signed).await?.foresee_setting(setting).await?)
    }

    pub(super) async fn set(
        &mut self,
        signed: &Signed,
        setting: &Setting,
    ) -> Result<Change, Trouble> {
        Ok(self.hand(signed).await?.set(setting).await?)
    }

    async fn bulk(&mut self, signed: &Signed, ask: BulkAsk) -> Result<Bulk, Trouble> {
        let BulkAsk { what, selection, per_second, .. } = ask;
        Ok(self.hand(signed).await?.bulk(what, selection).per_second(per_second))
    }

    pub(super) async fn bulk_preview(
        &mut self,
        signed: &Signed,
        ask: BulkAsk,
    ) -> Result<Preview, Trouble> {
        Ok(self.bulk(signed, ask).await?.preview().await?)
    }

    pub(super) async fn bulk_freeze(
        &mut self,
        signed: &Signed,
        ask: BulkAsk,
    ) -> Result<Frozen, Trouble> {
        let (bulk_id, preview) = self.bulk(signed, ask).await?.freeze().await?;
        Ok(Frozen { bulk_id, preview })
    }

    pub(super) async fn bulk_run(
        &mut self,
        bulk_id: Uuid,
        progress: impl FnMut(&Progress),
    ) -> Result<Progress, Trouble> {
        Ok(self.client().await?.bulk_run(bulk_id, progress).await?)
    }

    pub(super) async fn bulk_cancel(
        &mut self,
        signed: &Signed,
        bulk_id: Uuid,
    ) -> Result<(), Trouble> {
        let actor = signed.actor.as_deref().unwrap_or_default();
        let client = self.client().await?;
        Ok(client.bulk_cancel(&mut self.conn, bulk_id, actor, &signed.reason).await?)
    }

    pub(super) async fn bulk_shown(&mut self, bulk_id: Uuid) -> Result<BulkShown, Trouble> {
        bulk_shown(&mut self.conn, bulk_id).await?.ok_or(Trouble::BulkNotFound)
    }
}
