//! What a list is narrowed by, as a reader sees and changes it. Every link keeps the other terms.

use makegood::{RunFilter, RunState, Shown, Term, What};

/// The address of a list.
pub(crate) fn address(filter: &RunFilter) -> String {
    match filter.to_string() {
        query if query.is_empty() => "/console/runs".to_owned(),
        query => format!("/console/runs?{query}"),
    }
}

/// A term, with what takes it away and what turns it around.
pub(crate) struct Chip {
    pub(crate) words: String,
    pub(crate) turn: String,
    pub(crate) turn_words: String,
    pub(crate) remove: String,
}

pub(crate) fn chips(filter: &RunFilter) -> Vec<Chip> {
    let chip = |term: &Term| {
        let without = filter.clone().without(term);
        let turned = term.turned();
        Chip {
            words: words(term),
            turn_words: words(&turned),
            turn: address(&without.clone().with(turned)),
            remove: address(&without),
        }
    };
    filter.terms.iter().map(chip).collect()
}

fn words(Term { not, what }: &Term) -> String {
    let value = what.value();
    let (yes, no) = match what {
        What::State(Shown::NeedsAttention) => {
            ("needs attention".to_owned(), "needs no attention".to_owned())
        }
        What::State(Shown::Ended) => ("has ended".to_owned(), "has not ended".to_owned()),
        What::State(shown) => {
            let state = shown.as_str().to_lowercase();
            (format!("is {state}"), format!("is not {state}"))
        }
        What::Workflow(_) => (format!("workflow {value}"), format!("workflow not {value}")),
        What::Attribute(name, _) => (format!("{name} {value}"), format!("{name} not {value}")),
        What::Id(_) => (format!("id {value}…"), format!("id not {value}…")),
        What::Class(_) => (format!("incident {value}"), format!("incident not {value}")),
        What::Fingerprint(_) => {
            ("in this incident group".to_owned(), "not in this incident group".to_owned())
        }
        What::Error(_) => (format!("error has “{value}”"), format!("error has no “{value}”")),
        What::QuietFor(_) => {
            (format!("no progress for {value}"), format!("progress within {value}"))
        }
        What::Since(_) => (format!("started since {value}"), format!("started before {value}")),
        What::Until(_) => (format!("started before {value}"), format!("started since {value}")),
        What::EndedSince(_) => (format!("ended since {value}"), format!("not ended since {value}")),
        What::EndedUntil(_) => {
            (format!("ended before {value}"), format!("not ended before {value}"))
        }
    };
    if *not { no } else { yes }
}

/// A list that is asked for most.
pub(crate) struct Quick {
    pub(crate) label: &'static str,
    pub(crate) href: String,
    pub(crate) is_here: bool,
}

/// The lists by state; they keep the terms that are not about the state.
pub(crate) fn quick(filter: &RunFilter) -> Vec<Quick> {
    let others = |term: &Term| !matches!(term.what, What::State(_));
    let terms = filter.terms.iter().filter(|term| others(term)).cloned().collect();
    let rest = RunFilter { terms, ..filter.clone() };
    let here: Vec<&Term> = filter.terms.iter().filter(|term| !others(term)).collect();
    let link = |label, shown: Option<Shown>| {
        let term = shown.map(|shown| Term::is(What::State(shown)));
        let is_here = here == term.iter().collect::<Vec<_>>();
        let list = term.into_iter().fold(rest.clone(), RunFilter::with);
        Quick { label, href: address(&list), is_here }
    };
    vec![
        link("All", None),
        link("Needs attention", Some(Shown::NeedsAttention)),
        link("Retrying", Some(Shown::Retrying)),
        link("Compensating", Some(Shown::Is(RunState::Compensating))),
        link("Live", Some(Shown::Live)),
        link("Ended", Some(Shown::Ended)),
    ]
}

/// The form that narrows a list further: it brings along what the list is narrowed by already.
pub(crate) struct Fields {
    pub(crate) kept: Vec<(String, String)>,
    pub(crate) states: Vec<(&'static str, String)>,
}

impl Fields {
    pub(crate) fn of(filter: &RunFilter) -> Self {
        let kept = |Term { not, what }: &Term| {
            let key = what.key();
            (if *not { format!("not.{key}") } else { key }, what.value())
        };
        let mut kept: Vec<_> = filter.terms.iter().map(kept).collect();
        if filter.order == makegood::Order::OldestFirst {
            kept.push(("sort".to_owned(), "started".to_owned()));
        }
        let word = |shown: Shown| {
            let word = shown.as_str();
            let mut label = word.to_lowercase().replace('_', " ");
            if let Some(first) = label.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            (word, label)
        };
        Self { kept, states: Shown::ALL.into_iter().map(word).collect() }
    }
}
