//! Scripts that broke, and nodes that a script hangs on. A chain does not run into them again.
//!
//! The front, which sees workers die, decides which scripts and nodes are put here, and for how long; this list only
//! records them, so that a decision depends on the quarantine as on any other input.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Failure, LimitKind};

/// A limit that was passed, recorded to be reported again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitRecord {
    /// The kind of limit.
    pub kind: LimitKind,
    /// The message for the requester.
    pub message: Arc<str>,
}

impl LimitRecord {
    /// Returns the failure of a step that passed this limit.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure::limit(self.kind, &*self.message)
    }
}

/// The subject of a quarantine: a script, or a single node for the per-node functions of a script.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// The name of the script's step.
    pub script: Arc<str>,
    /// The id of the node, where the script works for other nodes.
    pub node: Option<Arc<str>>,
}

/// The scripts and nodes in quarantine.
#[derive(Clone, Debug, Default)]
pub struct QuarantineList {
    scripts: BTreeMap<Arc<str>, LimitRecord>,
    nodes: BTreeMap<Arc<str>, BTreeMap<Arc<str>, LimitRecord>>,
}

impl QuarantineList {
    /// Puts `subject` in quarantine for passing the limit `limited`.
    pub fn confine(&mut self, subject: Subject, limited: LimitRecord) {
        match subject.node {
            None => drop(self.scripts.insert(subject.script, limited)),
            Some(node) => drop(self.nodes.entry(subject.script).or_default().insert(node, limited)),
        }
    }

    /// Releases `subject` from quarantine.
    pub fn release(&mut self, subject: &Subject) {
        match &subject.node {
            None => drop(self.scripts.remove(&subject.script)),
            Some(node) => {
                if let Some(nodes) = self.nodes.get_mut(&subject.script) {
                    nodes.remove(node);
                }
                self.nodes.retain(|_, nodes| !nodes.is_empty());
            }
        }
    }

    /// Returns the reason why the script is not to be run, where the script is in quarantine.
    #[must_use]
    pub fn script(&self, name: &str) -> Option<&LimitRecord> {
        self.scripts.get(name)
    }

    /// Returns the nodes that the script's functions are not to be asked about, with the limits that were passed.
    #[must_use]
    pub fn nodes(&self, script: &str) -> Option<&BTreeMap<Arc<str>, LimitRecord>> {
        self.nodes.get(script)
    }
}
