//! How far scans came for requests that are alike: the next such request goes on from there.
//!
//! Requests with the same keys get the same answer from every filter. So what one of them found out holds for the next:
//! of the nodes up to the bound of the last scan, only those are looked at again that passed, or that changed since.

use std::collections::{BTreeMap, BTreeSet};

use super::order::Entry;

/// Kinds of requests that are remembered; past it, the one that was not asked for longest goes.
const MAX_KINDS: usize = 256;
/// Nodes that wait for all kinds together.
const MAX_WAITING: usize = 1_000_000;

/// How far scans came for one kind of requests.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    /// The last node that was looked at, in the order of the index.
    bound: Option<Entry>,
    /// The nodes up to there that are not known to fail.
    waiting: BTreeSet<Entry>,
    /// When it was last asked for.
    used: u64,
}

impl Frontier {
    /// The best node of those that may pass, up to the bound.
    pub(super) fn best(&self) -> Option<&Entry> {
        self.waiting.first()
    }

    /// The last node that was looked at.
    pub(super) fn bound(&self) -> Option<&Entry> {
        self.bound.as_ref()
    }

    /// Notes that a node that waited fails.
    pub(super) fn fails(&mut self, entry: &Entry) {
        self.waiting.remove(entry);
    }

    /// Notes that the first node behind the bound was looked at.
    pub(super) fn reached(&mut self, entry: &Entry, passes: bool) {
        self.bound = Some(entry.clone());
        if passes {
            self.waiting.insert(entry.clone());
        }
    }

    /// Notes that a node changed, or its place did.
    fn changed(&mut self, before: Option<&Entry>, after: Option<&Entry>) {
        let Some(bound) = &self.bound else { return };
        if let Some(before) = before.filter(|before| *before <= bound) {
            self.waiting.remove(before);
        }
        if let Some(after) = after.filter(|after| *after <= bound) {
            self.waiting.insert(after.clone());
        }
    }
}

/// The frontiers of an index, by kind of request.
#[derive(Debug, Default)]
pub(super) struct Frontiers {
    by_kind: BTreeMap<String, Frontier>,
    /// Nodes that wait in all of them.
    waiting: usize,
    uses: u64,
}

impl Frontiers {
    /// Lends the frontier for requests of this kind.
    pub(super) fn lend(&mut self, kind: &str) -> Frontier {
        let frontier = self.by_kind.get_mut(kind).map(std::mem::take).unwrap_or_default();
        self.waiting -= frontier.waiting.len();
        frontier
    }

    /// Takes back what was lent.
    pub(super) fn take_back(&mut self, kind: String, frontier: Frontier) {
        self.uses += 1;
        self.waiting += frontier.waiting.len();
        self.by_kind.insert(kind, Frontier { used: self.uses, ..frontier });
        while self.by_kind.len() > MAX_KINDS || (self.waiting > MAX_WAITING && self.by_kind.len() > 1) {
            let oldest = self.by_kind.iter().min_by_key(|(_, frontier)| frontier.used).map(|(kind, _)| kind.clone());
            let oldest = oldest.and_then(|oldest| self.by_kind.remove(&oldest));
            self.waiting -= oldest.map_or(0, |oldest| oldest.waiting.len());
        }
    }

    /// Tells all of them that a node changed, which stood `before` and stands `after`.
    pub(super) fn changed(&mut self, before: Option<&Entry>, after: Option<&Entry>) {
        for frontier in self.by_kind.values_mut() {
            self.waiting -= frontier.waiting.len();
            frontier.changed(before, after);
            self.waiting += frontier.waiting.len();
        }
    }
}
