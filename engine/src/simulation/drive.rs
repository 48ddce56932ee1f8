//! Workers, the outside and time, one move after the other; which comes next is chance.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem::replace;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::cell::Cell;
use super::dice::Dice;
use super::outside::Outside;
use super::program::{Case, Deed, When, Word};
use super::script;
use super::story::text;
use super::world::Told;
use crate::act::{Acted, used_up};
use crate::action::{Action, Call, Letter, Role, StoredSignal, Tries};
use crate::activity::{Activity, ActivityError, ActivityResult, Attempt, Outside as Remote};
use crate::children::CANCEL_CHILD;
use crate::clock::Clock;
use crate::commit::{Committed, Disposition, Turn};
use crate::config::WorkerConfig;
use crate::incident::{IncidentClass, NewIncident};
use crate::journal::Payload;
use crate::registry::{KindOf, Registry};
use crate::retry::RetryPolicy;
use crate::run::{Answer, CANCEL, Run};
use crate::turn;
use crate::workflow::Rejection;

/// More moves than any case needs.
const ENOUGH: usize = 20_000;

/// A run that is stuck so often for nothing that it will be for ever.
const RETRIES: u32 = 12;

/// A run in a worker's memory.
pub(super) struct Held {
    pub(super) run: Run,
    doing: Doing,
    pub(super) flights: Vec<(Call, Option<Tries>)>,
}

enum Doing {
    Action(Box<Action>),
    /// Until a call lands, or this time comes.
    Rest(Option<DateTime<Utc>>),
}

enum Move {
    Act(usize),
    Land(usize, usize),
    Claim(usize),
    Mail(usize),
    Haunt(usize),
    Event(usize),
    Answer(usize, String),
    Repair(usize),
}

enum Event {
    Send { id: String, word: Word },
    Cancel,
}

pub(super) struct Sim {
    dice: Dice,
    pub(super) cell: Cell,
    pub(super) outside: Outside,
    pub(super) registry: Registry,
    config: WorkerConfig,
    clock: Clock,
    held: Vec<Held>,
    /// Calls of the dead that are still under way.
    haunts: Vec<(Call, String)>,
    events: Vec<(DateTime<Utc>, Event)>,
    pub(super) told: Vec<Told>,
    answered: BTreeSet<(usize, String)>,
    retried: HashMap<usize, u32>,
    pub(super) moves: Vec<String>,
    pub(super) met: BTreeMap<&'static str, u64>,
}

/// Stands for the engine's own activity, whose work is done in `cancel_child`.
struct CancelChild;

impl Activity for CancelChild {
    const NAME: &'static str = CANCEL_CHILD;
    type Kind = Remote;
    type Input = Value;
    type Output = String;

    async fn run(&self, _: &mut Attempt, _: Value) -> ActivityResult<String> {
        Err(ActivityError::retryable("never called"))
    }

    fn retry(&self) -> RetryPolicy {
        RetryPolicy::attempts(u32::MAX)
    }
}

impl Sim {
    pub(super) fn new(case: &Case, seed: u64, config: WorkerConfig) -> Self {
        let mut sim = Self {
            dice: Dice::new(!seed),
            cell: Cell::new(),
            outside: Outside::default(),
            registry: script::registry().activity(CancelChild),
            config,
            clock: Clock::still(),
            held: Vec::new(),
            haunts: Vec::new(),
            events: Vec::new(),
            told: Vec::new(),
            answered: BTreeSet::new(),
            retried: HashMap::new(),
            moves: Vec::new(),
            met: BTreeMap::new(),
        };
        sim.clock.set(sim.cell.now);
        let input = serde_json::value::to_raw_value(&case.program).unwrap();
        sim.cell.start(Uuid::now_v7(), ("script", &case.program.case), input);
        sim.tell(case, |when| when == When::WithStart);
        sim
    }

    /// Tells the run what comes at such a time.
    fn tell(&mut self, case: &Case, at: impl Fn(When) -> bool) {
        for send in case.sends.iter().filter(|send| at(send.when)) {
            for _ in 0..=u32::from(send.twice) {
                self.happen(Event::Send { id: send.id.clone(), word: send.word });
            }
        }
        if case.cancel.is_some_and(at) {
            self.happen(Event::Cancel);
        }
    }

    fn happen(&mut self, event: Event) {
        let case = self.cell.runs[0].workflow_id.clone();
        self.told.push(match event {
            Event::Send { id, word } => {
                let (kind, payload) = (word.name().to_owned(), text(&id));
                let signal = StoredSignal { id: id.clone(), kind, payload };
                let delivery = self.cell.signal(0, signal, &self.registry);
                Told::Signal { case, id, delivery }
            }
            Event::Cancel => {
                let cancellation = self.cell.cancel(0, text("enough"));
                Told::Cancel { case, cancellation }
            }
        });
    }

    pub(super) fn meets(&mut self, moment: &'static str) {
        *self.met.entry(moment).or_default() += 1;
    }

    fn note(&mut self, moment: &'static str, what: &str) {
        self.meets(moment);
        self.moves.push(format!("{moment} {what}"));
    }

    /// Plays until all has ended and nothing is left to happen.
    pub(super) fn play(&mut self, case: &Case) -> Result<(), String> {
        let began = self.cell.now;
        let after = |when| match when {
            When::After { ms } => Some(began + TimeDelta::milliseconds(i64::try_from(ms).unwrap())),
            When::WithStart | When::Late => None,
        };
        for send in &case.sends {
            let Some(at) = after(send.when) else { continue };
            for _ in 0..=u32::from(send.twice) {
                self.events.push((at, Event::Send { id: send.id.clone(), word: send.word }));
            }
        }
        self.events.extend(case.cancel.and_then(after).map(|at| (at, Event::Cancel)));
        let mut late = false;
        while self.moves.len() < ENOUGH {
            if self.go_on()? {
                continue;
            }
            if self.cell.runs.iter().any(|run| run.end.is_none()) {
                return Err("nothing moves any more".to_owned());
            }
            if replace(&mut late, true) {
                return Ok(());
            }
            self.tell(case, |when| when == When::Late);
        }
        Err("it never ends".to_owned())
    }

    /// One move; `false` when there is none, now or later.
    fn go_on(&mut self) -> Result<bool, String> {
        if !self.held.is_empty() && self.dice.in_hundred(2) {
            let at = self.any(self.held.len());
            let mut held = self.held.swap_remove(at);
            self.note("death at rest", "");
            self.bury(&mut held);
        }
        let mut moves = self.possible()?;
        if moves.is_empty() || self.dice.in_hundred(6) {
            if self.wait() || !moves.is_empty() {
                return Ok(true);
            }
            return Ok(false);
        }
        let chosen = moves.swap_remove(self.dice_below(moves.len()));
        self.make(chosen);
        Ok(true)
    }

    fn dice_below(&mut self, below: usize) -> usize {
        usize::try_from(self.dice.below(u64::try_from(below).unwrap())).unwrap()
    }

    fn any(&mut self, of: usize) -> usize {
        self.dice_below(of)
    }

    fn possible(&self) -> Result<Vec<Move>, String> {
        let now = self.cell.now;
        let mut moves = Vec::new();
        for (at, held) in self.held.iter().enumerate() {
            match &held.doing {
                Doing::Action(_) => moves.push(Move::Act(at)),
                Doing::Rest(until) => {
                    moves.extend((0..held.flights.len()).map(|flight| Move::Land(at, flight)));
                    moves.extend(until.filter(|until| *until <= now).map(|_| Move::Act(at)));
                }
            }
        }
        for (at, run) in self.cell.runs.iter().enumerate() {
            let task = &run.task;
            if run.end.is_some() || task.held {
                continue;
            }
            if task.stuck {
                if self.retried.get(&at).is_some_and(|times| *times > RETRIES) {
                    return Err(format!("it is stuck for ever: {:?}", run.incidents.last()));
                }
                moves.push(Move::Repair(at));
            } else if task.due.is_some_and(|due| due <= now) {
                moves.push(Move::Claim(at));
            } else if task.waiting && task.due > Some(now + TimeDelta::seconds(10)) {
                let open = task.waits.keys().filter(|key| {
                    let word = key.split_once('#').and_then(|(name, _)| Word::named(name));
                    word.is_some() && !self.answered.contains(&(at, (*key).clone()))
                });
                moves.extend(open.map(|key| Move::Answer(at, key.clone())));
            }
        }
        moves.extend((0..self.cell.mail.len()).map(Move::Mail));
        moves.extend((0..self.haunts.len()).map(Move::Haunt));
        let events = self.events.iter().enumerate().filter(|(_, (at, _))| *at <= now);
        moves.extend(events.map(|(at, _)| Move::Event(at)));
        Ok(moves)
    }

    /// Time passes: a little, or until something is due; `false` when nothing ever will be.
    fn wait(&mut self) -> bool {
        let now = self.cell.now;
        let rests = self.held.iter().filter_map(|held| match held.doing {
            Doing::Rest(until) => until,
            Doing::Action(_) => None,
        });
        let live = self.cell.runs.iter().filter(|run| run.end.is_none());
        let dues = live.filter_map(|run| run.task.due);
        let events = self.events.iter().map(|(at, _)| *at);
        let next = rests.chain(dues).chain(events).filter(|at| *at > now).min();
        let Some(next) = next else { return false };
        self.cell.now = next.min(now + TimeDelta::hours(24));
        self.clock.set(self.cell.now);
        self.note("time passes", "");
        true
    }

    fn make(&mut self, chosen: Move) {
        match chosen {
            Move::Act(at) => {
                let mut held = self.held.swap_remove(at);
                let action = match replace(&mut held.doing, Doing::Rest(None)) {
                    Doing::Action(action) => *action,
                    Doing::Rest(_) => held.run.next(&self.registry),
                };
                self.moves.push(format!("act {}", named(&action)));
                let action = self.perhaps_drain(&mut held, action);
                if let Some(doing) = self.act(&mut held, action) {
                    held.doing = doing;
                    self.held.push(held);
                }
            }
            Move::Land(at, flight) => {
                let mut held = self.held.swap_remove(at);
                self.land(&mut held, flight);
                let next = held.run.next(&self.registry);
                held.doing = Doing::Action(Box::new(next));
                self.held.push(held);
            }
            Move::Claim(at) => {
                self.note("claim", &at.to_string());
                let claimed = self.cell.claim(at, &self.registry);
                let mut run = Run::new(claimed, &self.config, self.clock.clone());
                let next = run.next(&self.registry);
                let doing = Doing::Action(Box::new(next));
                self.held.push(Held { run, doing, flights: Vec::new() });
            }
            Move::Mail(at) => {
                let letter = self.cell.mail.swap_remove(at);
                self.note("mail", letter.kind);
                self.cell.deliver(letter);
            }
            Move::Haunt(at) => {
                let (call, key) = self.haunts.swap_remove(at);
                self.note("call that outlives its worker", &call.key());
                drop(self.outside.call(&call, &key));
            }
            Move::Event(at) => {
                let (_, event) = self.events.remove(at);
                self.note("event", "");
                self.happen(event);
            }
            Move::Answer(at, key) => {
                self.note("answer", &key);
                let (name, occurrence) = key.split_once('#').unwrap();
                let id = format!("answer to {name} {occurrence}");
                let (kind, payload) = (name.to_owned(), text(&id));
                self.cell.signal(at, StoredSignal { id, kind, payload }, &self.registry);
                self.answered.insert((at, key));
            }
            Move::Repair(at) => {
                self.note("repair", &at.to_string());
                *self.retried.entry(at).or_default() += 1;
                self.cell.retry(at);
            }
        }
    }

    /// A worker that drains begins nothing, and hands back what it holds.
    fn perhaps_drain(&mut self, held: &mut Held, action: Action) -> Action {
        if !matches!(action, Action::Call(_) | Action::Transact(_)) || !self.dice.in_hundred(2) {
            return action;
        }
        self.note("drain", "");
        held.run.put_back(action);
        while !held.flights.is_empty() {
            self.land(held, 0);
        }
        match held.run.next(&self.registry) {
            action @ (Action::Call(_) | Action::Transact(_)) => {
                held.run.put_back(action);
                Action::Park(crate::action::Park::pause(Duration::ZERO))
            }
            action => action,
        }
    }

    /// Does what is next; `None`: the run has left memory.
    fn act(&mut self, held: &mut Held, action: Action) -> Option<Doing> {
        let next = match action {
            Action::Call(calls) => {
                let undoes = calls.iter().any(|call| call.role == Role::Undo);
                for call in calls.iter().filter(|call| call.needs_intent()) {
                    held.run.intend(call);
                }
                let (rows, intents) = (&held.run.turn.rows, &held.run.turn.intents);
                if !intents.is_empty() || (undoes && !rows.is_empty()) {
                    self.commit(held, Disposition::GoOn)?;
                }
                for call in calls.into_iter().map(Call::recorded) {
                    let tries = held.run.tries.get(&call.key()).cloned();
                    held.flights.push((call, tries));
                }
                held.run.next(&self.registry)
            }
            Action::Await(None) if held.flights.is_empty() => held.run.next(&self.registry),
            Action::Await(None) => return Some(Doing::Rest(None)),
            Action::Await(Some(park)) => match self.commit(held, Disposition::Stay(park))? {
                Committed::Stayed(opened) => {
                    let pause = held.run.opened(opened);
                    let until = self.cell.now + TimeDelta::from_std(pause).unwrap();
                    return Some(Doing::Rest(Some(until)));
                }
                committed => self.refused(held, committed)?,
            },
            Action::Transact(call) => self.transact(held, call)?,
            Action::Park(park) => {
                let committed = self.commit(held, Disposition::Park(park))?;
                self.refused(held, committed)?
            }
            Action::End(end) => {
                let committed = self.commit(held, Disposition::End(end))?;
                self.refused(held, committed)?
            }
            Action::Stuck(incident) => {
                self.commit(held, Disposition::Stick(incident));
                return None;
            }
        };
        Some(Doing::Action(Box::new(next)))
    }

    fn refused(&mut self, held: &mut Held, committed: Committed) -> Option<Action> {
        let Committed::Refused(signals) = committed else { return None };
        self.meets("refused park");
        held.run.deliver(signals);
        Some(held.run.next(&self.registry))
    }

    /// Commits the run's turn; `None`: its worker has died, or it is another's.
    pub(super) fn commit(
        &mut self,
        held: &mut Held,
        disposition: Disposition,
    ) -> Option<Committed> {
        let turn = Turn::of(&mut held.run, disposition);
        if self.dies("death before a commit") {
            self.bury(held);
            return None;
        }
        let committed = self.cell.commit(&turn, Vec::new(), &self.registry)?;
        if self.dies("death after a commit") {
            self.bury(held);
            return None;
        }
        Some(committed)
    }

    pub(super) fn dies(&mut self, moment: &'static str) -> bool {
        let dies = self.dice.in_hundred(2);
        if dies {
            self.note(moment, "");
        }
        dies
    }

    /// A worker is gone, and what it had under way takes effect or does not.
    pub(super) fn bury(&mut self, held: &mut Held) {
        let run_id = held.run.hold.run_id;
        let at = self.cell.at(run_id);
        if self.cell.runs[at].task.held && self.cell.runs[at].task.epoch == held.run.hold.epoch {
            self.cell.free(run_id);
        }
        for (call, _) in std::mem::take(&mut held.flights) {
            if call.activity == CANCEL_CHILD {
                continue;
            }
            let key = call.idempotency_key(run_id);
            match self.dice.below(3) {
                0 => {}
                1 => {
                    self.meets("lost answer");
                    drop(self.outside.call(&call, &key));
                }
                _ => self.haunts.push((call, key)),
            }
        }
    }

    /// A call is answered.
    pub(super) fn land(&mut self, held: &mut Held, flight: usize) {
        let (call, tries) = held.flights.remove(flight);
        self.note("landing", &call.key());
        let acted = self.tried(held, &call, tries);
        let _ = turn::land(&mut held.run, call, acted);
    }

    /// Tries a call, as `act` does, some of the time more than once.
    fn tried(&mut self, held: &Held, call: &Call, tries: Option<Tries>) -> Acted {
        let since = tries.as_ref().map_or(self.cell.now, |tries| tries.since);
        let mut failed = tries.map_or(0, |tries| tries.failed);
        let (mut uncertain, mut ever) = (call.uncertain, call.uncertain);
        let stuck =
            |class, message: &str| Acted::Stuck(NewIncident::new(class, None, message).at(call));
        loop {
            let number = failed + 1;
            let answer = self.once(held, call, &mut uncertain);
            let message = match answer {
                Ok(output) => {
                    return Acted::Answer(Answer {
                        result: Ok(output),
                        tries: number,
                        doubt: false,
                    });
                }
                Err(ActivityError::Rejected { .. }) if call.role.is_compensation() => {
                    return stuck(IncidentClass::CompensationFailed, "refused");
                }
                Err(ActivityError::Rejected { code, message }) => {
                    let (step, code) = (call.step.clone(), code.into_owned());
                    let result = Err(Rejection { step, code, message });
                    return Acted::Answer(Answer { result, tries: number, doubt: ever });
                }
                Err(ActivityError::Review { class, message }) => {
                    return stuck(IncidentClass::Review(class), &message);
                }
                Err(ActivityError::Unknown { message }) => {
                    uncertain = call.kind == KindOf::Outside;
                    message
                }
                Err(error) => error.message(),
            };
            ever |= uncertain;
            let Some(pause) = self.pause(call, number, since) else {
                return stuck(used_up(call, uncertain), &message);
            };
            failed = number;
            if call.activity == CANCEL_CHILD || self.dice.in_hundred(50) {
                return Acted::Later { pause, failed, uncertain: ever };
            }
        }
    }

    fn once(&mut self, held: &Held, call: &Call, uncertain: &mut bool) -> ActivityResult<Payload> {
        let run_id = held.run.hold.run_id;
        if call.activity == CANCEL_CHILD {
            return self.cancel_child(run_id, call);
        }
        let key = call.idempotency_key(run_id);
        if std::mem::take(uncertain)
            && let Some(done) = self.outside.resolve(call, &key)
        {
            return Ok(done);
        }
        if let Some((_, op, deed)) = self.outside.deed(call) {
            self.happen(match deed {
                Deed::Cancel => Event::Cancel,
                Deed::Signal(word) => Event::Send { id: format!("deed{op}"), word },
            });
        }
        self.outside.call(call, &key)
    }

    /// Undoes the start of a child.
    fn cancel_child(&mut self, parent: Uuid, call: &Call) -> ActivityResult<Payload> {
        let input: Value = serde_json::from_str(call.input.get()).unwrap();
        let child: Uuid = input["input"]["run_id"].as_str().unwrap().parse().unwrap();
        let at = self.cell.at(child);
        if let Some(end) = &self.cell.runs[at].end {
            return Ok(text(end.state));
        }
        let payload = serde_json::value::to_raw_value(&serde_json::json!({ "parent": parent }));
        let signal_id = CANCEL.to_owned();
        let letter = Letter { run_id: child, signal_id, kind: CANCEL, payload: payload.unwrap() };
        self.cell.mail.push(letter);
        Err(ActivityError::retryable("the child is being undone"))
    }

    /// How long until the next attempt, by the activity's own policy; without its jitter.
    pub(super) fn pause(&self, call: &Call, failed: u32, since: DateTime<Utc>) -> Option<Duration> {
        let policy = self.registry.code_for(&call.activity).unwrap().retry();
        let elapsed = (self.cell.now - since).to_std().unwrap_or_default();
        policy.delay(failed, elapsed).map(|_| Duration::from_millis(10) * failed.min(100))
    }
}

fn named(action: &Action) -> String {
    match action {
        Action::Call(calls) => {
            let keys: Vec<String> = calls.iter().map(Call::key).collect();
            format!("call {}", keys.join(", "))
        }
        Action::Transact(call) => format!("transact {}", call.key()),
        Action::Await(_) => "await".to_owned(),
        Action::Park(park) => format!("park {}", park.waits.as_ref().map_or(0, Vec::len)),
        Action::End(end) => format!("end {}", end.state),
        Action::Stuck(incident) => format!("stuck {}", incident.class.as_str()),
    }
}
