//! A saga for the console's tests: a parcel that is packed, labelled by the outside world, signed
//! for, and sent. The world refuses or fails as its input says.

use std::time::Duration;

use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, Ctx, InTransaction, Outside, Registry,
    RetryPolicy, Signal, Undoes, Worker, WorkerConfig, Workflow, WorkflowResult,
};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::support::Shop;

/// What is sent, and how the world treats it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Parcel {
    pub(crate) to: String,
    /// `fails`, `refuses`, or anything else.
    pub(crate) world: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Signed {
    pub(crate) by: String,
}

impl Signal for Signed {
    const KIND: &'static str = "signed";
}

pub(crate) struct Ship;

impl Workflow for Ship {
    const NAME: &'static str = "ship";
    type Input = Parcel;
    type Output = String;

    async fn run(ctx: Ctx, parcel: Parcel) -> WorkflowResult<String> {
        ctx.step::<Pack>(&parcel).undo::<Unpack>().await?;
        ctx.step::<PrintLabel>(&parcel).undo::<VoidLabel>().await?;
        ctx.publish("where", &"at the door");
        let signed = ctx.signal::<Signed>().within(Duration::from_hours(1)).await?;
        let Some(signed) = signed else { return ctx.make_good("nobody signed") };
        let (_, _) = ctx.pivot::<Pack>(&parcel).await?;
        Ok(signed.by)
    }
}

struct Pack;

impl Activity for Pack {
    const NAME: &'static str = "pack";
    type Kind = InTransaction;
    type Input = Parcel;
    type Output = String;

    async fn run(&self, _: &mut PgConnection, parcel: Parcel) -> ActivityResult<String> {
        if parcel.world == "refuses" && parcel.to.is_empty() {
            return Err(ActivityError::rejected("NOBODY"));
        }
        Ok(format!("a box for {}", parcel.to))
    }
}

struct PrintLabel;

impl Activity for PrintLabel {
    const NAME: &'static str = "print_label";
    type Kind = Outside;
    type Input = Parcel;
    type Output = String;

    async fn run(&self, _: &mut Attempt, parcel: Parcel) -> ActivityResult<String> {
        match parcel.world.as_str() {
            "fails" => Err(ActivityError::retryable("the printer <is> on fire")),
            "refuses" => Err(ActivityError::rejected("NO_SUCH_STREET")),
            _ => Ok("label".to_owned()),
        }
    }

    fn retry(&self) -> RetryPolicy {
        RetryPolicy { initial: Duration::from_millis(1), ..RetryPolicy::attempts(2) }
    }
}

struct Unpack;

impl Activity for Unpack {
    const NAME: &'static str = "unpack";
    type Kind = InTransaction;
    type Input = Undoes<Pack>;
    type Output = ();

    async fn run(&self, _: &mut PgConnection, _: Undoes<Pack>) -> ActivityResult<()> {
        Ok(())
    }
}

struct VoidLabel;

impl Activity for VoidLabel {
    const NAME: &'static str = "void_label";
    type Kind = InTransaction;
    type Input = Undoes<PrintLabel>;
    type Output = ();

    async fn run(&self, _: &mut PgConnection, _: Undoes<PrintLabel>) -> ActivityResult<()> {
        Ok(())
    }
}

/// A worker that knows the trade.
pub(crate) async fn worker(shop: &Shop) -> Worker {
    let registry = Registry::new().workflow::<Ship>();
    let registry =
        registry.activity(Pack).activity(PrintLabel).activity(Unpack).activity(VoidLabel);
    Worker::start(&shop.database, registry, WorkerConfig::default()).await.unwrap()
}

/// Starts a parcel, found by its id as a customer's.
pub(crate) async fn ship(shop: &Shop, id: &str, world: &str) -> Uuid {
    let client = makegood::Client::connect(&shop.database).await.unwrap();
    let mut tx = shop.pool.begin().await.unwrap();
    let parcel = Parcel { to: "Ada <b>".to_owned(), world: world.to_owned() };
    let options = makegood::StartOptions::new().attribute("customer", "81");
    let started = client.start_with::<Ship>(&mut tx, id, &parcel, &options).await.unwrap();
    tx.commit().await.unwrap();
    client.wake();
    started.run_id
}

/// Somebody signs for the parcel.
pub(crate) async fn sign(shop: &Shop, id: &str) {
    let client = makegood::Client::connect(&shop.database).await.unwrap();
    let mut tx = shop.pool.begin().await.unwrap();
    let signed = Signed { by: "Ada".to_owned() };
    client.signal::<Ship, _>(&mut tx, id, "sign-1", &signed).await.unwrap();
    tx.commit().await.unwrap();
    client.wake();
}
