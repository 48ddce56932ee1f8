//! The standard checks of a saga: real PostgreSQL, real worker processes, real deaths.
//!
//! Whoever writes a saga tells the kit four things about it, as a [`Scenario`]: what world it needs,
//! what the outside does, how the world looks when nothing has happened, and what a run brings
//! about. The kit then holds the saga to what sagas promise, a call for each promise:
//!
//! - [`runs`](Kit::runs): it comes to its end;
//! - [`repeats_each_step`](Kit::repeats_each_step): each step done again has the effect of one;
//! - [`fails_at_each_step`](Kit::fails_at_each_step): it unwinds to a clean slate from each step;
//! - [`each_undo_fails_once`](Kit::each_undo_fails_once): and even then;
//! - [`dies_at_each_point`](Kit::dies_at_each_point): its worker is killed before and after each
//!   commit and each effect, and another one carries it on;
//! - [`undisturbed_by_signals_twice_early_and_late`](Kit::undisturbed_by_signals_twice_early_and_late);
//! - [`stopped_at_each_point`](Kit::stopped_at_each_point): its worker stands still past its lease,
//!   and is too late;
//! - [`struck_twice`](Kit::struck_twice): one worker is killed or stands still, and then the next.
//!
//! [`all`](Kit::all) makes those that apply, but for the last two, which take their time. Each finds its
//! points in a run that nothing disturbs, tries each in a world of its own, prints what it has
//! reached, and fails if it has reached nothing.
//!
//! Time is the database's, and it is skipped: when the outside has done its part and a run only
//! waits, the kit moves it on to its next timer. A week is tested in a moment.
//!
//! The feature `testkit` brings it; no release build has it. A whole test, for a saga that holds a
//! seat and prints a ticket for whoever pays:
//!
//! ```no_run
//! # struct Seats; struct Tickets(String);
//! # mod sagas {
//! #     use makegood::*;
//! #     use serde::{Deserialize, Serialize};
//! #     use sqlx::PgConnection;
//! #     pub struct BookSeat;
//! #     #[derive(Serialize, Deserialize)] pub struct Paid;
//! #     impl Signal for Paid { const KIND: &'static str = "paid"; }
//! #     impl Workflow for BookSeat {
//! #         const NAME: &'static str = "book_seat";
//! #         type Input = i32;
//! #         type Output = ();
//! #         async fn run(_: Ctx, _: i32) -> WorkflowResult<()> { Ok(()) }
//! #     }
//! # }
//! # use sagas::{BookSeat, Paid};
//! # fn book_seat(_: &str) -> makegood::Registry { makegood::Registry::new() }
//! # async fn fresh_cell() -> makegood::testkit::Result<(String, String)> { Err("none".into()) }
//! # struct Printer;
//! # impl Printer {
//! #     async fn start() -> Self { Self }
//! #     fn address(&self) -> String { String::new() }
//! #     fn printed(&self) -> Vec<String> { Vec::new() }
//! # }
//! use makegood::Registry;
//! use makegood::testkit::{Kit, Place, Result, Scenario, Stage};
//!
//! /// A seat is booked and paid for.
//! struct PaidInTime;
//!
//! impl Scenario for PaidInTime {
//!     type Saga = BookSeat;
//!
//!     async fn place(&self) -> Result<Place> {
//!         let (url, cell) = fresh_cell().await?; // a migrated schema that nobody else uses
//!         let printer = Printer::start().await; // it knows its customers' idempotency keys
//!         let address = printer.address();
//!         Ok(Place::new(&url, &cell).with("printer", address).keeping(printer))
//!     }
//!
//!     fn registry(&self, place: &Place) -> Result<Registry> {
//!         Ok(book_seat(place.setting("printer")?))
//!     }
//!
//!     async fn prepare(&self, stage: &Stage) -> Result<i32> {
//!         sqlx::query("insert into seats (seat) values (17)").execute(stage.pool()).await?;
//!         Ok(17)
//!     }
//!
//!     async fn drive(&self, stage: &Stage) -> Result<()> {
//!         stage.until_recorded("hold_seat").await?;
//!         stage.signal::<BookSeat, _>("payment-1", &Paid).await?;
//!         Ok(())
//!     }
//!
//!     async fn slate(&self, stage: &Stage) -> Result<Vec<String>> {
//!         let held = "select seat || ' is held' from seats where held";
//!         let mut lines = sqlx::query_scalar(held).fetch_all(stage.pool()).await?;
//!         lines.extend(stage.place().kept::<Printer>()?.printed());
//!         Ok(lines)
//!     }
//!
//!     async fn outcome(&self, stage: &Stage) -> Result<Vec<String>> {
//!         self.slate(stage).await
//!     }
//! }
//!
//! #[tokio::test]
//! async fn a_booking_keeps_the_promises_of_sagas() -> Result<()> {
//!     Kit::of(PaidInTime).all().await?;
//!     Ok(())
//! }
//! ```

mod deaths;
mod faults;
mod kit;
mod place;
mod plan;
mod process;
mod report;
mod scenario;
mod scene;
mod signals;
mod stage;
mod succession;
mod survey;
mod sweep;

pub use kit::Kit;
pub use place::Place;
pub use report::{Broken, Fault, Report};
pub use scenario::{Refusal, Result, Scenario};
pub use stage::Stage;
