//! The worker process: registry, apalis workers, health, drain.
