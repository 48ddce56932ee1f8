//! Late signals: each starts a run of the workflow that handles them. Nothing is lost.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::action::StoredSignal;
use crate::lane::{Lanes, StartOptions};
use crate::run::panic_text;
use crate::store::runs::{self, NewRun};
use crate::store::{archive, signals};
use crate::workflow::{Late, Settled, Workflow};

/// A run about to be started for a late signal.
#[derive(Debug, Clone)]
pub(crate) struct LateStart {
    pub(crate) workflow: &'static str,
    version: i32,
    pub(crate) workflow_id: String,
    pub(crate) input: String,
}

/// The handler's input as it is stored; read as `LateSignal` by it.
#[derive(Serialize)]
struct LateInput<'a> {
    run_id: Uuid,
    input: &'a RawValue,
    kind: &'a str,
    signal_id: &'a str,
    payload: &'a RawValue,
}

/// The handler of late signals without its types.
pub(crate) struct LateCode {
    workflow: &'static str,
    version: i32,
    settled: Option<Box<Settled>>,
}

impl LateCode {
    pub(crate) fn of<W: Workflow>(late: Late<W>) -> Self {
        Self { workflow: late.workflow, version: late.version, settled: late.settled }
    }

    /// Whether a signal still concerns anybody when the run ends with this output; one of which
    /// the workflow cannot say so does.
    pub(crate) fn concerns(&self, output: Option<&str>, signal: &StoredSignal) -> bool {
        let StoredSignal { kind, payload, .. } = signal;
        let (Some(settled), Some(output)) = (&self.settled, output) else { return true };
        let settled = catch_unwind(AssertUnwindSafe(|| settled(output, kind, payload.get())));
        settled.map_or_else(
            |panic| {
                let panic = panic_text(&*panic);
                tracing::error!(signal.kind = kind, panic, "nobody can say whether it is settled");
                true
            },
            |settled| !settled,
        )
    }
}

/// The run that handles this signal. Its id is made of the signal's, so it is started once.
pub(crate) fn start(
    code: &LateCode,
    run_id: Uuid,
    input: &RawValue,
    signal: &StoredSignal,
) -> LateStart {
    let StoredSignal { id, kind, payload } = signal;
    let input = LateInput { run_id, input, kind, signal_id: id, payload };
    let input = serde_json::to_string(&input).unwrap_or_default();
    let (workflow, version) = (code.workflow, code.version);
    LateStart { workflow, version, workflow_id: format!("{run_id}:{id}"), input }
}

/// Keeps a late signal with its run, live or archived, and says what the run ended with; `None`
/// when the run had it already. It was stored for a live run, and until the transaction ends none
/// of them is archived without it.
pub(crate) async fn keep(
    conn: &mut PgConnection,
    run_id: Uuid,
    signal: &StoredSignal,
) -> Result<Option<Option<String>>, sqlx::Error> {
    if let Some(output) = runs::output(&mut *conn, run_id).await? {
        return Ok(Some(output));
    }
    signals::remove(&mut *conn, run_id, &signal.id).await?;
    match archive::lock_addressee(&mut *conn, run_id, &signal.id).await? {
        Some(addressee) if addressee.repeated => Ok(None),
        Some(addressee) => {
            archive::add_signal(conn, run_id, signal, &addressee).await?;
            Ok(Some(addressee.output))
        }
        // Deleted since it was found.
        None => Err(sqlx::Error::RowNotFound),
    }
}

/// Starts it, in the transaction that finds the signal late; in the default queue.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    lanes: &Lanes,
    late: &LateStart,
) -> Result<(), sqlx::Error> {
    let lane = lanes.of(late.workflow, late.version, &StartOptions::default()).await?;
    let run = NewRun {
        run_id: Uuid::now_v7(),
        workflow: late.workflow,
        version: late.version,
        workflow_id: &late.workflow_id,
        input: &late.input,
        lane,
        attributes: None,
    };
    runs::insert(conn, &run).await.map(|_| ())
}
