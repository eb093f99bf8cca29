//! What follows from a node's silence: log lines, records of its history, and changes of the cluster.

use std::sync::Arc;

use tracing::{info, warn};

use crate::model::Change;

use super::super::RegistryEvent;
use super::super::journal::NodeEvent;
use super::super::known::Known;
use super::super::liveness::Lapse;
use super::ClusterMirror;

impl ClusterMirror {
    /// Handles the silence of a node.
    pub(super) fn lapse(&mut self, lapse: Lapse) {
        match lapse {
            Lapse::Late { id, silent, missed } => {
                let seconds = silent.as_secs();
                let reports = if missed == 1 { "report" } else { "reports" };
                let reason = format!("missed {missed} {reports}: the last one came {seconds} s ago");
                warn!(node = %id, address = self.address_of(&id), seconds, "node out of sync: `{id}` {reason}");
                self.note_of(&id, NodeEvent::OutOfSync, reason);
            }
            Lapse::Stale { id, silent } => {
                let seconds = silent.as_secs();
                let address = self.address_of(&id);
                warn!(
                    node = %id, address, seconds,
                    "Node [{id}] with address [{address}] removed because it has not checked in for the last \
                     [{seconds}] seconds"
                );
                self.note_of(&id, NodeEvent::Left, format!("has not reported for {seconds} s"));
                self.event(RegistryEvent::Change(Change::Stale(id)));
            }
            Lapse::Forgotten { id, silent } => {
                let seconds = silent.as_secs();
                info!(node = %id, seconds, "node forgotten: `{id}` has not reported for {seconds} s");
                self.nodes.remove(&id);
                self.event(RegistryEvent::Change(Change::Remove(id)));
            }
        }
    }

    /// Handles a report of a node that was out of sync.
    pub(super) fn resumed(&mut self, id: &Arc<str>) {
        info!(node = %id, address = self.address_of(id), "node in sync again: `{id}`");
        self.note_of(id, NodeEvent::InSync, String::new());
    }

    /// Drops a stale node that an administrator had forgotten.
    pub(super) fn forget(&mut self, id: &Arc<str>) {
        info!(node = %id, "node forgotten: `{id}`, by an administrator");
        self.liveness.left(id);
        self.nodes.remove(id);
        self.event(RegistryEvent::Change(Change::Remove(Arc::clone(id))));
    }

    fn address_of(&self, id: &Arc<str>) -> String {
        self.nodes.get(id).map(Known::address).unwrap_or_default()
    }
}
