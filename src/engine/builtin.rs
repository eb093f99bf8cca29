//! The built-in policies. Built-ins compare the cluster's figures, never overlays of scripts.

use crate::model::{Cluster, Node, Request, SlotIndex};
use crate::script::{Absent, Policy};

/// A built-in policy, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// The fewest sessions.
    FewestSessions,
    /// The most free memory.
    MostMemory,
    /// The node that the chain chose longest ago.
    RoundRobin,
    /// The lowest one-minute load per core; the plain load where cores were not reported.
    LeastLoad,
    /// The fewest sessions relative to the weight in static data or metadata; a node without a weight has weight 1.
    Weighted,
    /// The node with most of the user's own sessions; passes where the user has no session.
    StickyUser,
}

impl Builtin {
    /// Every built-in.
    pub const ALL: [Self; 6] =
        [Self::FewestSessions, Self::MostMemory, Self::RoundRobin, Self::LeastLoad, Self::Weighted, Self::StickyUser];

    /// Returns the name after `builtin:`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::FewestSessions => "fewest-sessions",
            Self::MostMemory => "most-memory",
            Self::RoundRobin => "round-robin",
            Self::LeastLoad => "least-load",
            Self::Weighted => "weighted",
            Self::StickyUser => "sticky-user",
        }
    }

    /// Whether the built-in chooses a node wherever there is a candidate.
    #[must_use]
    pub fn always_chooses(self) -> bool {
        self.absent() == Absent::Last
    }

    /// Returns the built-in called `name`.
    ///
    /// # Errors
    /// A message that lists the known names.
    pub fn parse(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|builtin| builtin.name() == name).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.into_iter().map(Self::name).collect();
            format!("unknown built-in `{name}`, there are: {}", names.join(", "))
        })
    }
}

impl Policy for Builtin {
    fn node_rank(&self, node: &Node) -> Option<f64> {
        let figures = node.report().figures();
        let sessions = node.session_count().map(|count| count as f64);
        match self {
            Self::FewestSessions => sessions,
            Self::MostMemory => figures.free_memory.map(|free| -free),
            Self::RoundRobin => Some(0.0),
            Self::LeastLoad => {
                figures.load1.map(|load| load / figures.cores.filter(|cores| *cores > 0.0).unwrap_or(1.0))
            }
            Self::Weighted => sessions.map(|sessions| sessions / figures.weight.unwrap_or(1.0)),
            Self::StickyUser => None,
        }
    }

    fn rank(&self, node: &Node, request: &Request, cluster: &Cluster) -> Option<f64> {
        match self {
            Self::StickyUser => Some(cluster.sessions_on(request.login(), node.id()))
                .filter(|sessions| *sessions > 0 && !request.login().is_empty())
                .map(|sessions| -f64::from(sessions)),
            _ => self.node_rank(node),
        }
    }

    fn figure(&self, rank: f64) -> (f64, &'static str) {
        let thousandths = |figure: f64| (figure * 1000.0).round() / 1000.0;
        match self {
            Self::FewestSessions => (rank, "sessions"),
            Self::MostMemory => ((-rank / f64::from(1 << 20)).round(), "MiB free"),
            Self::RoundRobin => (rank, ""),
            Self::LeastLoad => (thousandths(rank), "load per core"),
            Self::Weighted => (thousandths(rank), "sessions per weight"),
            Self::StickyUser => (-rank, "sessions of the user"),
        }
    }

    fn nominates(&self) -> bool {
        *self == Self::StickyUser
    }

    fn nominees(&self, request: &Request, cluster: &Cluster) -> Vec<SlotIndex> {
        match self {
            Self::StickyUser if !request.login().is_empty() => cluster.nodes_of(request.login()).collect(),
            _ => Vec::new(),
        }
    }

    fn absent(&self) -> Absent {
        match self {
            Self::StickyUser => Absent::Pass,
            _ => Absent::Last,
        }
    }
}
