//! What a process is told that begins to mirror the cluster.

use std::sync::Arc;

use crate::model::Cluster;
use crate::worker::{Order, Orders};

use super::task::Front;
use super::worker_pool::Taken;

impl Front {
    /// All that a new worker has to know to decide as the others do.
    pub(super) fn snapshot(&self) -> Orders {
        let mut orders = cluster_snapshot(&self.cluster);
        for (action, nodes) in &self.chosen {
            let mut nodes: Vec<_> = nodes.iter().collect();
            nodes.sort_by_key(|(_, when)| **when);
            nodes.into_iter().for_each(|(node, _)| orders.push(&Order::Recall(Arc::clone(action), Arc::clone(node))));
        }
        for (confined, limited) in self.quarantine.confined() {
            if let Some(subject) = confined.subject() {
                orders.push(&Order::Quarantine(subject, Some(limited.clone())));
            }
        }
        orders
    }

    /// Tells the worker that has just taken a slot what the chains of the slot chose since it was born.
    pub(super) fn recall(&mut self, taken: &Taken) {
        let mut later = Vec::new();
        for action in self.workers.chains(taken.slot) {
            let chosen = self.chosen.get(&action).into_iter().flatten().filter(|(_, when)| **when > taken.choices);
            later.extend(chosen.map(|(node, when)| (*when, Order::Recall(Arc::clone(&action), Arc::clone(node)))));
        }
        later.sort_unstable_by_key(|(when, _)| *when);
        later.iter().for_each(|(_, order)| self.workers.order(taken.slot, order));
    }
}

/// `cluster` as it is, as changes.
pub(super) fn cluster_snapshot(cluster: &Cluster) -> Orders {
    let mut orders = Orders::default();
    cluster.snapshot().for_each(|change| orders.push(&Order::Change(change)));
    orders
}
