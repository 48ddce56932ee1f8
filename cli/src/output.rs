//! Where words go: data to stdout, words for people to stderr.
//! A reader that went away (`| head`) is no error.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;

use chrono::{DateTime, SecondsFormat, Utc};
use clap::ValueEnum;
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

/// How data is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people: with lines around it on a terminal, bare columns otherwise.
    Table,
    /// For programs: one JSON value.
    Json,
}

/// One line or block of data.
pub(crate) fn data(text: &str) {
    let mut out = std::io::stdout().lock();
    // Both may fail only when nobody reads any more.
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Whether whoever read what is written here went away, as `head` does.
pub(crate) fn is_closed() -> bool {
    let out = std::io::stdout();
    // Nothing is asked for: that it is closed is told anyway.
    let mut closed = [PollFd::new(&out, PollFlags::empty())];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let [state] = match poll(&mut closed, Some(&now)) {
        Ok(_) => closed,
        Err(_) => return false,
    };
    state.revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL)
}

/// A line for the person who runs the command.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// One JSON value, on several lines on a terminal.
pub(crate) fn json(value: &impl Serialize) {
    let text = if std::io::stdout().is_terminal() {
        serde_json::to_string_pretty(value)
    } else {
        serde_json::to_string(value)
    };
    match text {
        Ok(text) => data(&text),
        Err(error) => say(&format!("error: the answer cannot be written as JSON: {error}")),
    }
}

/// A word of at most so many characters, such as an id, is never broken over two lines: it could
/// be neither read nor copied.
const UNBROKEN: usize = 36;

/// A table with these columns.
pub(crate) fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
    let mut table = Table::new();
    if std::io::stdout().is_terminal() {
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_content_arrangement(ContentArrangement::Dynamic);
    } else {
        table.load_style(presets::NOTHING);
    }
    table.set_header(columns.iter().map(|column| column.to_uppercase()));
    let rows: Vec<_> = rows.into_iter().collect();
    for (index, column) in table.column_iter_mut().enumerate() {
        let mut cells = rows.iter().filter_map(|row| row.get(index));
        if cells.all(|cell| cell.len() <= UNBROKEN && !cell.contains(' ')) {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    table.add_rows(rows);
    data(&table.trim_fmt());
}

/// The line that says, to a program, that a server listens and where.
pub(crate) fn listening(addr: SocketAddr, role: &str) {
    data(&serde_json::json!({"listening": addr.to_string(), "role": role}).to_string());
}

/// An empty screen to draw on anew.
pub(crate) fn clear() {
    let _ = write!(std::io::stdout().lock(), "\u{1b}[H\u{1b}[2J");
}

/// A time to the second.
pub(crate) fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// How long ago it was, or how far ahead it is, in the largest unit that fits.
pub(crate) fn ago(at: DateTime<Utc>) -> String {
    let secs = Utc::now().signed_duration_since(at).num_seconds();
    let (number, unit) = match secs.unsigned_abs() {
        secs @ 0..120 => (secs, "s"),
        secs @ 120..7_200 => (secs / 60, "min"),
        secs @ 7_200..172_800 => (secs / 3_600, "h"),
        secs => (secs / 86_400, "days"),
    };
    if secs < 0 { format!("in {number} {unit}") } else { format!("{number} {unit} ago") }
}
