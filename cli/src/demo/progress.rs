//! What a person sees while it runs: spinners and bars on a terminal, plain lines anywhere else.
//! Everything goes to standard error; standard output is for results.

use std::{
    io::{self, IsTerminal},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

const SPINNER: &str = "{spinner} {msg}";
const BAR: &str = "{spinner} {msg} {wide_bar} {pos}/{len} {elapsed}";

pub(crate) use crate::output::say;

/// One step of the story, under way.
#[derive(Debug)]
pub(crate) struct Step {
    bar: ProgressBar,
    title: String,
    begun: Instant,
    /// The tenth that was last told in a plain line.
    told: AtomicU64,
}

impl Step {
    /// A step that takes as long as it takes.
    pub(crate) fn begin(title: &str) -> Self {
        Self::with(ProgressBar::new_spinner(), SPINNER, title)
    }

    /// A step with a known number of parts.
    pub(crate) fn of(title: &str, parts: u64) -> Self {
        Self::with(ProgressBar::new(parts), BAR, title)
    }

    fn with(bar: ProgressBar, style: &str, title: &str) -> Self {
        let style = ProgressStyle::with_template(style).unwrap_or_else(|_| {
            // The templates above are ours; a wrong one costs the looks, not the demo.
            ProgressStyle::default_bar()
        });
        bar.set_style(style);
        bar.set_message(title.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar, title: title.to_owned(), begun: Instant::now(), told: AtomicU64::new(0) }
    }

    /// How far it is.
    pub(crate) fn reach(&self, position: u64) {
        self.bar.set_position(position);
        let length = self.bar.length().unwrap_or(0).max(1);
        let tenth = position.saturating_mul(10) / length;
        let news = self.told.fetch_max(tenth, Ordering::Relaxed) < tenth && tenth < 10;
        if news && !io::stderr().is_terminal() {
            say(&format!("  {} {position}/{length}", self.title));
        }
    }

    /// One part more.
    pub(crate) fn advance(&self) {
        let position = self.bar.position().saturating_add(1);
        self.bar.inc(1);
        self.reach(position);
    }

    /// How many parts are done.
    pub(crate) fn position(&self) -> u64 {
        self.bar.position()
    }

    /// Changes the number of parts.
    pub(crate) fn set_parts(&self, parts: u64) {
        self.bar.set_length(parts);
    }

    /// Something worth a line of its own on the way.
    pub(crate) fn note(&self, line: &str) {
        self.bar.suspend(|| say(&format!("  {line}")));
    }

    /// Makes room for another step's bar; this one goes on counting and taking notes.
    pub(crate) fn step_aside(&self) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
        self.bar.set_draw_target(ProgressDrawTarget::hidden());
    }

    /// The step is over; `what` says what came of it.
    pub(crate) fn done(self, what: &str) {
        let took = HumanDuration(self.begun.elapsed());
        self.bar.finish_and_clear();
        let took = if self.begun.elapsed() < Duration::from_secs(2) {
            String::new()
        } else {
            format!(" ({took:#})")
        };
        say(&format!("✓ {what}{took}"));
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
