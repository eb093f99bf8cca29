//! A cell of a storm: a number of nodes and a pace of requests. In each cell an echo, the peer and each chain are
//! measured in turn, each by the same launchers, on the same server, from the same start.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;

use crate::cli::bench::echo::Echo;
use crate::cli::bench::units;
use crate::cli::bus::BusArgs;
use crate::cli::exit::CommandExit;

use super::answer::SAMPLE;
use super::chains::StormChain;
use super::figures::{self, CpuTaken, Quarantined, ServiceFigures};
use super::launcher::{After, Launchers, Pace, Subjects};
use super::nodes::{self, Nodes};
use super::row::StormRow;
use super::site::{NodeJs, StormSite};
use super::users::StormUsers;

/// The interval at which the echo is asked until the echo listens.
const RETRY: Duration = Duration::from_millis(10);

/// The number of nodes, and the pace of the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// The nodes.
    pub(super) nodes: u32,
    /// The pace of the requests.
    pub(super) pace: Pace,
}

/// The service that receives the requests.
#[derive(Clone, Copy, Debug)]
pub(super) enum StormPeer<'a> {
    /// A responder that answers anything at once: the floor.
    Echo,
    /// The Node.js service that a site would write instead.
    Peer(&'a NodeJs),
    /// A service that decides by a chain.
    Chain(&'a StormChain),
}

/// The settings that are the same in every cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct CellPlan {
    /// The time for which each contender is measured.
    pub(super) time: Duration,
    /// The properties of the nodes.
    pub(super) kind: nodes::StormNodes,
    /// The users who send the requests.
    pub(super) users: StormUsers,
    /// The interval at which a node reports.
    pub(super) report_every: Duration,
    /// The number of later reservations after which a reservation is given back that is never confirmed.
    pub(super) held: Option<usize>,
}

/// The server, and the two connections to the server.
pub(super) struct StormConnections {
    /// The processes.
    pub(super) site: StormSite,
    /// The launchers' connection.
    pub(super) launchers: Client,
    /// The nodes' connection.
    pub(super) agents: Client,
}

/// The counters that are read before and after a run.
#[derive(Clone, Copy)]
struct Clocks {
    service: CpuTaken,
    nats_us: u64,
    client_us: u64,
}

impl Cell {
    /// Returns the heading of the cell's table.
    pub(super) fn name(self) -> String {
        let (nodes, how) = (units::count(u64::from(self.nodes)), self.pace);
        match how {
            Pace::Closed(in_flight) => format!("{nodes} nodes, {} in flight", units::count(u64::from(in_flight))),
            Pace::Open(rate) => format!("{nodes} nodes, {} requests a second", units::count(u64::from(rate))),
        }
    }
}

impl StormPeer<'_> {
    /// Returns the name of the contender's row.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Echo => "echo",
            Self::Peer(_) => "Node.js",
            Self::Chain(chain) => &chain.name,
        }
    }
}

impl StormConnections {
    /// Measures `contender` as `cell` says.
    ///
    /// # Errors
    /// A process that does not come up or ends, or a server that is gone.
    pub(super) async fn measure(
        &mut self,
        contender: StormPeer<'_>,
        cell: Cell,
        plan: &CellPlan,
    ) -> Result<StormRow, CommandExit> {
        match contender {
            StormPeer::Echo => self.echo(cell, plan).await,
            StormPeer::Peer(node_js) => self.peer(node_js, cell, plan).await,
            StormPeer::Chain(chain) => self.service(chain, cell, plan).await,
        }
    }

    async fn echo(&self, cell: Cell, plan: &CellPlan) -> Result<StormRow, CommandExit> {
        let echo = Echo::start(&BusArgs::of(self.site.url()), None, SAMPLE.into())?;
        // The echo's connection has sent the subscription to the server, and the server may not have processed it yet.
        while self.launchers.request(echo.subject().to_owned(), Bytes::new()).await.is_err() {
            tokio::time::sleep(RETRY).await;
        }
        let subject = || echo.subject().to_owned().into();
        let subjects = Subjects { place: subject(), confirm: subject(), release: subject() };
        let after = plan.held.map_or(After::Confirmed, After::GivenBack);
        self.run(StormPeer::Echo, None, plan.launchers(&self.launchers, subjects, cell, after)).await
    }

    async fn peer(&mut self, node_js: &NodeJs, cell: Cell, plan: &CellPlan) -> Result<StormRow, CommandExit> {
        let mut nodes = Nodes::new(cell.nodes as usize, plan.kind);
        let most = nodes.most_started();
        let (pid, subjects) = self.site.peer(node_js, &mut nodes).await?;
        let after = plan.held.map_or(After::Ended { life: plan.kind.life, most }, After::GivenBack);
        let launchers = plan.launchers(&self.launchers, subjects, cell, after);
        let row = self.run(StormPeer::Peer(node_js), Some(pid), launchers).await?;
        self.site.check()?;
        self.site.end_peer().await;
        Ok(row)
    }

    async fn service(&mut self, chain: &StormChain, cell: Cell, plan: &CellPlan) -> Result<StormRow, CommandExit> {
        let service = self.site.serve(chain, plan.report_every).await?;
        let nodes = Arc::new(Mutex::new(Nodes::new(cell.nodes as usize, plan.kind)));
        service.introduce(&self.agents, &nodes).await?;
        let first_answer = service.first_answer(&self.launchers, plan.users.request(0)).await?;
        let after = plan.held.map_or_else(|| After::Reported(Arc::clone(&nodes)), After::GivenBack);
        let launchers = plan.launchers(&self.launchers, service.subjects(), cell, after);
        let quarantined = Quarantined::default();
        let row = tokio::select! {
            row = self.run(StormPeer::Chain(chain), Some(service.pid), launchers) => row?,
            exit = service.clone().keep_reporting(self.agents.clone(), nodes, plan.report_every) => return Err(exit),
            never = quarantined.watch(service.port) => match never {},
        };
        self.site.check()?;
        let figures = ServiceFigures::of(service.port);
        quarantined.note(&figures);
        let complaints = self.site.complaints();
        self.site.end(&service, &self.agents).await?;
        let quarantined = quarantined.most();
        Ok(StormRow { figures: Some(figures), quarantined, complaints, first_answer: Some(first_answer), ..row })
    }

    async fn run(
        &self,
        contender: StormPeer<'_>,
        pid: Option<u32>,
        launchers: Launchers<'_>,
    ) -> Result<StormRow, CommandExit> {
        let before = self.clocks(pid);
        let tally = launchers.run().await?;
        let after = self.clocks(pid);
        let (first, last) = tally.first_and_last(launchers.time);
        Ok(StormRow {
            name: contender.name().to_owned(),
            is_ours: matches!(contender, StormPeer::Chain(_)),
            first,
            last,
            cpu_us: after.service.since(before.service),
            nats_us: after.nats_us.saturating_sub(before.nats_us),
            client_us: after.client_us.saturating_sub(before.client_us),
            memory_bytes: pid.map(CpuTaken::memory_bytes).unwrap_or_default(),
            tally,
            figures: None,
            quarantined: 0,
            first_answer: None,
            complaints: Vec::new(),
        })
    }

    fn clocks(&self, pid: Option<u32>) -> Clocks {
        Clocks {
            service: pid.map(CpuTaken::cpu_us).unwrap_or_default(),
            nats_us: figures::cpu_us(self.site.nats()),
            client_us: figures::cpu_us(std::process::id()),
        }
    }
}

impl CellPlan {
    fn launchers<'a>(&self, client: &'a Client, subjects: Subjects, cell: Cell, after: After) -> Launchers<'a> {
        Launchers { client, subjects, users: self.users, pace: cell.pace, time: self.time, after }
    }
}
