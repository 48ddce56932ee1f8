//! Sagas that get stuck when a test wants it: parcels that are packed, labelled by somebody outside,
//! signed for, and booked; and letters, which are only signed for.
//!
//! The console's tests and pictures are about them. Nothing of the shop is in here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use makegood::{
    Activity, ActivityError, ActivityResult, Attempt, Client, Ctx, Database, InTransaction,
    Outside, Registry, RetryPolicy, Signal, StartOptions, Undoes, Worker, WorkerConfig, Workflow,
    WorkflowResult,
};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use tokio::task::JoinSet;
use uuid::Uuid;

/// What is sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Parcel {
    /// To whom.
    pub to: String,
    /// Only signed for.
    pub is_letter: bool,
}

/// Somebody has signed.
#[derive(Debug, Serialize, Deserialize)]
struct Signed {
    by: String,
}

impl Signal for Signed {
    const KIND: &'static str = "signed";
}

struct Ship;

impl Workflow for Ship {
    const NAME: &'static str = "ship";
    type Input = Parcel;
    type Output = String;

    async fn run(ctx: Ctx, parcel: Parcel) -> WorkflowResult<String> {
        if !parcel.is_letter {
            ctx.step::<Pack>(&parcel).undo::<Unpack>().await?;
            ctx.step::<PrintLabel>(&parcel).undo::<VoidLabel>().await?;
        }
        let signed = ctx.signal::<Signed>().within(Duration::from_hours(1)).await?;
        let Some(signed) = signed else { return ctx.make_good("nobody signed") };
        let ((), _) = ctx.pivot::<Book>(&parcel).await?;
        Ok(signed.by)
    }
}

/// What goes wrong at present: for each activity, what it answers to whom.
#[derive(Debug, Clone, Default)]
struct World(Arc<Mutex<BTreeMap<(&'static str, String), &'static str>>>);

impl World {
    /// Fails for this recipient as long as the world is that way.
    fn meets(&self, activity: &'static str, to: &str) -> ActivityResult<()> {
        let faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match faults.get(&(activity, to.to_owned())) {
            Some(why) => Err(ActivityError::retryable(*why)),
            None => Ok(()),
        }
    }
}

/// Two tries, at once.
fn twice() -> RetryPolicy {
    RetryPolicy { initial: Duration::from_millis(1), ..RetryPolicy::attempts(2) }
}

struct Pack;

impl Activity for Pack {
    const NAME: &'static str = "pack";
    type Kind = InTransaction;
    type Input = Parcel;
    type Output = String;

    async fn run(&self, _: &mut PgConnection, parcel: Parcel) -> ActivityResult<String> {
        Ok(format!("a box for {}", parcel.to))
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

struct PrintLabel(World);

impl Activity for PrintLabel {
    const NAME: &'static str = "print_label";
    type Kind = Outside;
    type Input = Parcel;
    type Output = String;

    async fn run(&self, _: &mut Attempt, parcel: Parcel) -> ActivityResult<String> {
        self.0.meets(Self::NAME, &parcel.to)?;
        Ok(format!("a label for {}", parcel.to))
    }

    fn retry(&self) -> RetryPolicy {
        twice()
    }
}

struct VoidLabel(World);

impl Activity for VoidLabel {
    const NAME: &'static str = "void_label";
    type Kind = Outside;
    type Input = Undoes<PrintLabel>;
    type Output = ();

    async fn run(&self, _: &mut Attempt, label: Undoes<PrintLabel>) -> ActivityResult<()> {
        self.0.meets(Self::NAME, &label.input.to)
    }

    fn retry(&self) -> RetryPolicy {
        twice()
    }
}

struct Book;

impl Activity for Book {
    const NAME: &'static str = "book";
    type Kind = InTransaction;
    type Input = Parcel;
    type Output = ();

    async fn run(&self, _: &mut PgConnection, _: Parcel) -> ActivityResult<()> {
        Ok(())
    }
}

/// Where parcels are sent from: a worker that knows the trade, and the world it meets.
pub struct Depot {
    client: Client,
    worker: Worker,
    world: World,
}

impl Depot {
    /// Opens one over these tables.
    pub async fn open(database: &Database) -> Self {
        let world = World::default();
        let registry = Registry::new().workflow::<Ship>().activity(Pack).activity(Unpack);
        let registry = registry.activity(PrintLabel(world.clone()));
        let registry = registry.activity(VoidLabel(world.clone())).activity(Book);
        let config = WorkerConfig { name: "depot".to_owned(), ..WorkerConfig::default() };
        let worker = Worker::start(database, registry, config).await.unwrap();
        Self { client: Client::connect(database).await.unwrap(), worker, world }
    }

    /// From now on this activity fails for this recipient.
    pub fn breaks(&self, activity: &'static str, to: &str, why: &'static str) {
        let mut faults = self.world.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.insert((activity, to.to_owned()), why);
    }

    /// Nothing fails any more.
    pub fn mends(&self) {
        self.world.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Sends a parcel to somebody.
    pub async fn send(&self, to: &str) -> Uuid {
        let parcel = Parcel { to: to.to_owned(), is_letter: false };
        let options = StartOptions::new().attribute("customer", to);
        let id = format!("ship:{to}");
        let started = self.client.start_now_with::<Ship>(&id, &parcel, &options).await;
        started.unwrap().run_id
    }

    /// Sends a hundred times so many letters; a hundred people bring them.
    pub async fn send_letters(&self, hundreds: u32) {
        let mut people = JoinSet::new();
        for person in 0..100 {
            let client = self.client.clone();
            people.spawn(async move {
                for n in 0..hundreds {
                    let id = format!("letter:{person}:{n}");
                    let letter = Parcel { to: id.clone(), is_letter: true };
                    client.start_now::<Ship>(&id, &letter).await.unwrap();
                }
            });
        }
        people.join_all().await;
    }

    /// The recipient signs.
    pub async fn sign(&self, to: &str) {
        let signed = Signed { by: to.to_owned() };
        let id = format!("ship:{to}");
        self.client.signal_now::<Ship, _>(&id, "sign-1", &signed).await.unwrap();
    }

    /// Closes it; runs that live on wait for another.
    pub async fn close(self) {
        self.worker.drain().await.unwrap();
    }
}
