//! A decision that waits for a program, and what was heard from the program: plain data that crosses processes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::{Diagnosis, LostReason};
use crate::script::{Element, ReturnedValue, ScriptError};

use super::candidates::SuspendedCandidate;

/// A decision that waits for a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Suspended {
    /// The step that waits, from 0.
    pub step: usize,
    /// The candidates that the program is shown.
    pub shown: ShownCandidates,
    /// What happened so far.
    pub diagnosis: Diagnosis,
    /// Lines logged so far.
    pub logged: usize,
    /// The node that the program chose the last time, and that can take the request no more: it is asked again.
    pub taken: Option<(Arc<str>, LostReason)>,
}

/// The candidates that a program is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ShownCandidates {
    /// Every node that can take the request: whoever keeps the chain's roll knows them.
    Eligible,
    /// These, in this order: an earlier step said so.
    Listed(Vec<SuspendedCandidate>),
}

/// What was heard from a program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProgramAnswer {
    /// Its answer.
    pub said: Result<ReturnedValue, ScriptError>,
    /// Of the nodes that it names, those that it was shown. One of them may have left or filled since, which is no mistake
    /// of the program's; any other is.
    pub seen: Vec<Arc<str>>,
    /// How long it took, in microseconds of wall time.
    pub cost_us: u64,
    /// Lines that it logged.
    pub log: Vec<String>,
}

impl ProgramAnswer {
    /// This answer and nothing beside it.
    #[must_use]
    pub fn only(said: Result<ReturnedValue, ScriptError>) -> Self {
        Self { said, seen: Vec::new(), cost_us: 0, log: Vec::new() }
    }

    /// Whether it names one node that the program was shown: that is the chain's choice, unless the node is taken by now.
    #[must_use]
    pub fn chooses(&self) -> bool {
        matches!(self.said, Ok(ReturnedValue::Id(_))) && !self.seen.is_empty()
    }

    /// The answer with those in `seen` of whom `was_shown` is true of the ids that it names.
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
