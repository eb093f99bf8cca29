//! Many sites in simulated time: a service at each site, and before them a first tier that chooses the site from summaries.
//!
//! The first tier is the real service: a [`Front`](crate::front::Front) with its workers at each site, whose "nodes" are the
//! summaries, one document for each group of each site, and whose chain is a built-in (`tier.rs`). The service of a site is
//! modelled: it counts the sessions of each of its nodes and places wherever a node has room (`site.rs`), which is what the
//! service does and what `capacity.rs` simulates with the real one. The gateways between sites are modelled too: they delay
//! messages, lose some, and are cut (`gateway.rs`).
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
    /// The group's name: a service in the summaries, and part of the action that a launcher asks for.
    pub name: &'static str,
    /// The share of a site's nodes, between 0 and 1.
    pub nodes: f64,
    /// How many sessions one node takes.
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

/// How many sites a launcher asks for one session at most: the home site and three others.
pub const SITES_ASKED: usize = 4;
/// A site of which the first tier has heard nothing for so many intervals of summaries is stale, and not chosen.
pub const MISSED_SUMMARIES: u32 = 3;
/// How long a launcher waits for the answer of a site.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// The shortest interval of summaries: longer than any message is on its way.
pub const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// How often a node reports by default, as `whither agent` does.
pub const REPORT_EVERY: Duration = Duration::from_secs(15);
/// Bytes of a node document with ten sessions, as `benches/mirror.rs` measures it.
pub const DOCUMENT_BYTES: u64 = 1_600;
/// Bytes of memory that one process takes for one node, as `benches/mirror.rs` measures it.
pub const MIRROR_BYTES: u64 = 5_800;
/// The processes of a replica that mirror the nodes: the front, one worker and one spare.
pub const MIRRORS: u64 = 3;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct SitesScenario {
    /// How many sites there are.
    pub sites: usize,
    /// How many nodes each site has, ten at least.
    pub nodes: usize,
    /// How many sessions one node of any group takes; absent for the figures of [`GROUPS`].
    pub max_sessions: Option<u32>,
    /// How many users come during the day, each for one session.
    pub users: u32,
    /// How long a session lasts in the mean.
    pub session: Duration,
    /// How often each site publishes its summaries, [`SHORTEST_INTERVAL`] at least.
    pub summary_every: Duration,
    /// The cuts between one site and all others.
    pub cuts: Vec<Cut>,
    /// How long the day is.
    pub day: Duration,
    /// What all chance comes from.
    pub seed: u64,
}

/// A site that no other site reaches for a while; its own users reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Which site, counted from 0.
    pub site: usize,
    /// When the cut begins.
    pub at: Duration,
    /// How long it lasts.
    pub lasts: Duration,
}

/// The name of the site with this number, counted from 0.
#[must_use]
pub fn name(site: usize) -> String {
    format!("site-{:02}", site + 1)
}

/// Runs the day of `scenario`; `passed` is told how much of it is over.
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
