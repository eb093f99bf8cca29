//! The outlook of a cordon: what would be left of the cluster without a node, before anybody takes the node out.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::model::{Failure, FailureName, Node};
use crate::nats::wire;

use super::census::{Census, GroupCapacity};
use super::fact_table::FactStatus;
use super::task::Front;

/// The most users with sessions on the node that an outlook names.
const MAX_USERS: usize = 20;

/// What would be left without a node.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CordonOutlook {
    /// The node.
    node: Arc<str>,
    /// Always true: nothing was changed.
    dry_run: bool,
    /// The state of the node now.
    state: &'static str,
    /// The sessions on the node, which would stay; absent where the node reports none.
    sessions: Option<u64>,
    /// The reservations on the node, whose sessions would still start there.
    reservations: usize,
    /// The first users with sessions or reservations on the node, each with their number.
    users: BTreeMap<Arc<str>, usize>,
    /// The users who are assigned to the node.
    assigned: usize,
    /// The nodes that may be chosen, full ones aside.
    placeable: Remainder<usize>,
    /// The places that are left on those that say how many sessions they take.
    left: Remainder<u64>,
    /// The group of the node.
    group: GroupOutlook,
    /// The countable facts, and what of them is held on the node.
    facts: Vec<FactOutlook>,
    /// The reasons to think twice, a sentence each.
    warnings: Vec<String>,
}

/// A figure as the figure is now, and as it would be without the node.
#[derive(Clone, Copy, Debug, Serialize)]
struct Remainder<T> {
    now: T,
    after: T,
}

/// What would be left of a group.
#[derive(Clone, Debug, Serialize)]
struct GroupOutlook {
    group: Arc<str>,
    placeable: Remainder<usize>,
    left: Remainder<u64>,
    /// The nodes that may be chosen and do not say how many sessions they take.
    unlimited: Remainder<usize>,
}

/// A countable fact, which a cordon leaves as it is: sessions on the node go on holding units.
#[derive(Clone, Debug, Serialize)]
struct FactOutlook {
    fact: Arc<str>,
    count: u32,
    held: u64,
    free: u64,
    /// The units that are held on the node.
    held_there: u64,
}

impl Front {
    /// Returns what would be left if the node `id` were cordoned.
    ///
    /// # Errors
    /// `unknown-node`.
    pub(super) fn outlook(&self, id: &str) -> Result<CordonOutlook, Failure> {
        let node = self
            .cluster
            .get(id)
            .ok_or_else(|| Failure::new(FailureName::UnknownNode, format!("the cluster has no node `{id}`")))?;
        let (mut now, mut after) = (Census::default(), Census::default());
        for (_, other) in self.cluster.nodes() {
            now.count(other, self.state(other));
            if other.id() != node.id() {
                after.count(other, self.state(other));
            }
        }
        let [before, rest] = [&now, &after].map(|census| census.total());
        let [group, group_rest] = [&now, &after].map(|census| census.group(node.report().group()));
        let placeable = Remainder { now: before.ready, after: rest.ready };
        let left = Remainder { now: before.left, after: rest.left };
        let group = GroupOutlook {
            group: node.report().group().into(),
            placeable: Remainder { now: group.ready, after: group_rest.ready },
            left: Remainder { now: group.left, after: group_rest.left },
            unlimited: Remainder { now: group.unlimited, after: group_rest.unlimited },
        };
        Ok(CordonOutlook {
            node: Arc::clone(node.id()),
            dry_run: true,
            state: self.state(node),
            sessions: node.report().sessions.count(),
            reservations: node.pending().len(),
            users: users(node),
            assigned: self.assignments.values().filter(|assignment| *assignment.node == **node.id()).count(),
            warnings: warnings(self.state(node), &rest, &group),
            placeable,
            left,
            group,
            facts: self.facts_on(node.id()),
        })
    }

    /// Returns the facts, with what is held of them on the node `id`.
    fn facts_on(&self, id: &str) -> Vec<FactOutlook> {
        let facts = self.facts.status(self.now_ms());
        let outlook = facts.into_iter().map(|FactStatus { fact, count, held, free, .. }| {
            let holds = self.facts.get(&fact).into_iter().flat_map(|fact| fact.held.values());
            let there = holds.filter(|hold| *hold.node == *id).map(|hold| u64::from(hold.n)).sum();
            FactOutlook { fact, count, held, free, held_there: there }
        });
        outlook.collect()
    }
}

fn users(node: &Node) -> BTreeMap<Arc<str>, usize> {
    let mut users = BTreeMap::<Arc<str>, usize>::new();
    for session in node.sessions().filter(|session| !session.user().is_empty()) {
        let is_room = users.len() < MAX_USERS || users.contains_key(session.user());
        if is_room {
            *users.entry(Arc::clone(session.user())).or_default() += 1;
        }
    }
    users
}

fn warnings(state: &str, rest: &GroupCapacity, group: &GroupOutlook) -> Vec<String> {
    let mut warnings = Vec::new();
    if state != wire::READY && state != wire::FULL {
        warnings.push(format!("the node is {state} and takes no new sessions now"));
    }
    if rest.ready == 0 {
        warnings.push("no node would be left that may be chosen".to_owned());
    } else if rest.left == 0 && rest.unlimited == 0 {
        warnings.push("no place would be left on any node".to_owned());
    }
    if rest.ready > 0 && !group.group.is_empty() && group.placeable.now > 0 && group.placeable.after == 0 {
        warnings.push(format!("no node of the group {} would be left that may be chosen", group.group));
    }
    warnings
}

#[cfg(test)]
mod tests;
