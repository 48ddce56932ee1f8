//! The HTTP API: submits workflows, signals them, and reads. It never runs a step.
