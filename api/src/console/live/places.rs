//! Who follows what: how many pages may be live, and which runs are looked at for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::watch::News;

/// Live pages of one process at a time.
const MOST: usize = 128;
/// Live pages of one operator: nobody takes the others' places.
const MOST_OF_ONE: usize = 16;

/// The live pages of this process.
#[derive(Default)]
pub(super) struct Places {
    taken: Mutex<Taken>,
    /// Told when the first page comes, which is when the watcher begins to look.
    pub(super) begun: Notify,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_name: HashMap<String, usize>,
    by_run: HashMap<Uuid, usize>,
}

impl Places {
    /// A place for a page, or none when there are as many as may be.
    pub(super) fn take(
        self: &Arc<Self>,
        name: &str,
        run_id: Option<Uuid>,
        mut news: watch::Receiver<Option<Arc<News>>>,
    ) -> Option<Place> {
        self.with(|taken| {
            let own = taken.by_name.get(name).copied().unwrap_or_default();
            if taken.all >= MOST || own >= MOST_OF_ONE {
                return None;
            }
            taken.all = taken.all.saturating_add(1);
            add(&mut taken.by_name, name.to_owned());
            if let Some(run_id) = run_id {
                add(&mut taken.by_run, run_id);
            }
            Some(())
        })?;
        self.begun.notify_one();
        // What is there to be read may be older than the page.
        news.mark_unchanged();
        Some(Place { places: Arc::clone(self), name: name.to_owned(), run_id, news })
    }

    /// Whether nobody looks.
    pub(super) fn is_empty(&self) -> bool {
        self.with(|taken| taken.all == 0)
    }

    /// The runs that are followed.
    pub(super) fn runs(&self) -> Vec<Uuid> {
        self.with(|taken| taken.by_run.keys().copied().collect())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Taken) -> T) -> T {
        // Counts are whole between any two statements, whoever panicked.
        act(&mut self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The place of a page, until it is dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    name: String,
    run_id: Option<Uuid>,
    news: watch::Receiver<Option<Arc<News>>>,
}

impl Place {
    /// The next look of the watcher; none when it cannot look, or is gone.
    pub(super) async fn next(&mut self) -> Option<Arc<News>> {
        self.news.changed().await.ok()?;
        self.latest()
    }

    /// The last look.
    pub(super) fn latest(&mut self) -> Option<Arc<News>> {
        self.news.borrow_and_update().clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.with(|taken| {
            taken.all = taken.all.saturating_sub(1);
            take(&mut taken.by_name, &self.name);
            if let Some(run_id) = &self.run_id {
                take(&mut taken.by_run, run_id);
            }
        });
    }
}

fn add<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: K) {
    let count = counts.entry(key).or_default();
    *count = count.saturating_add(1);
}

fn take<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(key);
        }
    }
}
