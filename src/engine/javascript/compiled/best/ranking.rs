//! The nodes of a list in the order in which a function keeps them, brought up to date by the nodes that changed.
//!
//! A tree of winners over the places of the list: the winner of each pair is above it, so the best node is on top, ties
//! go by place, and a node that changed is as many comparisons as the tree is high. Rejected: a set in order of figure and
//! place, because places move when the list changes.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::{Candidate, Cluster, ClusterIdentity, SlotIndex};

use super::super::value::{Kind, kind};
use super::{KeyOrder, NodeOrder};

/// The nodes in order.
pub(in super::super) struct Ranking {
    order: NodeOrder,
    /// The list in whose order the nodes stand.
    list: Option<Arc<[Candidate]>>,
    /// Another list, which was asked about once.
    other: Option<Arc<[Candidate]>>,
    /// The generation of the cluster up to which changed nodes are in `due`.
    told: Option<(ClusterIdentity, u64)>,
    /// The place in the list by slot, from 1; 0 for none.
    places: Vec<u32>,
    /// The places to look at.
    due: BTreeSet<u32>,
    /// By place.
    standings: Vec<Standing>,
    /// The places of the winners: the top is number 1, and below number `n` are `2 * n` and `2 * n + 1`.
    winners: Vec<u32>,
    looked_at: u64,
    answers: Cell<u64>,
}

/// How good a node is.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Standing {
    /// Nobody looked yet, or the probe gave up, or a figure is no number: the function has to be run over all.
    Odd,
    /// The node passes so many filters, and is not kept.
    Lost(u8),
    /// The figures, of which the least are best.
    Kept([f64; super::program::MAX_KEYS]),
}

const NOWHERE: u32 = u32::MAX;

impl NodeOrder {
    /// The standing of a node with these marks.
    pub(in super::super) fn standing(&self, marks: &[u64]) -> Standing {
        let Some((_, figures)) = marks.split_at_checked(self.filters) else {
            return u8::try_from(marks.len()).map_or(Standing::Odd, Standing::Lost);
        };
        if figures.is_empty() {
            return u8::try_from(self.filters).map_or(Standing::Odd, Standing::Lost);
        }
        let mut keys = [0.0; super::program::MAX_KEYS];
        if figures.len() != self.keys.len() {
            return Standing::Odd;
        }
        for ((key, order), bits) in keys.iter_mut().zip(&self.keys).zip(figures) {
            *key = match (kind(*bits), order) {
                (Kind::Number(number), _) if number.is_nan() => return Standing::Odd,
                (Kind::Number(number), KeyOrder::LeastFirst) => number,
                (Kind::Number(number), KeyOrder::MostFirst) => -number,
                _ => return Standing::Odd,
            };
        }
        Standing::Kept(keys)
    }
}

impl Ranking {
    pub(in super::super) fn new(order: NodeOrder) -> Self {
        let (list, other, told) = (None, None, None);
        let (places, due, standings, winners) = Default::default();
        Self { order, list, other, told, places, due, standings, winners, looked_at: 0, answers: Cell::new(0) }
    }

    /// Notes the changes of `cluster`. Returns whether nodes are kept in the order of `list`; a list that is asked about
    /// for the first time is not, because to put the nodes in order takes longer than to run the function.
    pub(in super::super) fn tell(&mut self, cluster: &Cluster, list: &Arc<[Candidate]>) -> bool {
        let is = |own: &Option<Arc<[Candidate]>>| own.as_ref().is_some_and(|own| Arc::ptr_eq(own, list));
        if !is(&self.list) {
            if !is(&self.other) {
                self.other = Some(Arc::clone(list));
                return false;
            }
            self.note_changes(cluster);
            self.adopt(list);
        }
        self.note_changes(cluster);
        true
    }

    fn note_changes(&mut self, cluster: &Cluster) {
        let generation = cluster.generation();
        let told = self.told.take().filter(|(identity, _)| identity.is_same(cluster.identity()));
        match told.and_then(|(_, told)| cluster.changed_since(told)) {
            Some(changed) => {
                for slot in changed {
                    if let Some(place) = self.place(slot) {
                        self.due.insert(place);
                    }
                }
            }
            None => self.due.extend((0..).take(self.standings.len())),
        }
        self.told = Some((cluster.identity().handle(), generation));
    }

    fn place(&self, slot: SlotIndex) -> Option<u32> {
        self.places.get(slot.index())?.checked_sub(1)
    }

    /// Puts the nodes in the order of `list`; of those that it has in common with the one before, what is known stays.
    fn adopt(&mut self, list: &Arc<[Candidate]>) {
        let slots = list.iter().map(|candidate| candidate.slot.index() + 1).max().unwrap_or_default();
        let (mut places, mut due) = (vec![0; slots], BTreeSet::new());
        let mut standings = Vec::with_capacity(list.len());
        for (place, candidate) in (0..).zip(list.iter()) {
            let before = self.place(candidate.slot).filter(|before| !self.due.contains(before));
            let standing = before.and_then(|before| self.standings.get(before as usize)).cloned();
            if standing.is_none() {
                due.insert(place);
            }
            standings.push(standing.unwrap_or(Standing::Odd));
            if let Some(own) = places.get_mut(candidate.slot.index()) {
                *own = place + 1;
            }
        }
        (self.places, self.due, self.standings) = (places, due, standings);
        (self.list, self.other) = (Some(Arc::clone(list)), None);
        let leaves = self.standings.len().next_power_of_two();
        self.winners = vec![NOWHERE; leaves];
        self.winners.extend((0..).take(self.standings.len()));
        self.winners.resize(2 * leaves, NOWHERE);
        (1..leaves).rev().for_each(|at| self.decide(at));
    }

    /// A node to look at, with its place.
    pub(in super::super) fn next_due(&self) -> Option<(u32, Candidate)> {
        let place = *self.due.first()?;
        Some((place, self.list.as_ref()?.get(place as usize)?.clone()))
    }

    /// Notes the marks of the node at `place`; none where the probe gave up.
    pub(in super::super) fn put(&mut self, place: u32, marks: Option<&[u64]>) {
        self.looked_at += 1;
        self.due.remove(&place);
        let standing = marks.map_or(Standing::Odd, |marks| self.order.standing(marks));
        match self.standings.get_mut(place as usize) {
            Some(own) if *own != standing => *own = standing,
            _ => return,
        }
        let mut at = (self.winners.len() / 2 + place as usize) / 2;
        while at > 0 {
            self.decide(at);
            at /= 2;
        }
    }

    /// Returns the node that the function keeps; where the function keeps no node, some node of the list. `None` where
    /// the node is not certain.
    pub(in super::super) fn best(&self) -> Option<&Candidate> {
        let top = *self.winners.get(1)? as usize;
        match self.standings.get(top)? {
            Standing::Odd => None,
            _ if !self.due.is_empty() => None,
            _ => {
                self.answers.set(self.answers.get() + 1);
                self.list.as_ref()?.get(top)
            }
        }
    }

    fn decide(&mut self, at: usize) {
        let below = |side: usize| self.winners.get(2 * at + side).copied().unwrap_or(NOWHERE);
        let (left, right) = (below(0), below(1));
        let winner = match (self.standings.get(left as usize), self.standings.get(right as usize)) {
            (Some(own), Some(other)) => match compare(own, other) {
                Ordering::Greater => right,
                Ordering::Equal if self.order.last_wins => right,
                Ordering::Less | Ordering::Equal => left,
            },
            (None, Some(_)) => right,
            _ => left,
        };
        if let Some(place) = self.winners.get_mut(at) {
            *place = winner;
        }
    }

    /// How many nodes were looked at so far, and how often there was a best one.
    #[cfg(test)]
    pub(in super::super) fn counts(&self) -> (u64, u64) {
        (self.looked_at, self.answers.get())
    }
}

/// Compares two standings, the better one first. [`Standing::Odd`] comes before all others, because an odd node may
/// spoil the order.
fn compare(own: &Standing, other: &Standing) -> Ordering {
    use Standing::{Kept, Lost, Odd};
    match (own, other) {
        (Odd, Odd) => Ordering::Equal,
        (Odd, _) => Ordering::Less,
        (_, Odd) => Ordering::Greater,
        (Kept(own), Kept(other)) => {
            let each = own.iter().zip(other).map(|(own, other)| own.partial_cmp(other).unwrap_or(Ordering::Equal));
            each.fold(Ordering::Equal, Ordering::then)
        }
        (Kept(_), Lost(_)) => Ordering::Less,
        (Lost(_), Kept(_)) => Ordering::Greater,
        (Lost(own), Lost(other)) => other.cmp(own),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::value;
    use super::*;
    use crate::model::{Change, Report};
    use serde_json::json;

    fn order(last_wins: bool) -> NodeOrder {
        NodeOrder { filters: 1, keys: vec![KeyOrder::MostFirst, KeyOrder::LeastFirst], last_wins }
    }

    #[test]
    fn marks_are_filters_and_then_figures() {
        let number = value::number;
        let standing = |marks: &[u64]| order(false).standing(marks);
        assert_eq!(standing(&[]), Standing::Lost(0));
        assert_eq!(standing(&[number(0.0)]), Standing::Lost(1));
        assert_eq!(standing(&[number(0.0), number(2.0), number(3.0)]), Standing::Kept([-2.0, 3.0, 0.0, 0.0]));
        for odd in [value::NULL, value::UNDEFINED, value::text(3), number(f64::NAN)] {
            assert_eq!(standing(&[number(0.0), number(2.0), odd]), Standing::Odd);
        }
        assert_eq!(standing(&[number(0.0), number(2.0)]), Standing::Odd);
    }

    /// After any changes, on top is the node that a look at all finds.
    #[test]
    fn on_top_is_the_node_that_a_look_at_all_finds() {
        for count in [1, 2, 3, 7, 8, 13] {
            for last_wins in [false, true] {
                let mut cluster = Cluster::default();
                for node in 0..count {
                    let report = json!({"id": format!("n{node:02}")});
                    cluster.apply(Change::Report(Arc::new(Report::from_value(report).unwrap())));
                }
                let list: Arc<[Candidate]> = cluster.nodes().map(|(slot, _)| Candidate::plain(slot)).collect();
                let mut ranking = Ranking::new(order(last_wins));
                assert!(!ranking.tell(&cluster, &list) && ranking.tell(&cluster, &list));
                let (mut seed, mut figures) = (count as u64, vec![(0, 0); count]);
                for round in 0..200 {
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let place = match ranking.next_due() {
                        Some((place, _)) => place as usize,
                        None => (seed >> 40) as usize % count,
                    };
                    figures[place] = ((seed >> 50) % 3, (seed >> 55) % 3);
                    let marks = [0, figures[place].0, figures[place].1].map(|figure| value::number(figure as f64));
                    let is_odd = figures[place] == (0, 2) && round % 5 == 0;
                    if is_odd {
                        ranking.put(place as u32, None);
                        assert_eq!(ranking.best(), None);
                    }
                    ranking.put(place as u32, Some(&marks));
                    let rank = |place: &usize| (std::cmp::Reverse(figures[*place].0), figures[*place].1);
                    let best = (0..count).rev().min_by_key(rank).filter(|_| last_wins);
                    let best = best.or_else(|| (0..count).min_by_key(rank));
                    let expected = best.filter(|_| ranking.next_due().is_none()).map(|place| &list[place]);
                    assert_eq!(ranking.best(), expected);
                }
            }
        }
    }
}
