//! One cell of a storm: so many nodes, asked in one way. An echo, the peer and each chain are measured in it in turn,
//! each by the same launchers, on the same server, from the same start.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::Client;
use bytes::Bytes;

use crate::cli::bench::echo::Echo;
use crate::cli::bench::units;
use crate::cli::bus::BusArgs;
use crate::cli::exit::Exit;

use super::answer::SAMPLE;
use super::chains::Chain;
use super::figures::{self, Figures, Quarantined, Taken};
use super::launcher::{After, Launchers, Pace, Subjects};
use super::nodes::{self, Nodes};
use super::row::Row;
use super::site::{NodeJs, Site};
use super::users::Users;

/// Between two looks whether the echo listens.
const RETRY: Duration = Duration::from_millis(10);

/// How many nodes there are, and how they are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// The nodes.
    pub(super) nodes: u32,
    /// How requests follow each other.
    pub(super) pace: Pace,
}

/// Who is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Contender<'a> {
    /// A responder that answers anything at once: the floor.
    Echo,
    /// What a site would write instead.
    Peer(&'a NodeJs),
    /// A service that decides by a chain.
    Chain(&'a Chain),
}

/// What is the same in every cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    /// How long each one is asked.
    pub(super) time: Duration,
    /// What the nodes are like.
    pub(super) kind: nodes::Kind,
    /// Who asks.
    pub(super) users: Users,
    /// How often a node reports.
    pub(super) report_every: Duration,
    /// After how many others a reservation is given back, where it is never confirmed.
    pub(super) held: Option<usize>,
}

/// The server, and the two connections to it.
pub(super) struct Field {
    /// The processes.
    pub(super) site: Site,
    /// The launchers' connection.
    pub(super) launchers: Client,
    /// The nodes' connection.
    pub(super) agents: Client,
}

/// What is read before and after a run.
#[derive(Clone, Copy)]
struct Clocks {
    service: Taken,
    nats_us: u64,
    client_us: u64,
}

impl Cell {
    /// The cell as its table is headed.
    pub(super) fn name(self) -> String {
        let (nodes, how) = (units::count(u64::from(self.nodes)), self.pace);
        match how {
            Pace::Closed(in_flight) => format!("{nodes} nodes, {} in flight", units::count(u64::from(in_flight))),
            Pace::Open(rate) => format!("{nodes} nodes, {} requests a second", units::count(u64::from(rate))),
        }
    }
}

impl Contender<'_> {
    /// The name of its row.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Echo => "echo",
            Self::Peer(_) => "Node.js",
            Self::Chain(chain) => &chain.name,
        }
    }
}

impl Field {
    /// Asks `contender` as `cell` says.
    ///
    /// # Errors
    /// Where a process does not come up or ends, or the server is gone.
    pub(super) async fn measure(&mut self, contender: Contender<'_>, cell: Cell, course: &Course) -> Result<Row, Exit> {
        match contender {
            Contender::Echo => self.echo(cell, course).await,
            Contender::Peer(node_js) => self.peer(node_js, cell, course).await,
            Contender::Chain(chain) => self.service(chain, cell, course).await,
        }
    }

    async fn echo(&self, cell: Cell, course: &Course) -> Result<Row, Exit> {
        let echo = Echo::start(&BusArgs::of(self.site.url()), None, SAMPLE.into())?;
        // Its own connection has told the server that it listens, and the server may not have read that yet.
        while self.launchers.request(echo.subject().to_owned(), Bytes::new()).await.is_err() {
            tokio::time::sleep(RETRY).await;
        }
        let subject = || echo.subject().to_owned().into();
        let subjects = Subjects { place: subject(), confirm: subject(), release: subject() };
        let after = course.held.map_or(After::Confirmed, After::GivenBack);
        self.run(Contender::Echo, None, course.launchers(&self.launchers, subjects, cell, after)).await
    }

    async fn peer(&mut self, node_js: &NodeJs, cell: Cell, course: &Course) -> Result<Row, Exit> {
        let mut nodes = Nodes::new(cell.nodes as usize, course.kind);
        let most = nodes.most_started();
        let (pid, subjects) = self.site.peer(node_js, &mut nodes).await?;
        let after = course.held.map_or(After::Ended { life: course.kind.life, most }, After::GivenBack);
        let launchers = course.launchers(&self.launchers, subjects, cell, after);
        let row = self.run(Contender::Peer(node_js), Some(pid), launchers).await?;
        self.site.check()?;
        self.site.end_peer().await;
        Ok(row)
    }

    async fn service(&mut self, chain: &Chain, cell: Cell, course: &Course) -> Result<Row, Exit> {
        let service = self.site.serve(chain, course.report_every).await?;
        let nodes = Arc::new(Mutex::new(Nodes::new(cell.nodes as usize, course.kind)));
        service.introduce(&self.agents, &nodes).await?;
        let first_answer = service.first_answer(&self.launchers, course.users.request(0)).await?;
        let after = course.held.map_or_else(|| After::Reported(Arc::clone(&nodes)), After::GivenBack);
        let launchers = course.launchers(&self.launchers, service.subjects(), cell, after);
        let quarantined = Quarantined::default();
        let row = tokio::select! {
            row = self.run(Contender::Chain(chain), Some(service.pid), launchers) => row?,
            exit = service.clone().keep_reporting(self.agents.clone(), nodes, course.report_every) => return Err(exit),
            never = quarantined.watch(service.port) => match never {},
        };
        self.site.check()?;
        let figures = Figures::of(service.port);
        quarantined.note(&figures);
        let complaints = self.site.complaints();
        self.site.end(&service, &self.agents).await?;
        let quarantined = quarantined.most();
        Ok(Row { figures: Some(figures), quarantined, complaints, first_answer: Some(first_answer), ..row })
    }

    async fn run(&self, contender: Contender<'_>, pid: Option<u32>, launchers: Launchers<'_>) -> Result<Row, Exit> {
        let before = self.clocks(pid);
        let tally = launchers.run().await?;
        let after = self.clocks(pid);
        let (first, last) = tally.first_and_last(launchers.time);
        Ok(Row {
            name: contender.name().to_owned(),
            is_ours: matches!(contender, Contender::Chain(_)),
            first,
            last,
            cpu_us: after.service.since(before.service),
            nats_us: after.nats_us.saturating_sub(before.nats_us),
            client_us: after.client_us.saturating_sub(before.client_us),
            memory_bytes: pid.map(Taken::memory_bytes).unwrap_or_default(),
            tally,
            figures: None,
            quarantined: 0,
            first_answer: None,
            complaints: Vec::new(),
        })
    }

    fn clocks(&self, pid: Option<u32>) -> Clocks {
        Clocks {
            service: pid.map(Taken::cpu_us).unwrap_or_default(),
            nats_us: figures::cpu_us(self.site.nats()),
            client_us: figures::cpu_us(std::process::id()),
        }
    }
}

impl Course {
    fn launchers<'a>(&self, client: &'a Client, subjects: Subjects, cell: Cell, after: After) -> Launchers<'a> {
        Launchers { client, subjects, users: self.users, pace: cell.pace, time: self.time, after }
    }
}
