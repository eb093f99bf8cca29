//! The nodes of a list in the order in which a function keeps them, brought up to date by the nodes that changed.
//!
//! A tree of winners over all nodes of the cluster in order: above each pair of nodes stands the winner of the pair, so
//! the best node is at the top. Ties go by place. A changed node costs as many comparisons as the tree is high. A node
//! that is not in the list never wins, so a node that fills up, or has room again, is a changed node like any other.
//! Rejected: a set in order of figure and place, because places move when nodes come.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::chain::candidates::Places;
use crate::model::{Candidate, Cluster, ClusterIdentity, SlotIndex};

use super::NodeOrder;
use super::standing::{Standing, compare};
use super::winners::{NOBODY, Winners};

/// The number of nodes by which a list may differ from the last ranked list and still be ranked at once. A script that
/// narrows lists to the groups of a user gives other lists each time: ranking each of them would take longer than
/// running the function.
const NEAR: usize = 64;
/// The number of unranked lists after which a list that is far from the list before is ranked all the same. The number
/// doubles with each such attempt, up to [`MOST_PATIENCE`], and is reset by a list that is near a ranked list.
const PATIENCE: u32 = 8;
const MOST_PATIENCE: u32 = 1024;

/// The nodes of a list, ranked in the order of a function.
pub(in super::super) struct Ranking {
    order: NodeOrder,
    /// The cluster that the places below belong to, and the membership number of that cluster.
    members: Option<(ClusterIdentity, u64)>,
    /// The cluster, and the generation up to which changes are known.
    told: Option<(ClusterIdentity, u64)>,
    /// The slots of the nodes, by place.
    slots: Vec<SlotIndex>,
    /// The places by slot.
    places: Places,
    /// The last list that was asked about, and whether the nodes of that list are ranked.
    list: Option<Arc<[Candidate]>>,
    is_ranked: bool,
    /// The number of unranked lists since the last attempt, and the number after which the next attempt comes.
    unranked: u32,
    patience: u32,
    /// By place, whether the node is in the ranked list.
    listed: Vec<bool>,
    /// The places of the listed nodes that the probe has yet to run for.
    due: BTreeSet<u32>,
    /// The standing of each node, by place; [`Standing::Odd`] for a node that changed while unlisted.
    standings: Vec<Standing>,
    winners: Winners,
    looked_at: u64,
    answers: Cell<u64>,
}

impl Ranking {
    pub(in super::super) fn new(order: NodeOrder) -> Self {
        let (members, told, list) = (None, None, None);
        let (slots, listed, due, standings, winners) = Default::default();
        let (places, answers) = (Places::default(), Cell::new(0));
        let (is_ranked, unranked, patience, looked_at) = (false, 0, PATIENCE, 0);
        Self {
            order,
            members,
            told,
            slots,
            places,
            list,
            is_ranked,
            unranked,
            patience,
            listed,
            due,
            standings,
            winners,
            looked_at,
            answers,
        }
    }

    /// Records the changes of `cluster`, and returns whether the nodes of `list` are ranked. A new list is ranked only
    /// where the list is near the last ranked list, or after [`PATIENCE`]: ranking takes longer than running the
    /// function.
    pub(in super::super) fn tell(&mut self, cluster: &Cluster, list: &Arc<[Candidate]>) -> bool {
        self.note_changes(cluster);
        let (own, number) = (cluster.identity(), cluster.membership());
        let are_members = self.members.as_ref().is_some_and(|(known, last)| known.is_same(own) && *last == number);
        let is_last = self.list.as_ref().is_some_and(|last| Arc::ptr_eq(last, list));
        let was_ranked = self.is_ranked && are_members;
        if is_last && was_ranked {
            return true;
        }
        self.list = Some(Arc::clone(list));
        self.is_ranked = false;
        let most_moves = match (is_last, was_ranked) {
            (true, _) => usize::MAX,
            (false, true) => NEAR,
            (false, false) if self.is_time_to_try() => usize::MAX,
            (false, false) => return false,
        };
        if !are_members {
            self.adopt(cluster);
            self.members = Some((own.handle(), number));
        }
        self.is_ranked = self.rank(list, most_moves);
        if self.is_ranked && was_ranked {
            self.patience = PATIENCE;
        }
        self.is_ranked
    }

    /// Counts a list that is far from the list before; returns whether that list is to be ranked all the same.
    fn is_time_to_try(&mut self) -> bool {
        self.unranked += 1;
        let is_time = self.unranked > self.patience;
        if is_time {
            (self.unranked, self.patience) = (0, (2 * self.patience).min(MOST_PATIENCE));
        }
        is_time
    }

    fn note_changes(&mut self, cluster: &Cluster) {
        let generation = cluster.generation();
        let told = self.told.take().filter(|(identity, _)| identity.is_same(cluster.identity()));
        match told.and_then(|(_, told)| cluster.changed_since(told)) {
            Some(changed) => changed.for_each(|slot| self.note_change(slot)),
            None => (0..self.slots.len()).for_each(|place| self.note_change_at(place)),
        }
        self.told = Some((cluster.identity().handle(), generation));
    }

    fn note_change(&mut self, slot: SlotIndex) {
        if let Some(place) = self.places.find(slot) {
            self.note_change_at(place);
        }
    }

    fn note_change_at(&mut self, place: usize) {
        if self.listed.get(place) == Some(&true) {
            self.due.extend(u32::try_from(place));
        } else if let Some(standing) = self.standings.get_mut(place) {
            *standing = Standing::Odd;
        }
    }

    /// Takes over the nodes of `cluster`, all unlisted; the known standings of nodes stay.
    fn adopt(&mut self, cluster: &Cluster) {
        let slots: Vec<_> = cluster.nodes().map(|(slot, _)| slot).collect();
        for place in std::mem::take(&mut self.due) {
            if let Some(standing) = self.standings.get_mut(place as usize) {
                *standing = Standing::Odd;
            }
        }
        let known = |slot: &SlotIndex| self.places.find(*slot).and_then(|place| self.standings.get(place)).cloned();
        self.standings = slots.iter().map(|slot| known(slot).unwrap_or(Standing::Odd)).collect();
        self.places = Places::of_slots(slots.iter().copied());
        self.listed = vec![false; slots.len()];
        self.winners = Winners::new(slots.len());
        self.slots = slots;
    }

    /// Ranks the nodes of `list`. Returns false where more than `most` nodes came or went, or where the nodes of `list`
    /// stand in another order than in the cluster.
    fn rank(&mut self, list: &[Candidate], most: usize) -> bool {
        let (mut listed, mut next) = (vec![false; self.slots.len()], 0);
        for candidate in list {
            let Some(place) = self.places.find(candidate.slot).filter(|place| *place >= next) else { return false };
            if let Some(is_listed) = listed.get_mut(place) {
                *is_listed = true;
            }
            next = place + 1;
        }
        let both = (0..).zip(self.listed.iter().zip(&listed));
        let moved: Vec<u32> = both.filter(|(_, (was, is))| was != is).map(|(place, _)| place).collect();
        if moved.len() > most {
            return false;
        }
        self.listed = listed;
        for place in &moved {
            self.move_in_or_out(*place);
        }
        let is_few = moved.len() <= NEAR;
        let Self { winners, listed, standings, order, .. } = self;
        let winner = |left, right| winner((left, right), (listed, standings), order.last_wins);
        match is_few {
            true => moved.iter().for_each(|place| winners.update(*place, winner)),
            false => winners.update_all(winner),
        }
        true
    }

    /// Prepares the node at `place`, which came into the list or left the list.
    fn move_in_or_out(&mut self, place: u32) {
        let is_listed = self.listed.get(place as usize) == Some(&true);
        let Some(standing) = self.standings.get_mut(place as usize) else { return };
        if is_listed && *standing == Standing::Odd {
            self.due.insert(place);
        } else if !is_listed && self.due.remove(&place) {
            *standing = Standing::Odd;
        }
    }

    /// Returns the next node that the probe has to run for, with the place of the node.
    pub(in super::super) fn next_due(&self) -> Option<(u32, Candidate)> {
        let place = *self.due.first()?;
        Some((place, Candidate::plain(*self.slots.get(place as usize)?)))
    }

    /// Records the marks of the node at `place`; `None` where the probe gave up.
    pub(in super::super) fn put(&mut self, place: u32, marks: Option<&[u64]>) {
        self.looked_at += 1;
        self.due.remove(&place);
        let standing = marks.map_or(Standing::Odd, |marks| self.order.standing(marks));
        let Self { winners, listed, standings, order, .. } = self;
        match standings.get_mut(place as usize) {
            Some(own) if *own != standing => *own = standing,
            _ => return,
        }
        winners.update(place, |left, right| winner((left, right), (listed, standings), order.last_wins));
    }

    /// Returns the node that the function keeps; where the function keeps no node, some node of the list. `None` where
    /// the node is not certain.
    pub(in super::super) fn best(&self) -> Option<Candidate> {
        let top = self.winners.top()? as usize;
        if !self.due.is_empty() || *self.standings.get(top)? == Standing::Odd {
            return None;
        }
        self.answers.set(self.answers.get() + 1);
        self.slots.get(top).map(|slot| Candidate::plain(*slot))
    }

    /// Returns the number of nodes that the probe ran for, and the number of times that the best node was known.
    #[cfg(test)]
    pub(in super::super) fn counts(&self) -> (u64, u64) {
        (self.looked_at, self.answers.get())
    }
}

/// Returns which of two places wins; [`NOBODY`] where neither is listed.
fn winner((left, right): (u32, u32), (listed, standings): (&[bool], &[Standing]), last_wins: bool) -> u32 {
    let standing =
        |place: u32| listed.get(place as usize).filter(|is| **is).and_then(|_| standings.get(place as usize));
    match (standing(left), standing(right)) {
        (Some(own), Some(other)) => match compare(own, other) {
            Ordering::Greater => right,
            Ordering::Equal if last_wins => right,
            Ordering::Less | Ordering::Equal => left,
        },
        (Some(_), None) => left,
        (None, Some(_)) => right,
        (None, None) => NOBODY,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::value;
    use super::super::KeyOrder;
    use super::*;
    use crate::model::{Change, Report};
    use serde_json::json;

    fn order(last_wins: bool) -> NodeOrder {
        NodeOrder { filters: 1, keys: vec![KeyOrder::MostFirst, KeyOrder::LeastFirst], last_wins }
    }

    /// After any changes, the top is the node that a look at all nodes finds.
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
                    let expected = best.filter(|_| ranking.next_due().is_none()).map(|place| list[place].clone());
                    assert_eq!(ranking.best(), expected);
                }
            }
        }
    }

    /// After any nodes came into the list or left the list, the top is the best listed node.
    #[test]
    fn lists_that_change_are_ranked_anew_by_what_changed() {
        let mut cluster = Cluster::default();
        let report = |node: usize, sessions: u64| {
            let report = json!({"id": format!("n{node:02}"), "sessions": sessions});
            Change::Report(Arc::new(Report::from_value(report).unwrap()))
        };
        const NODES: usize = 37;
        (0..NODES).for_each(|node| drop(cluster.apply(report(node, 0))));
        let order = NodeOrder { filters: 0, keys: vec![KeyOrder::LeastFirst], last_wins: false };
        let (mut ranking, mut listed, mut ranked) = (Ranking::new(order), vec![true; NODES], 0);
        let mut seed = 7_u64;
        let mut dice = |sides: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % sides
        };
        for round in 0..500 {
            let node = dice(NODES as u64) as usize;
            listed[node] = !listed[node];
            if dice(3) > 0 {
                cluster.apply(report(dice(NODES as u64) as usize, dice(5)));
            }
            if dice(40) == 0 {
                cluster.apply(Change::Remove(format!("n{node:02}").into()));
                cluster.apply(report(node, dice(5)));
            }
            let all = cluster.nodes().filter(|(_, node)| listed[node.id()[1..].parse::<usize>().unwrap()]);
            let mut list: Vec<_> = all.map(|(slot, _)| Candidate::plain(slot)).collect();
            if dice(30) == 0 {
                list.reverse();
            }
            let list: Arc<[Candidate]> = list.into();
            if !ranking.tell(&cluster, &list) {
                continue;
            }
            ranked += 1;
            let sessions = |candidate: &Candidate| cluster.node(candidate.slot).unwrap().session_count();
            while let Some((place, candidate)) = ranking.next_due() {
                ranking.put(place, Some(&[value::number(sessions(&candidate).unwrap() as f64)]));
            }
            assert_eq!(ranking.best(), list.iter().min_by_key(|candidate| sessions(candidate)).cloned(), "{round}");
        }
        assert!(ranked > 200, "{ranked}");
    }
}
