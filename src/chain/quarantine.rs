//! What is known to break: scripts, and nodes that a script hangs on. A chain does not run into them again.
//!
//! Who is put here and for how long is decided by whoever sees processes die; here it is only kept, so that a decision
//! depends on it like on anything else that it was told.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Failure, LimitKind};

/// A limit that was passed, as it will be told again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitRecord {
    /// Which limit.
    pub kind: LimitKind,
    /// What happened, for the requester.
    pub message: Arc<str>,
}

impl LimitRecord {
    /// The failure that it means for a step.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure::limit(self.kind, &*self.message)
    }
}

/// What is put in quarantine: a script, or one node for the per-node functions of a script.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Subject {
    /// The script, by its step's name.
    pub script: Arc<str>,
    /// The node, where the script is fine with others.
    pub node: Option<Arc<str>>,
}

/// The scripts and nodes in quarantine.
#[derive(Clone, Debug, Default)]
pub struct QuarantineList {
    scripts: BTreeMap<Arc<str>, LimitRecord>,
    nodes: BTreeMap<Arc<str>, BTreeMap<Arc<str>, LimitRecord>>,
}

impl QuarantineList {
    /// Puts `subject` in quarantine for what it did.
    pub fn confine(&mut self, subject: Subject, limited: LimitRecord) {
        match subject.node {
            None => drop(self.scripts.insert(subject.script, limited)),
            Some(node) => drop(self.nodes.entry(subject.script).or_default().insert(node, limited)),
        }
    }

    /// Lets `subject` out again.
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

    /// Why the script is not to be run, where it is in quarantine.
    #[must_use]
    pub fn script(&self, name: &str) -> Option<&LimitRecord> {
        self.scripts.get(name)
    }

    /// The nodes that the script's functions are not to be asked about, with why.
    #[must_use]
    pub fn nodes(&self, script: &str) -> Option<&BTreeMap<Arc<str>, LimitRecord>> {
        self.nodes.get(script)
    }
}
