//! A day of a cluster in simulated time, for whoever plans its capacity: the real service, hosts that fill and empty, users
//! who come and go, and what became of them.

mod day;
mod host;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::front::Setup;
use crate::worker::BirthError;

use day::CapacityDay;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct CapacityScenario {
    /// The service's configuration, chains included. Executables cannot be simulated.
    pub setup: Setup,
    /// The node documents, without their sessions.
    pub hosts: Vec<Value>,
    /// Who comes, in the order of time.
    pub arrivals: Vec<Arrival>,
    /// Hosts that fail.
    pub outages: Vec<Outage>,
    /// What a session takes of its host.
    pub load: SessionLoad,
    /// How often each host reports.
    pub report: Duration,
    /// How long the day is.
    pub day: Duration,
    /// What all chance comes from.
    pub seed: u64,
}

/// One request for a session.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// When it comes.
    pub at: Duration,
    /// The request; its `user.login` is the user.
    pub request: Value,
    /// How long the session lasts.
    pub lasts: Duration,
}

/// A host that fails, and takes its sessions with it.
#[derive(Clone, Debug)]
pub struct Outage {
    /// Which one.
    pub host: Arc<str>,
    /// When.
    pub at: Duration,
    /// After how long it is back.
    pub lasts: Duration,
}

/// What a session takes of its host.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionLoad {
    /// Percent of the host's processors.
    pub cpu_percent: f64,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

/// What became of a day.
#[derive(Clone, Debug, Default)]
pub struct DayOutcome {
    /// The hosts' ids, in the order of all counts.
    pub hosts: Vec<Arc<str>>,
    /// How many sessions each takes, where it says so.
    pub capacities: Vec<Option<u64>>,
    /// The state of the cluster, once a minute.
    pub samples: Vec<CapacitySample>,
    /// Sessions that were placed, those of users who came back included.
    pub placed: u64,
    /// Requests that got no place, by the failure's name.
    pub refused: BTreeMap<String, u64>,
    /// How long each placement that had to wait waited, ascending.
    pub waits: Vec<Duration>,
    /// Sessions that were lost with their host.
    pub lost: u64,
}

/// The state of the cluster at one moment.
#[derive(Clone, Debug)]
pub struct CapacitySample {
    /// The time since the day's start.
    pub at: Duration,
    /// Sessions by host; absent for a host that is down or cordoned.
    pub sessions: Vec<Option<u64>>,
    /// Requests that wait for a free node.
    pub waiting: u64,
}

/// Runs the day of `scenario`; `passed` is told how much of it is over.
///
/// # Errors
/// A script that does not compile.
pub fn run(scenario: &CapacityScenario, mut passed: impl FnMut(Duration)) -> Result<DayOutcome, BirthError> {
    let mut day = CapacityDay::begin(scenario);
    while day.go_on(&mut passed)? {}
    Ok(day.end())
}
