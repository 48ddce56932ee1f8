//! Time is moved, never waited for, and never moved too far.
