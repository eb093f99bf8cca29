//! The nodes that a decision lost on its way, by reason: counts, and the first ids.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// How many ids are named per reason.
pub const MAX_NAMED: usize = 20;

/// Why a node was no longer a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LostReason {
    /// It has not reported within the liveness limit.
    Stale,
    /// It does not run a service that the chain requires.
    MissingService,
    /// It was taken out of service for new sessions.
    Cordoned,
    /// Sessions and reservations reach its `maxSessions`; where capacity is strict, also: nobody knows whether they do.
    Full,
    /// As many sessions start there as may at one time.
    Starting,
    /// A start failed there a short while ago.
    CoolingDown,
    /// A step's list does not hold it.
    NotReturned,
    /// A `filter` said no.
    Filtered,
    /// A `score` left it out.
    Unscored,
    /// A `filter` or `score` failed on it.
    ScriptError,
    /// A `filter` or `score` passed a limit on it.
    ScriptLimit,
    /// It left the cluster while the decision waited.
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

    /// The reason that is called `name` on the wire.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }

    /// What step `name` did to a node that it lost for this reason.
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

    /// The reason in a sentence about the node: `b` is …
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

    /// The reason after a count of nodes: 4 …; for what a step did, `by` and its name follow.
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

    /// The reason on the wire.
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

/// The nodes lost for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LossByReason {
    /// How many.
    pub count: u64,
    /// The first of them, at most [`MAX_NAMED`].
    pub nodes: Vec<Arc<str>>,
    /// What went wrong on the first of them, where an error was the reason.
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
    /// No lost nodes yet; whether `watched` is among those to come will be known however many there are.
    #[must_use]
    pub fn watching(watched: Option<&Arc<str>>) -> Self {
        Self { watched: watched.cloned(), ..Self::default() }
    }

    /// Why the watched node was lost, where it was.
    #[must_use]
    pub fn watched_reason(&self) -> Option<LostReason> {
        self.watched_reason
    }

    /// What went wrong on the watched node, where an error was the reason.
    #[must_use]
    pub fn watched_message(&self) -> Option<&str> {
        self.watched_message.as_deref()
    }

    /// Notes that `node` was lost for `reason`.
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

    /// Notes that `node` was lost because a script failed on it, and keeps the first such message.
    pub fn add_failure(&mut self, reason: LostReason, node: &Arc<str>, message: &str) {
        self.add(reason, node);
        if self.watched.as_ref() == Some(node) {
            self.watched_message = Some(message.to_owned());
        }
        if let Some(lost) = self.by_reason.get_mut(&reason) {
            lost.message.get_or_insert_with(|| message.to_owned());
        }
    }

    /// Notes that all of `nodes`, which are none yet, were lost for `reason`.
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

    /// How many nodes were lost for `reason`.
    #[must_use]
    pub fn count(&self, reason: LostReason) -> u64 {
        self.by_reason.get(&reason).map_or(0, |lost| lost.count)
    }

    /// How many nodes were lost, for whatever reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason.values().map(|lost| lost.count).sum()
    }
}
