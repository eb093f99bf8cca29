//! The nodes that a decision lost, by reason: counts, and the first ids.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The number of ids that are named per reason.
pub const MAX_NAMED: usize = 20;

/// The reason why a node was no longer a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LostReason {
    /// The node has not reported within the liveness limit.
    Stale,
    /// The node does not run a service that the chain requires.
    MissingService,
    /// The node was taken out of service for new sessions.
    Cordoned,
    /// Sessions and reservations reach the node's `maxSessions`; where capacity is strict, also: the number of sessions
    /// is unknown.
    Full,
    /// As many sessions start on the node as may at a time.
    Starting,
    /// A start failed on the node a short while ago.
    CoolingDown,
    /// A step's list does not hold the node.
    NotReturned,
    /// A `filter` rejected the node.
    Filtered,
    /// A `score` left the node out.
    Unscored,
    /// A `filter` or `score` failed on the node.
    ScriptError,
    /// A `filter` or `score` passed a limit on the node.
    ScriptLimit,
    /// The node left the cluster while the decision waited.
    Left,
}

impl LostReason {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::Stale,
        Self::MissingService,
        Self::Cordoned,
        Self::Full,
        Self::Starting,
        Self::CoolingDown,
        Self::NotReturned,
        Self::Filtered,
        Self::Unscored,
        Self::ScriptError,
        Self::ScriptLimit,
        Self::Left,
    ];

    /// Returns the reason that is called `name` on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// Returns a phrase that says how step `name` lost a node for this reason.
    #[must_use]
    pub fn by_step(self, name: &str) -> String {
        match self {
            Self::Filtered => format!("{name} filtered it out"),
            Self::Unscored => format!("{name} gave it no score"),
            Self::ScriptError => format!("{name} failed on it"),
            Self::ScriptLimit => format!("{name} passed a limit on it"),
            _ => format!("{name} left it out"),
        }
    }

    /// Returns the reason in a sentence about the node: `b` is …
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Stale => "stale: it has not reported within the liveness limit",
            Self::MissingService => "without a service that the chain requires",
            Self::Cordoned => "cordoned",
            Self::Full => "full",
            Self::Starting => "starting as many sessions as it may at a time",
            Self::CoolingDown => "cooling down after a failed start",
            Self::NotReturned => "not in the returned list",
            Self::Filtered => "filtered out",
            Self::Unscored => "left out by `score`",
            Self::ScriptError => "left out: the script failed on it",
            Self::ScriptLimit => "left out: the script passed a limit on it",
            Self::Left => "gone from the cluster",
        }
    }

    /// Returns the reason after a count of nodes: 4 …; for reasons of a step, `by` and the step's name follow.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::MissingService => "without a required service",
            Self::CoolingDown => "cooling down",
            Self::NotReturned => "dropped",
            Self::Filtered => "filtered out",
            Self::Unscored => "left without a score",
            Self::ScriptError => "failed on",
            Self::ScriptLimit => "over a limit",
            Self::Left => "gone",
            Self::Stale | Self::Cordoned | Self::Full | Self::Starting => self.as_str(),
        }
    }

    /// Returns the reason on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::MissingService => "missing-service",
            Self::Cordoned => "cordoned",
            Self::Full => "full",
            Self::Starting => "starting",
            Self::CoolingDown => "cooling-down",
            Self::NotReturned => "not-returned",
            Self::Filtered => "filtered",
            Self::Unscored => "unscored",
            Self::ScriptError => "script-error",
            Self::ScriptLimit => "script-limit",
            Self::Left => "left",
        }
    }
}

/// The nodes lost for a single reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossByReason {
    /// The number of nodes.
    pub count: u64,
    /// The ids of the first nodes, at most [`MAX_NAMED`].
    pub nodes: Vec<Arc<str>>,
    /// The error on the first of the nodes, where an error was the reason.
    pub message: Option<String>,
}

/// Lost nodes by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostNodes {
    /// The nodes lost for each reason.
    pub by_reason: BTreeMap<LostReason, LossByReason>,
    watched: Option<Arc<str>>,
    watched_reason: Option<LostReason>,
    watched_message: Option<String>,
}

impl LostNodes {
    /// Returns an empty record that will know whether `watched` was lost, however many nodes are added.
    #[must_use]
    pub fn watching(watched: Option<&Arc<str>>) -> Self {
        Self { watched: watched.cloned(), ..Self::default() }
    }

    /// Returns the reason why the watched node was lost, where the node was lost.
    #[must_use]
    pub fn watched_reason(&self) -> Option<LostReason> {
        self.watched_reason
    }

    /// Returns the error on the watched node, where an error was the reason.
    #[must_use]
    pub fn watched_message(&self) -> Option<&str> {
        self.watched_message.as_deref()
    }

    /// Records that `node` was lost for `reason`.
    pub fn add(&mut self, reason: LostReason, node: &Arc<str>) {
        let lost = self.by_reason.entry(reason).or_default();
        lost.count += 1;
        if lost.nodes.len() < MAX_NAMED {
            lost.nodes.push(Arc::clone(node));
        }
        if self.watched.as_ref() == Some(node) {
            self.watched_reason = Some(reason);
        }
    }

    /// Records that `nodes` were lost for `reason`: `id` returns the id of a node. Of thousands, few ids are looked at.
    pub fn add_each<T>(
        &mut self,
        reason: LostReason,
        nodes: impl Iterator<Item = T>,
        id: impl Fn(T) -> Option<Arc<str>>,
    ) {
        let mut nodes = nodes.peekable();
        if nodes.peek().is_none() {
            return;
        }
        let lost = self.by_reason.entry(reason).or_default();
        for node in nodes {
            lost.count += 1;
            if lost.nodes.len() < MAX_NAMED || self.watched.is_some() {
                let id = id(node);
                if self.watched.is_some() && self.watched == id {
                    self.watched_reason = Some(reason);
                }
                lost.nodes.extend(id.filter(|_| lost.nodes.len() < MAX_NAMED));
            }
        }
    }

    /// Records that `node` was lost because a script failed on the node, and keeps the first such message.
    pub fn add_failure(&mut self, reason: LostReason, node: &Arc<str>, message: &str) {
        self.add(reason, node);
        if self.watched.as_ref() == Some(node) {
            self.watched_message = Some(message.to_owned());
        }
        if let Some(lost) = self.by_reason.get_mut(&reason) {
            lost.message.get_or_insert_with(|| message.to_owned());
        }
    }

    /// Records that all of `nodes`, of which none is recorded yet, were lost for `reason`.
    pub fn add_all(&mut self, reason: LostReason, nodes: &BTreeSet<Arc<str>>) {
        if nodes.is_empty() {
            return;
        }
        let lost = self.by_reason.entry(reason).or_default();
        lost.count += nodes.len() as u64;
        lost.nodes.extend(nodes.iter().take(MAX_NAMED.saturating_sub(lost.nodes.len())).cloned());
        if self.watched.as_ref().is_some_and(|watched| nodes.contains(watched)) {
            self.watched_reason = Some(reason);
        }
    }

    /// Returns the number of nodes lost for `reason`.
    #[must_use]
    pub fn count(&self, reason: LostReason) -> u64 {
        self.by_reason.get(&reason).map_or(0, |lost| lost.count)
    }

    /// Returns the number of nodes lost for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason.values().map(|lost| lost.count).sum()
    }
}
