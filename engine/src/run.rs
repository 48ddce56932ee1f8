//! One claimed run in memory: polls its program, or unwinds its record, to the next action.
//! It writes nothing; what it wants written waits in `rows` for the next commit.

mod orders;
mod recording;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::OwnedSemaphorePermit;

use crate::action::{Action, Call, End, Hold, Park, Role, StoredSignal};
use crate::compensate::{self, Unwind};
use crate::ctx::{Desk, Reply, Until, Want, WantedStep, WantedWait};
use crate::incident::{IncidentClass, NewIncident};
use crate::journal::{Intent, Journal, Payload, Phase, RowKind, StepRow};
use crate::late;
use crate::registry::{Registry, WorkflowCode};
use crate::store::tasks::OpenWait;
use crate::workflow::{Cause, Failure, Rejection};

pub(crate) use self::orders::{COMPENSATE, PAUSE, Signature, TERMINATE, VOIDED};

/// The kind of signal that asks a run to cancel itself.
pub(crate) const CANCEL: &str = "$cancel";

/// A workflow's program under way.
pub(crate) type Program = Pin<Box<dyn Future<Output = Result<Payload, Failure>> + Send>>;

/// A run that this worker holds.
pub(crate) struct Run {
    pub(crate) hold: Hold,
    pub(crate) code: Arc<WorkflowCode>,
    pub(crate) input: Payload,
    pub(crate) journal: Journal,
    /// Recorded by this turn, not yet committed.
    pub(crate) rows: Vec<StepRow>,
    /// The intent to be committed with them.
    pub(crate) intent: Option<Intent>,
    /// Failed attempts since the run's last commit, in this claim and in those before it.
    pub(crate) attempt: u32,
    /// How many stored signals this run has read.
    pub(crate) seen: i32,
    pub(crate) steps_limit: i32,
    mode: Mode,
    desk: Arc<Desk>,
    signals: VecDeque<StoredSignal>,
    known: Vec<String>,
    /// The wait in which the run was parked.
    parked: Option<OpenWait>,
    waiting: Option<WantedWait>,
    /// Why the run must not be driven at all.
    unfit: Option<NewIncident>,
    /// What an operator wants of it.
    order: Option<orders::Order>,
    _slot: OwnedSemaphorePermit,
}

enum Mode {
    Program(Program),
    Unwinding,
    Ended(Payload),
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
    next_seq: i32,
}

/// What the claim read about a run.
pub(crate) struct Claimed {
    pub(crate) hold: Hold,
    pub(crate) code: Arc<WorkflowCode>,
    pub(crate) input: Payload,
    pub(crate) journal: Journal,
    pub(crate) signals: Vec<StoredSignal>,
    pub(crate) attempt: u32,
    pub(crate) parked: Option<OpenWait>,
    pub(crate) unfit: Option<NewIncident>,
    pub(crate) slot: OwnedSemaphorePermit,
}

impl Run {
    /// Puts a claimed run together; its program starts from the beginning and replays its record.
    pub(crate) fn new(claimed: Claimed, payload_limit: usize, steps_limit: i32) -> Self {
        let Claimed { hold, code, input, mut journal, .. } = claimed;
        let recorded = std::mem::take(&mut journal.recorded);
        let desk = Desk::new(hold.run_id, payload_limit, recorded);
        let mode = if journal.compensating.is_some() {
            Mode::Unwinding
        } else {
            Mode::Program((code.start)(desk.ctx(), input.clone()))
        };
        let mut run = Self {
            hold,
            code,
            input,
            journal,
            rows: Vec::new(),
            intent: None,
            attempt: claimed.attempt,
            seen: 0,
            steps_limit,
            mode,
            desk,
            signals: VecDeque::new(),
            known: Vec::new(),
            parked: claimed.parked,
            waiting: None,
            unfit: claimed.unfit,
            order: None,
            _slot: claimed.slot,
        };
        run.deliver(claimed.signals);
        run
    }

    /// Takes in all signals that are stored for the run.
    pub(crate) fn deliver(&mut self, signals: Vec<StoredSignal>) {
        self.seen = i32::try_from(signals.len()).unwrap_or(i32::MAX);
        for signal in signals {
            if self.known.contains(&signal.id) {
                continue;
            }
            self.known.push(signal.id.clone());
            if self.journal.taken_signals.contains(&signal.id) {
                continue;
            }
            if signal.kind == CANCEL {
                self.cancel(&signal);
            } else if !self.take_order(&signal) {
                self.signals.push_back(signal);
            }
        }
    }

    fn cancel(&mut self, signal: &StoredSignal) {
        if self.journal.compensating.is_some() {
            return;
        }
        if self.journal.pivoted {
            self.record_taken(RowKind::Refused, CANCEL, 0, signal);
            return;
        }
        let reason = serde_json::from_str(signal.payload.get()).unwrap_or_default();
        self.make_good(Cause::Cancelled { reason });
    }

    /// Decides, for good, that the run is undone. Durable with the next commit.
    fn make_good(&mut self, cause: Cause) {
        let result = to_raw_value(&cause).ok();
        self.record(RowKind::Compensating, "", 0, result);
        self.journal.compensating = Some(cause);
        self.journal.open = None;
        self.waiting = None;
        self.mode = Mode::Unwinding;
    }

    /// Polls the program, or unwinds the record, until something has to be done about it.
    pub(crate) fn next(&mut self, registry: &Registry) -> Action {
        if let Some(incident) = self.unfit.take() {
            return Action::Stuck(incident);
        }
        if let Some(action) = self.obey() {
            return action;
        }
        loop {
            let full = self.journal.next_seq > self.steps_limit;
            let found = match &mut self.mode {
                Mode::Program(_) if full => {
                    let message = format!("the run has more than {} records", self.steps_limit);
                    return stuck(IncidentClass::Unwritable, None, &message);
                }
                Mode::Unwinding => return self.unwind(registry),
                Mode::Ended(output) => {
                    let output = output.clone();
                    return self.end("COMPLETED", Some(output));
                }
                Mode::Program(_) if self.waiting.is_some() => self.try_wait(),
                Mode::Program(_) => self.poll_program(registry),
            };
            if let Some(action) = found {
                return action;
            }
        }
    }

    fn poll_program(&mut self, registry: &Registry) -> Option<Action> {
        let Mode::Program(program) = &mut self.mode else { return None };
        let mut context = Context::from_waker(Waker::noop());
        let poll = std::panic::AssertUnwindSafe(|| program.as_mut().poll(&mut context));
        let polled = match std::panic::catch_unwind(poll) {
            Ok(polled) => polled,
            Err(panic) => {
                return Some(stuck(IncidentClass::Panic, None, &panic_text(&*panic)));
            }
        };
        match polled {
            Poll::Ready(ending) => self.program_ended(ending),
            Poll::Pending => self.wanted(registry),
        }
    }

    fn program_ended(&mut self, ending: Result<Payload, Failure>) -> Option<Action> {
        if let Some(unasked) = self.desk.unasked() {
            let message = format!("the program ended and never asked for the recorded {unasked}");
            return Some(stuck(IncidentClass::NonDeterminism, None, &message));
        }
        let cause = match ending {
            Ok(output) => {
                self.mode = Mode::Ended(output);
                return None;
            }
            Err(Failure::Fault(fault)) => {
                return Some(stuck(IncidentClass::NonDeterminism, None, &fault));
            }
            Err(Failure::Rejected(rejection)) => Cause::Rejected(rejection),
            Err(Failure::MadeGood(reason)) => Cause::MadeGood { reason },
        };
        if self.journal.pivoted {
            // Not recorded: after a retry the step is tried again.
            let mut occurrence = None;
            if let Some(row) = self.rows.pop_if(|row| row.kind == RowKind::Rejected) {
                occurrence = Some(row.occurrence);
                self.journal.next_seq = self.journal.next_seq.saturating_sub(1);
            }
            let (step, message) = match &cause {
                Cause::Rejected(r) => (Some(r.step.clone()), format!("{}: {}", r.code, r.message)),
                other => (None, format!("{other:?}")),
            };
            let class = IncidentClass::RejectedPastPivot;
            let incident = NewIncident::new(class, step.as_deref(), &message);
            return Some(Action::Stuck(NewIncident { occurrence, ..incident }));
        }
        self.make_good(cause);
        None
    }

    fn wanted(&mut self, registry: &Registry) -> Option<Action> {
        let mut wants = self.desk.take_wants();
        let want = match (wants.pop(), wants.pop()) {
            (Some(want), None) => want,
            (None, _) => {
                let message = "the program awaits something that is not its context's";
                return Some(stuck(IncidentClass::NonDeterminism, None, message));
            }
            (Some(_), Some(_)) => {
                let message = "the program awaits several things at once";
                return Some(stuck(IncidentClass::NonDeterminism, None, message));
            }
        };
        if let Some(unasked) = self.desk.unasked() {
            let message =
                format!("the program asks for something new before the recorded {unasked}");
            return Some(stuck(IncidentClass::NonDeterminism, None, &message));
        }
        match want {
            Want::Fault(fault) => Some(stuck(IncidentClass::NonDeterminism, None, &fault)),
            Want::Wait(wait) => {
                if let Some(open) = &self.journal.open {
                    let message = format!("the program waits while {} is open", open.name);
                    return Some(stuck(IncidentClass::NonDeterminism, None, &message));
                }
                self.waiting = Some(wait);
                None
            }
            Want::Step(step) => Some(self.step_wanted(step, registry)),
        }
    }

    fn step_wanted(&mut self, step: WantedStep, registry: &Registry) -> Action {
        let WantedStep { name, occurrence, input, undo, pivot } = step;
        let open = self.journal.open.as_ref();
        let intended = open.is_some_and(|o| o.name == name && o.occurrence == occurrence);
        if let (Some(open), false) = (open, intended) {
            let message = format!("the program calls {name}, and {} is open", open.name);
            return stuck(IncidentClass::NonDeterminism, Some(name), &message);
        }
        let Some(kind) = registry.kind_of(name) else {
            let message = format!("no activity {name} is registered");
            return stuck(IncidentClass::NonDeterminism, Some(name), &message);
        };
        let unrecorded = kind.needs_intent() && !intended;
        let role = Role::Step { undo, pivot, unrecorded };
        let edited = self.journal.edited(name, occurrence, Phase::Forward).cloned();
        let call = Call {
            activity: name.to_owned(),
            step: name.to_owned(),
            occurrence,
            input: edited.unwrap_or(input),
            role,
            uncertain: intended,
        };
        if kind.in_transaction() { Action::Transact(call) } else { Action::Call(call) }
    }

    /// Ends the open wait by a signal or by its deadline, or says how long to park.
    fn try_wait(&mut self) -> Option<Action> {
        let wait = self.waiting.clone()?;
        let key = format!("{}#{}", wait.name, wait.occurrence);
        let parked = self.parked.take_if(|parked| parked.key == key);
        let matching = self.signals.iter().position(|s| Some(s.kind.as_str()) == wait.kind);
        if let Some(signal) = matching.and_then(|index| self.signals.remove(index)) {
            self.record_taken(RowKind::Signal, wait.name, wait.occurrence, &signal);
            self.desk.reply(Reply::Signal(signal.payload));
        } else if parked.as_ref().is_some_and(|parked| parked.expired) {
            let kind = if wait.kind.is_some() { RowKind::Timeout } else { RowKind::Slept };
            self.record(kind, wait.name, wait.occurrence, None);
            self.desk.reply(Reply::Elapsed);
        } else {
            let until = parked.as_ref().map_or(wait.until, |parked| Until::At(parked.deadline));
            self.parked = parked;
            return Some(Action::Park(Park { until, wait: Some(key), attempt: 0 }));
        }
        self.waiting = None;
        None
    }

    fn unwind(&mut self, registry: &Registry) -> Action {
        match compensate::next(self, registry) {
            Unwind::Undo { call, in_transaction: true } => Action::Transact(call),
            Unwind::Undo { call, in_transaction: false } => Action::Call(call),
            Unwind::Over => self.end("COMPENSATED", None),
            Unwind::Impossible { step, message } => {
                stuck(IncidentClass::CompensationFailed, Some(&step), &message)
            }
        }
    }

    pub(crate) fn is_unwinding(&self) -> bool {
        matches!(self.mode, Mode::Unwinding)
    }

    fn end(&self, state: &'static str, output: Option<Payload>) -> Action {
        let cause = self.journal.compensating.as_ref().and_then(|c| to_raw_value(c).ok());
        let late = self.code.late.iter().flat_map(|handler| {
            let output = output.as_deref().map(RawValue::get);
            let left = self.signals.iter().filter(move |signal| handler.concerns(output, signal));
            left.map(|signal| late::start(handler, self.hold.run_id, &self.input, signal))
        });
        let late = late.collect();
        Action::End(End { state, output, cause, late })
    }
}

fn stuck(class: IncidentClass, step: Option<&str>, message: &str) -> Action {
    Action::Stuck(NewIncident::new(class, step, message))
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
