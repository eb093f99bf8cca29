//! Many sites in simulated time: a service at each site, and before them a first tier that chooses the site from
//! summaries.
//!
//! The first tier is the real service: a [`Front`](crate::front::Front) with workers at each site, with the summaries
//! as "nodes", one document for each group of each site, and with a built-in as chain (`tier.rs`). The service of a
//! site is modelled: the model counts the sessions of each node and places wherever a node has room (`site.rs`), as the
//! service does and as `capacity.rs` simulates with the real service. The gateways between sites are modelled too: they
//! delay messages, lose some, and are cut (`gateway.rs`).
//!
//! Rejected: a real front for each site. 20 fronts that mirror 50,000 nodes each take 3 GB and hours for a day.

mod course;
mod day;
mod gateway;
mod site;
mod summary;
mod tier;
mod users;

use std::time::Duration;

use crate::worker::BirthError;

pub use course::{Ages, CutCourse, GatewayTraffic, SiteCourse, SitesOutcome, SitesSample};

use day::SitesDay;

/// A group of nodes that every site has, for users of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NodeGroup {
    /// The name of the group: a service in the summaries, and part of the action that a launcher asks for.
    pub name: &'static str,
    /// The share of a site's nodes, between 0 and 1.
    pub nodes: f64,
    /// The number of sessions that a node takes.
    pub sessions: u32,
    /// The share of the users, between 0 and 1.
    pub users: f64,
}

/// The groups of every site; the shares of nodes and those of users add up to 1.
pub const GROUPS: [NodeGroup; 3] = [
    NodeGroup { name: "office", nodes: 0.7, sessions: 2, users: 0.82 },
    NodeGroup { name: "cad", nodes: 0.2, sessions: 1, users: 0.12 },
    NodeGroup { name: "gpu", nodes: 0.1, sessions: 1, users: 0.06 },
];

/// The most sites that a launcher asks for a session: the home site and three others.
pub const SITES_ASKED: usize = 4;
/// The number of intervals without a summary after which the first tier takes a site for stale, and does not choose the
/// site.
pub const MISSED_SUMMARIES: u32 = 3;
/// How long a launcher waits for the answer of a site.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// The shortest interval of summaries: longer than the delay of any message.
pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// The time between two reports of a node by default, as of `whither agent`.
pub const REPORT_EVERY: Duration = Duration::from_secs(15);
/// The size in bytes of a node document with ten sessions, as `benches/mirror.rs` measures.
pub const DOCUMENT_BYTES: u64 = 1_600;
/// The memory in bytes that a process takes for a node, as `benches/mirror.rs` measures.
pub const MIRROR_BYTES: u64 = 5_800;
/// The number of processes of a replica that mirror the nodes: the front, a worker and a spare.
pub const MIRRORS: u64 = 3;

/// The configuration of a simulated day.
#[derive(Clone, Debug)]
pub struct SitesScenario {
    /// The number of sites.
    pub sites: usize,
    /// The number of nodes of each site, ten at least.
    pub nodes: usize,
    /// The number of sessions that a node of any group takes; absent for the figures of [`GROUPS`].
    pub max_sessions: Option<u32>,
    /// The number of users during the day, each with one session.
    pub users: u32,
    /// The mean length of a session.
    pub session: Duration,
    /// The time between two summaries of a site, [`SHORTEST_INTERVAL`] at least.
    pub summary_every: Duration,
    /// The cuts between a site and all others.
    pub cuts: Vec<Cut>,
    /// The length of the day.
    pub day: Duration,
    /// The seed of all chance.
    pub seed: u64,
}

/// A time during which no other site reaches a site; the site's own users reach the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The number of the site, counted from 0.
    pub site: usize,
    /// The time when the cut begins.
    pub at: Duration,
    /// How long the cut lasts.
    pub lasts: Duration,
}

/// Returns the name of the site with this number, counted from 0.
#[must_use]
pub fn name(site: usize) -> String {
    format!("site-{:02}", site + 1)
}

/// Runs the day of `scenario`; `passed` is called with the simulated time now and then.
///
/// # Errors
/// [`BirthError`] if a worker of a first tier does not start.
pub fn run(scenario: &SitesScenario, mut passed: impl FnMut(Duration)) -> Result<SitesOutcome, BirthError> {
    let mut day = SitesDay::begin(scenario)?;
    while day.go_on(&mut passed)? {}
    Ok(day.end())
}

#[cfg(test)]
mod tests;
