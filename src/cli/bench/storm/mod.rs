//! `whither bench --storm`: a login storm on a real service over a real NATS server, beside an echo and beside the
//! service in Node.js that a site would write.
//!
//! The figures of one chain in one process tell the cost of a script; here everything is as at a site on its worst
//! morning. Nodes report with their sessions, each user asks once or twice, sessions are confirmed, appear in their
//! node's next report and end. So a storm also shows faults that no figure shows: a worker that died, an innocent
//! script that was convicted, a request without an answer, or a rate that fell while reservations piled up.

mod answer;
mod cell;
mod chains;
mod figures;
mod launcher;
mod nodes;
mod row;
mod service;
mod site;
mod table;
mod tally;
mod users;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::demo::interrupted;
use crate::cli::exit::{self, CommandExit};
use crate::cli::output;

use super::machine::MachineInfo;
use super::progress::BenchProgress;
use super::{BenchArgs, units};

use cell::{Cell, CellPlan, StormConnections, StormPeer};
use chains::{LeftOut, StormChain};
use launcher::Pace;
use nodes::MOST_SESSIONS;
use site::{NodeJs, StormSite};
use table::CellGroup;
use users::StormUsers;

/// The numbers of nodes, where `--sizes` is not given.
const SIZES: [u32; 3] = [100, 1_000, 10_000];
/// The numbers of requests under way, where `--in-flight` is not given.
const IN_FLIGHT: [u32; 3] = [1, 64, 512];
/// The time for which each contender is measured, where `--seconds` is not given.
const SECONDS: Duration = Duration::from_secs(10);
const USERS: u32 = 100_000;
const MOST_USERS: i64 = 9_999_999;
const REPORT_EVERY_S: u32 = 15;
const LIFE_S: u32 = 30;
const MOST_SECONDS: i64 = 3600;
const THREADS: usize = 2;
/// The time of a cell besides the measured time: processes that start, nodes that become known.
const BESIDE: Duration = Duration::from_secs(1);
/// The names of the rows that are not ours.
const ECHO: &str = "echo";
const PEER: &str = "Node.js";

/// The options of a storm.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Storm")]
pub(super) struct StormArgs {
    /// A login storm: a new service for each row, over NATS, beside an echo and a Node.js service
    ///
    /// Starts a nats-server, and for each chain, number of nodes (--sizes, by default 100,1000,10000) and number of
    /// requests under way (--in-flight, by default 1,64,512) a separate `whither serve`. Nodes report with their
    /// sessions every 15 s; each user asks for a node and confirms, and the session is in the node's next report until
    /// the session ends. With --rate, requests are sent at that rate instead, each timed from the moment it was due;
    /// with --in-flight too, both. --seconds is for each row, by default 10.
    ///
    /// In turn with the chains, on the same server, by the same launchers: a bare echo, and a service in Node.js that
    /// makes the same choice over objects in memory, receives no reports and checks nothing. Ends with 1 where a worker
    /// died, a script was convicted or quarantined, or a request had an error or no answer.
    #[arg(long, conflicts_with_all = ["each", "nodes", "request", "action", "user", "groups", "data", "config",
          "changes", "plot", "peer"])]
    pub(super) storm: bool,
    /// Storm these chains alone: fewest-sessions, js-pure, js-request, js-key, fastx-list, rhai-request, rhai-list,
    /// wasm-node, wasm-list, resident
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', requires = "storm", conflicts_with = "scripts")]
    only: Vec<String>,
    /// Leave the Node.js service out
    #[arg(long, requires = "storm")]
    no_peer: bool,
    /// How many users ask, in turn [default: 100000]
    #[arg(long, value_name = "N", requires = "storm", value_parser = clap::value_parser!(u32).range(1..=MOST_USERS))]
    users: Option<u32>,
    /// All requests come from one user, who has the nodes' own sessions too
    #[arg(long, requires = "storm", conflicts_with = "users")]
    one_login: bool,
    /// How many sessions each node has of its own, within a tenth [default: 0 to 30]
    #[arg(long, value_name = "N", requires = "storm",
          value_parser = clap::value_parser!(u32).range(0..=i64::from(MOST_SESSIONS)))]
    sessions: Option<u32>,
    /// How many seconds a session runs; a node that is full ends its oldest [default: 30]
    #[arg(long, value_name = "SECONDS", requires = "storm",
          value_parser = clap::value_parser!(u32).range(1..=MOST_SECONDS))]
    life: Option<u32>,
    /// How many seconds are between two reports of a node [default: 15]
    #[arg(long, value_name = "SECONDS", requires = "storm",
          value_parser = clap::value_parser!(u32).range(1..=MOST_SECONDS))]
    report_every: Option<u32>,
    /// Confirm nothing, and give each reservation back after N others
    #[arg(long, value_name = "N", requires = "storm", conflicts_with = "life",
          value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    held: Option<u32>,
    /// The nats-server to start [default: from PATH]
    #[arg(long, value_name = "FILE", env = "WHITHER_NATS_SERVER")]
    nats_server: Option<PathBuf>,
    /// Measure in a debug build too, for a test of the output
    #[arg(long, hide = true, requires = "storm")]
    any_build: bool,
}

/// Everything that is stormed.
struct Storm {
    chains: Vec<StormChain>,
    left_out: Vec<LeftOut>,
    peer: Option<NodeJs>,
    cells: Vec<Cell>,
    plan: CellPlan,
}

/// Runs the storm.
///
/// # Errors
/// A process that cannot be started; and, when everything has been printed, that something went wrong in a whither
/// service.
pub(super) fn run(args: &BenchArgs) -> Result<(), CommandExit> {
    if args.typed.0 {
        return Err(CommandExit::usage("--storm starts a NATS server of its own: leave out --nats"));
    }
    let storm = Storm::of(args)?;
    if !args.storm.any_build {
        super::refuse_debug()?;
    }
    for LeftOut { name, why } in &storm.left_out {
        output::aside(format_args!("{name} is left out: {why}"));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let groups = runtime.map_err(|error| CommandExit::new(exit::OTHER, error))?.block_on(storm.run(args))?;
    storm.print_results(&groups, args.json)?;
    let faults: Vec<_> = groups.iter().flat_map(CellGroup::faults).collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(CommandExit::new(exit::OTHER, format!("the service failed in the storm:\n  {}", faults.join("\n  "))))
}

impl Storm {
    fn of(args: &BenchArgs) -> Result<Self, CommandExit> {
        let own = &args.storm;
        let (chains, mut left_out) = match args.chain.scripts.as_slice() {
            [] => chains::known(&own.only)?,
            scripts => (chains::own(scripts)?, Vec::new()),
        };
        let peer = if own.no_peer { None } else { Some(NodeJs::find()) };
        let peer =
            peer.and_then(|found| found.map_err(|why| left_out.push(LeftOut { name: PEER.to_owned(), why })).ok());
        let sizes = if args.sizes.is_empty() { SIZES.as_slice() } else { &args.sizes };
        let paces: Vec<_> = match (args.in_flight.as_slice(), args.rate) {
            ([], None) => IN_FLIGHT.map(Pace::Closed).to_vec(),
            (in_flight, rate) => in_flight.iter().copied().map(Pace::Closed).chain(rate.map(Pace::Open)).collect(),
        };
        let cells = sizes.iter().flat_map(|nodes| paces.iter().map(|pace| Cell { nodes: *nodes, pace: *pace }));
        let users = if own.one_login { 1 } else { own.users.unwrap_or(USERS) };
        let seconds = |given: Option<u32>, default: u32| Duration::from_secs(u64::from(given.unwrap_or(default)));
        let kind = nodes::StormNodes {
            sessions: own.sessions,
            one_login: own.one_login,
            users,
            life: seconds(own.life, LIFE_S),
        };
        let plan = CellPlan {
            time: args.seconds.unwrap_or(SECONDS),
            kind,
            users: StormUsers { count: users },
            report_every: seconds(own.report_every, REPORT_EVERY_S),
            held: own.held.map(|held| held as usize),
        };
        Ok(Self { chains, left_out, peer, cells: cells.collect(), plan })
    }

    async fn run(&self, args: &BenchArgs) -> Result<Vec<CellGroup>, CommandExit> {
        let stopped = interrupted().map_err(|error| CommandExit::new(exit::OTHER, error))?;
        let site = StormSite::start(args.storm.nats_server.as_deref()).await?;
        let (launchers, agents) = (site.connect().await?, site.connect().await?);
        let mut field = StormConnections { site, launchers, agents };
        let groups = tokio::select! {
            groups = self.measure(&mut field) => groups,
            () = stopped => Err(CommandExit::new(130, "interrupted: nothing is told of a part of a storm")),
        };
        field.site.take_down().await;
        groups
    }

    async fn measure(&self, field: &mut StormConnections) -> Result<Vec<CellGroup>, CommandExit> {
        let contenders: Vec<_> = std::iter::once(StormPeer::Echo)
            .chain(self.peer.iter().map(StormPeer::Peer))
            .chain(self.chains.iter().map(StormPeer::Chain))
            .collect();
        let rows = u32::try_from(contenders.len() * self.cells.len()).unwrap_or(u32::MAX);
        let mut progress = BenchProgress::over((self.plan.time + BESIDE) * rows);
        let is_watched = std::io::stderr().is_terminal();
        let mut groups = Vec::new();
        for cell in &self.cells {
            let mut group = CellGroup { cell: *cell, rows: Vec::new() };
            for contender in &contenders {
                let name = format!("{}, {}", contender.name(), cell.name());
                progress.begins(&name);
                let measured = field.measure(*contender, *cell, &self.plan).await;
                let row = measured.map_err(|exit| CommandExit::new(exit.code, format!("{name}: {}", exit.message)))?;
                progress.tick();
                if !is_watched {
                    output::aside(format_args!("{name}: {} a second", units::rate(row.tally.per_second())));
                }
                group.rows.push(row);
            }
            groups.push(group);
        }
        progress.end();
        Ok(groups)
    }

    fn print_results(&self, groups: &[CellGroup], as_json: bool) -> Result<(), CommandExit> {
        let machine = MachineInfo::here();
        if as_json {
            return output::json(format_args!("{:#}", self.json(groups, &machine)));
        }
        let tables: Vec<_> = groups.iter().map(|group| group.table(group.beside(ECHO, PEER))).collect();
        let mut text = format!("{}\n{}\n\n{}", machine.line(), self.how(), tables.join("\n\n"));
        if groups.iter().all(|group| group.faults().is_empty()) {
            text.push_str("\n\nno worker died, no script was convicted, every request was answered");
        }
        output::answer(text)
    }

    fn json(&self, groups: &[CellGroup], machine: &MachineInfo) -> Value {
        let cells = groups.iter().map(|group| {
            let beside = group.beside(ECHO, PEER);
            let (in_flight, rate) = match group.cell.pace {
                Pace::Closed(in_flight) => (Some(in_flight), None),
                Pace::Open(rate) => (None, Some(rate)),
            };
            let rows: Vec<_> = group.rows.iter().map(|row| row.to_json(beside)).collect();
            json!({"nodes": group.cell.nodes, "in_flight": in_flight, "rate": rate, "rows": rows})
        });
        let left_out = self.left_out.iter().map(|left| json!({"who": left.name, "why": left.why}));
        let CellPlan { time, kind, users, report_every, held } = &self.plan;
        json!({
            "machine": machine.to_json(),
            "seconds": time.as_secs_f64(),
            "users": users.count,
            "held": held,
            "sessions": kind.sessions,
            "life_s": kind.life.as_secs(),
            "report_every_s": report_every.as_secs(),
            "cells": cells.collect::<Vec<_>>(),
            "left_out": left_out.collect::<Vec<_>>(),
            "faults": groups.iter().flat_map(CellGroup::faults).collect::<Vec<_>>(),
        })
    }

    fn how(&self) -> String {
        let CellPlan { time, kind, users, report_every, held } = &self.plan;
        let after = match held {
            Some(held) => format!("each reservation given back after {} others", units::count(*held as u64)),
            None => format!("sessions confirmed and reported for {} s", kind.life.as_secs()),
        };
        let users = match users.count {
            1 => "one user".to_owned(),
            count => format!("{} users in turn", units::count(u64::from(count))),
        };
        format!(
            "a login storm, {} s a row from a cold start: {users}, {after}, nodes report every {} s\n\
             first, last: placements a second in the first and the last 5 s, or halves · µs: CPU time a placement",
            time.as_secs_f64(),
            report_every.as_secs()
        )
    }
}
