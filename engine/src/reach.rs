//! A worker's reach: the lanes that it may claim from, and whose turn it is. Asks no database.
//!
//! A lane has three parts: runs that go on, runs that were never claimed, and runs that are being
//! undone. A worker looks at the first two where it runs the lane's version. It looks at the third
//! wherever it knows the workflow: undoing goes by the record and needs no old code.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::lane::StartOptions;
use crate::registry::Registry;
use crate::store::lanes::{LaneColumns, LaneRow, Look};

const GO_ON: i16 = 0;
const FRESH: i16 = 1;
const UNDO: i16 = 2;

/// A lane that this worker may claim from.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) id: i64,
    pub(crate) queue: String,
    priority: i16,
    share: String,
    /// The share's number among the shares.
    account: i32,
    /// The worker runs its version, and does not only undo its runs.
    runs: bool,
    /// Its queue has limits: a claim takes the queue's lock first.
    limited: bool,
    /// What the runs of this lane were started with.
    pub(crate) options: Arc<StartOptions>,
    /// Whoever leaves memory makes room for another of its queue.
    pub(crate) crowded: bool,
}

/// Lanes of one priority that are claimed together: those of one limited queue, or all others.
pub(crate) struct Source {
    pub(crate) queue: Option<String>,
    pub(crate) lanes: Vec<Arc<Lane>>,
}

/// What a worker may claim from.
#[derive(Default)]
pub(crate) struct Reach {
    /// By share.
    lanes: Vec<Arc<Lane>>,
    /// How many lanes there were, and the queues' settings, when they were read.
    known: Option<(i64, i64)>,
    looked: Option<Instant>,
    /// The share that was served last.
    served: String,
    round: usize,
}

impl Reach {
    /// Whether this look saw nothing new of lanes and queues.
    pub(crate) fn knows(&self, look: &Look) -> bool {
        self.known == Some((look.lanes, look.settings))
    }

    /// Whether the queue may be claimed from without a look at it first: it was looked at lately,
    /// and no limit asks for care.
    pub(crate) fn is_plain(&self, cap: Duration) -> bool {
        self.looked.is_some_and(|at| at.elapsed() < cap)
            && !self.lanes.iter().any(|lane| lane.limited)
    }

    pub(crate) fn looked(&mut self) {
        self.looked = Some(Instant::now());
    }

    /// Takes in all lanes as they were at the time of this look, or later.
    pub(crate) fn learn(
        &mut self,
        rows: Vec<LaneRow>,
        look: &Look,
        (registry, queues): (&Registry, &[String]),
    ) {
        self.known = Some((look.lanes, look.settings));
        let within = |row: &LaneRow| {
            !row.paused
                && (queues.is_empty() || queues.contains(&row.key.queue))
                && registry.versions_of(&row.key.workflow).is_some()
        };
        let mut rows: Vec<LaneRow> = rows.into_iter().filter(within).collect();
        rows.sort_by(|a, b| (&a.key.share, a.lane).cmp(&(&b.key.share, b.lane)));
        let shares: BTreeSet<String> = rows.iter().map(|row| row.key.share.clone()).collect();
        let accounts: BTreeMap<String, i32> = shares.into_iter().zip(0..).collect();
        let lane = |row: LaneRow| Lane {
            id: row.lane,
            priority: row.key.priority,
            account: accounts.get(&row.key.share).copied().unwrap_or_default(),
            runs: registry
                .versions_of(&row.key.workflow)
                .is_some_and(|versions| versions.contains(&row.key.version)),
            limited: row.concurrency || row.rate,
            crowded: row.concurrency,
            options: Arc::new(StartOptions::of(&row.key)),
            queue: row.key.queue,
            share: row.key.share,
        };
        self.lanes = rows.into_iter().map(lane).map(Arc::new).collect();
    }

    /// Moves the turns on.
    pub(crate) fn next_round(&mut self) {
        self.round = self.round.wrapping_add(1);
    }

    /// Every lane, in the order of their turns: after the share that was served last. Within a
    /// share another lane begins each round, since there may be room for one run only.
    pub(crate) fn lanes(&self) -> Vec<Arc<Lane>> {
        let next = self.lanes.partition_point(|lane| lane.share <= self.served);
        let (before, after) = self.lanes.split_at(next);
        let mut turns = Vec::with_capacity(self.lanes.len());
        for part in [after, before] {
            for share in part.chunk_by(|a, b| a.share == b.share) {
                let first = self.round.checked_rem(share.len()).unwrap_or_default();
                let (late, early) = share.split_at(first);
                turns.extend_from_slice(early);
                turns.extend_from_slice(late);
            }
        }
        turns
    }

    /// The lanes in which something is due, by priority, those of each limited queue apart. With
    /// each round another queue comes first.
    pub(crate) fn due(&self, due: &[i64]) -> Vec<Vec<Source>> {
        let due: HashSet<i64> = due.iter().copied().collect();
        let mut classes: BTreeMap<i16, BTreeMap<Option<String>, Vec<Arc<Lane>>>> = BTreeMap::new();
        for lane in self.lanes().into_iter().filter(|lane| due.contains(&lane.id)) {
            let queue = lane.limited.then(|| lane.queue.clone());
            classes.entry(lane.priority).or_default().entry(queue).or_default().push(lane);
        }
        let in_turn = |sources: BTreeMap<Option<String>, Vec<Arc<Lane>>>| {
            let mut sources: Vec<Source> =
                sources.into_iter().map(|(queue, lanes)| Source { queue, lanes }).collect();
            let first = self.round.checked_rem(sources.len()).unwrap_or_default();
            sources.rotate_left(first);
            sources
        };
        classes.into_values().map(in_turn).collect()
    }

    /// The last of these turns that was served was this one, counted from 1.
    pub(crate) fn served(&mut self, lanes: &[Arc<Lane>], turn: usize) {
        if let Some(lane) = turn.checked_sub(1).and_then(|at| lanes.get(at)) {
            self.served.clone_from(&lane.share);
        }
    }

    /// With each round the other of two comes first.
    pub(crate) fn in_turn<T>(&self, [one, other]: [T; 2]) -> Vec<T> {
        if self.round.is_multiple_of(2) { vec![one, other] } else { vec![other, one] }
    }

    /// These lanes for a statement; without the runs that were never claimed, unless they may begin.
    pub(crate) fn columns(&self, lanes: &[Arc<Lane>], begin: Begin) -> LaneColumns {
        let mut parts = match begin {
            Begin::May => vec![GO_ON, FRESH, UNDO],
            Begin::MayNot => vec![GO_ON, UNDO],
            Begin::Only => vec![FRESH],
        };
        let first = self.round.checked_rem(parts.len()).unwrap_or_default();
        parts.rotate_left(first);
        LaneColumns {
            lanes: lanes.iter().map(|lane| lane.id).collect(),
            priorities: lanes.iter().map(|lane| lane.priority).collect(),
            shares: lanes.iter().map(|lane| lane.account).collect(),
            runs: lanes.iter().map(|lane| lane.runs).collect(),
            parts,
        }
    }
}

/// Whether runs may begin with a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    May,
    MayNot,
    /// And no others.
    Only,
}
