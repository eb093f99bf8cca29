//! A counterfactual: the changes that would let a node be chosen, found by trying.
//!
//! Values travel as JSON text, because the wire between front and worker carries no self-describing values.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The most remedies that a counterfactual lists.
pub const MAX_REMEDIES: usize = 5;

/// A field with its present value and the value that the field would have to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field as scripts reach it from a node: `sessions`, `metadata.gpu`; a field of the request begins with `request.`.
    pub field: String,
    /// The present value as JSON; `None` where the field is absent.
    pub from: Option<String>,
    /// The value that the field would have to have, as JSON; `None` where the field would have to go.
    pub to: Option<String>,
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "absent".to_owned());
        write!(f, "`{}` were {} instead of {}", self.field, shown(&self.to), shown(&self.from))
    }
}

/// Changes that, made together, would have the node chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// A single change, or two where no single change does.
    pub changes: Vec<FieldChange>,
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes: Vec<_> = self.changes.iter().map(ToString::to_string).collect();
        f.write_str(&changes.join(" and "))
    }
}

/// How a search for remedies ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SearchEnd {
    /// Every change of the search was tried.
    Complete,
    /// Every change of the search was tried over so many nodes of the cluster, because a decision over all takes too
    /// long; each remedy was tried over all nodes then.
    Sampled(u64),
    /// The time for the search was over.
    OutOfTime,
    /// As many decisions had been tried as a search may try.
    OutOfTries,
    /// Nothing can be tried, for this reason.
    Untried(String),
}

impl SearchEnd {
    /// The end on the wire.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Sampled(_) => "sampled",
            Self::OutOfTime => "out-of-time",
            Self::OutOfTries => "out-of-tries",
            Self::Untried(_) => "untried",
        }
    }
}

/// The changes that would let a node be chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counterfactual {
    /// The node.
    pub node: Arc<str>,
    /// The changes that would do, the smallest first; at most [`MAX_REMEDIES`].
    pub remedies: Vec<Remedy>,
    /// How many fields were changed in turn.
    pub fields: u64,
    /// How many decisions were tried.
    pub tries: u64,
    /// How the search ended.
    pub end: SearchEnd,
}

impl Counterfactual {
    /// Returns the counterfactual of a `node` for which nothing can be tried because of `reason`.
    #[must_use]
    pub fn untried(node: &Arc<str>, reason: impl Into<String>) -> Self {
        let end = SearchEnd::Untried(reason.into());
        Self { node: Arc::clone(node), remedies: Vec::new(), fields: 0, tries: 0, end }
    }
}

impl Counterfactual {
    /// Writes the remedies; there is at least one.
    fn found(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined: Vec<_> = self.remedies.iter().map(ToString::to_string).collect();
        write!(f, "{} would be chosen if {}", self.node, joined.join("; or if "))
    }

    fn sampled(&self, f: &mut fmt::Formatter<'_>, nodes: u64) -> fmt::Result {
        if self.remedies.is_empty() {
            return write!(
                f,
                "no change of one or two fields that the chain reads would have {} chosen among {nodes} nodes that \
                 stand for all, over which a decision takes too long to try many",
                self.node
            );
        }
        self.found(f)?;
        write!(f, "; sought among {nodes} nodes and true over all of them, though a smaller change may do")
    }
}

impl fmt::Display for Counterfactual {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (node, tries) = (&self.node, self.tries);
        let limit = match &self.end {
            SearchEnd::Untried(reason) => return write!(f, "nothing was tried for {node}: {reason}"),
            SearchEnd::Complete => None,
            SearchEnd::Sampled(nodes) => return self.sampled(f, *nodes),
            SearchEnd::OutOfTime => Some("time"),
            SearchEnd::OutOfTries => Some("tries"),
        };
        match (self.remedies.first(), limit) {
            (Some(_), _) => {
                self.found(f)?;
                limit.map_or(Ok(()), |what| write!(f, "; the search ran out of {what}, so a smaller change may do"))
            }
            (None, None) => write!(f, "no change of one or two fields that the chain reads would have {node} chosen"),
            (None, Some(what)) => {
                write!(f, "no change was found after {tries} tries, when the search ran out of {what}")
            }
        }
    }
}
