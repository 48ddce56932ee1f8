//! The engine's core on random programs, with no database, no network and no time but a number.
//!
//! What decides is the shipped code: runs, records, replay, waits, retries, undos. What it talks to
//! is simulated: the tables, the world outside, the clock, and workers that die at any moment. The
//! same seed is the same story. `MAKEGOOD_SEEDS=1000000` plays so many, `MAKEGOOD_FIRST=n` from
//! another one on, and `MAKEGOOD_SEED=n` plays one and tells its story.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first fault")]
#![allow(clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first fault")]
#![allow(clippy::print_stderr, reason = "a difference is told in full")]
#![allow(clippy::match_same_arms, reason = "odds are a table, a line each")]
#![allow(missing_docs, unreachable_pub, dead_code, reason = "shared with the tests of the model")]

#[path = "../../tests/model/acts.rs"]
mod acts;
mod cell;
#[path = "../../tests/model/chance.rs"]
mod chance;
#[path = "../../tests/model/check.rs"]
mod check;
#[path = "../../tests/model/dice.rs"]
mod dice;
mod drive;
#[path = "../../tests/model/facts.rs"]
mod facts;
#[path = "../../tests/model/machine.rs"]
mod machine;
mod outside;
#[path = "../../tests/model/program.rs"]
mod program;
#[path = "../../tests/model/script.rs"]
mod script;
mod story;
mod transact;
#[path = "../../tests/model/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::time::Instant;

use story::Story;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A panic that a program plans is no news.
fn hush() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let planned = panic.payload().downcast_ref::<&str>().is_some_and(|text| *text == "planned");
        if !planned {
            loud(panic);
        }
    }));
}

#[test]
fn whatever_befalls_them_random_programs_do_what_the_model_says() {
    hush();
    if let Some(seed) = setting("MAKEGOOD_SEED") {
        let story = Story::of(seed, "");
        eprintln!("{}", story.told());
        assert_eq!(story.faults, [""; 0], "the engine does what the model says");
        return;
    }
    let (first, count) = (setting("MAKEGOOD_FIRST").unwrap_or(1), setting("MAKEGOOD_SEEDS"));
    let (begun, count) = (Instant::now(), count.unwrap_or(10_000));
    let (mut met, mut simulated_ms) = (BTreeMap::new(), 0);
    for seed in first..first + count {
        let story = Story::of(seed, "");
        assert_eq!(story.faults, [""; 0], "{}\nMAKEGOOD_SEED={seed} tells it", story.told());
        simulated_ms += story.lasted_ms;
        for (what, times) in &story.met {
            *met.entry(*what).or_insert(0) += times;
        }
    }
    let (took, hours) = (begun.elapsed(), simulated_ms / 3_600_000);
    eprintln!("{count} seeds from {first} in {took:?}, {hours} simulated hours: {met:#?}");
    let rare = story::MOMENTS.iter().filter(|moment| !met.contains_key(*moment));
    assert_eq!(rare.collect::<Vec<_>>(), [&""; 0], "every kind of moment was met");
}

#[test]
fn the_same_seed_tells_the_same_story() {
    hush();
    for seed in 1..=50 {
        let (one, other) = (Story::of(seed, "-one"), Story::of(seed, "-two"));
        assert_eq!(one.moves, other.moves, "seed {seed}");
    }
}

#[test]
fn each_planted_bug_is_noticed() {
    let seeds = "simulation::whatever_befalls_them_random_programs_do_what_the_model_says";
    let bugs = [
        ("a cancel is heeded past the pivot", seeds),
        ("a deadline is ignored", seeds),
        ("a run leaves without its mail", seeds),
        ("a signal is taken again on a replay", seeds),
        ("an early signal is lost", seeds),
        ("an undo is forgotten", seeds),
        ("time is the worker's own", "clock::tests::it_goes_on_from_what_the_database_said_last"),
        ("undos go in the order of the steps", seeds),
    ];
    assert_eq!(planted::caught(&bugs).unwrap(), [""; 0], "these tests can tell");
}
