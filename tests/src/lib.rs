//! Acceptance tests: their harness. The tests themselves are in tests/.
