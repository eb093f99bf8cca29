//! The nodes by state, by agent and by group: a single walk over the cluster, for the status.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use crate::model::Node;
use crate::nats::wire;

/// The most groups that a status tells of.
const MAX_GROUPS: usize = 100;
/// The most kinds of agents that a status tells of.
const MAX_AGENTS: usize = 100;
/// The most nodes that a status names.
const MAX_NAMED: usize = 20;

/// The capacity of a group of nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GroupCapacity {
    /// The name: `serverPool` of the nodes, else `group` of their static data, else of their metadata; empty for nodes
    /// without any.
    pub group: Arc<str>,
    /// The number of nodes.
    pub nodes: usize,
    /// The number of them that may be chosen now, full ones aside.
    pub ready: usize,
    /// The sessions that the nodes report.
    pub sessions: u64,
    /// The reservations on the nodes.
    pub reservations: u64,
    /// The sum of `maxSessions` of the nodes that are not stale and say how many sessions they take.
    pub max: u64,
    /// The places that are left on nodes that may be chosen now: `maxSessions` less sessions and reservations.
    pub left: u64,
    /// The number of nodes that may be chosen now and do not say how many sessions they take.
    pub unlimited: usize,
}

/// The number of nodes with agents of a version, in a state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AgentCount {
    /// The version of the agents; empty where the nodes name none.
    pub version: String,
    /// The state of the nodes.
    pub state: &'static str,
    /// The number of nodes.
    pub nodes: usize,
}

/// The nodes of the cluster, counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Census {
    /// The number of nodes by state.
    pub(super) states: BTreeMap<&'static str, usize>,
    /// The first stale nodes.
    pub(super) stale: Vec<Arc<str>>,
    /// The number of nodes by version of the agent, then by state.
    agents: BTreeMap<Box<str>, BTreeMap<&'static str, usize>>,
    groups: BTreeMap<Arc<str>, GroupCapacity>,
}

impl Census {
    /// Counts `node`, which is in `state`.
    pub(super) fn count(&mut self, node: &Node, state: &'static str) {
        *self.states.entry(state).or_default() += 1;
        if state == wire::STALE && self.stale.len() < MAX_NAMED {
            self.stale.push(Arc::clone(node.id()));
        }
        let report = node.report();
        let version = report.agent().version.as_deref().unwrap_or_default();
        // Nearly all nodes have agents of the same few versions: a name is copied once.
        let states = match self.agents.get_mut(version) {
            Some(states) => states,
            None => self.agents.entry(version.into()).or_default(),
        };
        *states.entry(state).or_default() += 1;
        let name = report.group();
        let group = match self.groups.get_mut(name) {
            Some(group) => group,
            None => {
                let group: Arc<str> = name.into();
                let empty = GroupCapacity { group: Arc::clone(&group), ..GroupCapacity::default() };
                self.groups.entry(group).or_insert(empty)
            }
        };
        let reservations = node.pending().len() as u64;
        group.nodes += 1;
        group.reservations += reservations;
        group.sessions += report.sessions.count().unwrap_or_default();
        let (max, is_ready) = (report.figures().max_sessions, state == wire::READY);
        group.ready += usize::from(is_ready);
        if state != wire::STALE {
            group.max = group.max.saturating_add(max.unwrap_or_default());
        }
        match max {
            Some(max) if is_ready => {
                let taken = node.session_count().unwrap_or(reservations);
                group.left = group.left.saturating_add(max.saturating_sub(taken));
            }
            None if is_ready => group.unlimited += 1,
            _ => {}
        }
    }

    /// Returns the capacity of all nodes together, under no name.
    pub(super) fn total(&self) -> GroupCapacity {
        self.groups.values().fold(GroupCapacity::default(), |sum, group| GroupCapacity {
            group: "".into(),
            nodes: sum.nodes + group.nodes,
            ready: sum.ready + group.ready,
            sessions: sum.sessions + group.sessions,
            reservations: sum.reservations + group.reservations,
            max: sum.max.saturating_add(group.max),
            left: sum.left.saturating_add(group.left),
            unlimited: sum.unlimited + group.unlimited,
        })
    }

    /// Returns the capacity of the group `name`.
    pub(super) fn group(&self, name: &str) -> GroupCapacity {
        self.groups.get(name).cloned().unwrap_or_default()
    }

    /// Returns the number of groups, and the capacity of the first of them by name.
    pub(super) fn capacity(&self) -> (usize, Vec<GroupCapacity>) {
        (self.groups.len(), self.groups.values().take(MAX_GROUPS).cloned().collect())
    }

    /// Returns the number of nodes by the version of their agent and by state.
    pub(super) fn agents(&self) -> Vec<AgentCount> {
        let counts = self.agents.iter().flat_map(|(version, states)| states.iter().map(move |count| (version, count)));
        let counts =
            counts.map(|(version, (state, nodes))| AgentCount { version: version.to_string(), state, nodes: *nodes });
        counts.take(MAX_AGENTS).collect()
    }
}
