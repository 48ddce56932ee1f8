//! The activities of all kinds, and their undos of all kinds. Each follows its step's mishaps.

use std::time::Duration;

use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, InBatch, InTransaction, MadeGood, Outside,
    ReadOnly, Registry, Resolution, RetryPolicy, Undoes,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;

use super::program::{Kind, Mishap, Program, StepOp};
use super::world::{answer, refused, world};

/// What an activity is called with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    pub case: String,
    pub step: StepOp,
}

pub fn activities(registry: Registry) -> Registry {
    undos(registry.activity(Tx).activity(Batch).activity(Out).activity(Read).activity(Close))
}

/// Notes effects in the database.
async fn note(tx: &mut PgConnection, tasks: &[(&Task, &str)]) -> Result<(), sqlx::Error> {
    let cases: Vec<&str> = tasks.iter().map(|(task, _)| task.case.as_str()).collect();
    let ops: Vec<i32> =
        tasks.iter().map(|(task, _)| i32::try_from(task.step.op).unwrap_or(-1)).collect();
    let whats: Vec<&str> = tasks.iter().map(|(_, what)| *what).collect();
    sqlx::query(
        "insert into effects (script, op, what)
         select * from unnest($1::text[], $2::int[], $3::text[])",
    )
    .bind(cases)
    .bind(ops)
    .bind(whats)
    .execute(tx)
    .await
    .map(|_| ())
}

fn quick() -> RetryPolicy {
    RetryPolicy {
        initial: Duration::from_millis(5),
        cap: Duration::from_millis(20),
        ..RetryPolicy::attempts(5)
    }
}

async fn linger(task: &Task) {
    if task.step.slow_ms > 0 {
        tokio::time::sleep(Duration::from_millis(task.step.slow_ms)).await;
    }
}

/// In the database, alone.
pub struct Tx;

impl Activity for Tx {
    const NAME: &'static str = "tx";
    type Kind = InTransaction;
    type Input = Task;
    type Output = u32;

    async fn run(&self, tx: &mut PgConnection, task: Task) -> ActivityResult<u32> {
        let mishap = world().try_once(&task.case, &task.step, false);
        // First the effect, so that a rollback has something to take back.
        note(tx, &[(&task, "+")]).await?;
        linger(&task).await;
        match mishap {
            Some(mishap) => Err(answer(mishap)),
            None => refused(&task.step).map(|()| task.step.op),
        }
    }

    fn retry(&self) -> RetryPolicy {
        quick()
    }
}

/// In the database, many runs at once.
pub struct Batch;

impl Activity for Batch {
    const NAME: &'static str = "batch";
    type Kind = InBatch;
    type Input = Task;
    type Output = u32;

    async fn run(
        &self,
        tx: &mut PgConnection,
        tasks: Vec<Task>,
    ) -> ActivityResult<Vec<ActivityResult<u32>>> {
        let answers = all(&tasks, |task| (task, false))?;
        let noted = tasks.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
        let noted: Vec<(&Task, &str)> = noted.map(|(task, _)| (task, "+")).collect();
        note(tx, &noted).await?;
        Ok(answers)
    }

    fn retry(&self) -> RetryPolicy {
        quick()
    }
}

/// An answer for each of a batch; a half effect or a panic is the whole batch's.
fn all<T>(
    members: &[T],
    of: impl Fn(&T) -> (&Task, bool),
) -> ActivityResult<Vec<ActivityResult<u32>>> {
    let mut answers = Vec::new();
    let mut whole = Ok(());
    for member in members {
        let (Task { case, step }, undoing) = of(member);
        answers.push(match world().try_once(case, step, undoing) {
            Some(mishap @ (Mishap::Half | Mishap::Panic)) => {
                whole = Err(mishap);
                Ok(step.op)
            }
            Some(mishap) => Err(answer(mishap)),
            None if undoing => Ok(step.op),
            None => refused(step).map(|()| step.op),
        });
    }
    whole.map_err(answer)?;
    Ok(answers)
}

/// Outside.
pub struct Out;

impl Activity for Out {
    const NAME: &'static str = "out";
    type Kind = Outside;
    type Input = Task;
    type Output = u32;

    async fn run(&self, attempt: &mut Attempt, task: Task) -> ActivityResult<u32> {
        let Task { case, step } = &task;
        let mishap = world().try_once(case, step, false);
        if let Some(deed) = step.deed {
            world().act(case, step.op, deed).await;
        }
        if let Some(mishap) = mishap.filter(|mishap| *mishap != Mishap::Half) {
            return Err(answer(mishap));
        }
        refused(step)?;
        linger(&task).await;
        world().book(case, step.op, &attempt.idempotency_key);
        match mishap {
            Some(mishap) => Err(answer(mishap)),
            None => Ok(step.op),
        }
    }

    async fn resolve(&self, attempt: &mut Attempt, task: Task) -> ActivityResult<Resolution<u32>> {
        Ok(if world().has(&attempt.idempotency_key) {
            Resolution::Done(task.step.op)
        } else {
            Resolution::TryAgain
        })
    }

    fn retry(&self) -> RetryPolicy {
        quick()
    }
}

/// Looks and changes nothing.
pub struct Read;

impl Activity for Read {
    const NAME: &'static str = "read";
    type Kind = ReadOnly;
    type Input = Task;
    type Output = u32;

    async fn run(&self, _: &mut Attempt, task: Task) -> ActivityResult<u32> {
        let Task { case, step } = &task;
        let mishap = world().try_once(case, step, false);
        if let Some(deed) = step.deed {
            world().act(case, step.op, deed).await;
        }
        linger(&task).await;
        match mishap {
            Some(mishap) => Err(answer(mishap)),
            None => refused(step).map(|()| step.op),
        }
    }

    fn retry(&self) -> RetryPolicy {
        quick()
    }
}

/// What an undo was given fits to its step.
fn check<A>(undoes: &Undoes<A>)
where
    A: Activity<Input = Task, Output = u32>,
{
    let Task { case, step } = &undoes.input;
    if undoes.output.is_some_and(|output| output != step.op) {
        world().wrong(case, format!("the undo of {} was given {:?}", step.op, undoes.output));
    }
    let known = format!(":{}:", A::NAME);
    if !undoes.idempotency_key.contains(&known) {
        world()
            .wrong(case, format!("the undo of {} knows it as {}", step.op, undoes.idempotency_key));
    }
}

async fn undo_in_tx<A>(tx: &mut PgConnection, undoes: Undoes<A>) -> ActivityResult<u32>
where
    A: Activity<Input = Task, Output = u32>,
{
    check(&undoes);
    let Task { case, step } = &undoes.input;
    let mishap = world().try_once(case, step, true);
    note(tx, &[(&undoes.input, "-")]).await?;
    match mishap {
        Some(mishap) => Err(answer(mishap)),
        None => Ok(step.op),
    }
}

async fn undo_in_batch<A>(
    tx: &mut PgConnection,
    undoes: Vec<Undoes<A>>,
) -> ActivityResult<Vec<ActivityResult<u32>>>
where
    A: Activity<Input = Task, Output = u32>,
{
    undoes.iter().for_each(check);
    let answers = all(&undoes, |undoes| (&undoes.input, true))?;
    let noted = undoes.iter().zip(&answers).filter(|(_, answer)| answer.is_ok());
    let noted: Vec<(&Task, &str)> = noted.map(|(undoes, _)| (&undoes.input, "-")).collect();
    note(tx, &noted).await?;
    Ok(answers)
}

fn undo_outside<A>(undoes: &Undoes<A>) -> ActivityResult<u32>
where
    A: Activity<Input = Task, Output = u32>,
{
    check(undoes);
    let Task { case, step } = &undoes.input;
    let mishap = world().try_once(case, step, true);
    if let Some(mishap) = mishap.filter(|mishap| *mishap != Mishap::Half) {
        return Err(answer(mishap));
    }
    world().unbook(case, step.op);
    mishap.map_or(Ok(step.op), |mishap| Err(answer(mishap)))
}

/// The undos of a step: in a transaction, in a batch, outside.
macro_rules! undos_of {
    ($step:ident, $tx:ident, $batch:ident, $out:ident) => {
        pub struct $tx;

        impl Activity for $tx {
            const NAME: &'static str = stringify!($tx);
            type Kind = InTransaction;
            type Input = Undoes<$step>;
            type Output = u32;

            async fn run(&self, tx: &mut PgConnection, undoes: Self::Input) -> ActivityResult<u32> {
                undo_in_tx(tx, undoes).await
            }

            fn retry(&self) -> RetryPolicy {
                quick()
            }
        }

        pub struct $batch;

        impl Activity for $batch {
            const NAME: &'static str = stringify!($batch);
            type Kind = InBatch;
            type Input = Undoes<$step>;
            type Output = u32;

            async fn run(
                &self,
                tx: &mut PgConnection,
                undoes: Vec<Self::Input>,
            ) -> ActivityResult<Vec<ActivityResult<u32>>> {
                undo_in_batch(tx, undoes).await
            }

            fn retry(&self) -> RetryPolicy {
                quick()
            }
        }

        pub struct $out;

        impl Activity for $out {
            const NAME: &'static str = stringify!($out);
            type Kind = Outside;
            type Input = Undoes<$step>;
            type Output = u32;

            async fn run(&self, _: &mut Attempt, undoes: Self::Input) -> ActivityResult<u32> {
                undo_outside(&undoes)
            }

            fn retry(&self) -> RetryPolicy {
                quick()
            }
        }
    };
}

undos_of!(Tx, TxByTx, TxByBatch, TxByOut);
undos_of!(Batch, BatchByTx, BatchByBatch, BatchByOut);
undos_of!(Out, OutByTx, OutByBatch, OutByOut);
undos_of!(Read, ReadByTx, ReadByBatch, ReadByOut);

fn undos(registry: Registry) -> Registry {
    registry
        .activity(TxByTx)
        .activity(TxByBatch)
        .activity(TxByOut)
        .activity(BatchByTx)
        .activity(BatchByBatch)
        .activity(BatchByOut)
        .activity(OutByTx)
        .activity(OutByBatch)
        .activity(OutByOut)
        .activity(ReadByTx)
        .activity(ReadByBatch)
        .activity(ReadByOut)
}

/// Notes how a made-good run ended.
pub struct Close;

impl Activity for Close {
    const NAME: &'static str = "close";
    type Kind = InTransaction;
    type Input = MadeGood<Program>;
    type Output = u32;

    async fn run(&self, tx: &mut PgConnection, ended: MadeGood<Program>) -> ActivityResult<u32> {
        let undone: Vec<_> =
            ended.undone.iter().map(|u| json!([u.step, u.occurrence, u.answer])).collect();
        sqlx::query("insert into effects (script, op, what) values ($1, 0, $2)")
            .bind(&ended.input.case)
            .bind(json!(undone).to_string())
            .execute(tx)
            .await
            .map_err(ActivityError::from)?;
        Ok(0)
    }

    fn retry(&self) -> RetryPolicy {
        quick()
    }
}

/// Which of an activity's names a kind of undo has.
pub fn undo_name(kind: Kind, undo: super::program::Undoing) -> String {
    format!("{kind:?}By{undo:?}")
}
