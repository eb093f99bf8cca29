//! The runner's copy of the cluster, and each node as the JSON text that programs are shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::tz::TimeZone;

use crate::chain::{ChainSpec, EligibilityIndex};
use crate::clock;
use crate::model::{Arrangement, Change, Cluster, Node, SlotIndex};

use super::protocol::ProgramSet;

/// The cluster, with the texts of the nodes.
pub(super) struct RunnerMirror {
    pub(super) cluster: Cluster,
    /// By slot: the text of the node, and the revision of the node that the text shows.
    texts: Vec<Option<(u64, Bytes)>>,
    pub(super) arrangement: Arrangement,
}

impl RunnerMirror {
    /// Creates a mirror of an empty cluster.
    pub(super) fn new(arrangement: Arrangement) -> Self {
        Self { cluster: Cluster::new(arrangement), texts: Vec::new(), arrangement }
    }

    /// Returns the text of the node in `slot`, which is built anew only when the node has changed.
    pub(super) fn text(&mut self, slot: SlotIndex) -> Option<Bytes> {
        let node = self.cluster.node(slot)?;
        if self.texts.len() <= slot.index() {
            self.texts.resize(slot.index() + 1, None);
        }
        let place = self.texts.get_mut(slot.index())?;
        match place {
            Some((revision, text)) if *revision == node.revision() => Some(text.clone()),
            _ => {
                let text = Bytes::from(node.to_text(None));
                *place = Some((node.revision(), text.clone()));
                Some(text)
            }
        }
    }

    /// Returns the node `id`.
    pub(super) fn get(&self, id: &str) -> Option<&Node> {
        self.cluster.get(id)
    }
}

/// The programs of one configuration, with the eligibility indexes of their chains.
pub(super) struct Programs {
    pub(super) edition: Arc<ProgramSet>,
    pub(super) zone: TimeZone,
    indexes: BTreeMap<Arc<str>, EligibilityIndex>,
}

impl Programs {
    /// Returns the programs of `edition`, over `cluster`.
    pub(super) fn new(edition: Arc<ProgramSet>, cluster: &Cluster) -> Self {
        let indexes = edition
            .chains
            .iter()
            .map(|chain| (Arc::clone(&chain.action), EligibilityIndex::of(chain, cluster)))
            .collect();
        let zone = clock::zone(&edition.zone).unwrap_or(TimeZone::UTC);
        Self { edition, zone, indexes }
    }

    /// Returns the chain of `action`, with the chain's eligibility index.
    pub(super) fn chain(&self, action: &str) -> Option<(&ChainSpec, &EligibilityIndex)> {
        Some((self.edition.get(action)?, self.indexes.get(action)?))
    }

    /// Updates the eligibility indexes for a node that changed.
    pub(super) fn look(&mut self, cluster: &Cluster, id: &Arc<str>) {
        for chain in &self.edition.chains {
            if let Some(index) = self.indexes.get_mut(&chain.action) {
                index.look(chain, cluster, id);
            }
        }
    }
}

/// Applies `change` to `mirror` and to the eligibility indexes of `programs`; returns the nodes that changed.
pub(super) fn apply<'a>(
    mirror: &mut RunnerMirror,
    programs: impl Iterator<Item = &'a mut Programs>,
    change: Change,
) -> Vec<Arc<str>> {
    let touched: Vec<_> = mirror.cluster.apply(change).into_iter().collect();
    for programs in programs {
        touched.iter().for_each(|id| programs.look(&mirror.cluster, id));
    }
    touched
}
