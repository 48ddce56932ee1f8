//! The arguments of the verbs that mend one run.

use clap::{Args, Subcommand};
use makegood::StepId;
use serde_json::Value;

use super::operate::OutputArgs;

/// What an operator does to one run; who did so and why is written down.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum MendVerb {
    /// Put a stuck run back into the queue with a fresh count of attempts.
    Retry(OneArgs),
    /// Take a run that is being made good, and has undone nothing yet, back to its program.
    ResumeForward(OneArgs),
    /// Give the step at which a run is stuck its result, or declare the undo done at which it is
    /// stuck.
    Skip {
        #[command(flatten)]
        one: OneArgs,
        #[command(flatten)]
        at: StepArgs,
        /// What the activity would have answered, as JSON; not needed for an undo.
        #[arg(long, value_name = "JSON", value_parser = json, allow_hyphen_values = true)]
        result: Option<Value>,
        /// The step did not happen: it is not undone if the run is made good.
        #[arg(long)]
        forget_undo: bool,
    },
    /// Give the step, or the undo, at which a run is stuck another input, and try it again.
    Edit {
        #[command(flatten)]
        one: OneArgs,
        #[command(flatten)]
        at: StepArgs,
        /// The whole input, as JSON; `runs show -o json` has the one that it was stuck with.
        #[arg(long, value_name = "JSON", value_parser = json, allow_hyphen_values = true)]
        input: Value,
    },
    /// Have a run made good: what its steps did is undone.
    Compensate(OneArgs),
    /// Cancel a run for whoever asked for it: what its steps did is undone.
    Cancel(OneArgs),
    /// End a live run as it stands: nothing is undone.
    Terminate(OneArgs),
    /// Stop a run at its next wait; its deadlines run on.
    Pause(OneArgs),
    /// Let a paused run go on where it was.
    Resume(OneArgs),
    /// End a stuck run as it stands: nothing is undone.
    Close(OneArgs),
    /// Start a new run with the record of an ended or stuck one before a step.
    Fork {
        #[command(flatten)]
        one: OneArgs,
        #[command(flatten)]
        cut: CutArgs,
        /// The new run's workflow id; {} in it stands for the old one's.
        #[arg(long = "as", value_name = "ID", default_value = "{}:fork")]
        workflow_id: String,
    },
}

/// One run, and who does it and why.
#[derive(Debug, Clone, Args)]
pub(crate) struct OneArgs {
    /// The run's id, or the workflow id that it was started with.
    pub(crate) id: String,
    #[command(flatten)]
    pub(crate) signed: SignedArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

/// Who does it and why, and whether it is meant.
#[derive(Debug, Clone, Args)]
pub(crate) struct SignedArgs {
    /// Why: what was wrong and what was done about it.
    #[arg(long, value_name = "TEXT", required_unless_present = "dry_run")]
    pub(crate) reason: Option<String>,
    /// Who does it [default: whoever is logged in to this system].
    #[arg(long, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    /// Only show what would change; nothing is changed.
    #[arg(long, conflicts_with = "yes")]
    pub(crate) dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

/// A step of a run.
#[derive(Debug, Clone, Args)]
pub(crate) struct StepArgs {
    /// The step at which the run is stuck, such as charge, or charge#1 for its second call
    /// [default: wherever it is stuck].
    #[arg(long, value_name = "STEP")]
    pub(crate) step: Option<StepId>,
}

/// Where a record is cut.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct CutArgs {
    /// From this step on, such as charge, or charge#1 for its second call.
    #[arg(long, value_name = "STEP")]
    pub(crate) from_step: Option<StepId>,
    /// From this row of the record on; 0 is the beginning.
    #[arg(long, value_name = "ROW")]
    pub(crate) from_row: Option<i32>,
}

fn json(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}
