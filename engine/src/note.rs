//! What a process says of itself: short words that its workers keep beside their leases, for people.

use std::collections::BTreeMap;

use parking_lot::Mutex;

static NOTES: Mutex<BTreeMap<&'static str, String>> = Mutex::new(BTreeMap::new());

/// Says something of this process until it is taken back by `None`: [`crate::inspect::workers`]
/// shows it from the next renewal of a lease on, within a third of a lease.
///
/// For what no table knows and a person wants to know, like a circuit that is open.
///
/// ```
/// makegood::note("mail", Some("the server does not answer since 10:02"));
/// makegood::note("mail", None); // it answers again
/// ```
pub fn note(name: &'static str, words: Option<&str>) {
    let mut notes = NOTES.lock();
    match words {
        // PostgreSQL's JSON has no NUL.
        Some(words) => notes.insert(name, words.replace('\0', "")),
        None => notes.remove(name),
    };
}

/// Under which name a worker says that it drains.
pub(crate) const DRAINING: &str = "draining";

/// All of them, and what one worker says besides, as they are stored; `None` when there is none.
pub(crate) fn notes(own: Option<(&'static str, &str)>) -> Option<String> {
    let mut notes = NOTES.lock().clone();
    notes.extend(own.map(|(name, words)| (name, words.to_owned())));
    if notes.is_empty() { None } else { serde_json::to_string(&notes).ok() }
}
