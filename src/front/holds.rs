//! The holds of countable facts: when the units that a reservation or its session holds are free again.
//!
//! A hold lasts while the reservation counts, and then for as long as its node lists a session with the reservation's
//! id. Every replica judges by its own ledger and view. The replica that made the reservation removes the hold from
//! the document; where that replica is gone, others do. What cannot be judged for sure, because the node has left or
//! reports no list, or because the session was never seen, keeps its units for a while longer: a licence that is free
//! too late is a nuisance, and one that is handed out twice is a failed start.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::model::report::Sessions;
use crate::registry::facts::{Fact, FactEntry, Facts};
use crate::registry::peers::{ReservationEnd, owner};

use super::effects::Effect;
use super::fact_table::FactTable;
use super::task::Front;

/// How long units stay held after the end of a reservation whose session nobody lists or listed: for a report that is on
/// its way, and for a node that is back at once.
pub(super) const GRACE_MS: u64 = 30_000;
/// The time between two looks at all holds.
const LOOK_MS: u64 = 500;
/// How long other replicas leave it to the one that made the reservation to remove the hold, and the time after which a
/// hold that is still there is removed again.
const OTHERS_MS: u64 = 5_000;

/// What this replica remembers of the holds.
#[derive(Debug, Default)]
pub(super) struct HoldWatch {
    by_id: BTreeMap<Arc<str>, HoldState>,
    next_look_ms: u64,
}

/// What is remembered of a hold.
#[derive(Clone, Copy, Debug)]
struct HoldState {
    /// Whether a session with the reservation's id was listed.
    was_listed: bool,
    /// Until when the hold counts although nothing vouches for the hold any more.
    until_ms: u64,
    /// From when on this replica removes the hold, once the hold is over.
    remove_ms: Option<u64>,
}

/// What a node says of the sessions with reservations.
enum Listing<'a> {
    /// The node is not there, or tells no list.
    Unknown,
    /// These reservations, and no others.
    Listed(HashSet<&'a str>),
}

impl Front {
    /// Takes in the entry of the fact `name`, from the bucket or from what this replica wrote itself.
    pub(super) fn note_fact(&mut self, name: Arc<str>, entry: FactEntry) {
        if self.facts.note(name, entry, self.now, self.now_ms()) {
            self.note_freed();
        }
    }

    /// Replaces all facts, as the view was built anew.
    pub(super) fn replace_facts(&mut self, facts: Facts) {
        self.facts.replace(facts, self.now, self.now_ms());
        self.note_freed();
    }

    /// Ends what the reservation `id` holds or is about to hold, after `end`. A session that a report has shown goes on
    /// holding its units. Where another replica is `told`, that replica removes the hold.
    pub(super) fn end_hold(&mut self, id: &Arc<str>, end: ReservationEnd, told: bool) {
        self.facts.close(id);
        if end == ReservationEnd::Reported {
            return;
        }
        let names = self.facts.end(id);
        if !told && !names.is_empty() {
            let until_ms = self.now_ms();
            let remove_ms = Some(until_ms.saturating_add(OTHERS_MS));
            self.holds.by_id.insert(Arc::clone(id), HoldState { was_listed: false, until_ms, remove_ms });
            for name in names {
                self.order(Effect::GiveFactBack(name, BTreeSet::from([Arc::clone(id)])));
            }
        }
    }

    /// Looks at all holds, where it is time: those that are over make room, and are removed.
    pub(super) fn look_at_holds(&mut self) {
        let now_ms = self.now_ms();
        if now_ms < self.holds.next_look_ms {
            return;
        }
        self.holds.next_look_ms = now_ms.saturating_add(LOOK_MS);
        self.facts.changed();
        let (mut facts, mut holds) = (std::mem::take(&mut self.facts), std::mem::take(&mut self.holds));
        let (removed, is_freed) = self.judge_holds(&mut facts, &mut holds, now_ms);
        (self.facts, self.holds) = (facts, holds);
        for (name, ids) in removed {
            self.order(Effect::GiveFactBack(name, ids));
        }
        if is_freed {
            self.note_freed();
        }
    }

    /// Judges each hold; returns those that are to be removed, by fact, and whether units became free.
    fn judge_holds(
        &self,
        facts: &mut FactTable,
        holds: &mut HoldWatch,
        now_ms: u64,
    ) -> (BTreeMap<Arc<str>, BTreeSet<Arc<str>>>, bool) {
        let open = facts.open_ids();
        let mut listings = BTreeMap::<Arc<str>, Listing<'_>>::new();
        let (mut removed, mut seen, mut is_freed) = (BTreeMap::<_, BTreeSet<_>>::new(), BTreeSet::new(), false);
        for (name, known) in facts.iter_mut() {
            let Fact { held, .. } = &known.fact;
            let held: Vec<_> = held.iter().map(|(id, hold)| (Arc::clone(id), hold.clone())).collect();
            for (id, hold) in held {
                let listing = listings.entry(Arc::clone(&hold.node)).or_insert_with(|| self.listing(&hold.node));
                let is_listed = matches!(listing, Listing::Listed(ids) if ids.contains(&*id));
                let is_vouched = is_listed || open.contains(&id) || self.ledger.get(&id).is_some();
                let first_ms = now_ms.saturating_add(self.first_wait_ms(&id, hold.life_ms));
                let state = holds.by_id.entry(Arc::clone(&id)).or_insert(HoldState {
                    was_listed: false,
                    until_ms: first_ms,
                    remove_ms: None,
                });
                seen.insert(Arc::clone(&id));
                if is_vouched {
                    state.was_listed |= is_listed;
                    (state.until_ms, state.remove_ms) = (now_ms.saturating_add(GRACE_MS), None);
                    known.set_over(&id, false);
                    continue;
                }
                let has_ended = state.was_listed && matches!(listing, Listing::Listed(_));
                if !known.is_over(&id) && !has_ended && state.until_ms > now_ms {
                    continue;
                }
                is_freed |= known.set_over(&id, true);
                let is_ours = owner(&id) == self.replica() || !self.replicas.is_there(owner(&id));
                let later = if is_ours { 0 } else { OTHERS_MS };
                let remove_ms = *state.remove_ms.get_or_insert(now_ms.saturating_add(later));
                if remove_ms <= now_ms {
                    state.remove_ms = Some(now_ms.saturating_add(OTHERS_MS));
                    removed.entry(Arc::clone(name)).or_default().insert(id);
                }
            }
        }
        holds.by_id.retain(|id, _| seen.contains(id));
        (removed, is_freed)
    }

    /// How long the hold of the reservation `id` counts that is seen for the first time and that nothing vouches for. The
    /// ledger remembers the ends of reservations; of others the gossip may still come, or their replica has died.
    fn first_wait_ms(&self, id: &str, life_ms: u64) -> u64 {
        match (self.ledger.over_since(id), owner(id) == self.replica()) {
            (Some(_), _) => GRACE_MS,
            // What this replica gave up when no answer came.
            (None, true) => 0,
            (None, false) => life_ms.min(self.workers.setup().longest_reservation_ms).max(GRACE_MS),
        }
    }

    fn listing(&self, node: &str) -> Listing<'_> {
        let Some(node) = self.cluster.get(node) else { return Listing::Unknown };
        match &node.report().sessions {
            Sessions::List(list) => {
                Listing::Listed(list.iter().filter_map(|session| session.reservation()).map(|id| &**id).collect())
            }
            Sessions::Unknown | Sessions::Count(_) => Listing::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
