//! Saga definitions, one file each. Start with checkout.rs.
