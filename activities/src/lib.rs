//! Side effects, one file per resource.

pub mod gateway;
