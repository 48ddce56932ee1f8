//! Activities in batches: one transaction for many runs, and each run its own result.

use makegood::{
    Activity, ActivityError, ActivityResult, Ctx, GivenUndo, InBatch, InTransaction, Registry,
    RetryPolicy, Undoes, Workflow, WorkflowResult,
};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use crate::support::{TestCell, forgetful};
use crate::trades::{Note, Plan, line, quick, registry};

/// A wish for a ticket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wish {
    buyer: String,
    /// Makes the database refuse the whole batch.
    poison: bool,
    /// Waits for its turn to settle forever failing.
    patience: bool,
}

fn wish(number: usize) -> Wish {
    Wish { buyer: format!("buyer {number}"), poison: false, patience: false }
}

/// Takes tickets: the notes that say `ticket` are those that are free.
struct TakeTicket;

impl Activity for TakeTicket {
    const NAME: &'static str = "take_ticket";
    type Kind = InBatch;
    type Input = Wish;
    type Output = usize;

    async fn run(
        &self,
        tx: &mut PgConnection,
        wishes: Vec<Wish>,
    ) -> ActivityResult<Vec<ActivityResult<usize>>> {
        if wishes.iter().any(|wish| wish.poison) {
            sqlx::query("select 1 / 0").execute(&mut *tx).await?;
        }
        let count = wishes.len();
        let taken = sqlx::query(
            "delete from notes where note_id = any(array(
               select note_id from notes where note = 'ticket' order by note_id limit $1 for update))",
        )
        .bind(i64::try_from(count)?)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        let buyers: Vec<&str> =
            wishes.iter().take(usize::try_from(taken)?).map(|w| w.buyer.as_str()).collect();
        sqlx::query("insert into notes (trip, note) select x.buyer, 'sold' from unnest($1::text[]) x(buyer)")
            .bind(&buyers)
            .execute(tx)
            .await?;
        Ok((0..count)
            .map(|at| {
                if at < buyers.len() { Ok(count) } else { Err(ActivityError::rejected("SOLD_OUT")) }
            })
            .collect())
    }

    fn retry(&self) -> RetryPolicy {
        quick()
    }
}

/// Gives tickets back.
struct GiveBack;

impl Activity for GiveBack {
    const NAME: &'static str = "give_back";
    type Kind = InBatch;
    type Input = Undoes<TakeTicket>;
    type Output = ();

    async fn run(
        &self,
        tx: &mut PgConnection,
        undoes: Vec<Undoes<TakeTicket>>,
    ) -> ActivityResult<Vec<ActivityResult<()>>> {
        let buyers: Vec<&str> = undoes.iter().map(|undo| undo.input.buyer.as_str()).collect();
        sqlx::query(
            "update notes set note = 'ticket', trip = '' where note = 'sold' and trip = any($1)",
        )
        .bind(&buyers)
        .execute(tx)
        .await?;
        Ok(undoes.iter().map(|_| Ok(())).collect())
    }
}

/// Buys a ticket and notes it.
struct Buy;

impl Workflow for Buy {
    const NAME: &'static str = "buy";
    type Input = Wish;
    type Output = usize;

    async fn run(ctx: Ctx, wish: Wish) -> WorkflowResult<usize> {
        let batch = ctx.step::<TakeTicket>(&wish).undo::<GiveBack>().await?;
        if wish.patience {
            return ctx.make_good("changed my mind");
        }
        let plan = Plan { trip: wish.buyer.clone(), reject: None };
        ctx.step::<Note>(&line(&plan, "happy")).await?;
        Ok(batch)
    }
}

/// Writes a receipt; for those with patience not before the printer is mended.
struct PrintReceipt;

impl Activity for PrintReceipt {
    const NAME: &'static str = "print_receipt";
    type Kind = InTransaction;
    type Input = Wish;
    type Output = ();

    async fn run(&self, tx: &mut PgConnection, wish: Wish) -> ActivityResult<()> {
        let mended = "select exists (select 1 from notes where note = 'mended')";
        if wish.patience && !sqlx::query_scalar::<_, bool>(mended).fetch_one(&mut *tx).await? {
            return Err(ActivityError::retryable("the printer is broken"));
        }
        sqlx::query("insert into notes (trip, note) values ($1, 'receipt')")
            .bind(&wish.buyer)
            .execute(tx)
            .await?;
        Ok(())
    }
}

/// Buys a ticket for good, with a receipt.
struct BuyForGood;

impl Workflow for BuyForGood {
    const NAME: &'static str = "buy_for_good";
    type Input = Wish;
    type Output = usize;

    async fn run(ctx: Ctx, wish: Wish) -> WorkflowResult<usize> {
        let (batch, ctx) = ctx.pivot::<TakeTicket>(&wish).await?;
        ctx.step::<PrintReceipt>(&wish).await?;
        Ok(batch)
    }
}

/// Grants a discount; to those with patience a person must.
struct Discount;

impl Activity for Discount {
    const NAME: &'static str = "discount";
    type Kind = InBatch;
    type Input = Wish;
    type Output = u32;

    async fn run(
        &self,
        _: &mut PgConnection,
        wishes: Vec<Wish>,
    ) -> ActivityResult<Vec<ActivityResult<u32>>> {
        let review = || ActivityError::review("discount", "a person must decide");
        let answer = |wish: Wish| if wish.patience { Err(review()) } else { Ok(5) };
        Ok(wishes.into_iter().map(answer).collect())
    }
}

/// Asks for a discount.
struct Haggle;

impl Workflow for Haggle {
    const NAME: &'static str = "haggle";
    type Input = Wish;
    type Output = u32;

    async fn run(ctx: Ctx, wish: Wish) -> WorkflowResult<u32> {
        ctx.step::<Discount>(&wish).await
    }
}

fn shop() -> Registry {
    registry()
        .workflow::<Haggle>()
        .activity(Discount)
        .workflow::<Buy>()
        .workflow::<BuyForGood>()
        .activity(TakeTicket)
        .activity(GiveBack)
        .activity(PrintReceipt)
}

async fn cell_with(tickets: i64) -> TestCell {
    let cell = TestCell::new().await;
    cell.execute(&format!(
        "insert into notes (trip, note) select '', 'ticket' from generate_series(1, {tickets})"
    ))
    .await;
    cell
}

async fn start_all<W: Workflow<Input = Wish>>(cell: &TestCell, wishes: &[Wish]) {
    let mut tx = cell.pool.begin().await.unwrap();
    for wish in wishes {
        cell.client.start::<W>(&mut tx, &wish.buyer, wish).await.unwrap();
    }
    tx.commit().await.unwrap();
    cell.client.wake();
}

async fn all_ended(cell: &TestCell) {
    cell.until("all end", "select not exists (select 1 from tasks where incident_id is null)")
        .await;
}

#[tokio::test]
async fn many_runs_share_one_transaction_and_each_gets_its_result() {
    let cell = cell_with(300).await;
    let wishes: Vec<Wish> = (0..500).map(wish).collect();
    start_all::<Buy>(&cell, &wishes).await;
    let worker = cell.worker_with(shop(), forgetful()).await;
    all_ended(&cell).await;
    let sold: i64 = cell.scalar("select count(*) from notes where note = 'sold'").await;
    let completed: i64 =
        cell.scalar("select count(*) from runs where ended_state = 'COMPLETED'").await;
    let happy: i64 = cell.scalar("select count(*) from notes where note = 'happy'").await;
    assert_eq!((sold, completed, happy), (300, 300, 300), "exactly as many as there were tickets");
    let largest: i64 = cell.scalar("select max(output::text::bigint) from runs").await;
    assert!(largest > 20, "they went in batches: {largest}");
    let commits: i64 = cell
        .scalar("select count(distinct xmin::text) from steps where name = 'take_ticket'")
        .await;
    assert!(commits < 50, "few transactions carried them: {commits}");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn one_bad_input_fails_alone() {
    let cell = cell_with(300).await;
    let mut wishes: Vec<Wish> = (0..200).map(wish).collect();
    wishes[77].poison = true;
    start_all::<Buy>(&cell, &wishes).await;
    let worker = cell.worker_with(shop(), forgetful()).await;
    all_ended(&cell).await;
    let completed: i64 =
        cell.scalar("select count(*) from runs where ended_state = 'COMPLETED'").await;
    assert_eq!(completed, 199, "its neighbours are served");
    let stuck: String = cell.scalar("select r.workflow_id from incidents i join runs r on r.run_id = i.run_id where i.class = 'retries_used_up'").await;
    assert_eq!(stuck, "buyer 77", "and it alone needs a person");
    let sold: i64 = cell.scalar("select count(*) from notes where note = 'sold'").await;
    assert_eq!(sold, 199, "nothing was taken twice");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn what_a_batch_did_is_undone_in_batches() {
    let cell = cell_with(100).await;
    let wishes: Vec<Wish> =
        (0..150).map(|number| Wish { patience: true, ..wish(number) }).collect();
    start_all::<Buy>(&cell, &wishes).await;
    let worker = cell.worker_with(shop(), forgetful()).await;
    all_ended(&cell).await;
    let undone: i64 =
        cell.scalar("select count(*) from runs where ended_state = 'COMPENSATED'").await;
    assert_eq!(undone, 150, "sold out or changed its mind");
    let free: i64 = cell.scalar("select count(*) from notes where note = 'ticket'").await;
    assert_eq!(free, 100, "every ticket is back");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn what_follows_a_pivot_directly_is_committed_with_it_or_not_at_all() {
    let cell = cell_with(100).await;
    let mut wishes: Vec<Wish> = (0..60).map(wish).collect();
    wishes[33].patience = true;
    start_all::<BuyForGood>(&cell, &wishes).await;
    let worker = cell.worker_with(shop(), forgetful()).await;
    cell.until(
        "its neighbours are served",
        "select count(*) = 59 from runs where ended_state = 'COMPLETED'",
    )
    .await;
    cell.until("its tries are used up", "select exists (select from incidents)").await;
    let notes = "select count(*) filter (where note = 'sold') * 1000
                      + count(*) filter (where note = 'receipt') from notes";
    let notes: i64 = cell.scalar(notes).await;
    assert_eq!(notes, 59_059, "no ticket without its receipt, no receipt without its ticket");
    let broken = "select r.run_id from incidents i join runs r on r.run_id = i.run_id
                  where r.workflow_id = 'buyer 33' and i.message = 'the printer is broken'";
    let broken = cell.scalar(broken).await;
    cell.execute("insert into notes (trip, note) values ('', 'mended')").await;
    cell.client.retry(broken, "ada", "the printer prints").await.unwrap();
    all_ended(&cell).await;
    let receipts: i64 = cell.scalar("select count(*) from notes where note = 'receipt'").await;
    assert_eq!(receipts, 60, "each has one");
    worker.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_batch_of_a_buried_worker_takes_nothing() {
    let cell = cell_with(100).await;
    let worker = cell.worker_with(shop(), forgetful()).await;
    let mut lock = cell.pool.begin().await.unwrap();
    sqlx::query("lock table notes in access exclusive mode").execute(&mut *lock).await.unwrap();
    start_all::<Buy>(&cell, &(0..40).map(wish).collect::<Vec<_>>()).await;
    cell.until_blocked_by(&mut lock).await;
    cell.execute("update workers set lease_until = now() - interval '1 hour'").await;
    let other = cell.worker_with(shop(), forgetful()).await;
    lock.commit().await.unwrap();
    all_ended(&cell).await;
    let sold: i64 = cell.scalar("select count(*) from notes where note = 'sold'").await;
    assert_eq!(sold, 40, "each buyer has one ticket, whoever wrote it");
    worker.drain().await.unwrap();
    other.drain().await.unwrap();
    cell.audited().await;
}

#[tokio::test]
async fn a_run_that_is_stuck_in_a_batch_is_given_a_result_or_another_input() {
    let cell = cell_with(0).await;
    let patient = |number| Wish { patience: true, ..wish(number) };
    start_all::<Haggle>(&cell, &[patient(0), wish(1), patient(2)]).await;
    let worker = cell.worker_with(shop(), forgetful()).await;
    let stuck = "select count(*) = 2 from incidents where resolved_at is null";
    cell.until("two need a person", stuck).await;
    let run_of = async |buyer: &str| {
        let run = format!("select run_id from runs where workflow_id = '{buyer}'");
        cell.scalar::<uuid::Uuid>(&run).await
    };
    let (first, last) = (run_of("buyer 0").await, run_of("buyer 2").await);
    let ada = cell.client.operator("ada", "she is a friend").unwrap();
    let step = "discount".parse().unwrap();
    ada.skip_step(first, &step, &7.into(), GivenUndo::Keep).await.unwrap();
    let edited = serde_json::to_value(wish(2)).unwrap();
    ada.edit_input_and_retry(last, &step, &edited).await.unwrap();
    assert_eq!(cell.ended::<Haggle>(first).await.output, Some(7), "the given result is its own");
    assert_eq!(cell.ended::<Haggle>(last).await.output, Some(5), "the given input is tried");
    worker.drain().await.unwrap();
    cell.audited().await;
}
