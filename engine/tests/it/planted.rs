//! Whether these tests could tell: each bug that can be switched on, and a test that must notice.

const TABLE: &[(&str, &str)] = &[
    (
        "a dead worker may write",
        "fencing::a_worker_that_does_not_know_that_it_is_dead_writes_nothing",
    ),
    (
        "a call does not wait for its intent",
        "decisions::an_undo_outside_is_called_only_when_the_decision_to_undo_is_durable",
    ),
    (
        "an undo is forgotten",
        "compensation::a_rejected_step_undoes_the_earlier_ones_in_reverse_order",
    ),
    (
        "undos go in the order of the steps",
        "compensation::a_rejected_step_undoes_the_earlier_ones_in_reverse_order",
    ),
    (
        "a connection goes back inside a transaction",
        "cancelling::a_connection_returned_inside_a_transaction_is_not_lent_again",
    ),
    (
        "a pivot overtakes a cancel",
        "cancels::a_cancel_acknowledged_before_the_pivot_is_not_overtaken_by_it",
    ),
    (
        "a run leaves without its mail",
        "signals::a_run_that_never_waits_takes_its_cancel_before_it_ends",
    ),
    (
        "a replay ignores a difference",
        "replays::a_record_that_new_code_cannot_carry_on_is_named_with_its_first_difference",
    ),
    (
        "each attempt has a key of its own",
        "repeats::every_attempt_of_a_step_carries_the_same_key_and_no_other_step_does",
    ),
    (
        "an unknown outcome is not looked up",
        "runs::an_unknown_outcome_is_looked_up_and_adopted_not_repeated",
    ),
    (
        "attempts are forgotten",
        "compensation::a_refusal_past_the_pivot_parks_the_run_and_undoes_nothing",
    ),
    ("only a hint wakes a worker", "runs::a_run_whose_hint_is_lost_is_found_by_looking"),
    ("poison is passed on", "fencing::a_run_that_keeps_killing_workers_is_parked_as_poison"),
];

#[test]
fn each_planted_bug_is_noticed() {
    assert_eq!(planted::caught(TABLE).unwrap(), [""; 0], "these tests can tell");
}
