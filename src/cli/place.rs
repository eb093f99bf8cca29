//! `whither place`: one placement, from a node list or from a running service.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::Map;

use crate::model::{Arrangement, Outcome};
use crate::nats::wire;
use crate::plain::Plain;
use crate::runner::Edition;
use crate::worker::{Audience, Birth, WorkerLimits};

use super::bus::BusArgs;
use super::chains::{ChainArgs, Chains};
use super::exit::Exit;
use super::request::{self, RequestArgs};
use super::{nodes_file, one_shot, remote, say, table};

/// Place one session: offline from a node list, or by a running service.
///
/// Runs a chain of steps over a list of nodes and prints the id of the chosen node. Without `--nodes` it reads
/// {"nodes": […], "params": {…}} on standard input, as FastX 4 gives it to a load balancer script. With `--nats` and
/// without `--nodes`, `--script` and `--config` it asks a running service instead.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  whither new nodes > nodes.json
  whither place --nodes nodes.json --script builtin:fewest-sessions
  whither place --nodes nodes.json --script gpu-only.js --script builtin:most-memory --user ann --group cad --explain
  whither place --nats nats://127.0.0.1:4222 --user ann

Exit codes: 0 placed · 1 anything else · 2 command line, config or input file · 3 no node · 4 a script's fault · 5 a limit")]
pub struct PlaceArgs {
    /// The nodes: a JSON array of them, or a FastX 4 document
    #[arg(long, value_name = "FILE")]
    nodes: Option<PathBuf>,
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    asked: RequestArgs,
    /// Wait so many seconds for a free node, where a service is asked; 600 at most
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=600))]
    wait: Option<u32>,
    /// Explain each step on standard error, and why nodes were left out
    #[arg(long)]
    explain: bool,
    /// The request's random bits, to run a decision again
    #[arg(long)]
    seed: Option<u64>,
    /// Request time, e.g. 2026-11-20T17:30:00Z, to run a decision again
    #[arg(long, value_name = "TIME")]
    now: Option<jiff::Timestamp>,
    /// The time zone of the scripts' clock
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Decide here, whatever the environment says of a service: what a FastX load balancer script must do
    #[arg(long, hide = true)]
    local: bool,
    /// Print the whole decision as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    bus: BusArgs,
}

/// Runs the command.
///
/// # Errors
/// How it ended, where no node was printed.
pub fn run(args: &PlaceArgs) -> Result<(), Exit> {
    let here = args.local || args.nodes.is_some() || args.chain.is_given();
    if args.bus.is_given() && !here {
        let mut asked = args.asked.over(Map::new(), WorkerLimits::default().request_bytes)?;
        if let Some(seconds) = args.wait {
            asked.insert("wait_ms".to_owned(), (u64::from(seconds) * 1000).into());
        }
        return remote::place(&args.bus, &asked, args.explain, args.json);
    }
    let chains = args.chain.load(&args.asked, args.timezone.as_deref())?;
    let limits = chains.limits;
    let nodes = nodes_file::read(args.nodes.as_deref(), limits.request_bytes)?;
    nodes.warnings.iter().for_each(|warning| say::aside(format_args!("warning: {}", Plain(warning))));
    let asked = args.asked.over(nodes.request, limits.request_bytes)?;
    let question = request::question(&asked, limits.request_bytes, args.seed, args.now)?;
    chains.get(&question.head.action)?;
    let Chains { set, environment, programs, .. } = chains;
    let birth = Birth { set, arrangement: Arrangement::Arrival, limits, audience: Audience::Person };
    let id = Arc::clone(&question.decision);
    let programs = Edition::of(1, &birth.set, environment, programs);
    let decision = one_shot::decide(&birth, &programs, nodes.reports, question)?;
    table::logged(&decision);
    if args.explain {
        say::aside(table::explained(&wire::explained(&id, &decision)));
    }
    if args.json {
        say::json(format_args!("{:#}", wire::explained(&id, &decision)))?;
    }
    match &decision.outcome {
        Outcome::Placed(node) if !args.json => say::data(node),
        Outcome::Placed(_) => Ok(()),
        Outcome::Failed(failure) => Err(Exit::failed(failure)),
    }
}
