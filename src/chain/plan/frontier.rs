//! The progress of scans for requests that are alike: the next such request goes on where the last scan stopped.
//!
//! Requests with the same keys get the same answer from every filter. So the results of a scan hold for the next: of
//! the nodes up to the bound of the last scan, only those are looked at again that passed, or that changed since.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::model::SlotIndex;

use super::order::RankedNode;

/// The number of kinds of requests that are remembered; past this number, the kind that was not asked for longest is
/// forgotten.
const MAX_KINDS: usize = 256;
/// The number of waiting nodes of all kinds together.
const MAX_WAITING: usize = 1_000_000;

/// A kind of requests, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RequestKind(u64);

/// The progress of scans for a single kind of requests.
#[derive(Debug, Default)]
struct Frontier {
    /// The key that requests of the kind have in common.
    key: String,
    /// The last node that was looked at, in the order of the index.
    bound: Option<RankedNode>,
    /// The nodes up to the bound that are not known to fail.
    waiting: BTreeSet<RankedNode>,
    /// The number of the use in which the kind was asked for last.
    used: u64,
}

impl Frontier {
    fn is_past(&self, entry: &RankedNode) -> bool {
        self.bound.as_ref().is_some_and(|bound| entry <= bound)
    }
}

/// The frontiers of an index.
#[derive(Debug, Default)]
pub(super) struct Frontiers {
    by_key: BTreeMap<String, RequestKind>,
    by_kind: BTreeMap<RequestKind, Frontier>,
    /// The pairs of node and kind for which the node waits: most changes concern few kinds.
    waits: BTreeSet<(SlotIndex, RequestKind)>,
    /// The keys of requests that came lately and are not remembered, in two generations of so many.
    lately: [BTreeSet<String>; 2],
    uses: u64,
}

impl Frontiers {
    /// Returns the kind of the requests that have `key` in common, where the kind is remembered.
    pub(super) fn find(&mut self, key: &str) -> Option<RequestKind> {
        self.uses += 1;
        let kind = *self.by_key.get(key)?;
        self.by_kind.get_mut(&kind)?.used = self.uses;
        Some(kind)
    }

    /// Remembers the requests that have `key` in common, which are not remembered yet.
    pub(super) fn open(&mut self, key: String) -> RequestKind {
        while !self.by_kind.is_empty() && (self.by_kind.len() >= MAX_KINDS || self.waits.len() > MAX_WAITING) {
            self.forget_oldest();
        }
        self.uses += 1;
        let kind = RequestKind(self.uses);
        self.by_key.insert(key.clone(), kind);
        self.by_kind.insert(kind, Frontier { key, used: self.uses, ..Frontier::default() });
        kind
    }

    /// Whether a request with `key` came before, not long ago; from now on one did.
    pub(super) fn comes_again(&mut self, key: &str) -> bool {
        let [now, before] = &mut self.lately;
        if now.contains(key) || before.contains(key) {
            return true;
        }
        if now.len() >= MAX_KINDS {
            *before = std::mem::take(now);
        }
        now.insert(key.to_owned());
        false
    }

    fn forget_oldest(&mut self) {
        let oldest = self.by_kind.iter().min_by_key(|(_, frontier)| frontier.used).map(|(kind, _)| *kind);
        if let Some((kind, frontier)) = oldest.and_then(|kind| self.by_kind.remove_entry(&kind)) {
            self.by_key.remove(&frontier.key);
            for entry in &frontier.waiting {
                self.waits.remove(&(entry.slot(), kind));
            }
        }
    }

    /// Returns the best node behind `after`, or of all, that waits for requests of this kind.
    pub(super) fn best(&self, kind: RequestKind, after: Option<&RankedNode>) -> Option<&RankedNode> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.by_kind.get(&kind)?.waiting.range((from, Bound::Unbounded)).next()
    }

    /// Returns the last node that was looked at for requests of this kind.
    pub(super) fn bound(&self, kind: RequestKind) -> Option<&RankedNode> {
        self.by_kind.get(&kind)?.bound.as_ref()
    }

    /// Records that a waiting node fails.
    pub(super) fn fails(&mut self, kind: RequestKind, entry: &RankedNode) {
        if let Some(frontier) = self.by_kind.get_mut(&kind) {
            frontier.waiting.remove(entry);
            self.waits.remove(&(entry.slot(), kind));
        }
    }

    /// Records that the first node behind the bound was looked at, and whether the node waits from now on.
    pub(super) fn reached(&mut self, kind: RequestKind, entry: &RankedNode, waits: bool) {
        if let Some(frontier) = self.by_kind.get_mut(&kind) {
            frontier.bound = Some(entry.clone());
        }
        if waits {
            self.wait(kind, entry);
        }
    }

    /// Records that a node up to the bound waits.
    pub(super) fn wait(&mut self, kind: RequestKind, entry: &RankedNode) {
        if let Some(frontier) = self.by_kind.get_mut(&kind) {
            frontier.waiting.insert(entry.clone());
            self.waits.insert((entry.slot(), kind));
        }
    }

    /// Records that the node in `slot` moved from `before` to `after`. Where the node `is_same` to the filters, the
    /// kinds that the node fails for stay the same.
    pub(super) fn moved(
        &mut self,
        slot: SlotIndex,
        before: Option<&RankedNode>,
        after: Option<&RankedNode>,
        is_same: bool,
    ) {
        if self.by_kind.is_empty() {
            return;
        }
        let every = (slot, RequestKind(0))..=(slot, RequestKind(u64::MAX));
        let waits: Vec<RequestKind> = self.waits.range(every).map(|(_, kind)| *kind).collect();
        if let Some(before) = before {
            waits.iter().for_each(|kind| self.fails(*kind, before));
        }
        let Some(after) = after else { return };
        let was_seen = |frontier: &Frontier| is_same && before.is_some_and(|before| frontier.is_past(before));
        let comes = self.by_kind.iter().filter(|(_, frontier)| frontier.is_past(after) && !was_seen(frontier));
        let comes: Vec<RequestKind> = comes.map(|(kind, _)| *kind).collect();
        comes.into_iter().chain(waits).for_each(|kind| {
            if self.by_kind.get(&kind).is_some_and(|frontier| frontier.is_past(after)) {
                self.wait(kind, after);
            }
        });
        // Changes of nodes add waiting nodes for kinds that are not asked for any more.
        while self.waits.len() > MAX_WAITING && !self.by_kind.is_empty() {
            self.forget_oldest();
        }
    }
}
