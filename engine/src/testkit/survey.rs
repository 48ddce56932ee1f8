//! What a run did that came to its end in this process: its calls, told apart by what they are.

use super::plan::{Disturbance, Made, Target};
use super::scene::Seen;
use crate::action::StoredSignal;

/// What a run did that came to its end without a crash.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) seen: Seen,
    /// The calls of activities, in their order.
    pub(crate) made: Vec<Made>,
    pub(crate) signals: Vec<StoredSignal>,
}

/// An answered call of a step.
pub(crate) struct Step<'a> {
    pub(crate) made: &'a Made,
    pub(crate) past_pivot: bool,
}

impl Made {
    /// This call, as it goes wrong.
    pub(crate) fn going(&self, disturbance: Disturbance) -> Target {
        Target { activity: self.activity.to_owned(), call: self.call, disturbance }
    }
}

impl Survey {
    /// The calls that were answered with a result.
    pub(crate) fn answered(&self) -> impl Iterator<Item = &Made> {
        self.made.iter().filter(|made| made.answered)
    }

    /// Those that are steps of a program.
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let pivot = self.seen.records.iter().find(|row| row.pivot);
        let mut seen = 0;
        let mut past_pivot = false;
        self.answered().filter(|made| self.is_step(made)).map(move |made| {
            let step = Step { made, past_pivot };
            if let Some(pivot) = pivot.filter(|pivot| pivot.name == made.activity) {
                past_pivot |= pivot.occurrence == seen;
                seen += 1;
            }
            step
        })
    }

    /// Those that undo a step, or close a run that was made good.
    pub(crate) fn undos(&self) -> impl Iterator<Item = &Made> {
        self.answered().filter(|made| !self.is_step(made))
    }

    fn is_step(&self, made: &Made) -> bool {
        let of_step = |kind: &str| matches!(kind, "done" | "rejected");
        self.seen.records.iter().any(|row| row.name == made.activity && of_step(&row.kind))
    }
}
