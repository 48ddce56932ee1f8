//! Numbered SQL, forward only, and the code that applies it.
