//! What a timeline shows of a record, and where.

use std::path::Path;

use makegood::inspect::FailedTries;

use super::*;

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_800_000_000_000 + ms).unwrap()
}

fn run(state: &str, read_ms: i64) -> RunDetail {
    let ended = matches!(state, "COMPLETED" | "COMPENSATED" | "CLOSED");
    RunDetail {
        run_id: Uuid::from_u128(7),
        state: state.to_owned(),
        started_at: at(0),
        read_at: at(read_ms),
        ended_at: ended.then(|| at(read_ms)),
        ..RunDetail::default()
    }
}

fn row(seq: i32, kind: &str, name: &str, ms: i64) -> RecordRow {
    let (kind, name) = (kind.to_owned(), name.to_owned());
    RecordRow { seq, kind, name, attempts: 1, at: at(ms), ..RecordRow::default() }
}

fn intending(mut row: RecordRow, name: &str) -> RecordRow {
    row.intended.push(name.to_owned());
    row.intended_occurrences.push(0);
    row
}

/// A checkout whose card was declined.
fn declined() -> (RunDetail, Vec<RecordRow>) {
    let mut refused = row(3, "rejected", "read_payment", 61_000);
    refused.code = Some("CARD_DECLINED".to_owned());
    let mut made_good = row(4, "compensating", "", 61_000);
    let reason = serde_json::json!({ "cause": "made_good", "reason": "CARD_DECLINED" });
    made_good.cause = Some(reason);
    let mut again = row(1, "done", "create_gateway_order", 450);
    again.attempts = 3;
    let rows = vec![
        intending(row(0, "done", "reserve_stock", 12), "create_gateway_order"),
        again,
        row(2, "signal", "payment_hint", 60_000),
        refused,
        made_good,
        row(5, "undone", "create_gateway_order", 61_300),
        row(6, "undone", "reserve_stock", 61_310),
        row(7, "closed", "close_order", 61_310),
    ];
    (run("COMPENSATED", 61_310), rows)
}

fn lanes(drawn: &Timeline) -> Vec<&Drawn> {
    let mut found = Vec::new();
    for line in &drawn.lines {
        if let Line::Lane(lane) = line {
            found.push(lane);
        }
    }
    found
}

#[test]
fn a_run_that_was_made_good_is_drawn_as_it_was() {
    let (run, rows) = declined();
    let drawn = Timeline::draw(&run, &rows, None, false).render().unwrap();
    let kept = include_str!("declined.svg.html");
    if drawn != kept {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/declined.svg.html");
        std::fs::write(&path, &drawn).unwrap();
        panic!("the drawing is another one: {} has it", path.display());
    }
}

#[test]
fn undos_come_below_a_rule_in_their_own_order_and_are_told_by_words_and_hatching() {
    let (run, rows) = declined();
    let drawn = Timeline::draw(&run, &rows, None, false);
    let rule = drawn.lines.iter().position(|line| matches!(line, Line::Rule { back: true, .. }));
    assert_eq!(rule, Some(4), "after what was done");
    let names: Vec<_> = lanes(&drawn).iter().map(|lane| lane.name.as_str()).collect();
    let back = ["undo create_gateway_order", "undo reserve_stock", "close by close_order"];
    assert_eq!(names.get(4..), Some(back.as_slice()), "the last step first");
    for lane in lanes(&drawn).into_iter().skip(4) {
        assert!(lane.bars.iter().all(|bar| bar.class == "undo"), "{lane:?}");
    }
}

#[test]
fn a_step_outside_begins_with_its_intent_and_says_how_often_it_was_tried() {
    let (run, rows) = declined();
    let drawn = Timeline::draw(&run, &rows, None, false);
    let (held, ordered) = (&lanes(&drawn)[0], &lanes(&drawn)[1]);
    assert_eq!(ordered.bars[0].x, held.bars[0].x + held.bars[0].width, "where the hold was kept");
    assert_eq!(ordered.note, "438 ms, 3 tries");
    assert!(ordered.odd && !held.odd);
}

#[test]
fn nothing_is_drawn_outside_its_column_and_later_is_never_further_left() {
    let (run, rows) = declined();
    let drawn = Timeline::draw(&run, &rows, None, false);
    let mut before = LEFT;
    for lane in lanes(&drawn) {
        for bar in &lane.bars {
            assert!(bar.x >= LEFT && bar.x + bar.width <= RIGHT + HATCHED, "{bar:?}");
            assert!(bar.x >= before || bar.width > LEAST, "{bar:?} after {before}");
            before = bar.x;
        }
    }
    assert_eq!(drawn.now, None, "it has ended");
}

#[test]
fn a_wait_goes_on_beyond_now_to_its_deadline() {
    let mut it = run("WAITING", 5_000);
    it.waits.insert("payment_hint#0".to_owned(), at(900_000));
    let drawn = Timeline::draw(&it, &[row(0, "done", "reserve_stock", 10)], None, false);
    let wait = lanes(&drawn)[1];
    assert_eq!(wait.name, "payment_hint");
    let classes: Vec<_> = wait.bars.iter().map(|bar| bar.class).collect();
    assert_eq!(classes, ["wait", "ahead"]);
    assert_eq!(Some(wait.bars[1].x), drawn.now, "what is ahead begins now");
    assert_eq!(wait.bars[1].x + wait.bars[1].width, RIGHT, "and ends with the deadline");
}

#[test]
fn a_step_in_trouble_is_one_lane_with_its_incident() {
    let mut it = run("STUCK", 90_000);
    let tries = FailedTries { failed: 4, since: at(20), not_before: at(60_000) };
    it.tries.insert("charge#0".to_owned(), tries);
    let incident = OpenIncident {
        class: "retries_used_up".to_owned(),
        step: Some("charge".to_owned()),
        occurrence: Some(0),
        call: None,
        message: "status 503".to_owned(),
        fingerprint: String::new(),
        opened_at: at(80_000),
    };
    let rows = [intending(row(0, "done", "reserve_stock", 10), "charge")];
    let drawn = Timeline::draw(&it, &rows, Some(&incident), false);
    let [_, charge] = lanes(&drawn)[..] else { panic!("two lanes: {drawn:?}") };
    assert!(charge.odd && charge.whole.contains("needs a person"), "{}", charge.whole);
    assert_eq!(charge.marks.last().map(|mark| mark.class), Some("incident"));
}

#[test]
fn a_child_is_a_lane_from_its_start_to_its_end_and_a_new_one_is_an_operators_doing() {
    let rows = [
        row(0, "started", "refund", 10),
        row(1, "restarted", "refund", 5_000),
        row(2, "ended", "refund", 9_000),
    ];
    let drawn = Timeline::draw(&run("COMPLETED", 9_000), &rows, None, false);
    let [_, anew] = lanes(&drawn)[..] else { panic!("two lanes: {drawn:?}") };
    assert_eq!((anew.name.as_str(), anew.note.as_str()), ("child refund", "ended"));
    assert!(anew.whole.contains("by an operator"), "{}", anew.whole);
    assert_eq!(anew.bars[0].x + anew.bars[0].width, RIGHT, "to its end");
}

#[test]
fn a_paused_run_is_an_operators_doing_and_needs_no_mending() {
    let incident = OpenIncident {
        class: "paused".to_owned(),
        step: None,
        occurrence: None,
        call: None,
        message: "ada: wait".to_owned(),
        fingerprint: String::new(),
        opened_at: at(80_000),
    };
    let rows = [row(0, "done", "reserve_stock", 10)];
    let drawn = Timeline::draw(&run("PAUSED", 90_000), &rows, Some(&incident), false);
    let paused = lanes(&drawn)[1];
    assert_eq!((paused.name.as_str(), paused.note.as_str()), ("the run", "paused"));
    assert!(!paused.whole.contains("needs a person"), "{}", paused.whole);
}

#[test]
fn a_long_record_shows_its_ends_and_what_is_odd_between() {
    let mut rows: Vec<_> =
        (0..10_000).map(|seq| row(seq, "done", "step", i64::from(seq))).collect();
    rows[5_000].attempts = 7;
    let it = run("COMPLETED", 10_000);
    let all = Timeline::draw(&it, &rows, None, false);
    assert_eq!(lanes(&all).len(), 25, "12 at either end, and the odd one");
    let folded = all.lines.iter().filter(|line| matches!(line, Line::Folded { .. })).count();
    assert_eq!(folded, 2, "before it and behind it");
    let odd = Timeline::draw(&it, &rows, None, true);
    assert_eq!(lanes(&odd).iter().map(|lane| lane.seq).collect::<Vec<_>>(), [Some(5_000)]);
    assert!(odd.height < 200, "it is short");
}

#[test]
fn names_from_elsewhere_are_escaped() {
    let rows = [row(0, "done", "<script>alert(1)</script>", 10)];
    let drawn = Timeline::draw(&run("RUNNING", 20), &rows, None, false).render().unwrap();
    assert!(!drawn.contains("<script"), "{drawn}");
}

#[test]
fn a_clock_that_went_back_draws_no_negative_bar() {
    let rows = [row(0, "done", "a", 500), row(1, "done", "b", 300)];
    let it = RunDetail { started_at: at(400), ..run("RUNNING", 600) };
    let drawn = Timeline::draw(&it, &rows, None, false);
    assert!(lanes(&drawn).iter().all(|lane| lane.bars.iter().all(|bar| bar.width >= LEAST)));
    assert!(drawn.ticks.iter().all(|tick| !tick.label.contains('-')));
}
