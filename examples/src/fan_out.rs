//! An order in many parts: one child for each warehouse, joined; or everything put back.
//!
//! What it teaches: children that are cancelled with their parent, what to do about those that had
//! ended by then, a run that goes its own way, and one row that many runs want.

mod orders;
mod shipment;
mod stock;
mod survey;

use std::time::Duration;

use makegood::{Ctx, Registry, Workflow, WorkflowResult};
use serde::{Deserialize, Serialize};

pub use self::orders::{CallBack, CloseOrder, OpenOrder};
pub use self::shipment::{LoadVan, Parcel, Shipment};
pub use self::stock::{PutBack, Shelf, TakeStock, Wanted};
pub use self::survey::{Question, Survey};
use crate::messages::SendMessage;
use crate::outside;

/// Carries an order to parcels from every warehouse that it names, or to none.
pub struct FanOut;

impl Workflow for FanOut {
    const NAME: &'static str = "fan_out";
    type Input = SplitOrder;
    type Output = Vec<Parcel>;

    async fn run(ctx: Ctx, order: SplitOrder) -> WorkflowResult<Vec<Parcel>> {
        // Undone last, after every child has ended: so it finds whatever they left behind.
        ctx.step::<OpenOrder>(&order.order_id).undo::<CallBack>().await?;

        // The first child that fails ends the wait. Passed on by `?`, its failure makes the order
        // good: children that still wait for their van are cancelled, and put their stock back.
        let children = order.parts.iter().map(|part| ctx.child::<Shipment>(part));
        let parcels = ctx.try_all(children).await?;

        let ((), ctx) = ctx.pivot::<CloseOrder>(&order.order_id).await?;
        // Nobody waits for the survey, and the order does not end with it.
        ctx.spawn::<Survey>(&Question { order_id: order.order_id, ask_after: order.ask_after })?;
        Ok(parcels)
    }
}

/// An order, and which warehouse sends what: the input of a [`FanOut`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitOrder {
    /// The order.
    pub order_id: String,
    /// One part for each warehouse.
    pub parts: Vec<Part>,
    /// When the buyer is asked how it was.
    pub ask_after: Duration,
}

/// What one warehouse sends: the input of a [`Shipment`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The order.
    pub order_id: String,
    /// From where, and what.
    pub shelf: Shelf,
    /// How many.
    pub quantity: u32,
    /// How long until the van leaves.
    pub van_leaves_in: Duration,
}

impl SplitOrder {
    /// An order of one thing from several warehouses; the vans leave in an hour, and the buyer is
    /// asked after a week.
    ///
    /// ```
    /// use makegood_examples::fan_out::SplitOrder;
    ///
    /// let order = SplitOrder::new("order-1", "kettle", &[("north", 2), ("south", 1)]);
    /// assert_eq!(order.parts.len(), 2);
    /// ```
    pub fn new(order_id: &str, sku: &str, quantities: &[(&str, u32)]) -> Self {
        let part = |&(warehouse, quantity): &(&str, u32)| Part {
            order_id: order_id.to_owned(),
            shelf: Shelf { warehouse: warehouse.to_owned(), sku: sku.to_owned() },
            quantity,
            van_leaves_in: Duration::from_hours(1),
        };
        Self {
            order_id: order_id.to_owned(),
            parts: quantities.iter().map(part).collect(),
            ask_after: Duration::from_hours(7 * 24),
        }
    }

    /// The same with other times.
    #[must_use]
    pub fn with_times(mut self, van_leaves_in: Duration, ask_after: Duration) -> Self {
        self.ask_after = ask_after;
        for part in &mut self.parts {
            part.van_leaves_in = van_leaves_in;
        }
        self
    }
}

/// Adds the fan-out, its children and their activities to what a worker knows.
pub fn register(registry: Registry, outside: &outside::Client) -> Registry {
    registry
        .workflow::<FanOut>()
        .workflow::<Shipment>()
        .workflow::<Survey>()
        .activity(OpenOrder)
        .activity(CallBack)
        .activity(CloseOrder)
        .activity(TakeStock)
        .activity(PutBack)
        .activity(LoadVan)
        .activity(SendMessage(outside.clone()))
}
