//! The workflow that interprets a program through its context. It keeps no state of its own.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use makegood::{
    Activity, Before, Behind, Closing, Ctx, Failure, First, Late, LateSignal, Registry, Signal,
    Step, Workflow, WorkflowResult,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::acts::{self, Batch, Close, Out, Read, Task, Tx};
use super::program::{Kind, Op, Program, StepOp, Undoing, Word};
use super::world::world;

pub fn registry() -> Registry {
    acts::activities(Registry::new().workflow::<Script>().workflow::<Afterwards>())
}

macro_rules! words {
    ($($word:ident $kind:literal),*) => {$(
        /// A word; it carries the sender's id.
        #[derive(Debug, Serialize, Deserialize)]
        pub struct $word(pub String);

        impl Signal for $word {
            const KIND: &'static str = $kind;
        }
    )*};
}

words!(Yes "yes", No "no", Maybe "maybe");

/// Interprets a program.
pub struct Script;

impl Workflow for Script {
    const NAME: &'static str = "script";
    type Input = Program;
    type Output = Value;

    async fn run(ctx: Ctx, program: Program) -> WorkflowResult<Value> {
        let before = seq(&ctx, &program, &program.before).await?;
        let Some(pivot) = &program.pivot else { return Ok(json!([before])) };
        let task = Task { case: program.case.clone(), step: pivot.step.clone() };
        let pivoted = match pivot.step.kind {
            Kind::Tx => ctx.pivot::<Tx>(&task).boxed(),
            Kind::Batch => ctx.pivot::<Batch>(&task).boxed(),
            Kind::Out => ctx.pivot::<Out>(&task).boxed(),
            Kind::Read => ctx.pivot::<Read>(&task).boxed(),
        };
        let (op, ctx) = pivoted.await?;
        let after = seq(&ctx, &program, &pivot.after).await?;
        Ok(json!([before, op, after]))
    }

    fn closing() -> Option<Closing<Self>> {
        Some(Closing::by::<Close>())
    }

    fn late_signal() -> Option<Late<Self>> {
        Some(Late::to::<Afterwards>())
    }
}

/// Takes the words that come too late.
pub struct Afterwards;

impl Workflow for Afterwards {
    const NAME: &'static str = "afterwards";
    type Input = LateSignal<Program>;
    type Output = String;

    async fn run(_: Ctx, late: LateSignal<Program>) -> WorkflowResult<String> {
        Ok(late.kind)
    }
}

/// What a program may do before its pivot, or behind it.
trait Stage: Sized + 'static {
    fn call(ctx: &Ctx<Self>, task: &Task) -> BoxFuture<'static, WorkflowResult<u32>>;
    fn give_up(ctx: &Ctx<Self>, op: u32) -> WorkflowResult<Value>;
}

fn undoable<A, T, B, O>(step: Step<A>, undo: Option<Undoing>) -> Step<A>
where
    A: Activity,
    T: Activity<Input = makegood::Undoes<A>>,
    B: Activity<Input = makegood::Undoes<A>>,
    O: Activity<Input = makegood::Undoes<A>>,
{
    match undo {
        None => step,
        Some(Undoing::Tx) => step.undo::<T>(),
        Some(Undoing::Batch) => step.undo::<B>(),
        Some(Undoing::Out) => step.undo::<O>(),
    }
}

impl Stage for Before {
    fn call(ctx: &Ctx<Self>, task: &Task) -> BoxFuture<'static, WorkflowResult<u32>> {
        use acts::{BatchByBatch, BatchByOut, BatchByTx, OutByBatch, OutByOut, OutByTx};
        use acts::{ReadByBatch, ReadByOut, ReadByTx, TxByBatch, TxByOut, TxByTx};
        let undo = task.step.undo;
        match task.step.kind {
            Kind::Tx => {
                undoable::<_, TxByTx, TxByBatch, TxByOut>(ctx.step::<Tx>(task), undo).boxed()
            }
            Kind::Batch => {
                let step = ctx.step::<Batch>(task);
                undoable::<_, BatchByTx, BatchByBatch, BatchByOut>(step, undo).boxed()
            }
            Kind::Out => {
                undoable::<_, OutByTx, OutByBatch, OutByOut>(ctx.step::<Out>(task), undo).boxed()
            }
            Kind::Read => {
                let step = ctx.step::<Read>(task);
                undoable::<_, ReadByTx, ReadByBatch, ReadByOut>(step, undo).boxed()
            }
        }
    }

    fn give_up(ctx: &Ctx<Self>, op: u32) -> WorkflowResult<Value> {
        ctx.make_good(op)
    }
}

impl Stage for Behind {
    fn call(ctx: &Ctx<Self>, task: &Task) -> BoxFuture<'static, WorkflowResult<u32>> {
        match task.step.kind {
            Kind::Tx => ctx.step::<Tx>(task).boxed(),
            Kind::Batch => ctx.step::<Batch>(task).boxed(),
            Kind::Out => ctx.step::<Out>(task).boxed(),
            Kind::Read => ctx.step::<Read>(task).boxed(),
        }
    }

    fn give_up(_: &Ctx<Self>, op: u32) -> WorkflowResult<Value> {
        Err(Failure::Fault(format!("nothing gives up behind the pivot: {op}")))
    }
}

fn seq<'a, S: Stage>(
    ctx: &'a Ctx<S>,
    program: &'a Program,
    ops: &'a [Op],
) -> BoxFuture<'a, WorkflowResult<Value>> {
    async move {
        let mut values = Vec::new();
        for op in ops {
            values.push(one(ctx, program, op).await?);
        }
        Ok(Value::Array(values))
    }
    .boxed()
}

async fn one<'a, S: Stage>(
    ctx: &'a Ctx<S>,
    program: &'a Program,
    op: &'a Op,
) -> WorkflowResult<Value> {
    let branch = |ops: &'a Vec<Op>| seq(ctx, program, ops);
    Ok(match op {
        Op::Step(step) => return call(ctx, program, step).await,
        Op::Wait { kind, within_ms } => {
            let within = Duration::from_millis(*within_ms);
            let word = match kind {
                Word::Yes => ctx.signal::<Yes>().within(within).await?.map(|word| word.0),
                Word::No => ctx.signal::<No>().within(within).await?.map(|word| word.0),
                Word::Maybe => ctx.signal::<Maybe>().within(within).await?.map(|word| word.0),
            };
            json!(word)
        }
        Op::Sleep { ms } => {
            ctx.sleep(Duration::from_millis(*ms)).await?;
            json!("slept")
        }
        Op::Now => json!(ctx.now()),
        Op::Uuid => json!(ctx.uuid()),
        Op::Version(change) => json!(ctx.version(change.name(), change.newest())),
        Op::Publish { key, value } => {
            ctx.publish(&format!("p{key}"), value);
            Value::Null
        }
        Op::Both(left, right) => {
            let (left, right) = ctx.join(branch(left), branch(right)).await?;
            json!([left, right])
        }
        Op::All(branches) => {
            let branches: Vec<_> = branches.iter().map(branch).collect();
            json!(ctx.all(branches).await?)
        }
        Op::AtMost(at_most, branches) => {
            let branches: Vec<_> = branches.iter().map(branch).collect();
            json!(ctx.all_at_most(*at_most, branches).await?)
        }
        Op::First(left, right) => match ctx.first(branch(left), branch(right)).await {
            First::Left(value) => json!({ "left": value? }),
            First::Right(value) => json!({ "right": value? }),
        },
        Op::Child(child) => ctx.child::<Script>(child).await?,
        Op::Spawn(child) => json!(ctx.spawn::<Script>(child)?),
        Op::Panic(op) => {
            assert!(!world().first_visit(&program.case, *op), "planned");
            Value::Null
        }
        Op::GiveUp(op) => return S::give_up(ctx, *op),
    })
}

async fn call<S: Stage>(ctx: &Ctx<S>, program: &Program, step: &StepOp) -> WorkflowResult<Value> {
    let task = Task { case: program.case.clone(), step: step.clone() };
    match S::call(ctx, &task).await {
        Err(Failure::Rejected(_)) if step.caught => Ok(json!("rejected")),
        answer => answer.map(|op| json!(op)),
    }
}
