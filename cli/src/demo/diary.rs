//! What the customers were told, written down before the next call: evidence that none of the
//! other parts can touch. It judges nothing.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufRead, BufReader, Write},
    path::Path,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use anyhow::Context;
use chrono::Utc;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// The open book.
#[derive(Debug)]
pub(crate) struct Diary {
    file: Mutex<File>,
    answers: AtomicU64,
    asking: Mutex<BTreeMap<String, u64>>,
}

/// One answer that the shop stands by.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// When, in milliseconds since 1970.
    pub(crate) at_ms: i64,
    /// The path that was asked.
    pub(crate) path: String,
    /// The name of the intention, if it had one.
    pub(crate) key: Option<String>,
    /// The HTTP status.
    pub(crate) status: u16,
    /// The answer's data.
    pub(crate) told: Value,
}

/// A call that is under way, until it is dropped.
pub(crate) struct Asking<'a> {
    diary: &'a Diary,
    route: String,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut asking = self.diary.asking.lock();
        let count = asking.get(&self.route).copied().unwrap_or_default();
        asking.insert(std::mem::take(&mut self.route), count.saturating_sub(1));
    }
}

impl Diary {
    /// Begins a new one.
    pub(crate) fn begin(path: &Path) -> anyhow::Result<Self> {
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let (answers, asking) = (AtomicU64::new(0), Mutex::default());
        Ok(Self { file: Mutex::new(file), answers, asking })
    }

    /// Writes an answer down: it is with the operating system when this returns.
    pub(super) fn write(
        &self,
        path: &str,
        key: Option<&str>,
        status: u16,
        told: &Value,
    ) -> anyhow::Result<()> {
        let (path, key) = (path.to_owned(), key.map(str::to_owned));
        let at_ms = Utc::now().timestamp_millis();
        let entry = Entry { at_ms, path, key, status, told: told.clone() };
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        self.file.lock().write_all(&line).context("cannot write down what a customer was told")?;
        self.answers.fetch_add(1, Relaxed);
        Ok(())
    }

    /// A call begins.
    pub(super) fn ask(&self, path: &str) -> Asking<'_> {
        let route = route(path);
        let mut asking = self.asking.lock();
        let count = asking.entry(route.clone()).or_default();
        *count = count.saturating_add(1);
        drop(asking);
        Asking { diary: self, route }
    }

    /// Calls under way, by their route.
    pub(crate) fn asking(&self) -> BTreeMap<String, u64> {
        let mut asking = self.asking.lock().clone();
        asking.retain(|_, count| *count > 0);
        asking
    }

    /// Answers so far.
    pub(crate) fn answers(&self) -> u64 {
        self.answers.load(Relaxed)
    }

    /// Everything that stands in the diary at `path`, from the file itself.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Entry>> {
        let lines = BufReader::new(File::open(path)?).lines();
        lines.map(|line| Ok(serde_json::from_str(&line?)?)).collect()
    }
}

/// The path without what names one order only.
fn route(path: &str) -> String {
    let segment = |part| if Uuid::try_parse(part).is_ok() { "{id}" } else { part };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_written_can_be_read_while_the_book_is_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("diary.jsonl");
        let diary = Diary::begin(&path).unwrap();
        diary.write("/api/v1/orders", Some("key"), 201, &json!({"order": 1})).unwrap();
        diary.write("/api/v1/orders", None, 200, &json!(null)).unwrap();
        let entries = Diary::read(&path).unwrap();
        let keys: Vec<_> = entries.iter().map(|entry| entry.key.as_deref()).collect();
        assert_eq!((keys, diary.answers()), (vec![Some("key"), None], 2));
        assert_eq!(entries.first().unwrap().told, json!({"order": 1}));
    }

    #[test]
    fn calls_count_by_route_for_as_long_as_they_are_under_way() {
        let folder = tempfile::tempdir().unwrap();
        let diary = Diary::begin(&folder.path().join("diary.jsonl")).unwrap();
        let one = diary.ask(&format!("/api/v1/orders/{}/cancel", Uuid::nil()));
        let two = diary.ask(&format!("/api/v1/orders/{}/cancel", Uuid::max()));
        let route = "/api/v1/orders/{id}/cancel".to_owned();
        assert_eq!(diary.asking(), BTreeMap::from([(route.clone(), 2)]));
        drop(one);
        assert_eq!(diary.asking(), BTreeMap::from([(route, 1)]));
        drop(two);
        assert!(diary.asking().is_empty(), "none is left");
    }
}
