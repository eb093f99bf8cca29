//! The countable facts as this replica knows them: what the bucket says, and what this replica is about to take.
//!
//! Pure bookkeeping. Time is handed in, and so is the knowledge which reservations are over.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::clock::Now;
use crate::model::Needs;
use crate::registry::facts::{Fact, FactEntry, Facts};

/// The state of a fact that is known.
const KNOWN: &str = "known";
/// The state of a fact whose time to live has passed.
const EXPIRED: &str = "expired";

/// The countable facts.
#[derive(Debug, Default)]
pub(super) struct FactTable {
    facts: BTreeMap<Arc<str>, KnownFact>,
    /// The units that reservations of this replica are about to hold and that are in no document that was read.
    open: BTreeMap<Arc<str>, Needs>,
    /// The facts as scripts see them, until something changes.
    shown: Option<Arc<str>>,
}

/// A fact that is set.
#[derive(Debug)]
pub(super) struct KnownFact {
    revision: u64,
    pub(super) fact: Fact,
    /// The end of the time to live, where the count has one.
    end: Option<FactEnd>,
    /// The reservations that hold units by the document and are over by what this replica knows.
    over: BTreeSet<Arc<str>>,
}

/// The end of the time to live of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FactEnd {
    /// In monotonic milliseconds of this replica.
    at_ms: u64,
    /// In Unix milliseconds, for people.
    unix_ms: i64,
}

/// Why needs cannot be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FactShortage {
    /// The fact is not set; with the facts that are.
    Unknown(Arc<str>, Vec<Arc<str>>),
    /// Nobody renewed the count within its time to live: the fact, the time of the end in Unix milliseconds, the time to
    /// live in milliseconds.
    Expired(Arc<str>, i64, u64),
    /// More is needed than there is in all: fact, need, count.
    Beyond(Arc<str>, u32, u32),
    /// Too few units are free: fact, need, count, held.
    Exhausted(Arc<str>, u32, u32, u64),
}

/// The figures of a fact, for people and programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FactStatus {
    /// The name.
    pub fact: Arc<str>,
    /// `known`, or `expired` where nobody renewed the count in time.
    pub state: &'static str,
    /// The number of units that sessions may hold.
    pub count: u32,
    /// The units that are held, those included that are just being taken.
    pub held: u64,
    /// The units that are free; 0 where the fact is expired.
    pub free: u64,
    /// The number of reservations and sessions that hold units.
    pub holders: usize,
    /// The person, program or node that set the count last.
    pub by: String,
    /// The time at which the count was set last, in Unix milliseconds.
    pub at_ms: i64,
    /// The time for which the count is believed, in milliseconds; absent where the count is believed until it is set again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// The rest of that time; negative since the count is not believed any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<i64>,
}

impl FactStatus {
    /// Whether nobody renewed the count in time.
    pub(super) fn is_expired(&self) -> bool {
        self.state == EXPIRED
    }
}

impl FactTable {
    /// The number of facts.
    pub(super) fn len(&self) -> usize {
        self.facts.len()
    }

    /// Returns the fact `name`.
    pub(super) fn get(&self, name: &str) -> Option<&Fact> {
        self.facts.get(name).map(|known| &known.fact)
    }

    /// The facts by name.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut KnownFact)> {
        self.facts.iter_mut()
    }

    /// Replaces all facts, as the view was built anew at `now`, which is `now_ms` of this replica. Facts that were set a
    /// while ago are believed for the rest of their time alone, by the clock of this machine.
    pub(super) fn replace(&mut self, facts: Facts, now: Now, now_ms: u64) {
        let mut before = std::mem::take(&mut self.facts);
        self.shown = None;
        for (name, FactEntry { revision, fact }) in facts {
            let Some(fact) = fact else { continue };
            let mut known = KnownFact::new(revision, fact, now, now_ms);
            let before = before.remove(&name);
            match &before {
                Some(before) if before.is_same_setting(&known) => known.end = before.end,
                _ => known.age(now, now_ms),
            }
            known.over = before.map(|before| before.over).unwrap_or_default();
            known.over.retain(|id| known.fact.held.contains_key(id));
            self.facts.insert(name, known);
        }
    }

    /// Takes in the `entry` of the fact `name`, unless a later one was taken in already. Returns whether units may have
    /// become free.
    pub(super) fn note(&mut self, name: Arc<str>, entry: FactEntry, now: Now, now_ms: u64) -> bool {
        let before = self.facts.get(&name);
        if before.is_some_and(|before| before.revision > entry.revision) {
            return false;
        }
        self.shown = None;
        let Some(fact) = entry.fact else { return self.facts.remove(&name).is_some() };
        let mut known = KnownFact::new(entry.revision, fact, now, now_ms);
        let Some(before) = before else {
            self.facts.insert(name, known);
            return true;
        };
        if before.is_same_setting(&known) {
            known.end = before.end;
        }
        known.over = before.over.iter().filter(|id| known.fact.held.contains_key(*id)).cloned().collect();
        let is_freed = known.fact.count > before.fact.count
            || known.end != before.end
            || before.fact.held.keys().any(|id| !known.fact.held.contains_key(id));
        self.facts.insert(name, known);
        is_freed
    }

    /// Notes that the reservation `id` is about to hold `needs`.
    pub(super) fn open(&mut self, id: &Arc<str>, needs: &Needs) {
        if !needs.is_empty() {
            self.shown = None;
            self.open.insert(Arc::clone(id), needs.clone());
        }
    }

    /// Notes that the reservation `id` holds by the documents, or holds nothing.
    pub(super) fn close(&mut self, id: &str) {
        if self.open.remove(id).is_some() {
            self.shown = None;
        }
    }

    /// The reservations that are about to hold units.
    pub(super) fn open_ids(&self) -> BTreeSet<Arc<str>> {
        self.open.keys().cloned().collect()
    }

    /// Notes that the reservation `id` is over, which holds units by the documents; returns the facts of these.
    pub(super) fn end(&mut self, id: &Arc<str>) -> Vec<Arc<str>> {
        let mut names = Vec::new();
        for (name, known) in &mut self.facts {
            if known.fact.held.contains_key(id) {
                known.over.insert(Arc::clone(id));
                names.push(Arc::clone(name));
                self.shown = None;
            }
        }
        names
    }

    /// Forgets what scripts were shown, as time has passed or reservations are over.
    pub(super) fn changed(&mut self) {
        self.shown = None;
    }

    /// Returns the reservations that hold units of the fact `name` and are over.
    pub(super) fn over(&self, needs: &Needs) -> BTreeSet<Arc<str>> {
        needs.keys().filter_map(|name| self.facts.get(name)).flat_map(|known| known.over.iter().cloned()).collect()
    }

    /// Returns why `needs` cannot be met at `now_ms`, or `None` where they can.
    pub(super) fn shortage(&self, needs: &Needs, now_ms: u64) -> Option<FactShortage> {
        needs.iter().find_map(|(name, need)| {
            let name = Arc::clone(name);
            let Some(known) = self.facts.get(&name) else {
                return Some(FactShortage::Unknown(name, self.facts.keys().cloned().collect()));
            };
            if let Some(end) = known.end.filter(|end| end.at_ms <= now_ms) {
                return Some(FactShortage::Expired(name, end.unix_ms, known.fact.ttl_ms.unwrap_or_default()));
            }
            let (count, held) = (known.fact.count, self.held(&name, known));
            match (*need > count, held + u64::from(*need) > u64::from(count)) {
                (true, _) => Some(FactShortage::Beyond(name, *need, count)),
                (false, true) => Some(FactShortage::Exhausted(name, *need, count, held)),
                (false, false) => None,
            }
        })
    }

    /// Returns the facts as scripts see them at `now_ms`, as JSON; expired ones are not among them. `None` where no fact is
    /// set.
    pub(super) fn shown(&mut self, now_ms: u64) -> Option<Arc<str>> {
        if self.facts.is_empty() {
            return None;
        }
        if self.shown.is_none() {
            let known = self.facts.iter().filter(|(_, known)| !known.is_expired(now_ms));
            let shown: Map<String, Value> = known
                .map(|(name, known)| {
                    let (count, held) = (known.fact.count, self.held(name, known));
                    let free = u64::from(count).saturating_sub(held);
                    (name.to_string(), json!({"count": count, "held": held, "free": free}))
                })
                .collect();
            self.shown = Some(Value::Object(shown).to_string().into());
        }
        self.shown.clone()
    }

    /// Returns the figures of every fact at `now_ms`.
    pub(super) fn status(&self, now_ms: u64) -> Vec<FactStatus> {
        let status = self.facts.iter().map(|(name, known)| {
            let (held, is_expired) = (self.held(name, known), known.is_expired(now_ms));
            let Fact { count, by, at_ms, ttl_ms, held: holds, .. } = &known.fact;
            let free = if is_expired { 0 } else { u64::from(*count).saturating_sub(held) };
            let left = |end: FactEnd| i64::try_from(i128::from(end.at_ms) - i128::from(now_ms)).unwrap_or_default();
            FactStatus {
                fact: Arc::clone(name),
                state: if is_expired { EXPIRED } else { KNOWN },
                count: *count,
                held,
                free,
                holders: holds.len().saturating_sub(known.over.len()),
                by: by.clone(),
                at_ms: *at_ms,
                ttl_ms: *ttl_ms,
                left_ms: known.end.map(left),
            }
        });
        status.collect()
    }

    /// The units of `known` that are held, or about to be.
    fn held(&self, name: &str, known: &KnownFact) -> u64 {
        let counts = |id: &Arc<str>| !known.over.contains(id) && !self.open.contains_key(id);
        let held = known.fact.held.iter().filter(|(id, _)| counts(id));
        let open = self.open.values().filter_map(|needs| needs.get(name));
        held.map(|(_, hold)| u64::from(hold.n)).chain(open.map(|need| u64::from(*need))).sum()
    }
}

impl KnownFact {
    /// Returns a fact that was set just now.
    fn new(revision: u64, fact: Fact, now: Now, now_ms: u64) -> Self {
        let end = fact.ttl_ms.map(|ttl_ms| FactEnd {
            at_ms: now_ms.saturating_add(ttl_ms),
            unix_ms: now.unix_ms.saturating_add_unsigned(ttl_ms),
        });
        Self { revision, fact, end, over: BTreeSet::new() }
    }

    /// Takes off the time to live what has passed since the count was set, by the clock of this machine. Never more than
    /// the whole, and never gives more: clocks of two machines differ.
    fn age(&mut self, now: Now, now_ms: u64) {
        let Some(ttl_ms) = self.fact.ttl_ms else { return };
        let age_ms = u64::try_from(now.unix_ms.saturating_sub(self.fact.at_ms)).unwrap_or_default().min(ttl_ms);
        self.end = Some(FactEnd {
            at_ms: now_ms.saturating_add(ttl_ms - age_ms),
            unix_ms: now.unix_ms.saturating_add_unsigned(ttl_ms - age_ms),
        });
    }

    fn is_same_setting(&self, other: &Self) -> bool {
        let setting = |known: &Self| (known.fact.at_ms, known.fact.ttl_ms);
        setting(self) == setting(other) && self.fact.by == other.fact.by
    }

    fn is_expired(&self, now_ms: u64) -> bool {
        self.end.is_some_and(|end| end.at_ms <= now_ms)
    }

    /// Whether the hold of the reservation `id` is over by what this replica knows.
    pub(super) fn is_over(&self, id: &str) -> bool {
        self.over.contains(id)
    }

    /// Notes whether the hold of the reservation `id` is over; returns whether that is news.
    pub(super) fn set_over(&mut self, id: &Arc<str>, is_over: bool) -> bool {
        match is_over {
            true => self.over.insert(Arc::clone(id)),
            false => self.over.remove(id),
        }
    }
}

#[cfg(test)]
mod tests;
