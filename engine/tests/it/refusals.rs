//! Refusals: what an earlier attempt may have done is undone, and a refusal past the pivot is not
//! for good.

use makegood::{
    Activity, ActivityResult, Attempt, Ctx, Outside, Registry, RetryPolicy, Undoes, WorkerConfig,
    Workflow, WorkflowResult,
};

use crate::support::{TestCell, forgetful};
use crate::trades::{Book, Fault, Look, Note, Plan, booking, line, quick, registry, world};

/// Posts a letter. Nobody can tell afterwards whether it was posted.
struct Post {
    is_mute: bool,
}

impl Activity for Post {
    const NAME: &'static str = "post";
    type Kind = Outside;
    type Input = String;
    type Output = ();

    async fn run(&self, _: &mut Attempt, trip: String) -> ActivityResult<()> {
        world().meet(&trip, "posted")?;
        if self.is_mute {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    fn retry(&self) -> RetryPolicy {
        quick()
    }
}

/// Calls a letter back, if there is one.
struct Recall;

impl Activity for Recall {
    const NAME: &'static str = "recall";
    type Kind = Outside;
    type Input = Undoes<Post>;
    type Output = ();

    async fn run(&self, _: &mut Attempt, undoes: Undoes<Post>) -> ActivityResult<()> {
        assert_eq!(undoes.output, None, "there never was an answer");
        world().meet(&undoes.input, "recalled")
    }

    fn retry(&self) -> RetryPolicy {
        quick()
    }
}

struct Letter;

impl Workflow for Letter {
    const NAME: &'static str = "letter";
    type Input = Plan;
    type Output = ();

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<()> {
        ctx.step::<Post>(&plan.trip).undo::<Recall>().await
    }
}

fn letters(is_mute: bool) -> Registry {
    registry().workflow::<Letter>().activity(Post { is_mute }).activity(Recall)
}

/// How often the letter is recalled when posting and recalling fail like this.
async fn recalls(posting: &[Fault], recalling: &[Fault], config: WorkerConfig) -> usize {
    let cell = TestCell::new().await;
    let worker = cell.worker_with(letters(false), config).await;
    let plan = Plan::new();
    world().fail(&plan, "posted", posting);
    world().fail(&plan, "recalled", recalling);
    let run = cell.start::<Letter>("l1", &plan).await;
    assert_eq!(cell.ended::<Letter>(run).await.state, "COMPENSATED");
    assert_eq!(world().times(&plan, "posted"), posting.len());
    worker.drain().await.unwrap();
    cell.audited().await;
    world().times(&plan, "recalled")
}

#[tokio::test]
async fn a_refusal_after_an_attempt_that_may_have_had_its_effect_keeps_the_undo() {
    let doubtful = [Fault::Unknown, Fault::Rejected];
    assert_eq!(recalls(&doubtful, &[], WorkerConfig::default()).await, 1, "in memory");
    assert_eq!(recalls(&doubtful, &[], forgetful()).await, 1, "from the record");
    let twice = recalls(&doubtful, &[Fault::Retryable], forgetful()).await;
    assert_eq!(twice, 2, "and once more from the record when the undo fails");
}

#[tokio::test]
async fn a_refusal_after_an_attempt_in_which_a_worker_died_keeps_the_undo() {
    let cell = TestCell::new().await;
    let plan = Plan::new();
    let first = cell.worker_with(letters(true), forgetful()).await;
    let run = cell.start::<Letter>("l1", &plan).await;
    world().until_met(&plan, "posted", 1).await;
    drop(first);
    world().fail(&plan, "posted", &[Fault::Rejected]);
    let second = cell.worker_with(letters(false), forgetful()).await;
    assert_eq!(cell.ended::<Letter>(run).await.state, "COMPENSATED");
    assert_eq!(world().events(&plan), ["posted", "posted", "recalled"]);
    second.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_refusal_without_such_an_attempt_leaves_nothing_to_undo() {
    let none = recalls(&[Fault::Rejected], &[], WorkerConfig::default()).await;
    assert_eq!(none, 0, "a refusal says that there was no effect");
    let none = recalls(&[Fault::Retryable, Fault::Rejected], &[], WorkerConfig::default()).await;
    assert_eq!(none, 0, "and so does a failure known to be without effect");
}

/// Past its pivot: an outside step, a read and a note.
struct Forward;

impl Workflow for Forward {
    const NAME: &'static str = "forward";
    type Input = Plan;
    type Output = String;

    async fn run(ctx: Ctx, plan: Plan) -> WorkflowResult<String> {
        let (_, ctx) = ctx.pivot::<Note>(&line(&plan, "paid")).await?;
        let key = ctx.step::<Book>(&booking(&plan, "parcel")).await?;
        ctx.step::<Look>(&plan.trip).await?;
        ctx.step::<Note>(&line(&plan, "announced")).await?;
        Ok(key)
    }
}

#[tokio::test]
async fn a_retry_after_a_refusal_past_the_pivot_tries_the_step_again() {
    let cell = TestCell::new().await;
    let registry = registry().workflow::<Forward>();
    let worker = cell.worker_with(registry, WorkerConfig::default()).await;
    for refused in ["book parcel", "look", "note announced"] {
        let plan = Plan::new();
        if refused == "book parcel" {
            world().fail_early(&plan, refused, &[Fault::Rejected]);
        } else {
            world().fail(&plan, refused, &[Fault::Rejected]);
        }
        let run = cell.start::<Forward>(refused, &plan).await;
        assert_eq!(cell.incident(run).await, "rejected_past_pivot: NO: no", "{refused}");
        cell.audited().await;
        cell.client.retry(run, "ada", "it is allowed now").await.unwrap();
        assert_eq!(cell.ended::<Forward>(run).await.state, "COMPLETED", "{refused}");
        let done = ["done note", "done book", "done look", "done note"];
        assert_eq!(cell.record(run).await, done, "no refusal of {refused} stays on record");
        assert_eq!(world().booked(&plan.trip).len(), 1, "booked once");
    }
    worker.drain().await.unwrap();
    cell.audited().await;
}
