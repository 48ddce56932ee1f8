//! The binary as it ships, but for the points at which a test can kill it.

use std::process::ExitCode;

fn main() -> ExitCode {
    makegood_cli::main()
}
