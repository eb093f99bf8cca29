//! `whither demo`: a small cluster on this machine. Real NATS, a real service, real agents, real placements.
//!
//! Every process is this very binary or a nats-server, in a folder that goes away with the demo. The demo prints the
//! output that a launcher and an administrator would see.

mod cluster;
mod script;

use std::path::PathBuf;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::exit::{self, CommandExit};
use super::output;

/// A small cluster on this machine: real NATS, real agents, real placements.
///
/// Starts a nats-server, the service and a few agents, places sessions with two balancer scripts, cordons a node on the
/// way and explains two decisions. Leaves nothing behind, also when it is interrupted.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The nats-server to start [default: from PATH]
    #[arg(long, value_name = "FILE", env = "WHITHER_NATS_SERVER")]
    nats_server: Option<PathBuf>,
    /// How many nodes
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u8).range(4..=20))]
    nodes: u8,
    /// How many sessions to place
    #[arg(long, value_name = "NUMBER", default_value_t = 12, value_parser = clap::value_parser!(u8).range(4..=60))]
    sessions: u8,
    /// Keep the cluster running after the story, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

/// Runs the demo.
///
/// # Errors
/// A process that could not be started, or a step that went otherwise than it should.
pub fn run(args: &DemoArgs) -> Result<(), CommandExit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map_err(|error| CommandExit::new(exit::OTHER, error))?.block_on(async {
        let interrupted = interrupted().map_err(|error| CommandExit::new(exit::OTHER, error))?;
        let mut cluster = cluster::DemoCluster::prepare(args)?;
        let outcome = tokio::select! {
            outcome = script::run_story(args, &mut cluster) => outcome,
            () = interrupted => {
                output::print_line("\ninterrupted: taking the cluster down");
                Err(CommandExit::shown(130))
            }
        };
        cluster.take_down().await;
        outcome
    })
}

/// Returns a future that waits for Ctrl-C or SIGTERM.
pub(super) fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = term.recv() => {}
        }
    })
}
