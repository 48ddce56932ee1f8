//! Bytes from outside, as fuzzing found them and as chance changes them: nothing that reads them
//! panics, and what each lets through is what it may let through.
//!
//! The corpus is that of the fuzz targets under `fuzz/`, which need a nightly compiler; this needs
//! none. `MAKEGOOD_HOSTILE_ROUNDS` and `MAKEGOOD_HOSTILE_SEED` set how much chance, and which.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first fault")]

use std::fs;
use std::path::Path;

use makegood::{RunFilter, microbench::Bench};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};

/// Pieces that parsers stumble over.
const PIECES: [&[u8]; 24] = [
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\\u0000",
    b"\\ud800",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b".",
    b"..",
    b"-1",
    b"1e999",
    b"18446744073709551616",
    b"null",
    b"true",
    b"\"event\":",
    b"\"quantity\":",
    b"[[[[[[[[[[[[[[[[",
    b"                ",
];

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// The inputs that are kept for a target.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// A few changes anywhere: bytes flipped, cut out, doubled, put in, or taken from another input.
fn changed(random: &mut StdRng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = corpus[random.random_range(0..corpus.len())].clone();
    for _ in 0..1 << random.random_range(0..4) {
        let at = random.random_range(0..=bytes.len());
        let to = random.random_range(at..=bytes.len().min(at + 32));
        match random.random_range(0..5) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 => drop(bytes.drain(at..to)),
            2 => {
                let again = bytes[at..to].to_vec();
                bytes.splice(at..at, again);
            }
            3 => {
                let other = &corpus[random.random_range(0..corpus.len())];
                let from = random.random_range(0..=other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            _ => {
                let piece = PIECES[random.random_range(0..PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

/// Everything kept, and as much again as is asked for; how many were let through.
fn withstands(target: &str, read: impl Fn(&[u8]) -> bool) -> usize {
    let kept = corpus(target);
    assert!(kept.len() >= 3, "{target} has a corpus");
    let seed = setting("MAKEGOOD_HOSTILE_SEED", 7);
    let mut random = StdRng::seed_from_u64(seed);
    let mut let_through = kept.iter().filter(|input| read(input)).count();
    for _ in 0..setting("MAKEGOOD_HOSTILE_ROUNDS", 20_000) {
        let input = changed(&mut random, &kept);
        let_through += usize::from(read(&input));
    }
    // Bytes that resemble nothing.
    for length in 0..500 {
        let mut input = vec![0; length];
        random.fill_bytes(&mut input);
        read(&input);
    }
    let_through
}

#[test]
fn no_webhook_body_does_harm() {
    assert!(withstands("webhook", api::entry::webhook) > 100, "events are among them");
}

#[test]
fn no_order_body_does_harm() {
    assert!(withstands("order", api::entry::order) > 100, "orders are among them");
}

#[test]
fn no_made_up_token_lets_anybody_in() {
    assert_eq!(withstands("access_token", api::entry::access_token), 0);
}

#[test]
fn no_made_up_signature_fits() {
    assert_eq!(withstands("signed", api::entry::signed), 0);
}

#[test]
fn no_record_of_a_run_does_harm() {
    let decode = |input: &[u8]| std::str::from_utf8(input).is_ok_and(|text| Bench::read(text) > 0);
    assert!(withstands("record", decode) > 100, "records are among them");
}

#[test]
fn no_filter_of_runs_does_harm() {
    let decode = |input: &[u8]| {
        let Ok(text) = std::str::from_utf8(input) else { return false };
        let Ok(filter) = text.parse::<RunFilter>() else { return false };
        assert_eq!(filter.to_string().parse(), Ok(filter), "a filter reads back what it writes");
        true
    };
    assert!(withstands("filter", decode) > 100, "filters are among them");
}
