//! One claimed run in memory: polls its program, or unwinds its record, to the next action.
//! It writes nothing; what it wants written waits in `rows` for the next commit.

mod choice;
mod mail;
mod orders;
mod recording;

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use chrono::{DateTime, Utc};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

use crate::action::{Action, AllTries, Call, ChildStart, Hold, StoredSignal};
use crate::claim::Place;
use crate::clock::Clock;
use crate::config::WorkerConfig;
use crate::ctx::{Ctx, Desk, Next, Reply, Want, WantedWait};
use crate::incident::{IncidentClass, NewIncident};
use crate::journal::{Intent, Journal, Payload, Recorded, RowKind, StepRow, TakenSignal};
use crate::lane::StartOptions;
use crate::registry::{Registry, WorkflowCode};
use crate::workflow::{Cause, Failure, Rejection};

pub(crate) use self::mail::{CANCEL, CHILD};
pub(crate) use self::orders::{COMPENSATE, PAUSE, Signature, TERMINATE, VOIDED};

/// How far this worker's estimate of the database's time may be behind.
const SOON: chrono::TimeDelta = chrono::TimeDelta::milliseconds(20);

/// A workflow's program under way.
pub(crate) type Program = Pin<Box<dyn Future<Output = Result<Payload, Failure>> + Send>>;

/// A run that this worker holds.
pub(crate) struct Run {
    pub(crate) hold: Hold,
    pub(crate) code: Arc<WorkflowCode>,
    pub(crate) input: Payload,
    pub(crate) parent_run_id: Option<Uuid>,
    /// In which lane its children go.
    options: Arc<StartOptions>,
    pub(crate) journal: Journal,
    /// What this turn recorded, not yet committed.
    pub(crate) turn: Records,
    /// The failed attempts of its open steps.
    pub(crate) tries: AllTries,
    /// How many stored signals this run has read.
    pub(crate) seen: i32,
    clock: Clock,
    steps_limit: i32,
    record_limit: usize,
    payload_limit: usize,
    mode: Mode,
    desk: Arc<Desk>,
    /// Whether the program was told something since it was polled last.
    stirred: bool,
    /// A transaction was rolled back: the program knows more than the record.
    ahead: bool,
    /// The whole record was replayed, and fits.
    replayed: bool,
    /// Steps that the program asked for and that nobody works on.
    wanted: VecDeque<Call>,
    /// Calls under way, by [`Call::key`].
    flying: HashSet<String>,
    waits: Vec<WantedWait>,
    /// The deadlines of waits that are committed, by the database's clock, and what that said.
    deadlines: HashMap<String, DateTime<Utc>>,
    database_time: DateTime<Utc>,
    signals: VecDeque<StoredSignal>,
    known: HashSet<String>,
    /// A cancel, or an order to make good, that came while the pivot was under way.
    kept: Option<StoredSignal>,
    /// What an operator wants of it.
    order: Option<orders::Order>,
    /// Why the run must not be driven on.
    trouble: Option<NewIncident>,
    _place: Option<Place>,
}

enum Mode {
    Program(Program),
    /// The program has ended, and calls may still be under way.
    Leaving(Leaving),
    Unwinding,
}

#[derive(Clone)]
enum Leaving {
    Completed(Payload),
    MadeGood(Cause),
}

/// What a turn records.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) rows: Vec<StepRow>,
    /// The outside steps about to be tried.
    pub(crate) intents: Vec<Intent>,
    pub(crate) children: Vec<ChildStart>,
    /// In the order in which it was shown: of one key, the last counts.
    pub(crate) published: Vec<(String, Payload)>,
}

/// The answer to a call.
pub(crate) struct Answer {
    pub(crate) result: Result<Payload, Rejection>,
    /// Which attempt it was.
    pub(crate) tries: u32,
    /// An earlier attempt may have had its effect, whatever the last one says.
    pub(crate) doubt: bool,
}

/// A point in a turn to which a run can return.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    rows: usize,
    children: usize,
    published: usize,
    next_seq: i32,
    unwinding: bool,
}

/// What the claim read about a run.
pub(crate) struct Claimed {
    pub(crate) hold: Hold,
    pub(crate) code: Arc<WorkflowCode>,
    pub(crate) input: Payload,
    pub(crate) parent_run_id: Option<Uuid>,
    pub(crate) journal: Journal,
    pub(crate) signals: Vec<StoredSignal>,
    pub(crate) tries: AllTries,
    pub(crate) deadlines: HashMap<String, DateTime<Utc>>,
    pub(crate) database_time: DateTime<Utc>,
    pub(crate) unfit: Option<NewIncident>,
    /// In which lane its children go.
    pub(crate) options: Arc<StartOptions>,
    pub(crate) place: Option<Place>,
}

impl Run {
    /// Puts a claimed run together; its program starts from the beginning and replays its record.
    pub(crate) fn new(claimed: Claimed, config: &WorkerConfig, clock: Clock) -> Self {
        let Claimed { hold, code, input, mut journal, .. } = claimed;
        let recorded = std::mem::take(&mut journal.recorded);
        let limit = config.payload_limit;
        let foreseen = journal.open.iter().map(|i| (i.name.clone(), i.occurrence)).collect();
        let desk = Desk::new(hold.run_id, limit, clock.clone(), recorded, foreseen);
        let mode = if journal.compensating.is_some() {
            Mode::Unwinding
        } else {
            Mode::Program((code.start)(Ctx::new(Arc::clone(&desk)), input.clone()))
        };
        let mut tries = claimed.tries;
        for tries in tries.values_mut() {
            // The database's clock woke it; this worker's estimate may be a little behind.
            if tries.not_before.signed_duration_since(claimed.database_time) <= SOON {
                tries.not_before = DateTime::UNIX_EPOCH;
            }
        }
        let mut run = Self {
            hold,
            code,
            input,
            parent_run_id: claimed.parent_run_id,
            options: claimed.options,
            journal,
            turn: Records::default(),
            tries,
            seen: 0,
            clock,
            steps_limit: config.steps_limit,
            record_limit: config.record_limit,
            payload_limit: limit,
            mode,
            desk,
            stirred: true,
            ahead: false,
            replayed: false,
            wanted: VecDeque::new(),
            flying: HashSet::new(),
            waits: Vec::new(),
            deadlines: claimed.deadlines,
            database_time: claimed.database_time,
            signals: VecDeque::new(),
            known: HashSet::new(),
            kept: None,
            order: None,
            trouble: claimed.unfit,
            _place: claimed.place,
        };
        run.deliver(claimed.signals);
        run
    }

    /// Polls the program, or unwinds the record, until something has to be done about it.
    pub(crate) fn next(&mut self, registry: &Registry) -> Action {
        loop {
            let found = match &self.mode {
                _ if (self.trouble.is_some() || self.order.is_some())
                    && !self.flying.is_empty() =>
                {
                    return Action::Await(None);
                }
                _ if self.trouble.is_some() => {
                    return self.trouble.take().map_or_else(rest, Action::Stuck);
                }
                _ if self.order.is_some() => return self.obey(),
                Mode::Unwinding => self.unwind(registry).map(Some),
                Mode::Leaving(_) => self.leave(),
                Mode::Program(_) if self.journal.next_seq > self.steps_limit => {
                    let message = format!("the run has more than {} records", self.steps_limit);
                    Err(NewIncident::new(IncidentClass::Unwritable, None, &message))
                }
                Mode::Program(_) if self.journal.bytes > self.record_limit => {
                    let message =
                        format!("the run's record has more than {} bytes", self.record_limit);
                    Err(NewIncident::new(IncidentClass::Unwritable, None, &message))
                }
                Mode::Program(_) => self.advance(registry),
            };
            match found {
                Ok(Some(action)) => return action,
                Ok(None) => {}
                // Raised as soon as no call is under way.
                Err(incident) => self.trouble = Some(incident),
            }
        }
    }

    /// One thing at a time: poll the program, or tell it the next thing.
    fn advance(&mut self, registry: &Registry) -> Result<Option<Action>, NewIncident> {
        if std::mem::take(&mut self.stirred) {
            return self.poll_program(registry).map(|()| None);
        }
        if self.replay()? {
            return Ok(None);
        }
        if self.take_wait() {
            return Ok(None);
        }
        let nothing = || misfit("the program awaits something that is not its context's");
        self.choose().map(Some).ok_or_else(nothing)
    }

    fn poll_program(&mut self, registry: &Registry) -> Result<(), NewIncident> {
        let Mode::Program(program) = &mut self.mode else { return Ok(()) };
        let mut context = Context::from_waker(Waker::noop());
        let poll = std::panic::AssertUnwindSafe(|| program.as_mut().poll(&mut context));
        let polled = std::panic::catch_unwind(poll).map_err(|panic| {
            // It has not seen to the end what it was told.
            self.stirred = true;
            NewIncident::of_panic(&*panic)
        })?;
        self.collect(registry)?;
        if let Poll::Ready(ending) = polled {
            self.program_ended(ending)?;
        }
        Ok(())
    }

    /// Takes in what the program did while it was polled.
    fn collect(&mut self, registry: &Registry) -> Result<(), NewIncident> {
        let news = self.desk.take_news();
        if let Some(fault) = news.fault {
            return Err(misfit(&fault));
        }
        for given in news.given {
            self.record_given(given);
        }
        self.turn.published.extend(news.published);
        self.waits.retain(|wait| !news.dropped.contains(&wait.key));
        for want in news.wants {
            match want {
                Want::Step(step) => {
                    let call = self.call_for(step, registry)?;
                    self.wanted.push_back(call);
                }
                Want::Wait(wait) if news.dropped.contains(&wait.key) => {}
                Want::Wait(wait) => self.waits.push(wait),
            }
        }
        Ok(())
    }

    fn program_ended(&mut self, ending: Result<Payload, Failure>) -> Result<(), NewIncident> {
        self.waits.clear();
        let cause = match ending {
            Ok(output) => {
                let size = output.get().len();
                if size > self.payload_limit {
                    let message =
                        format!("the output has {size} bytes, the limit is {}", self.payload_limit);
                    return Err(NewIncident::new(IncidentClass::Unwritable, None, &message));
                }
                self.mode = Mode::Leaving(Leaving::Completed(output));
                return Ok(());
            }
            Err(Failure::Fault(fault)) => return Err(misfit(&fault)),
            Err(Failure::Rejected(rejection)) => Cause::Rejected(rejection),
            Err(Failure::MadeGood(reason)) => Cause::MadeGood { reason },
        };
        if self.journal.pivoted {
            let (step, message) = match &cause {
                Cause::Rejected(r) => (Some(r.step.clone()), format!("{}: {}", r.code, r.message)),
                other => (None, format!("{other:?}")),
            };
            let class = IncidentClass::RejectedPastPivot;
            return Err(NewIncident::new(class, step.as_deref(), &message));
        }
        self.mode = Mode::Leaving(Leaving::MadeGood(cause));
        Ok(())
    }

    /// Tells the program what the record says next; `false` at its end.
    fn replay(&mut self) -> Result<bool, NewIncident> {
        let recorded = match self.desk.next_recorded() {
            Next::Answer(recorded) => recorded,
            Next::Misfit(next) if matches!(self.mode, Mode::Program(_)) => {
                return Err(misfit(&format!(
                    "the record goes on with {next}, which the program does not ask for; {}",
                    self.asks_for(),
                )));
            }
            Next::Misfit(next) => {
                let message = format!("the program ended and never asked for the recorded {next}");
                return Err(misfit(&message));
            }
            // What is intended from here on was asked for.
            Next::None if self.replayed => return Ok(false),
            Next::None => {
                let asked: HashSet<String> = self.wanted.iter().map(Call::key).collect();
                let unasked = self.journal.open.iter().find(|intent| {
                    !asked.contains(&format!("{}#{}", intent.name, intent.occurrence))
                });
                self.replayed = unasked.is_none();
                return match unasked {
                    Some(intent) if !self.is_leaving() => Err(misfit(&format!(
                        "{}#{} was about to be called, and the program does not ask for it; {}",
                        intent.name,
                        intent.occurrence,
                        self.asks_for(),
                    ))),
                    _ => Ok(false),
                };
            }
        };
        let reply = reply_of(&recorded)?;
        let Recorded { name, occurrence, .. } = recorded;
        self.wanted.retain(|call| call.step != name || call.occurrence != occurrence);
        self.waits.retain(|wait| wait.key.0 != name || wait.key.1 != occurrence);
        self.tell(&name, occurrence, reply);
        Ok(true)
    }

    fn asks_for(&self) -> String {
        let calls = self.wanted.iter().map(Call::key);
        let waits = self.waits.iter().map(|wait| format!("{}#{}", wait.key.0, wait.key.1));
        let wants: Vec<String> = calls.chain(waits).take(3).collect();
        if wants.is_empty() {
            "it asks for nothing".to_owned()
        } else {
            format!("it asks for {}", wants.join(", "))
        }
    }

    /// Answers a want; the program is polled before it is told anything else.
    fn tell(&mut self, name: &str, occurrence: i32, reply: Reply) {
        self.desk.answer(name, occurrence, reply);
        self.stirred = true;
    }

    /// Decides, for good, that the run is undone. Durable with the next commit.
    fn make_good(&mut self, cause: Cause) {
        let result = to_raw_value(&cause).ok();
        self.record(RowKind::Compensating, "", 0, result);
        self.journal.compensating = Some(cause);
        self.journal.shelved = std::mem::take(&mut self.journal.open);
        if planted::has("an undo is forgotten") {
            self.journal.undoables.pop();
        }
        self.wanted.clear();
        self.waits.clear();
        self.mode = Mode::Unwinding;
    }

    pub(crate) fn is_unwinding(&self) -> bool {
        self.journal.compensating.is_some()
    }

    /// Whether the program has not seen yet what was recorded last, and will not in this memory.
    fn has_unseen_answer(&self) -> bool {
        self.stirred && (self.ahead || matches!(self.mode, Mode::Program(_)))
    }

    fn is_leaving(&self) -> bool {
        matches!(self.mode, Mode::Leaving(_))
    }
}

/// What a recorded answer says to the program.
fn reply_of(recorded: &Recorded) -> Result<Reply, NewIncident> {
    let result = || recorded.result.clone().unwrap_or_else(null);
    let unreadable = |error: serde_json::Error| {
        misfit(&format!("the record of {} cannot be read: {error}", recorded.name))
    };
    Ok(match recorded.kind {
        RowKind::Done => Reply::Done(result()),
        RowKind::Rejected => {
            Reply::Rejected(serde_json::from_str(result().get()).map_err(unreadable)?)
        }
        RowKind::Signal | RowKind::Ended => {
            let taken: TakenSignal = serde_json::from_str(result().get()).map_err(unreadable)?;
            Reply::Message(taken.payload)
        }
        _ => Reply::Elapsed,
    })
}

fn rest() -> Action {
    Action::Await(None)
}

fn misfit(message: &str) -> NewIncident {
    NewIncident::new(IncidentClass::NonDeterminism, None, message)
}

/// The words of a panic.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".to_owned())
}

/// JSON's null, for calls without input.
pub(crate) fn null() -> Payload {
    RawValue::NULL.to_owned()
}
