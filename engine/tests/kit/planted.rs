//! Each check finds the saga that was planted for it.
