//! Durable workflows and sagas on PostgreSQL. Knows no commerce word.
