//! Sagas with something wrong in each.
