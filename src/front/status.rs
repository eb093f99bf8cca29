//! The status of this replica: everything that `NS.status`, `/api/status` and `whither status` tell of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::census::{AgentCount, Census, GroupCapacity};
use super::fact_table::FactStatus;
use super::minutes::{MINUTES, MinuteFigures};
use super::quarantine::Culprit;
use super::task::Front;

/// The number of minutes in a status where the requester names no number.
const USUAL_MINUTES: u64 = 5;
/// The most scripts, nodes and users in quarantine that a status names.
const MAX_CONFINED: usize = 50;
/// The most nodes out of sync that a problem names.
const MAX_LATE: usize = 20;
/// The notes that tell of the surroundings and not of a fault.
const MERE_NOTES: [&str; 1] = ["frozen"];

/// A request for the status.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatusQuery {
    /// The number of minutes to tell of.
    #[serde(default)]
    minutes: Option<u64>,
}

/// The status of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ReplicaStatus {
    /// The name of the replica.
    pub replica: Arc<str>,
    /// The number of replicas, with this one.
    pub replicas: usize,
    /// The name of the machine.
    pub host: Arc<str>,
    /// The release.
    pub version: &'static str,
    /// The seconds since the start.
    pub uptime_s: u64,
    /// Whether requests can be decided.
    pub ready: bool,
    /// The faults that an operator should look at, a sentence each.
    pub problems: Vec<String>,
    /// Further notes for an operator.
    pub notes: Vec<String>,
    /// The chains.
    pub chains: ChainsStatus,
    /// The view of the cluster.
    pub view: ViewStatus,
    /// The nodes by version of their agent and state.
    pub agents: Vec<AgentCount>,
    /// The workers.
    pub workers: WorkersStatus,
    /// The requests.
    pub requests: RequestsStatus,
    /// The reservations that count, of all replicas.
    pub reservations: usize,
    /// The scripts that are not run at the moment, at a node or at all.
    pub quarantine: Vec<ConfinedStatus>,
    /// The number of groups of nodes.
    pub groups: usize,
    /// The capacity of the first of these groups.
    pub capacity: Vec<GroupCapacity>,
    /// The countable facts.
    pub facts: Vec<FactStatus>,
}

/// The chains of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ChainsStatus {
    /// The digest, which is the same at all replicas with these chains.
    pub digest: Arc<str>,
    /// The number of the configuration, which each reload makes greater.
    pub edition: u64,
    /// The actions.
    pub actions: Vec<Arc<str>>,
}

/// The view of the cluster of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ViewStatus {
    /// The time since the last proof that the node list misses nothing, in milliseconds; absent where there was none.
    pub age_ms: Option<u64>,
    /// Whether the view is kept at the moment.
    pub is_kept: bool,
    /// The reason where the view is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// The number of nodes.
    pub nodes: usize,
    /// The number of nodes by state.
    pub states: BTreeMap<&'static str, usize>,
    /// The first of the nodes that are stale.
    pub stale: Vec<Arc<str>>,
    /// The number that grows with each change of the cluster.
    pub generation: u64,
}

/// The workers of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorkersStatus {
    /// The slots of the worker pool.
    pub slots: usize,
    /// The slots that have a worker.
    pub staffed: usize,
    /// The workers that wait for a slot.
    pub spares: usize,
    /// The workers that ended unasked since the start.
    pub deaths: u64,
}

/// The requests of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RequestsStatus {
    /// The requests without an answer, those that wait for a node included.
    pub unanswered: usize,
    /// The requests that wait for a free node.
    pub waiting: usize,
    /// The last minutes, the last one first.
    pub minutes: Vec<MinuteFigures>,
}

/// A script that is not run at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConfinedStatus {
    /// The script, by the name of its step.
    pub script: Arc<str>,
    /// The node that the script is not asked about; absent where it is not run for anybody, or for a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<Arc<str>>,
    /// The user whose requests the script is not run for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Arc<str>>,
    /// The reason.
    pub message: String,
}

impl Front {
    /// Names the machine that this front runs on, for the status.
    #[must_use]
    pub fn on_host(mut self, host: &str) -> Self {
        self.host = host.into();
        self
    }

    /// Returns the status that `query` asks for.
    pub(super) fn answer_status(&self, query: &StatusQuery) -> ReplicaStatus {
        let minutes = query.minutes.unwrap_or(USUAL_MINUTES).clamp(1, MINUTES);
        self.status(&self.census(), minutes)
    }

    /// Returns the status with the usual number of minutes.
    pub(super) fn usual_status(&self, census: &Census) -> ReplicaStatus {
        self.status(census, USUAL_MINUTES)
    }

    /// Counts the nodes.
    pub(super) fn census(&self) -> Census {
        let mut census = Census::default();
        self.cluster.nodes().for_each(|(_, node)| census.count(node, self.state(node)));
        census
    }

    fn status(&self, census: &Census, minutes: u64) -> ReplicaStatus {
        let setup = self.workers.setup();
        let (groups, capacity) = census.capacity();
        ReplicaStatus {
            replica: Arc::clone(&self.replica),
            replicas: 1 + self.replicas.others(),
            host: Arc::clone(&self.host),
            version: env!("CARGO_PKG_VERSION"),
            uptime_s: self.now_ms() / 1000,
            ready: self.is_ready(),
            problems: self.problems(census),
            notes: self.mere_notes(),
            chains: ChainsStatus {
                digest: Arc::clone(&setup.digest),
                edition: self.workers.edition(),
                actions: setup.birth.set.chains.iter().map(|chain| Arc::clone(&chain.action)).collect(),
            },
            view: ViewStatus {
                age_ms: self.view.age(self.now.instant).map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
                is_kept: self.bus,
                trouble: self.view_trouble.clone(),
                nodes: self.cluster.len(),
                states: census.states.clone(),
                stale: census.stale.clone(),
                generation: self.cluster.generation(),
            },
            agents: census.agents(),
            workers: WorkersStatus { deaths: self.metrics.worker_deaths.get(), ..self.workers.counts() },
            requests: RequestsStatus {
                unanswered: self.owed(),
                waiting: self.waiting_requests(),
                minutes: self.minutes.last(self.now_ms(), minutes),
            },
            reservations: self.ledger.len(),
            quarantine: self.confined(),
            groups,
            capacity,
            facts: self.facts.status(self.now_ms()),
        }
    }

    /// Whether requests can be decided.
    pub(super) fn is_ready(&self) -> bool {
        self.workers.is_ready() && self.nodes_known && self.bus && self.stopping.is_none()
    }

    fn problems(&self, census: &Census) -> Vec<String> {
        let mut problems = Vec::new();
        if self.stopping.is_some() {
            problems.push("the replica is stopping".to_owned());
        }
        if !self.workers.is_ready() && !self.notes.contains_key("worker") {
            problems.push("no worker can decide yet".to_owned());
        }
        match &self.view_trouble {
            Some(trouble) if self.nodes_known => {
                problems.push(format!("the view of the cluster is not kept: {trouble}; the nodes known so far count"));
            }
            None if !self.nodes_known => problems.push("the node list is not read yet".to_owned()),
            _ => {}
        }
        let notes = self.notes.iter().filter(|(about, _)| !MERE_NOTES.contains(about));
        problems.extend(notes.map(|(about, note)| format!("{about}: {note}")));
        problems.extend(self.replicas.differing(&self.workers.setup().digest));
        problems.extend(self.confined().into_iter().map(|confined| format!("quarantine: {}", confined.message)));
        let stale = census.states.get(crate::nats::wire::STALE).copied().unwrap_or_default();
        if stale > 0 {
            let named: Vec<_> = census.stale.iter().map(|node| &**node).collect();
            let more = if stale > named.len() { ", …" } else { "" };
            let nodes = if stale == 1 { "node has" } else { "nodes have" };
            problems.push(format!("{stale} {nodes} not reported for too long: {}{more}", named.join(", ")));
        }
        let late = self.view.late();
        for fact in self.facts.status(self.now_ms()).iter().filter(|fact| fact.is_expired()) {
            let FactStatus { fact, by, .. } = fact;
            let by = if by.is_empty() { "nobody".to_owned() } else { format!("{by} last") };
            problems.push(format!(
                "the fact `{fact}` was not renewed in time, set by {by}: requests that need it are refused"
            ));
        }
        // A node that is stale as well is told of above.
        let late: Vec<_> =
            late.iter().filter(|node| self.cluster.get(node).is_some_and(|node| !node.is_stale())).collect();
        if !late.is_empty() {
            let named: Vec<_> = late.iter().take(MAX_LATE).map(|node| &***node).collect();
            let more = if late.len() > named.len() { ", …" } else { "" };
            let nodes = if late.len() == 1 { "node is" } else { "nodes are" };
            problems.push(format!("{} {nodes} out of sync: {}{more}", late.len(), named.join(", ")));
        }
        problems
    }

    fn mere_notes(&self) -> Vec<String> {
        let notes = self.notes.iter().filter(|(about, _)| MERE_NOTES.contains(about));
        let notes = notes.map(|(about, note)| format!("{about}: {note}"));
        notes.chain(self.lacks.iter().map(|lack| format!("seal: {lack}"))).collect()
    }

    fn confined(&self) -> Vec<ConfinedStatus> {
        let confined = self.quarantine.confined().take(MAX_CONFINED);
        confined
            .map(|(confined, limited)| {
                let (node, user) = match &confined.culprit {
                    Culprit::Node(node) => (Some(Arc::clone(node)), None),
                    Culprit::Login(login) => (None, Some(Arc::clone(login))),
                    Culprit::Script => (None, None),
                };
                let message = match &node {
                    Some(node) => format!("{} is not asked about `{node}`: {}", confined.script, limited.message),
                    None => limited.message.to_string(),
                };
                ConfinedStatus { script: Arc::clone(&confined.script), node, user, message }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
