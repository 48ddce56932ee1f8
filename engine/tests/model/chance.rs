//! Random cases. The same seed makes the same case.

use super::dice::Dice;
use super::program::{
    Case, Change, Deed, Kind, Mishap, Op, Pivot, Program, Send, StepOp, Undoing, When, Word,
};

const WORDS: [Word; 3] = [Word::Yes, Word::No, Word::Maybe];

/// A wait that ends only because it is answered.
pub const LONG_MS: u64 = 120_000;

/// The case of a seed.
pub fn case(seed: u64) -> Case {
    let mut maker = Maker { dice: Dice::new(seed), ops: 0, programs: 0, room: 18 };
    let program = maker.program(&format!("c{seed}"), 0);
    let dice = &mut maker.dice;
    let mut sends = Vec::new();
    for number in 0..dice.below(4) {
        let when = match dice.below(10) {
            0..4 => When::WithStart,
            4..9 => When::After { ms: dice.below(400) },
            _ => When::Late,
        };
        let word = dice.one_of(&WORDS);
        sends.push(Send { id: format!("s{number}"), word, when, twice: dice.in_hundred(20) });
    }
    let cancel = dice.in_hundred(15).then(|| match dice.below(10) {
        0 => When::WithStart,
        1..9 => When::After { ms: dice.below(300) },
        _ => When::Late,
    });
    Case { seed, program, sends, cancel }
}

struct Maker {
    dice: Dice,
    ops: u32,
    programs: u32,
    /// How many parts the case may still get.
    room: u32,
}

/// Where a part of a program stands.
#[derive(Clone, Copy)]
struct Place {
    /// How deep in branches.
    depth: u32,
    /// How deep in children.
    family: u32,
    behind: bool,
}

impl Maker {
    fn program(&mut self, case: &str, family: u32) -> Program {
        let place = Place { depth: 0, family, behind: false };
        let longest = if family == 0 { 6 } else { 3 };
        let before = self.seq(longest, place, case);
        let pivot = self.dice.in_hundred(55).then(|| {
            let behind = Place { behind: true, ..place };
            let kind = self.dice.one_of(&[Kind::Tx, Kind::Tx, Kind::Batch, Kind::Out]);
            let mut step = self.step(behind);
            (step.kind, step.deed) = (kind, None);
            step.rejects = self.dice.in_hundred(10);
            step.caught = false;
            step.mishaps.retain(|mishap| *mishap != Mishap::Rejected);
            tame(&mut step);
            Pivot { step, after: self.seq(3, behind, case) }
        });
        Program { case: case.to_owned(), before, pivot }
    }

    fn seq(&mut self, longest: u64, place: Place, case: &str) -> Vec<Op> {
        let length = self.dice.below(longest + 1);
        let mut ops = Vec::new();
        for _ in 0..length {
            if self.room == 0 {
                break;
            }
            self.room -= 1;
            ops.push(self.op(place, case));
        }
        ops
    }

    #[expect(clippy::match_same_arms, reason = "each arm is a share of a hundred")]
    fn op(&mut self, place: Place, case: &str) -> Op {
        let deeper = Place { depth: place.depth + 1, ..place };
        let branches = place.depth < 2;
        match self.dice.below(100) {
            0..42 => Op::Step(self.step(place)),
            42..50 => {
                let within_ms = match self.dice.below(10) {
                    0..4 => LONG_MS,
                    4 => 0,
                    _ => 1 + self.dice.below(60),
                };
                Op::Wait { kind: self.dice.one_of(&WORDS), within_ms }
            }
            50..54 => Op::Sleep { ms: self.dice.below(40) },
            54..59 => Op::Now,
            59..62 => Op::Uuid,
            62..65 => Op::Version(self.dice.one_of(&[Change::Round, Change::Square])),
            65..69 => Op::Publish { key: byte(self.dice.below(2)), value: self.number() },
            69..76 if branches => Op::Both(self.seq(3, deeper, case), self.seq(3, deeper, case)),
            76..81 if branches => Op::All(self.branches(deeper, case)),
            81..85 if branches => {
                let at_most = usize::try_from(1 + self.dice.below(3)).unwrap();
                Op::AtMost(at_most, self.branches(deeper, case))
            }
            85..91 if branches => Op::First(self.seq(3, deeper, case), self.seq(3, deeper, case)),
            91..95 if place.family < 2 => {
                let child = Box::new(self.child(place, case));
                if self.dice.in_hundred(70) { Op::Child(child) } else { Op::Spawn(child) }
            }
            95..97 => Op::Panic(self.number()),
            97..99 if !place.behind => Op::GiveUp(self.number()),
            _ => Op::Step(self.step(place)),
        }
    }

    fn branches(&mut self, place: Place, case: &str) -> Vec<Vec<Op>> {
        // More than thirty at once are polled in another way.
        if self.dice.in_hundred(2) {
            let many = 31 + self.dice.below(8);
            return (0..many).map(|_| vec![Op::Step(self.plain())]).collect();
        }
        (0..=self.dice.below(4)).map(|_| self.seq(2, place, case)).collect()
    }

    fn child(&mut self, place: Place, case: &str) -> Program {
        self.programs += 1;
        let name = format!("{case}.{}", self.programs);
        let mut program = self.program(&name, place.family + 1);
        if place.behind {
            // Behind the pivot there is only forward, for children too.
            program = forward(program);
        }
        program
    }

    fn plain(&mut self) -> StepOp {
        StepOp {
            op: self.number(),
            kind: self.dice.one_of(&[Kind::Out, Kind::Read, Kind::Tx]),
            undo: None,
            mishaps: Vec::new(),
            undo_mishaps: Vec::new(),
            rejects: false,
            caught: false,
            slow_ms: 0,
            deed: None,
        }
    }

    fn step(&mut self, place: Place) -> StepOp {
        let kind = self.dice.one_of(&[Kind::Tx, Kind::Batch, Kind::Out, Kind::Out, Kind::Read]);
        let undo = (!place.behind && self.dice.in_hundred(75))
            .then(|| self.dice.one_of(&[Undoing::Tx, Undoing::Batch, Undoing::Out]));
        let mut step = StepOp { kind, undo, ..self.plain() };
        (step.mishaps, step.undo_mishaps) = (self.mishaps(place.behind), self.mishaps(false));
        step.rejects = !place.behind && self.dice.in_hundred(7);
        step.caught = self.dice.in_hundred(40);
        step.slow_ms = if self.dice.in_hundred(25) { self.dice.below(30) } else { 0 };
        if place.family == 0 && matches!(kind, Kind::Out | Kind::Read) {
            step.deed = match self.dice.below(100) {
                0..4 => Some(Deed::Cancel),
                4..14 => Some(Deed::Signal(self.dice.one_of(&WORDS))),
                _ => None,
            };
        }
        tame(&mut step);
        step
    }

    #[expect(clippy::match_same_arms, reason = "each arm is a share of a hundred")]
    fn mishaps(&mut self, behind: bool) -> Vec<Mishap> {
        use Mishap::{Half, Panic, Rejected, Retryable, Review, Unknown};
        if self.dice.in_hundred(70) {
            return Vec::new();
        }
        if self.dice.in_hundred(5) {
            return vec![Retryable; 5]; // More than its policy allows.
        }
        let many = 1 + self.dice.below(2);
        let one = |dice: &mut Dice| match dice.below(100) {
            0..45 => Retryable,
            45..60 => Unknown,
            60..78 => Half,
            78..86 => Panic,
            86..93 if behind => Rejected,
            86..93 => Retryable,
            _ => Review,
        };
        (0..many).map(|_| one(&mut self.dice)).collect()
    }

    fn number(&mut self) -> u32 {
        self.ops += 1;
        self.ops
    }
}

/// What is refused in the end must not have had its effect before; what is refused once and for
/// the program to see is no more than that.
fn tame(step: &mut StepOp) {
    if step.rejects {
        step.mishaps.retain(|mishap| *mishap != Mishap::Half);
    }
}

/// A program that comes to its end.
fn forward(mut program: Program) -> Program {
    fn seq(ops: &mut Vec<Op>) {
        ops.retain(|op| !matches!(op, Op::GiveUp(_)));
        for op in ops {
            match op {
                Op::Step(step) => step.rejects = false,
                Op::Both(one, other) | Op::First(one, other) => {
                    seq(one);
                    seq(other);
                }
                Op::All(branches) | Op::AtMost(_, branches) => branches.iter_mut().for_each(seq),
                Op::Child(program) => **program = forward((**program).clone()),
                _ => {}
            }
        }
    }
    seq(&mut program.before);
    if let Some(pivot) = &mut program.pivot {
        pivot.step.rejects = false;
        seq(&mut pivot.after);
    }
    program
}

fn byte(number: u64) -> u8 {
    u8::try_from(number).unwrap()
}
