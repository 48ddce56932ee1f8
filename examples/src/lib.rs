//! Three sagas to learn from and to copy: a trip, a newcomer's first week, an order in many parts.
//!
//! Each is a file that reads from top to bottom, with its activities in a folder beside it:
//! [`trip`] (side by side, unknown outcomes, the pivot), [`onboarding`] (signals and long timers),
//! [`fan_out`] (children, and a row that everybody wants). What surrounds them is real, and small:
//! [`outside`] is an HTTP service with idempotency keys, [`stage`] puts PostgreSQL, a worker and
//! that service together, and [`timeline`] shows what a run has recorded.
//!
//! `cargo run -p makegood-examples --example trip` runs the first; it needs no set-up.

pub mod fan_out;
pub mod messages;
pub mod onboarding;
pub mod outside;
pub mod stage;
pub mod timeline;
pub mod trip;

use makegood::Registry;

/// What a worker of all three sagas knows.
///
/// ```
/// let outside = makegood_examples::outside::Client::new("http://[::1]:8080")?;
/// let registry = makegood_examples::registry(&outside);
/// assert!(registry.workflow_names().contains(&"trip".to_owned()));
/// # Ok::<(), makegood_examples::outside::NoClient>(())
/// ```
pub fn registry(outside: &outside::Client) -> Registry {
    let registry = trip::register(Registry::new(), outside);
    let registry = onboarding::register(registry, outside);
    fan_out::register(registry, outside)
}
