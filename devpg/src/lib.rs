//! A private PostgreSQL from local binaries, for demo, dev and tests.
