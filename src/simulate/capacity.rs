//! A day of a cluster in simulated time, for planning capacity: the real service, hosts that fill and empty, users who
//! come and go, and the outcome.

mod day;
mod host;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::front::Setup;
use crate::worker::BirthError;

use day::CapacityDay;

/// The configuration of a simulated day.
#[derive(Clone, Debug)]
pub struct CapacityScenario {
    /// The service's configuration, chains included. Executables cannot be simulated.
    pub setup: Setup,
    /// The node documents, without their sessions.
    pub hosts: Vec<Value>,
    /// The arrivals, in the order of time.
    pub arrivals: Vec<Arrival>,
    /// The hosts that fail.
    pub outages: Vec<Outage>,
    /// The resources that a session takes of the host.
    pub load: SessionLoad,
    /// The time between two reports of a host.
    pub report: Duration,
    /// The length of the day.
    pub day: Duration,
    /// The seed of all chance.
    pub seed: u64,
}

/// A request for a session.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The time when the request comes.
    pub at: Duration,
    /// The request; `user.login` is the user.
    pub request: Value,
    /// The length of the session.
    pub lasts: Duration,
}

/// A failure of a host, with which all sessions on the host are lost.
#[derive(Clone, Debug)]
pub struct Outage {
    /// The id of the host.
    pub host: Arc<str>,
    /// The time of the failure.
    pub at: Duration,
    /// The time until the host is back.
    pub lasts: Duration,
}

/// The resources that a session takes of the host.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionLoad {
    /// The load of the host's processors in percent.
    pub cpu_percent: f64,
    /// The memory in bytes.
    pub memory_bytes: u64,
}

/// The outcome of a simulated day.
#[derive(Clone, Debug, Default)]
pub struct DayOutcome {
    /// The ids of the hosts, in the order of all counts.
    pub hosts: Vec<Arc<str>>,
    /// The number of sessions that each host takes, where the document says so.
    pub capacities: Vec<Option<u64>>,
    /// The state of the cluster, once a minute.
    pub samples: Vec<CapacitySample>,
    /// The number of sessions that were placed, those of users who came back included.
    pub placed: u64,
    /// The number of requests that got no place, by the name of the failure.
    pub refused: BTreeMap<String, u64>,
    /// The waiting times of the placements that had to wait, ascending.
    pub waits: Vec<Duration>,
    /// The number of sessions that were lost with their host.
    pub lost: u64,
}

/// The state of the cluster at one moment.
#[derive(Clone, Debug)]
pub struct CapacitySample {
    /// The time since the day's start.
    pub at: Duration,
    /// The number of sessions by host; absent for a host that is down or cordoned.
    pub sessions: Vec<Option<u64>>,
    /// The number of requests that wait for a free node.
    pub waiting: u64,
}

/// Runs the day of `scenario`; `passed` is called with the simulated time now and then.
///
/// # Errors
/// A script that does not compile.
pub fn run(scenario: &CapacityScenario, mut passed: impl FnMut(Duration)) -> Result<DayOutcome, BirthError> {
    let mut day = CapacityDay::begin(scenario);
    while day.go_on(&mut passed)? {}
    Ok(day.end())
}
