//! The cluster as the runner knows it, and each node as the JSON text that programs are shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::tz::TimeZone;

use crate::chain::{ChainSpec, EligibilityIndex};
use crate::clock;
use crate::model::{Arrangement, Change, Cluster, Node, SlotIndex};

use super::protocol::ProgramSet;

/// The cluster, with what was made of it.
pub(super) struct RunnerMirror {
    pub(super) cluster: Cluster,
    /// By slot: the node's text, and the revision that it is of.
    texts: Vec<Option<(u64, Bytes)>>,
    pub(super) arrangement: Arrangement,
}

impl RunnerMirror {
    /// A mirror of an empty cluster.
    pub(super) fn new(arrangement: Arrangement) -> Self {
        Self { cluster: Cluster::new(arrangement), texts: Vec::new(), arrangement }
    }

    /// The text of the node in `slot`, which costs nothing unless the node has changed.
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

    /// The node `id`.
    pub(super) fn get(&self, id: &str) -> Option<&Node> {
        self.cluster.get(id)
    }
}

/// The programs of one configuration, with the rolls of their chains.
pub(super) struct Programs {
    pub(super) edition: Arc<ProgramSet>,
    pub(super) zone: TimeZone,
    rolls: BTreeMap<Arc<str>, EligibilityIndex>,
}

impl Programs {
    /// Those of `edition`, over `cluster`.
    pub(super) fn new(edition: Arc<ProgramSet>, cluster: &Cluster) -> Self {
        let rolls = edition
            .chains
            .iter()
            .map(|chain| (Arc::clone(&chain.action), EligibilityIndex::of(chain, cluster)))
            .collect();
        let zone = clock::zone(&edition.zone).unwrap_or(TimeZone::UTC);
        Self { edition, zone, rolls }
    }

    /// The chain of `action`, with its roll.
    pub(super) fn chain(&self, action: &str) -> Option<(&ChainSpec, &EligibilityIndex)> {
        Some((self.edition.get(action)?, self.rolls.get(action)?))
    }

    /// Looks again at a node that changed.
    pub(super) fn look(&mut self, cluster: &Cluster, id: &Arc<str>) {
        for chain in &self.edition.chains {
            if let Some(roll) = self.rolls.get_mut(&chain.action) {
                roll.look(chain, cluster, id);
            }
        }
    }
}

/// Makes `change` so in `mirror` and in the rolls of `programs`; returns the nodes that it touched.
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
