//! What the registry tells of the cluster: changes, and whether the view of it is kept.

use crate::model::Change;
use crate::registry::RegistryEvent;
use crate::registry::peers::End;

use super::task::Front;

/// The note that says why the node list was never read.
pub(super) const NO_LIST: &str = "nodes";

impl Front {
    /// Takes in what the registry tells.
    pub(super) fn hear(&mut self, event: RegistryEvent) {
        match event {
            RegistryEvent::Change(change) => self.cluster_change(change),
            RegistryEvent::Ready { .. } => {
                if !std::mem::replace(&mut self.bus, true) {
                    self.was_cut_off();
                }
                self.nodes_known = true;
                self.notes.remove(NO_LIST);
                self.show();
                tracing::info!(nodes = self.cluster.len(), "the node list is read");
            }
            RegistryEvent::Lost { reason } => {
                self.bus = false;
                if !self.nodes_known {
                    self.notes.insert(NO_LIST, format!("the node list is not known: {reason}"));
                }
                self.show();
                tracing::warn!(
                    nodes = self.cluster.len(),
                    reason,
                    "the view is not kept: deciding on the nodes known so far"
                );
            }
            RegistryEvent::Refused { .. } => drop(self.metrics.refused_documents.inc()),
        }
    }

    /// Takes in a change from the registry, with what it means for reservations.
    pub(super) fn cluster_change(&mut self, change: Change) {
        if let Change::Report(report) = &change {
            let now_ms = self.now_ms();
            for entry in self.ledger.reported(report, self.cluster.get(&report.id), now_ms) {
                if entry.own {
                    self.tell_over(&entry.reservation.id, End::Reported);
                }
                self.end_claim(&entry, End::Reported, false);
                self.change(Change::Release(entry.reservation.id));
            }
        }
        if let Change::Remove(node) = &change {
            for nodes in self.chosen.values_mut() {
                nodes.remove(node);
            }
            self.failures.forget(node);
        }
        self.change(change);
    }
}
