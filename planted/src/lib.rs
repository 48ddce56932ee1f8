//! Bugs on purpose: each is planted where its promise is kept, and a test must fail when it is on.
//!
//! Without the feature `armed`, which no shipped build turns on, no bug is ever on, and the
//! compiler leaves its line out. With it, `MAKEGOOD_PLANTED` names the bug that a process has.

#[cfg(feature = "armed")]
mod armed;

#[cfg(feature = "armed")]
pub use armed::{any, caught, has};

/// Whether this process has a bug: then what may never come is not waited for long.
#[cfg(not(feature = "armed"))]
#[must_use]
#[inline]
pub const fn any() -> bool {
    false
}

/// Whether this process has that bug.
#[cfg(not(feature = "armed"))]
#[must_use]
#[inline]
pub const fn has(_: &'static str) -> bool {
    false
}
