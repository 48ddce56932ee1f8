//! What a case is: a program as a tree, and what the outside does to it.

use serde::{Deserialize, Serialize};

/// A program; a workflow interprets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// Unique in the process.
    pub case: String,
    pub before: Vec<Op>,
    pub pivot: Option<Pivot>,
}

/// The step of no return, and what follows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pivot {
    pub step: StepOp,
    pub after: Vec<Op>,
}

/// A part of a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Op {
    Step(StepOp),
    Wait {
        kind: Word,
        within_ms: u64,
    },
    Sleep {
        ms: u64,
    },
    Now,
    Uuid,
    Version(Change),
    Publish {
        key: u8,
        value: u32,
    },
    Both(Vec<Op>, Vec<Op>),
    All(Vec<Vec<Op>>),
    AtMost(usize, Vec<Vec<Op>>),
    First(Vec<Op>, Vec<Op>),
    Child(Box<Program>),
    Spawn(Box<Program>),
    /// The program's own code panics the first time that it comes here.
    Panic(u32),
    /// The program chooses to be made good.
    GiveUp(u32),
}

/// A call of an activity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepOp {
    /// Unique in its case, from 1.
    pub op: u32,
    pub kind: Kind,
    pub undo: Option<Undoing>,
    /// What goes wrong with its first attempts.
    pub mishaps: Vec<Mishap>,
    /// What goes wrong with the first attempts of its undo.
    pub undo_mishaps: Vec<Mishap>,
    /// It is refused in the end, without effect.
    pub rejects: bool,
    /// The program takes a refusal for an answer and goes on.
    pub caught: bool,
    pub slow_ms: u64,
    /// What else happens while it is under way.
    pub deed: Option<Deed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    Tx,
    Batch,
    Out,
    Read,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Undoing {
    Tx,
    Batch,
    Out,
}

/// How an attempt goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mishap {
    /// Without effect.
    Retryable,
    /// Nobody knows, and it had none.
    Unknown,
    /// Nobody knows, and it had its effect.
    Half,
    /// A person must look.
    Review,
    /// A panic, before the effect.
    Panic,
    /// Refused this once; only behind the pivot, where a person tries it again.
    Rejected,
}

/// What an activity does to its own run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    Cancel,
    Signal(Word),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Word {
    Yes,
    No,
    Maybe,
}

impl Word {
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Maybe => "maybe",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        [Self::Yes, Self::No, Self::Maybe].into_iter().find(|word| word.name() == name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    Round,
    Square,
}

impl Change {
    pub fn name(self) -> &'static str {
        match self {
            Self::Round => "round",
            Self::Square => "square",
        }
    }

    pub fn newest(self) -> i32 {
        match self {
            Self::Round => 1,
            Self::Square => 7,
        }
    }
}

/// A program and what happens to its run from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    pub seed: u64,
    pub program: Program,
    pub sends: Vec<Send>,
    pub cancel: Option<When>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Send {
    pub id: String,
    pub word: Word,
    pub when: When,
    pub twice: bool,
}

/// When something happens to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum When {
    /// In the transaction that starts it.
    WithStart,
    /// So long after the start.
    After { ms: u64 },
    /// After its end.
    Late,
}

impl Program {
    /// All its steps, not those of its children.
    pub fn steps(&self) -> Vec<&StepOp> {
        let mut found = Vec::new();
        self.before.iter().for_each(|op| op.steps(&mut found));
        if let Some(pivot) = &self.pivot {
            found.push(&pivot.step);
            pivot.after.iter().for_each(|op| op.steps(&mut found));
        }
        found
    }

    /// Whether its own code panics somewhere.
    pub fn panics(&self) -> bool {
        let after = self.pivot.iter().flat_map(|pivot| &pivot.after);
        self.before.iter().chain(after).any(Op::panics)
    }
}

impl Op {
    fn branches(&self) -> Vec<&Vec<Op>> {
        match self {
            Self::Both(one, other) | Self::First(one, other) => vec![one, other],
            Self::All(branches) | Self::AtMost(_, branches) => branches.iter().collect(),
            _ => Vec::new(),
        }
    }

    fn inner(&self) -> impl Iterator<Item = &Op> {
        self.branches().into_iter().flatten()
    }

    fn steps<'p>(&'p self, found: &mut Vec<&'p StepOp>) {
        if let Self::Step(step) = self {
            found.push(step);
        }
        self.inner().for_each(|op| op.steps(found));
    }

    fn panics(&self) -> bool {
        matches!(self, Self::Panic(_)) || self.inner().any(Self::panics)
    }
}
