//! docs/states.md is what the code's tables say: made from them, compared with them, never by hand.
//! `MAKEGOOD_BLESS=1 cargo test -p makegood-tests --test states` writes it anew.
#![expect(clippy::unwrap_used, reason = "a test stops at the first fault")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use domain::{OrderStatus, PaymentStatus, states};
use makegood::inspect::{Mover, RowKind};
use makegood::operator::{Standing, Way, refusal};
use makegood::{IncidentClass, Refusal, RunState, VerbKind};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn what_a_state_is(state: RunState) -> &'static str {
    match state {
        RunState::Running => "it goes on as soon as a worker gets to it, or one is at it",
        RunState::Waiting => "it has left memory until a signal comes or a time is reached",
        RunState::Compensating => "it is being made good, or was asked to be",
        RunState::Completed => "it reached its goal",
        RunState::Compensated => {
            "what its own steps did is undone; a child that had completed stands"
        }
        RunState::Stuck => "it needs a person, and its incident says what for",
        RunState::Paused => "a person stopped it, and its incident says who and why",
        RunState::Closed => "a person ended it as it stood; nothing was undone",
    }
}

fn what_moves_it(mover: Mover) -> &'static str {
    match mover {
        Mover::Worker => "the worker that holds it, for as long as its lease is renewed",
        Mover::Clock => "the time at which it is claimed: at once, a retry, or a wait's deadline",
        Mover::Person => "whoever resolves its incident",
    }
}

fn what_a_row_says(kind: RowKind) -> &'static str {
    match kind {
        RowKind::Done => "the result of a step",
        RowKind::Rejected => "the final refusal of a step",
        RowKind::Signal => "the signal that ended a wait",
        RowKind::Timeout => "a wait's deadline passed",
        RowKind::Slept => "a timer fired",
        RowKind::Value => "the time that the program asked for",
        RowKind::Version => "the version of a change that the program goes by",
        RowKind::Started => "a child was started, under this id",
        RowKind::Ended => "a child has ended, and how",
        RowKind::Intent => "an outside step is about to be tried",
        RowKind::Compensating => "from here on the run is made good, for this cause",
        RowKind::Undone => "a step was undone, and what its undo answered",
        RowKind::Closed => "the closing activity of a made-good run has run",
        RowKind::Refused => "a cancel came past the pivot",
        RowKind::Skipped => "the result that an operator gave a step",
        RowKind::Waived => "an undo, or the closing, is done or not needed",
        RowKind::Edited => "the input that an operator gave a step or an undo",
        RowKind::Resumed => "the decision to make good is taken back",
        RowKind::Restarted => "an operator had a child start anew; the result is its new run",
        RowKind::Forked => "the rows before are those of another run",
    }
}

fn why_a_person(class: &IncidentClass) -> &'static str {
    match class {
        IncidentClass::RetriesUsedUp => "a step was tried as often as its policy allows",
        IncidentClass::CompensationFailed => {
            "an undo, or the closing, was refused or tried as often as its policy allows"
        }
        IncidentClass::UnknownOutcome => "nobody can tell whether an outside step happened",
        IncidentClass::RejectedPastPivot => {
            "a step was refused, or a child failed, behind the pivot, where there is only forward"
        }
        IncidentClass::NonDeterminism => "the program and its record do not fit together",
        IncidentClass::Poison => "the run has outlived too many workers",
        IncidentClass::Unwritable => {
            "a value or the record is past its limit, or the database refuses to store it"
        }
        IncidentClass::Panic => "the program panicked",
        IncidentClass::Paused => "an operator paused the run",
        IncidentClass::Review(_) => "whatever an activity says needs a person",
    }
}

fn row(text: &mut String, cells: &[String]) {
    writeln!(text, "| {} |", cells.join(" | ")).unwrap();
}

fn head(text: &mut String, titles: &[&str]) {
    row(text, &titles.iter().map(|title| (*title).to_owned()).collect::<Vec<_>>());
    row(text, &vec!["---".to_owned(); titles.len()]);
}

fn mermaid(text: &mut String, diagram: &str) {
    write!(text, "\n```mermaid\n{diagram}```\n\n").unwrap();
}

fn code(word: &str) -> String {
    format!("`{word}`")
}

fn run_states(text: &mut String) {
    let mut diagram = String::from("stateDiagram-v2\n    [*] --> RUNNING\n");
    for state in RunState::ALL {
        for next in state.next() {
            writeln!(diagram, "    {} --> {}", state.as_str(), next.as_str()).unwrap();
        }
        if !state.is_live() {
            writeln!(diagram, "    {} --> [*]", state.as_str()).unwrap();
        }
    }
    text.push_str("\n## A run\n");
    mermaid(text, &diagram);
    head(text, &["state", "what it means", "moved on by", "may be followed by"]);
    for state in RunState::ALL {
        let movers: Vec<String> = state.movers().iter().map(|m| code(m.column())).collect();
        let next: Vec<String> = state.next().iter().map(|s| code(s.as_str())).collect();
        let or_end =
            |words: Vec<String>| if words.is_empty() { "-".into() } else { words.join(", ") };
        let cells =
            [code(state.as_str()), what_a_state_is(state).into(), or_end(movers), or_end(next)];
        row(text, &cells);
    }
    text.push_str(
        "\nAn asked-for cancel shows as `COMPENSATING` at once while nobody holds the run, unless \
         its pivot is under way: then the\nanswer of that decides. It goes forward again when an \
         operator takes that back.\n",
    );
}

fn queue_rows(text: &mut String) {
    let mut diagram = String::from("stateDiagram-v2\n    [*] --> due_at\n");
    for mover in Mover::ALL {
        for next in mover.next() {
            writeln!(diagram, "    {} --> {}", mover.column(), next.column()).unwrap();
        }
        writeln!(diagram, "    {} --> [*]", mover.column()).unwrap();
    }
    text.push_str("\n## Its row in the queue\n\nExactly one thing moves a live run on.\n");
    mermaid(text, &diagram);
    head(text, &["column", "who moves it", "in the states"]);
    for mover in Mover::ALL {
        let here = RunState::ALL.iter().filter(|state| state.movers().contains(&mover));
        let states: Vec<String> = here.map(|state| code(state.as_str())).collect();
        row(text, &[code(mover.column()), what_moves_it(mover).into(), states.join(", ")]);
    }
    text.push_str("\nThe database refuses any other row:\n\n```sql\n");
    for check in checks() {
        writeln!(text, "{check}").unwrap();
    }
    text.push_str("```\n");
}

/// The constraints of the queue's table as a whole.
fn checks() -> Vec<String> {
    let sql = migration();
    let table = sql.split("create table tasks (").nth(1).unwrap().split("\n)").next().unwrap();
    let own_line = |line: &&str| line.starts_with("  check (");
    let checks = table.lines().filter(own_line);
    checks.map(|line| line.trim().trim_end_matches(',').to_owned()).collect()
}

fn migration() -> String {
    fs::read_to_string(root().join("migrations/engine/001_engine.sql")).unwrap()
}

fn record(text: &mut String) {
    text.push_str("\n## Its record\n\n");
    head(text, &["kind", "what the row says", "written by", "answers the program"]);
    for kind in RowKind::ALL {
        let by = match kind {
            RowKind::Compensating => "a worker or an operator",
            kind if kind.is_an_operators() => "an operator",
            _ => "a worker",
        };
        let answers = if kind.is_answer() { "yes" } else { "" };
        row(text, &[code(kind.as_str()), what_a_row_says(kind).into(), by.into(), answers.into()]);
    }
}

fn incidents(text: &mut String) {
    text.push_str("\n## What needs a person\n\n");
    head(text, &["class", "why", "state"]);
    for class in IncidentClass::ALL {
        let paused = class == IncidentClass::Paused;
        let state = if paused { RunState::Paused } else { RunState::Stuck };
        let cells = [code(class.as_str()), why_a_person(&class).into(), code(state.as_str())];
        row(text, &cells);
    }
    let any = IncidentClass::Review("".into());
    row(text, &["any other".into(), why_a_person(&any).into(), code(RunState::Stuck.as_str())]);
}

/// Which refusals the tables below show, by their names.
type Refusals = BTreeMap<String, Refusal>;

fn cell(refused: Option<Refusal>, known: &mut Refusals) -> String {
    let Some(refusal) = refused else { return "yes".to_owned() };
    let told = serde_json::to_value(&refusal).unwrap();
    let why = told.get("why").and_then(|why| why.as_str()).unwrap().to_owned();
    known.insert(why.clone(), refusal);
    code(&why)
}

/// Ways and holds that decide about the verb, whatever the live state is.
fn by_way(verb: VerbKind) -> bool {
    let of = |state, way| refusal(verb, Standing { state, held: false, way });
    Way::ALL
        .into_iter()
        .any(|way| of(RunState::Running, way) != of(RunState::Running, Way::Forward))
}

fn verbs(text: &mut String) {
    let mut known = Refusals::new();
    text.push_str(
        "\n## What an operator may do\n\n`yes`, or why not. These depend on the state of the run:\n\n",
    );
    let states: Vec<&str> = RunState::ALL.iter().map(|state| state.as_str()).collect();
    head(text, &[&["verb"][..], &states].concat());
    for verb in VerbKind::ALL.into_iter().filter(|verb| !by_way(*verb)) {
        let mut cells = vec![code(verb.as_str())];
        for state in RunState::ALL {
            let of = |held, way| refusal(verb, Standing { state, held, way });
            let same = Way::ALL.iter().all(|w| of(true, *w) == of(false, Way::Forward));
            assert!(same, "{} of {} depends on nothing else", verb.as_str(), state.as_str());
            cells.push(cell(of(false, Way::Forward), &mut known));
        }
        row(text, &cells);
    }
    text.push_str(
        "\nThese depend on which way a live run goes; one that has ended refuses them as `ended`:\n\n",
    );
    let titles = Way::ALL.map(|way| match way {
        Way::Forward => "before its pivot",
        Way::PastPivot => "past its pivot",
        Way::Back => "being made good, nothing undone",
        Way::Undoing => "being made good, something undone",
    });
    head(text, &[&["verb"][..], &titles].concat());
    for verb in VerbKind::ALL.into_iter().filter(|verb| by_way(*verb)) {
        let mut cells = vec![code(verb.as_str())];
        for way in Way::ALL {
            let live = || RunState::ALL.into_iter().filter(|state| state.is_live());
            let of = |held| {
                let mut all = live().map(|state| refusal(verb, Standing { state, held, way }));
                let first = all.next().unwrap();
                assert!(all.all(|other| other == first), "{} depends on the way", verb.as_str());
                first
            };
            let (free, held) = (cell(of(false), &mut known), cell(of(true), &mut known));
            cells.push(if free == held {
                free
            } else {
                format!("{free}; held by a worker: {held}")
            });
        }
        row(text, &cells);
    }
    text.push_str("\nEach refusal names the next useful step:\n\n");
    head(text, &["refusal", "means", "do instead"]);
    for (why, refusal) in known {
        let means = match &refusal {
            Refusal::Ended { .. } => "it has ended".to_owned(),
            other => other.to_string(),
        };
        row(text, &[code(&why), means, refusal.next().to_owned()]);
    }
    text.push_str(
        "\nVerbs for a step, and forks, are also refused by what the record says; the error tells.\n",
    );
}

fn shop(text: &mut String) {
    text.push_str("\n## An order of the shop\n");
    mermaid(text, &states::order_diagram());
    text.push_str("## A payment of the shop\n");
    mermaid(text, &states::payment_diagram());
    text.push_str("## A refund of the shop\n");
    mermaid(text, &states::refund_diagram());
    let last = |all: Vec<(&str, bool)>| {
        let last = all.into_iter().filter(|(_, last)| *last).map(|(word, _)| code(word));
        last.collect::<Vec<_>>().join(", ")
    };
    let orders = OrderStatus::ALL.iter().map(|s| (s.as_str(), s.is_final())).collect();
    let payments = PaymentStatus::ALL.iter().map(|s| (s.as_str(), s.is_final())).collect();
    writeln!(text, "Nothing follows {} of an order,", last(orders)).unwrap();
    writeln!(text, "and {} of a payment.", last(payments)).unwrap();
    text.push_str("The database refuses every move that is not drawn here.\n");
}

fn document() -> String {
    let mut text = String::from(
        "# States\n\nEvery diagram and table here is made from the code by `tests/tests/states.rs`, \
         which fails when they differ.\nWords are used as in [glossary.md](glossary.md). That runs \
         move as drawn, and by every arrow, is shown by\n`engine/tests/it/states.rs`; that verbs \
         are refused as told, by `engine/tests/it/operator_table.rs`; that the shop's\nstatuses \
         move as drawn, by `store/tests/transitions.rs`.\n",
    );
    for part in [run_states, queue_rows, record, incidents, verbs, shop] {
        part(&mut text);
    }
    text
}

#[test]
fn the_document_of_states_is_what_the_code_says() {
    let path = root().join("docs/states.md");
    let made = document();
    if std::env::var_os("MAKEGOOD_BLESS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap();
    for (number, (kept, made)) in (1..).zip(kept.lines().zip(made.lines())) {
        assert_eq!(kept, made, "line {number}; MAKEGOOD_BLESS=1 writes the document anew");
    }
    assert_eq!(kept.lines().count(), made.lines().count(), "MAKEGOOD_BLESS=1 writes it anew");
}

/// The words in quotes of a constraint.
fn words(sql: &str, start: &str) -> BTreeSet<String> {
    let list = sql.split(start).nth(1).unwrap().split("))").next().unwrap();
    list.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_database_knows_the_same_words() {
    let sql = migration();
    let kinds = RowKind::ALL.map(|kind| kind.as_str().to_owned());
    assert_eq!(words(&sql, "check (kind in ("), BTreeSet::from(kinds), "kinds of a record");
    let states = |live| {
        let of = RunState::ALL.into_iter().filter(move |state| state.is_live() == live);
        of.map(|state| state.as_str().to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(words(&sql, "check (state in ("), states(true), "states of a live run");
    assert_eq!(words(&sql, "check (ended_state in ("), states(false), "states of an ended one");
}
