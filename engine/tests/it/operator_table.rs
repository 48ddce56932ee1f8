//! Every verb in every state: it is done and written down, or refused and nothing is changed.

use makegood::{Carried, Client, Cut, Error, GivenUndo, RunState, StepId, Verb, VerbKind, inspect};
use uuid::Uuid;

use crate::support::TestCell;
use crate::trades::{Fault, Parcel, Plan, Trip, Waiting, world};

/// For each verb, what comes of it in each state, in the order of [`RunState::ALL`]: `done`, or why
/// it is refused. The stuck run is before its pivot and goes forward, the unwinding one has undone
/// nothing, and no worker holds any.
const TABLE: [(&str, [&str; 8]); 11] = [
    ("retry", [NS, NS, NS, E, E, "done", IP, E]),
    ("resume_forward", [NB, NB, "done", E, E, NB, NB, E]),
    ("skip_step", [NS, NS, NS, E, E, "done", IP, E]),
    ("edit_input", [NS, NS, NS, E, E, "done", IP, E]),
    ("compensate", ["done", "done", "being_made_good", E, E, "done", "done", E]),
    ("cancel", ["done", "done", "being_made_good", E, E, "done", "done", E]),
    ("terminate", ["done", "done", "done", E, E, "done", "done", E]),
    ("pause", ["done", "done", "done", E, E, "is_stuck", IP, E]),
    ("resume", ["not_paused", "not_paused", "not_paused", E, E, "is_stuck", "done", E]),
    ("close", [NS, NS, NS, E, E, "done", IP, E]),
    ("fork", ["lives", "lives", "lives", "done", "done", "done", "lives", "done"]),
];
const NS: &str = "not_stuck";
const NB: &str = "not_being_made_good";
const IP: &str = "is_paused";
const E: &str = "ended";

fn verb(kind: VerbKind, run: Uuid) -> Verb {
    let step = StepId { name: "book".to_owned(), occurrence: 1 };
    match kind {
        VerbKind::Retry => Verb::Retry,
        VerbKind::ResumeForward => Verb::ResumeForward,
        VerbKind::SkipStep => {
            Verb::SkipStep { step, result: "given".into(), undo: GivenUndo::Forget }
        }
        VerbKind::EditInput => Verb::EditInput { step, input: serde_json::json!({}) },
        VerbKind::Compensate => Verb::Compensate,
        VerbKind::Cancel => Verb::Cancel,
        VerbKind::Terminate => Verb::Terminate,
        VerbKind::Pause => Verb::Pause,
        VerbKind::Resume => Verb::Resume,
        VerbKind::Close => Verb::Close,
        VerbKind::Fork => Verb::Fork { cut: Cut::Row(0), workflow_id: format!("{{}} {run}") },
    }
}

/// A run in this state for each verb. Nobody holds them.
async fn runs_in(cell: &TestCell, state: RunState) -> Vec<Uuid> {
    let (mut runs, mut plans) = (Vec::new(), Vec::new());
    for verb in VerbKind::ALL {
        let id = format!("{} {}", state.as_str(), verb.as_str());
        let plan = match state {
            RunState::Compensated => Plan::rejecting("hotel"),
            _ => Plan::new(),
        };
        if state == RunState::Stuck {
            world().fail_early(&plan, "book hotel", &[Fault::Retryable; 4]);
        }
        runs.push(if state == RunState::Waiting {
            let waiting = Waiting { plan: plan.clone(), within_ms: 600_000 };
            cell.start::<Parcel>(&id, &waiting).await
        } else {
            cell.start::<Trip>(&id, &plan).await
        });
        plans.push(plan);
    }
    let operator = cell.client.operator("ada", "to prepare").unwrap();
    match state {
        RunState::Running => {}
        RunState::Waiting | RunState::Stuck | RunState::Completed | RunState::Compensated => {
            let worker = cell.worker().await;
            let all = format!(
                "select count(*) = 11 from run_states where state = '{0}' and workflow_id like '{0} %'",
                state.as_str()
            );
            cell.until("all are there", &all).await;
            worker.drain().await.unwrap();
        }
        RunState::Compensating => each(&operator, &runs, &Verb::Compensate).await,
        RunState::Paused => each(&operator, &runs, &Verb::Pause).await,
        RunState::Closed => each(&operator, &runs, &Verb::Terminate).await,
    }
    runs
}

async fn each(operator: &makegood::Operator, runs: &[Uuid], verb: &Verb) {
    for run in runs {
        assert_eq!(operator.carry_out(*run, verb).await.unwrap(), Carried::Done);
    }
}

/// What comes of the verb; a refusal must leave the run as it is.
async fn outcome(cell: &TestCell, client: &Client, run: Uuid, kind: VerbKind) -> String {
    let mut conn = cell.pool.acquire().await.unwrap();
    let before = (cell.state(run).await, cell.record(run).await);
    let known = inspect::actions(&mut conn, run).await.unwrap().len();
    let remedies = client.remedies(run).await.unwrap();
    let applies = remedies.iter().find(|(verb, _)| *verb == kind).unwrap().1.is_none();
    let operator = client.operator("ada", "to see").unwrap();
    let answer = operator.carry_out(run, &verb(kind, run)).await;
    let actions = inspect::actions(&mut conn, run).await.unwrap();
    assert_eq!(answer.is_ok(), applies, "the remedies foretell it: {answer:?}");
    match answer {
        Ok(carried) => {
            assert_eq!(carried, Carried::Done, "nobody holds it");
            let last = actions.last().unwrap();
            assert_eq!(actions.len(), known + 1, "it is written down once");
            let signed = (last.verb.as_str(), last.actor.as_str(), last.reason.as_str());
            assert_eq!(signed, (kind.as_str(), "ada", "to see"));
            assert_eq!(last.before["state"], before.0.as_str(), "as it stood before");
            let stands = cell.state(run).await;
            assert_eq!(last.after["state"], stands.as_str(), "and as it stands now");
            "done".to_owned()
        }
        Err(Error::Refused { refusal, .. }) => {
            assert!(!refusal.next().is_empty(), "what to do instead is told");
            assert_eq!(actions.len(), known, "a refusal is no action");
            let after = (cell.state(run).await, cell.record(run).await);
            assert_eq!(after, before, "nothing is changed");
            serde_json::to_value(&*refusal).unwrap()["why"].as_str().unwrap().to_owned()
        }
        Err(error) => panic!("{kind:?}: {error}"),
    }
}

#[tokio::test]
async fn every_verb_is_done_or_refused_as_the_state_allows() {
    let cell = TestCell::new().await;
    let mut found = VerbKind::ALL.map(|verb| (verb.as_str(), Vec::new()));
    // First those that a worker brings about, so that it touches no other.
    let mut by_state = Vec::new();
    let driven = [RunState::Waiting, RunState::Stuck, RunState::Completed, RunState::Compensated];
    for state in driven.into_iter().chain(RunState::ALL.into_iter().filter(|s| !driven.contains(s)))
    {
        by_state.push((state, runs_in(&cell, state).await));
    }
    for state in RunState::ALL {
        let runs = &by_state.iter().find(|(of, _)| *of == state).unwrap().1;
        for (run, (kind, row)) in runs.iter().zip(VerbKind::ALL.into_iter().zip(&mut found)) {
            assert_eq!(cell.state(*run).await, state.as_str());
            row.1.push(outcome(&cell, &cell.client, *run, kind).await);
        }
    }
    for (found, wanted) in found.iter().zip(TABLE) {
        assert_eq!(
            (found.0, found.1.as_slice()),
            (wanted.0, wanted.1.map(str::to_owned).as_slice())
        );
    }
    cell.audited().await;
    let worker = cell.worker().await;
    let operator = cell.client.operator("ada", "to tidy up").unwrap();
    while !cell.scalar::<bool>("select not exists (select 1 from tasks)").await {
        let still = "select run_id, state from tasks where state in ('PAUSED', 'STUCK', 'WAITING')";
        let still: Vec<(Uuid, String)> = sqlx::query_as(still).fetch_all(&cell.pool).await.unwrap();
        for (run, state) in still {
            let verb = match state.as_str() {
                "PAUSED" => Verb::Resume,
                "STUCK" => Verb::Close,
                _ => Verb::Cancel,
            };
            match operator.carry_out(run, &verb).await {
                Ok(_) | Err(Error::Refused { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn an_action_without_a_name_or_a_reason_is_refused() {
    let cell = TestCell::new().await;
    for (actor, reason) in [("", "why"), ("ada", " ")] {
        let unsigned = cell.client.operator(actor, reason);
        assert!(matches!(unsigned, Err(Error::Unsigned(_))), "both are needed");
    }
    let nobody = cell.client.operator("ada", "why").unwrap().retry(Uuid::now_v7()).await;
    assert!(matches!(nobody, Err(Error::RunNotFound(_))), "{nobody:?}");
}
