//! A faithful local payment gateway with faults on demand.
