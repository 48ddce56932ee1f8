//! What the engine does in memory with one run, for benchmarks of parts: no database, no tasks.
//! Not a part of the interface; it changes without notice.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::DateTime;
use serde_json::value::to_raw_value;
use uuid::Uuid;

use crate::action::{Action, AllTries, Hold};
use crate::clock::Clock;
use crate::config::WorkerConfig;
use crate::journal::{HistoryRow, Journal, Payload};
use crate::registry::{Registry, WorkflowCode};
use crate::run::{Answer, Claimed, Run};
use crate::store::steps::Columns;
use crate::workflow::Workflow;

/// A workflow and an input, of which runs are made again and again.
pub struct Bench {
    registry: Registry,
    code: Arc<WorkflowCode>,
    config: WorkerConfig,
    clock: Clock,
    input: Payload,
    /// What each step answers.
    answer: Payload,
}

/// A run that came to its end, or to what it waits for.
pub struct Driven(Run);

impl Bench {
    /// `None` when the registry does not know the workflow, or a value is no JSON.
    pub fn of<W: Workflow>(registry: Registry, input: &W::Input, answer: &str) -> Option<Self> {
        let code = registry.code_of(W::NAME)?;
        let (input, answer) = (to_raw_value(input).ok()?, to_raw_value(answer).ok()?);
        let (config, clock) = (WorkerConfig::default(), Clock::default());
        Some(Self { registry, code, config, clock, input, answer })
    }

    /// A record as a claim returns it, of `steps` rows like those that this workflow would have.
    pub fn record(&self, step: &str, steps: usize) -> String {
        let answer = self.answer.get();
        let row = |seq| format!("[{seq},\"done\",\"{step}\",{seq},null,{answer},null,false,null]");
        format!("[{}]", (0..steps).map(row).collect::<Vec<_>>().join(","))
    }

    /// Decodes a record, and says how many rows it has.
    pub fn read(record: &str) -> i32 {
        journal(record).next_seq
    }

    /// Decodes a record and replays it; whether the run then asks for its next step.
    pub fn replay(&self, record: &str) -> bool {
        matches!(self.run(journal(record)).next(&self.registry), Action::Call(_))
    }

    /// Drives a fresh run to its end, each step answered at once.
    pub fn drive(&self) -> Driven {
        let mut run = self.run(Journal::default());
        while let Action::Call(calls) = run.next(&self.registry) {
            for call in calls {
                run.intend(&call);
                let answer = Answer { result: Ok(self.answer.clone()), tries: 1, doubt: false };
                run.finish(&call, answer);
            }
        }
        Driven(run)
    }

    fn run(&self, journal: Journal) -> Run {
        let claimed = Claimed {
            hold: Hold { run_id: Uuid::nil(), incarnation: Uuid::nil(), epoch: 0 },
            code: Arc::clone(&self.code),
            input: self.input.clone(),
            parent_run_id: None,
            journal,
            signals: Vec::new(),
            tries: AllTries::new(),
            deadlines: HashMap::new(),
            database_time: DateTime::UNIX_EPOCH,
            unfit: None,
            options: Arc::default(),
            place: None,
        };
        Run::new(claimed, &self.config, self.clock.clone())
    }
}

impl Driven {
    /// The rows that its turns recorded.
    pub fn rows(&self) -> usize {
        self.0.turn.rows.len()
    }

    /// Turns its rows into the columns of the statement that writes them.
    pub fn encode(&self) -> usize {
        let mut columns = Columns::default();
        for row in &self.0.turn.rows {
            columns.push(Uuid::nil(), row);
        }
        columns.len()
    }
}

fn journal(record: &str) -> Journal {
    let rows: Vec<HistoryRow> = serde_json::from_str(record).unwrap_or_default();
    Journal::fold(rows).unwrap_or_default()
}
