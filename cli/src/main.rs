//! The one binary. All of it is in the library beside it.

use std::process::ExitCode;

/// A third of a busy worker's time went into the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    makegood_cli::main()
}
