//! The database itself as a desk: the engine's reads on one connection, its client for the rest.

use api::operations::{Acted, GroupRuns, Progressed, WholeRun, group_runs, progressed, whole_run};
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

    pub(crate) fn conn(&mut self) -> &mut PgConnection {
        &mut self.conn
    }

    pub(crate) async fn client(&mut self) -> Result<Client, Problem> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        let client = signing::client(&self.database).await?;
        Ok(self.client.insert(client).clone())
    }

    pub(super) async fn hand(&mut self, signed: &Signed) -> Result<Operator, Trouble> {
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
}
