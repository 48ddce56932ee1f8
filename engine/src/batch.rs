//! Activities in batches: gathered over runs, one transaction, a result for each run.
//!
//! One batch of an activity is under way at a time; what comes meanwhile makes the next one. So a
//! batch is as large as the load, and its hot rows are never fought over by this worker. The
//! first to come leads: it carries out the batch of all who wait, and hands the lead on.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sqlx::{Postgres, Transaction};
use tokio::sync::oneshot;

use crate::act::too_large;
use crate::action::{Action, AllTries, Call};
use crate::activity::{ActivityError, ActivityResult};
use crate::commit::Turn;
use crate::fault;
use crate::incident::{IncidentClass, NewIncident};
use crate::journal::Payload;
use crate::registry::KindOf;
use crate::run::{Answer, Mark, Run};
use crate::runtime::Engine;
use crate::store::workers;
use crate::transaction::{
    Transacted, Undone, disposition, heed_cancel, intend, next, run_one, write_and_commit,
};
use crate::workflow::Rejection;

/// The batches of a worker, gathered by activity.
#[derive(Default)]
pub(crate) struct Batches(Mutex<HashMap<String, Gathering>>);

#[derive(Default)]
struct Gathering {
    waiting: Vec<Waiting>,
    led: bool,
}

struct Waiting {
    member: Member,
    done: oneshot::Sender<Handed>,
}

/// What one who waits is handed.
enum Handed {
    /// The batch, with itself in it: lead.
    Lead(Vec<Waiting>, Member),
    /// It was done.
    Done(Transacted),
}

/// A run with its call in a batch.
struct Member {
    run: Box<Run>,
    call: Call,
}

impl Batches {
    /// Runs this activity for this run, in a batch with those of others.
    pub(crate) async fn transact(&self, engine: &Arc<Engine>, run: Run, call: Call) -> Transacted {
        let (activity, incarnation) = (call.activity.clone(), run.hold.incarnation);
        let again = run.tries.contains_key(&call.key());
        let member = Member { run: Box::new(run), call };
        if again {
            // What has failed once fails alone.
            return only(Box::pin(carry_out(Arc::clone(engine), vec![member])).await);
        }
        let (done, handed) = oneshot::channel();
        let lead = {
            let mut all = self.0.lock();
            let gathering = all.entry(activity.clone()).or_default();
            if gathering.led {
                gathering.waiting.push(Waiting { member, done });
                None
            } else {
                gathering.led = true;
                Some((Vec::new(), member))
            }
        };
        let (others, member) = match lead {
            Some(lead) => lead,
            None => match handed.await {
                Ok(Handed::Lead(others, member)) => (others, member),
                Ok(Handed::Done(transacted)) => return transacted,
                Err(_) => {
                    // Its run went with the leader: only the end of the incarnation frees it.
                    engine.lease.lose(incarnation);
                    return Transacted::Left;
                }
            },
        };
        self.lead(engine, &activity, others, member).await
    }

    async fn lead(
        &self,
        engine: &Arc<Engine>,
        activity: &str,
        others: Vec<Waiting>,
        member: Member,
    ) -> Transacted {
        let incarnation = member.run.hold.incarnation;
        let (mut members, mut waiting) = (vec![member], Vec::new());
        for Waiting { member, done } in others {
            members.push(member);
            waiting.push(done);
        }
        let carried = tokio::spawn(carry_out(Arc::clone(engine), members)).await;
        self.hand_on(activity, engine.config.flush_batch);
        let mut results = match carried {
            Ok(results) => results.into_iter(),
            Err(error) => {
                // Their runs went with it: only the end of the incarnation frees them.
                tracing::error!(%error, activity, "a batch's task died");
                engine.lease.lose(incarnation);
                return Transacted::Left;
            }
        };
        let own = results.next().unwrap_or(Transacted::Left);
        for (done, transacted) in waiting.into_iter().zip(results) {
            let _ = done.send(Handed::Done(transacted));
        }
        own
    }

    /// The next batch is led by one of those who wait for it.
    fn hand_on(&self, activity: &str, batch: usize) {
        let mut all = self.0.lock();
        let Some(gathering) = all.get_mut(activity) else { return };
        let count = gathering.waiting.len().min(batch);
        let mut next: Vec<Waiting> = gathering.waiting.drain(..count).collect();
        gathering.led = match next.pop() {
            Some(Waiting { member, done }) => done.send(Handed::Lead(next, member)).is_ok(),
            None => false,
        };
    }
}

fn only(results: Vec<Transacted>) -> Transacted {
    results.into_iter().next().unwrap_or(Transacted::Left)
}

/// Carries a batch out, halving it for as long as the database refuses it as a whole. The results
/// are in the order of the members.
async fn carry_out(engine: Arc<Engine>, members: Vec<Member>) -> Vec<Transacted> {
    let mut results: Vec<Option<Transacted>> = members.iter().map(|_| None).collect();
    // A batch speaks for one incarnation; what was claimed under an older one is lost.
    let (ours, lost): (Group, Group) = members
        .into_iter()
        .enumerate()
        .partition(|(_, member)| engine.lease.is_ours(member.run.hold.incarnation));
    for (at, Member { run, .. }) in lost {
        put(&mut results, at, Transacted::Undone(run, Undone::Lost));
    }
    let mut groups = vec![ours];
    while let Some(group) = groups.pop() {
        let size = group.len();
        match attempt(&engine, group, &mut results).await {
            Ok(()) => {}
            Err((mut group, message)) if size > 1 => {
                tracing::warn!(runs = size, message, "a batch failed; halving it");
                metrics::counter!("makegood_batches_split_total").increment(1);
                let half = group.split_off(size / 2);
                groups.extend([half, group]);
            }
            Err((group, message)) => {
                for (at, Member { run, call }) in group {
                    let failed = Undone::Failed { call, message: message.clone() };
                    put(&mut results, at, Transacted::Undone(run, failed));
                }
            }
        }
    }
    results.into_iter().map(|result| result.unwrap_or(Transacted::Left)).collect()
}

fn put(results: &mut [Option<Transacted>], at: usize, transacted: Transacted) {
    if let Some(place) = results.get_mut(at) {
        *place = Some(transacted);
    }
}

type Group = Vec<(usize, Member)>;

/// One transaction for a group. An error hands the group back: nothing happened, and no program
/// has learnt anything.
async fn attempt(
    engine: &Engine,
    group: Group,
    results: &mut [Option<Transacted>],
) -> Result<(), (Group, String)> {
    let Some((_, first)) = group.first() else { return Ok(()) };
    let (incarnation, activity) = (first.run.hold.incarnation, first.call.activity.clone());
    let mut tx = match engine.transactions.begin().await {
        Ok(tx) => tx,
        Err(error) => {
            for (at, Member { run, .. }) in group {
                let undone = Undone::Unavailable(error.to_string());
                put(results, at, Transacted::Undone(run, undone));
            }
            return Ok(());
        }
    };
    match workers::fence(&mut tx, incarnation).await {
        Ok(true) => {}
        Ok(false) => {
            engine.lease.lose(incarnation);
            for (at, Member { run, .. }) in group {
                put(results, at, Transacted::Undone(run, Undone::Lost));
            }
            return Ok(());
        }
        Err(error) => return Err((group, error.to_string())),
    }
    let group = without_cancelled(&mut tx, group, results).await?;
    let inputs = group.iter().map(|(_, member)| member.call.input.clone()).collect();
    let answers = match answers(engine, &mut tx, &activity, inputs).await {
        Ok(answers) => answers,
        Err(error) => return Err((group, error)),
    };
    fault::point("in the transaction, after", &activity);
    let (mut told, mut torn) = (Vec::new(), None);
    for ((at, member), answer) in group.into_iter().zip(answers) {
        let (before, tries) = (member.run.mark(), member.run.tries.clone());
        match answered(engine, member, answer) {
            Ok((mut run, call)) => {
                let action = match follow(engine, &mut tx, &mut run, &call).await {
                    Ok(action) => action,
                    Err((next, undone)) => {
                        torn = Some(undone);
                        Action::Transact(next)
                    }
                };
                told.push(Told { at, run, call, action, before, tries });
            }
            Err(undone) => put(results, at, *undone),
        }
    }
    match torn {
        None => settle(engine, tx, &activity, told, results).await,
        Some(undone) => tear(told, undone, results),
    }
    Ok(())
}

/// What follows the pivot of one run failed: nothing is committed. Alone, it is that run's answer;
/// of several each starts over.
fn tear(told: Vec<Told>, undone: Undone, results: &mut [Option<Transacted>]) {
    let message = undone.to_string();
    let alone = told.len() == 1;
    let mut stuck = Some(undone).filter(|undone| alone && matches!(undone, Undone::Stuck(_)));
    for told in told {
        let (call, message) = (told.call.clone(), message.clone());
        let undone = match (stuck.take(), alone) {
            (Some(stuck), _) => stuck,
            (None, true) => Undone::Failed { call, message },
            (None, false) => Undone::Together { call, message },
        };
        told.start_over(undone, results);
    }
}

/// A cancel that came before the pivot takes its run out of the batch.
async fn without_cancelled(
    tx: &mut Transaction<'_, Postgres>,
    mut group: Group,
    results: &mut [Option<Transacted>],
) -> Result<Group, (Group, String)> {
    // The tasks' rows are locked in the order of their ids.
    group.sort_by_key(|(_, member)| member.run.hold.run_id);
    let mut kept = Vec::new();
    let mut group = group.into_iter();
    while let Some((at, member)) = group.next() {
        if !member.call.is_pivot() {
            kept.push((at, member));
            continue;
        }
        match heed_cancel(tx, member.run.hold, &member.call).await {
            Ok(()) => kept.push((at, member)),
            Err(Undone::Failed { message, .. }) => {
                kept.push((at, member));
                kept.extend(group);
                return Err((kept, message));
            }
            Err(undone) => put(results, at, Transacted::Undone(member.run, undone)),
        }
    }
    Ok(kept)
}

/// The activity's answers, one for each input; an error is the whole batch's.
async fn answers(
    engine: &Engine,
    tx: &mut Transaction<'_, Postgres>,
    activity: &str,
    inputs: Vec<Payload>,
) -> Result<Vec<ActivityResult<Payload>>, String> {
    if inputs.is_empty() {
        return Ok(Vec::new());
    }
    let Some(code) = engine.registry.code_for(activity) else {
        return Err(format!("no activity {activity} is registered"));
    };
    #[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "a batch size")]
    metrics::histogram!("makegood_batch_runs").record(inputs.len() as f64);
    let answers = code.transact_all(tx, &inputs).await.map_err(|error| error.message())?;
    if answers.len() != inputs.len() {
        return Err(format!("{activity} gave {} answers to {}", answers.len(), inputs.len()));
    }
    Ok(answers)
}

/// Tells a run its answer, or why it must be tried again.
fn answered(
    engine: &Engine,
    member: Member,
    answer: ActivityResult<Payload>,
) -> Result<(Box<Run>, Call), Box<Transacted>> {
    let Member { mut run, call } = member;
    Engine::count_step(&call, answer.as_ref().err());
    let tries = run.failures(&call).saturating_add(1);
    let stuck =
        |class, message: &str| Undone::Stuck(NewIncident::new(class, None, message).at(&call));
    let large = answer.as_ref().ok().and_then(|o| too_large(o, engine.config.payload_limit));
    let result = match answer {
        Ok(_) if large.is_some() => {
            Err(stuck(IncidentClass::Unwritable, &large.unwrap_or_default()))
        }
        Ok(output) => Ok(Ok(output)),
        Err(ActivityError::Rejected { code, message }) if call.role.is_compensation() => {
            let message = format!("{} was refused: {code}: {message}", call.activity);
            Err(stuck(IncidentClass::CompensationFailed, &message))
        }
        Err(ActivityError::Rejected { code, message }) => {
            let (step, code) = (call.step.clone(), code.into_owned());
            Ok(Err(Rejection { step, code, message }))
        }
        Err(ActivityError::Review { class, message }) => {
            Err(stuck(IncidentClass::Review(class), &message))
        }
        Err(error) => Err(Undone::Failed { call: call.clone(), message: error.message() }),
    };
    match result {
        Ok(result) => {
            run.finish(&call, Answer { result, tries, doubt: false });
            Ok((run, call))
        }
        Err(undone) => Err(Box::new(Transacted::Undone(run, undone))),
    }
}

/// What comes next; activities in the database that follow directly join the transaction, each
/// under a savepoint. One that fails is left to a transaction of its own, unless it follows the
/// pivot: the two are committed together or not at all.
async fn follow(
    engine: &Engine,
    tx: &mut Transaction<'_, Postgres>,
    run: &mut Run,
    after: &Call,
) -> Result<Action, (Call, Undone)> {
    loop {
        match run.next(&engine.registry) {
            Action::Transact(call) if call.kind == KindOf::InTransaction && !call.is_pivot() => {
                let failed_before = run.failures(&call);
                match run_one(engine, tx, failed_before, &call).await {
                    Ok(answer) => run.finish(&call, answer),
                    Err(undone) if after.is_pivot() => return Err((call, undone)),
                    Err(_) => return Ok(Action::Transact(call)),
                }
            }
            other => return Ok(other),
        }
    }
}

/// A run that was told its answer, and what it does next.
struct Told {
    at: usize,
    run: Box<Run>,
    call: Call,
    action: Action,
    before: Mark,
    tries: AllTries,
}

impl Told {
    /// Nothing was committed, and the program is ahead of its record: it starts over, alone.
    fn start_over(self, undone: Undone, results: &mut [Option<Transacted>]) {
        let Self { at, mut run, before, tries, .. } = self;
        run.return_to(before);
        run.tries = tries;
        put(results, at, Transacted::Undone(run, undone));
    }
}

/// Writes the runs' turns and commits them with the batch.
async fn settle(
    engine: &Engine,
    tx: Transaction<'_, Postgres>,
    activity: &str,
    mut told: Vec<Told>,
    results: &mut [Option<Transacted>],
) {
    let mut turns = Vec::new();
    for Told { run, action, .. } in &mut told {
        intend(run, action);
        turns.push(Turn::of(run, disposition(action)));
    }
    let borrowed: Vec<&Turn> = turns.iter().collect();
    match write_and_commit(engine, tx, &borrowed, activity).await {
        Ok(committed) => {
            for (Told { at, mut run, action, .. }, committed) in told.into_iter().zip(committed) {
                let transacted = match committed {
                    Some(committed) => match next(engine, &mut run, committed, action) {
                        Some(action) => Transacted::Next(run, action),
                        None => Transacted::Left,
                    },
                    None => Transacted::Undone(run, Undone::Lost),
                };
                put(results, at, transacted);
            }
        }
        Err(unwritten) => {
            // Whose fault it is shows when each is alone.
            let alone = told.len() == 1;
            for (mut told, turn) in told.into_iter().zip(turns) {
                told.run.turn = turn.records;
                let undone = if alone {
                    unwritten.of(&told.call)
                } else {
                    unwritten.together(told.call.clone())
                };
                told.start_over(undone, results);
            }
        }
    }
}
