//! With the feature: which bug is on, and whether the tests of a binary notice each of theirs.

use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

const VARIABLE: &str = "MAKEGOOD_PLANTED";

/// So many tests at once: most of them wait most of the time.
const AT_ONCE: usize = 3;

static ON: LazyLock<Option<String>> = LazyLock::new(|| std::env::var(VARIABLE).ok());

/// Whether this process has a bug: then what may never come is not waited for long.
#[must_use]
pub fn any() -> bool {
    ON.is_some()
}

/// Whether this process has that bug.
#[must_use]
pub fn has(bug: &'static str) -> bool {
    ON.as_deref() == Some(bug)
}

/// Runs each test of this test binary with its bug on, as `(bug, test)`, and returns a sentence for
/// each that does not fail. That it passes without the bug is shown where it runs by itself.
///
/// # Errors
/// When this binary cannot be run.
pub fn caught(table: &[(&str, &str)]) -> std::io::Result<Vec<String>> {
    let next = AtomicUsize::new(0);
    let work = || -> std::io::Result<Vec<String>> {
        let mut missed = Vec::new();
        while let Some((bug, test)) = table.get(next.fetch_add(1, Ordering::Relaxed)) {
            missed.extend(fault(bug, test)?);
        }
        Ok(missed)
    };
    let done: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let mut missed = Vec::new();
    for part in done {
        missed.extend(part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
    }
    Ok(missed)
}

/// What is wrong with a row: its test passes with the bug on, or is no test.
fn fault(bug: &str, test: &str) -> std::io::Result<Option<String>> {
    let output = Command::new(std::env::current_exe()?)
        .args([test, "--exact", "--include-ignored", "--test-threads=1"])
        .env(VARIABLE, bug)
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let failed = !output.status.success() && said.contains(&format!("test {test} ... FAILED"));
    Ok((!failed).then(|| format!("{bug}: {test} does not notice\n{said}")))
}
