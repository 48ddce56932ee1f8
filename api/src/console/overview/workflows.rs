//! The overview's table of workflows: what each has under way, and its pace.

use chrono::TimeDelta;
use makegood::inspect::{Pace, WorkflowLoad};
use makegood::{RunFilter, RunState, Shown, Term, What};

use super::or_more;
use crate::console::moment::{number, span};
use crate::console::runs::address;

/// A workflow, with what it has under way.
pub(crate) struct WorkflowLine {
    pub(crate) name: String,
    pub(crate) href: String,
    /// By state, in the order of the table's columns.
    pub(crate) counts: Vec<Count>,
    pub(crate) started: String,
    pub(crate) completed: String,
    pub(crate) compensated: String,
    pub(crate) times: String,
}

pub(crate) struct Count {
    pub(crate) number: String,
    pub(crate) href: Option<String>,
    pub(crate) label: &'static str,
}

pub(super) fn lines(loads: &[WorkflowLoad], paces: &[Pace]) -> Vec<WorkflowLine> {
    let mut names: Vec<&str> = loads.iter().map(|load| load.workflow.as_str()).collect();
    names.extend(paces.iter().map(|pace| pace.workflow.as_str()));
    names.sort_unstable();
    names.dedup();
    let line = |name: &str| {
        let load = loads.iter().find(|load| load.workflow == name);
        line(name, load, paces.iter().find(|pace| pace.workflow == name))
    };
    names.into_iter().map(line).collect()
}

fn line(name: &str, load: Option<&WorkflowLoad>, pace: Option<&Pace>) -> WorkflowLine {
    let of = RunFilter::default().with(Term::is(What::Workflow(name.to_owned())));
    let count = |label, shown: Shown, of_load: fn(&WorkflowLoad) -> i64| {
        let count = load.map_or(0, of_load);
        let list = of.clone().with(Term::is(What::State(shown)));
        Count { number: or_more(count), href: (count > 0).then(|| address(&list)), label }
    };
    let ended = pace.map(|pace| pace.completed + pace.compensated).filter(|ended| *ended > 0);
    let percent = |part: i64| match ended {
        Some(ended) => format!("{} ({} %)", number(part), 100 * part / ended),
        None => number(part),
    };
    let length = |ms: Option<i64>| ms.map(|ms| span(TimeDelta::milliseconds(ms)));
    let times = pace.and_then(|pace| Some((length(pace.half_ms)?, length(pace.most_ms)?)));
    WorkflowLine {
        href: address(&of),
        name: name.to_owned(),
        counts: vec![
            count("Stuck", Shown::Is(RunState::Stuck), |load| load.stuck),
            count("Retrying", Shown::Retrying, |load| load.retrying),
            count("Compensating", Shown::Is(RunState::Compensating), |load| load.compensating),
            count("Running", Shown::Is(RunState::Running), |load| load.running),
            count("Waiting", Shown::Is(RunState::Waiting), |load| load.waiting),
            count("Paused", Shown::Is(RunState::Paused), |load| load.paused),
        ],
        started: pace.map_or_else(|| "0".to_owned(), |pace| number(pace.started)),
        completed: pace.map_or_else(|| "0".to_owned(), |pace| percent(pace.completed)),
        compensated: pace.map_or_else(|| "0".to_owned(), |pace| percent(pace.compensated)),
        times: times.map_or_else(|| "–".to_owned(), |(half, most)| format!("{half} / {most}")),
    }
}
