//! A decision that waits for a program, and the program's answer: plain data that crosses processes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Diagnosis, LostReason};
use crate::script::{Element, ReturnedValue, ScriptError};

use super::candidates::SuspendedCandidate;

/// A decision that waits for a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspended {
    /// The number of the waiting step, from 0.
    pub step: usize,
    /// The candidates that the program is shown.
    pub shown: ShownCandidates,
    /// The diagnosis so far.
    pub diagnosis: Diagnosis,
    /// The number of lines logged so far.
    pub logged: usize,
    /// The node that the program chose the last time, where the node can no longer take the request: the program is
    /// asked again.
    pub taken: Option<(Arc<str>, LostReason)>,
}

/// The candidates that a program is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ShownCandidates {
    /// Every node that can take the request: the receiver knows them from the chain's eligibility index.
    Eligible,
    /// These candidates, in this order, as an earlier step returned them.
    Listed(Vec<SuspendedCandidate>),
}

/// The answer of a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProgramAnswer {
    /// The value that the program returned, or the program's error.
    pub said: Result<ReturnedValue, ScriptError>,
    /// Those of the named nodes that the program was shown. Such a node may have left or filled since, which is no
    /// mistake of the program's; naming any other node is.
    pub seen: Vec<Arc<str>>,
    /// The wall time of the answer in microseconds.
    pub cost_us: u64,
    /// The lines that the program logged.
    pub log: Vec<String>,
}

impl ProgramAnswer {
    /// Returns an answer of `said` alone, without cost and log.
    #[must_use]
    pub fn only(said: Result<ReturnedValue, ScriptError>) -> Self {
        Self { said, seen: Vec::new(), cost_us: 0, log: Vec::new() }
    }

    /// Whether the answer names a single node that the program was shown: that node is the chain's choice, unless the
    /// node is taken by now.
    #[must_use]
    pub fn chooses(&self) -> bool {
        matches!(self.said, Ok(ReturnedValue::Id(_))) && !self.seen.is_empty()
    }

    /// Returns the answer with `seen` set to those named ids of which `was_shown` is true.
    #[must_use]
    pub fn seeing(mut self, was_shown: impl Fn(&str) -> bool) -> Self {
        let named: &mut dyn Iterator<Item = &str> = match &self.said {
            Ok(ReturnedValue::Id(id)) => &mut std::iter::once(id.as_str()),
            Ok(ReturnedValue::List(elements)) => &mut elements.iter().filter_map(|element| match element {
                Element::Id(id) | Element::Node(id, _) => Some(id.as_str()),
                Element::Given(_) | Element::Other(_) => None,
            }),
            Ok(_) | Err(_) => &mut std::iter::empty(),
        };
        self.seen = named.filter(|id| was_shown(id)).map(Arc::from).collect();
        self
    }
}
