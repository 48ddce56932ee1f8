//! The model: a program, stepped by one answer at a time. It is pure and knows no engine.

use std::collections::{BTreeMap, HashMap};
use std::slice::Iter;

use makegood::CHILD_NOT_COMPLETED;
use serde_json::{Value, json};

use super::program::{Op, Program, StepOp, Word};

/// What was asked for: its name, and how many of that name were asked before.
pub type Key = (String, i32);

/// How a program, or a part of it, ends.
pub type Ended = Result<Value, Failing>;

/// Why a program does not reach its end.
#[derive(Debug, Clone, PartialEq)]
pub enum Failing {
    Rejected { step: String, code: String },
    GaveUp(u32),
}

/// What a program asks for.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'p> {
    Step { step: &'p StepOp, pivot: bool },
    Wait { word: Word },
    Sleep { ms: u64 },
    Child,
}

/// Why the model cannot go on.
#[derive(Debug)]
pub enum Halt {
    /// The record ends in the middle of what the program did at once.
    Unseen,
    /// The record says something else.
    Misfit(String),
}

/// Where a program finds what it is given at once: the time, a version, a child's id.
pub trait Given<'p> {
    fn take(&mut self, kind: &str, key: &Key) -> Result<Value, Halt>;
    fn started(&mut self, key: &Key, child: &'p Program, awaited: bool) -> Result<Value, Halt>;
}

/// In outputs: any id that is there only once.
pub const ANY_ID: &str = "$any id";

/// A program under way.
pub struct Machine<'p> {
    desk: Desk<'p>,
    program: &'p Program,
    stage: Stage<'p>,
    /// How it ended.
    pub ended: Option<Ended>,
}

#[derive(Default)]
struct Desk<'p> {
    counts: HashMap<String, i32>,
    asked: BTreeMap<Key, Asked<'p>>,
    answers: BTreeMap<Key, Ended>,
    versions: HashMap<&'static str, Value>,
    published: BTreeMap<String, u32>,
}

enum Stage<'p> {
    Before(Node<'p>),
    Pivot(Node<'p>, Value),
    After(Node<'p>, Value, Value),
}

enum Node<'p> {
    Seq { rest: Iter<'p, Op>, here: Option<Box<Node<'p>>>, values: Vec<Value> },
    Leaf { key: Key, caught: bool },
    Many { branches: Vec<Branch<'p>>, at_most: Option<usize> },
    First(Box<[Branch<'p>; 2]>),
}

enum Branch<'p> {
    New(&'p [Op]),
    Live(Node<'p>),
    Over(Ended),
}

type Polled = Result<Option<Ended>, Halt>;

impl<'p> Machine<'p> {
    pub fn new(program: &'p Program) -> Self {
        let stage = Stage::Before(seq(&program.before));
        Self { desk: Desk::default(), program, stage, ended: None }
    }

    /// What it asked for and was not answered; a step is asked for even if nobody waits for it.
    pub fn asked(&self) -> &BTreeMap<Key, Asked<'p>> {
        &self.desk.asked
    }

    pub fn published(&self) -> &BTreeMap<String, u32> {
        &self.desk.published
    }

    /// Answers a want.
    pub fn answer(&mut self, key: &Key, answer: Ended) {
        self.desk.asked.remove(key);
        self.desk.answers.insert(key.clone(), answer);
    }

    /// Goes on as far as it can.
    pub fn go_on(&mut self, given: &mut dyn Given<'p>) -> Result<(), Halt> {
        if self.ended.is_some() {
            return Ok(());
        }
        if let Some(ended) = self.poll(given)? {
            self.desk.asked.retain(|_, asked| matches!(asked, Asked::Step { .. }));
            self.ended = Some(ended);
        }
        Ok(())
    }

    fn poll(&mut self, given: &mut dyn Given<'p>) -> Polled {
        loop {
            match &mut self.stage {
                Stage::Before(node) => {
                    let before = match node.poll(&mut self.desk, given)? {
                        Some(Ok(before)) => before,
                        other => return Ok(other),
                    };
                    let Some(pivot) = &self.program.pivot else {
                        return Ok(Some(Ok(json!([before]))));
                    };
                    let leaf = self.desk.step(&pivot.step, true);
                    self.stage = Stage::Pivot(leaf, before);
                }
                Stage::Pivot(node, before) => {
                    let op = match node.poll(&mut self.desk, given)? {
                        Some(Ok(op)) => op,
                        other => return Ok(other),
                    };
                    let before = before.take();
                    let after = self.program.pivot.as_ref().map_or(&[][..], |p| &p.after);
                    self.stage = Stage::After(seq(after), before, op);
                }
                Stage::After(node, before, op) => {
                    let ended = node.poll(&mut self.desk, given)?;
                    return Ok(ended.map(|ended| ended.map(|after| json!([before, op, after]))));
                }
            }
        }
    }
}

impl<'p> Desk<'p> {
    fn number(&mut self, name: &str) -> Key {
        let count = self.counts.entry(name.to_owned()).or_insert(-1);
        *count += 1;
        (name.to_owned(), *count)
    }

    fn ask(&mut self, key: Key, asked: Asked<'p>, caught: bool) -> Node<'p> {
        self.asked.insert(key.clone(), asked);
        Node::Leaf { key, caught }
    }

    fn step(&mut self, step: &'p StepOp, pivot: bool) -> Node<'p> {
        let key = self.number(step.kind.name());
        self.ask(key, Asked::Step { step, pivot }, step.caught)
    }
}

fn seq(ops: &[Op]) -> Node<'_> {
    Node::Seq { rest: ops.iter(), here: None, values: Vec::new() }
}

/// What a part of a program is at once, or what it waits for.
enum Begun<'p> {
    At(Ended),
    Node(Node<'p>),
}

fn begin<'p>(
    op: &'p Op,
    desk: &mut Desk<'p>,
    given: &mut dyn Given<'p>,
) -> Result<Begun<'p>, Halt> {
    let branches = |branches: &'p [Vec<Op>], at_most| {
        let branches = branches.iter().map(|ops| Branch::New(ops)).collect();
        Begun::Node(Node::Many { branches, at_most })
    };
    let value = |value| Ok(Begun::At(Ok(value)));
    Ok(match op {
        Op::Step(step) => Begun::Node(desk.step(step, false)),
        Op::Wait { kind, .. } => {
            let key = desk.number(kind.name());
            Begun::Node(desk.ask(key, Asked::Wait { word: *kind }, false))
        }
        Op::Sleep { ms } => {
            let key = desk.number("sleep");
            Begun::Node(desk.ask(key, Asked::Sleep { ms: *ms }, false))
        }
        Op::Now => {
            let key = desk.number("now");
            return value(given.take("value", &key)?);
        }
        Op::Uuid => return value(json!(ANY_ID)),
        Op::Version(change) => {
            let name = change.name();
            if let Some(known) = desk.versions.get(name) {
                return value(known.clone());
            }
            let version = given.take("version", &(name.to_owned(), 0))?;
            if version != json!(change.newest()) {
                return Err(Halt::Misfit(format!("{name} came to be {version}")));
            }
            desk.versions.insert(name, version.clone());
            return value(version);
        }
        Op::Publish { key, value: shown } => {
            desk.published.insert(format!("p{key}"), *shown);
            return value(Value::Null);
        }
        Op::Both(left, right) => {
            let branches = vec![Branch::New(left), Branch::New(right)];
            Begun::Node(Node::Many { branches, at_most: None })
        }
        Op::All(all) => branches(all, None),
        Op::AtMost(at_most, all) => branches(all, Some(*at_most)),
        Op::First(left, right) => {
            let both = [Branch::New(left), Branch::New(right)];
            Begun::Node(Node::First(Box::new(both)))
        }
        Op::Child(child) => {
            let key = desk.number("script");
            given.started(&key, child, true)?;
            Begun::Node(desk.ask(key, Asked::Child, false))
        }
        Op::Spawn(child) => {
            let key = desk.number("script");
            return value(given.started(&key, child, false)?);
        }
        Op::Panic(_) => return value(Value::Null),
        Op::GiveUp(op) => Begun::At(Err(Failing::GaveUp(*op))),
    })
}

impl<'p> Node<'p> {
    fn poll(&mut self, desk: &mut Desk<'p>, given: &mut dyn Given<'p>) -> Polled {
        match self {
            Self::Leaf { key, caught } => Ok(desk.answers.remove(key).map(|answer| match answer {
                Err(Failing::Rejected { code, .. }) if *caught && code != CHILD_NOT_COMPLETED => {
                    Ok(json!("rejected"))
                }
                answer => answer,
            })),
            Self::Seq { rest, here, values } => loop {
                if let Some(node) = here {
                    match node.poll(desk, given)? {
                        Some(Ok(value)) => values.push(value),
                        other => return Ok(other),
                    }
                    *here = None;
                }
                let Some(op) = rest.next() else {
                    return Ok(Some(Ok(Value::Array(std::mem::take(values)))));
                };
                match begin(op, desk, given)? {
                    Begun::At(Ok(value)) => values.push(value),
                    Begun::At(failed) => return Ok(Some(failed)),
                    Begun::Node(node) => *here = Some(Box::new(node)),
                }
            },
            Self::Many { branches, at_most } => {
                // Without a limit all are heard out; with one, the first failure in their order
                // ends it, and a place becomes free only in their order.
                let limit = at_most.unwrap_or(usize::MAX);
                loop {
                    let is_over = |b: &&Branch<'p>| match b {
                        Branch::Over(Err(_)) => at_most.is_none(),
                        Branch::Over(Ok(_)) => true,
                        _ => false,
                    };
                    let heard = branches.iter().take_while(is_over).count();
                    if at_most.is_some()
                        && let Some(Branch::Over(Err(failing))) = branches.get(heard)
                    {
                        let failing = failing.clone();
                        for branch in &*branches {
                            branch.forget(desk);
                        }
                        return Ok(Some(Err(failing)));
                    }
                    // One that ends makes room, or ends it all, before the next begins.
                    let mut ended = false;
                    for branch in branches.iter_mut().skip(heard).take(limit) {
                        ended = branch.poll(desk, given)?;
                        if ended {
                            break;
                        }
                    }
                    if !ended {
                        break;
                    }
                }
                if !branches.iter().all(|branch| matches!(branch, Branch::Over(_))) {
                    return Ok(None);
                }
                let values = branches.iter().filter_map(Branch::ended).collect::<Result<_, _>>();
                Ok(Some(values.map(Value::Array)))
            }
            Self::First(both) => {
                let [left, right] = &mut **both;
                left.poll(desk, given)?;
                if let Some(ended) = left.ended() {
                    right.forget(desk);
                    return Ok(Some(ended.map(|value| json!({ "left": value }))));
                }
                right.poll(desk, given)?;
                let Some(ended) = right.ended() else { return Ok(None) };
                left.forget(desk);
                Ok(Some(ended.map(|value| json!({ "right": value }))))
            }
        }
    }

    /// Nobody waits for it any more: steps go on, waits are over.
    fn forget(&self, desk: &mut Desk<'p>) {
        match self {
            Self::Leaf { key, .. } => {
                if !matches!(desk.asked.get(key), Some(Asked::Step { .. })) {
                    desk.asked.remove(key);
                }
            }
            Self::Seq { here, .. } => here.iter().for_each(|node| node.forget(desk)),
            Self::Many { branches, .. } => branches.iter().for_each(|branch| branch.forget(desk)),
            Self::First(both) => both.iter().for_each(|branch| branch.forget(desk)),
        }
    }
}

impl<'p> Branch<'p> {
    /// Whether it has come to its end just now.
    fn poll(&mut self, desk: &mut Desk<'p>, given: &mut dyn Given<'p>) -> Result<bool, Halt> {
        if let Self::New(ops) = self {
            *self = Self::Live(seq(ops));
        }
        let Self::Live(node) = self else { return Ok(false) };
        let Some(ended) = node.poll(desk, given)? else { return Ok(false) };
        *self = Self::Over(ended);
        Ok(true)
    }

    fn ended(&self) -> Option<Ended> {
        match self {
            Self::Over(ended) => Some(ended.clone()),
            Self::New(_) | Self::Live(_) => None,
        }
    }

    fn forget(&self, desk: &mut Desk<'p>) {
        if let Self::Live(node) = self {
            node.forget(desk);
        }
    }
}
