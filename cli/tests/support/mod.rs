//! The real binary, run to its end or as a server, and a cell of its own for each test.
#![allow(dead_code, reason = "each test binary uses its own part of the support")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test helpers stop at the first fault"
)]

pub mod cell;
pub mod desk;
pub mod process;
pub mod shop;
pub mod terminal;

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Accepted in every profile but production: nothing in it looks like a placeholder.
pub const KEY_ID: &str = "rzp_test_k3Jq8ZpL";
pub const SECRET: &str = "b5f7c1a94e8d20367fa1c2d9e0b48563";

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// The binary with these arguments and nothing in its environment.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_makegood"));
    command.args(args).env_clear().stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub fn run(args: &[&str]) -> Ended {
    ended(&mut command(args))
}

pub fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Waits until `answer` is something, for at most `limit`.
pub fn until<T>(what: &str, limit: Duration, mut answer: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(begun.elapsed() < limit, "{what} within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What is told up to a word.
pub fn read_until(told: &mut impl Read, word: &str) -> String {
    let (mut so_far, mut byte) = (Vec::new(), [0_u8; 1]);
    while told.read(&mut byte).unwrap() == 1 {
        so_far.extend(byte);
        if so_far.ends_with(word.as_bytes()) {
            break;
        }
    }
    String::from_utf8(so_far).unwrap()
}
