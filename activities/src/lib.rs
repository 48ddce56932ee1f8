//! Side effects, one file per resource.
