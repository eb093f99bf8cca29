//! `whither drain`: takes a node out of service, shows the sessions that still run there, and says when the node is
//! empty.
//!
//! The drain itself is a mark that the service writes; this command only looks on, so the command may end, or be ended,
//! at any time without changing anything. Each look goes to any replica, and a replica may receive the mark later than
//! another: only what several looks in a row show counts.

mod output;
mod snapshot;

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::Namespace;
use crate::nats::Bus;

use super::exit::{self, CommandExit};
use super::nodes;
use super::remote::{RemoteArgs, ask};
use output::DrainOutput;
use snapshot::DrainSnapshot;

/// The interval between two looks at the node.
const BETWEEN: Duration = Duration::from_secs(1);
/// The most looks until the first that shows the drain, and the time between them.
const FIRST_LOOKS: u32 = 10;
const BETWEEN_FIRST: Duration = Duration::from_millis(200);
/// The number of looks in a row after which the node is known to be empty: a replica that received the drain a moment
/// later may have placed a last session.
const EMPTY_LOOKS: u32 = 2;
/// The number of looks in a row after which the node is known to be back in service, or gone.
const OTHER_LOOKS: u32 = 3;

/// Take a node out of service for new sessions, show what still runs there, and say when it is empty.
#[derive(Debug, Args)]
#[command(
    after_help = "Ends with 0 when the node is empty, and with 1 when it is not: after --timeout, after Ctrl-C, when \
somebody puts it back or when it leaves. It stays out of service in each case; `whither uncordon ID` puts it back."
)]
pub struct DrainArgs {
    /// The node's id
    id: String,
    /// Why; shown in `nodes show` and `nodes history`
    #[arg(long, default_value = "")]
    reason: String,
    /// Show what runs and end at once
    #[arg(long)]
    no_wait: bool,
    /// Give up waiting after so many seconds
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait", value_parser = clap::value_parser!(u32).range(1..))]
    timeout: Option<u32>,
    /// Print events as JSON, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// The end of the waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DrainEnd {
    /// The node is empty.
    Drained,
    /// Somebody put the node back into service.
    Uncordoned,
    /// The cluster knows no such node any more.
    Left,
    /// The time that was given is over.
    TimedOut,
    /// The waiting command was interrupted by a signal.
    Interrupted,
}

/// The state of a command that waits for a node.
struct Watcher<'a> {
    bus: &'a Bus,
    namespace: &'a Namespace,
    output: DrainOutput,
    last: DrainSnapshot,
}

/// Runs `whither drain`.
///
/// # Errors
/// A node that cannot be taken out of service, or is not empty in the end.
pub fn run(args: &DrainArgs) -> Result<(), CommandExit> {
    args.remote.with_bus(async |bus, namespace| {
        let body = json!({"node": args.id, "reason": args.reason, "by": nodes::whoami(), "drain": true});
        ask(&bus, namespace.cordon(), &body).await?;
        let last = first_look(&bus, &namespace, &args.id).await?;
        let output = DrainOutput::new(&args.id, args.json);
        output.begins(&last)?;
        let mut watcher = Watcher { bus: &bus, namespace: &namespace, output, last };
        if args.no_wait {
            return watcher.output.leaves(&watcher.last);
        }
        let end = watcher.wait(args.timeout).await?;
        let Watcher { output, last, .. } = watcher;
        conclude(&args.id, end, output, &last, args.timeout)
    })
}

/// Returns the node as shown by the first replica that has received the drain.
async fn first_look(bus: &Bus, namespace: &Namespace, id: &str) -> Result<DrainSnapshot, CommandExit> {
    let mut tries = 1;
    loop {
        let snapshot = snapshot::at(bus, namespace, id).await?;
        if tries >= FIRST_LOOKS || snapshot.as_ref().is_some_and(|snapshot| snapshot.draining) {
            return snapshot.ok_or_else(|| CommandExit::new(exit::OTHER, format!("`{id}` has just left the cluster")));
        }
        tries += 1;
        tokio::time::sleep(BETWEEN_FIRST).await;
    }
}

impl Watcher<'_> {
    /// Looks until the drain ends, or the waiting for the drain.
    async fn wait(&mut self, timeout_s: Option<u32>) -> Result<DrainEnd, CommandExit> {
        let listen = |kind| signal(kind).map_err(|error| CommandExit::new(exit::OTHER, error));
        let (mut interrupt, mut term) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        let timeout = async {
            match timeout_s {
                Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds.into())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            end = self.follow() => end,
            () = timeout => Ok(DrainEnd::TimedOut),
            _ = interrupt.recv() => Ok(DrainEnd::Interrupted),
            _ = term.recv() => Ok(DrainEnd::Interrupted),
        }
    }

    async fn follow(&mut self) -> Result<DrainEnd, CommandExit> {
        // The numbers of looks in a row that showed the node empty, back in service, gone.
        let (mut empty, mut back, mut gone) = (u32::from(self.last.is_drained()), 0, 0);
        loop {
            if empty >= EMPTY_LOOKS {
                return Ok(DrainEnd::Drained);
            }
            tokio::time::sleep(BETWEEN).await;
            match snapshot::at(self.bus, self.namespace, &self.last.node).await {
                // A service that is away for a while ends no drain.
                Err(error) => self.output.unanswered(&error),
                Ok(None) => {
                    gone += 1;
                    if gone >= OTHER_LOOKS {
                        return Ok(DrainEnd::Left);
                    }
                }
                Ok(Some(snapshot)) if snapshot.draining => {
                    empty = if snapshot.is_drained() { empty + 1 } else { 0 };
                    (back, gone) = (0, 0);
                    self.output.sees(&snapshot, &self.last)?;
                    self.last = snapshot;
                }
                Ok(Some(_)) => {
                    (empty, gone, back) = (0, 0, back + 1);
                    if back >= OTHER_LOOKS {
                        return Ok(DrainEnd::Uncordoned);
                    }
                }
            }
        }
    }
}

/// Prints the end of the drain, and the consequence for the node.
fn conclude(
    id: &str,
    end: DrainEnd,
    output: DrainOutput,
    last: &DrainSnapshot,
    timeout_s: Option<u32>,
) -> Result<(), CommandExit> {
    let undo = format!("it stays out of service; `whither uncordon {id}` puts it back");
    let left = last.summary();
    let message = match end {
        DrainEnd::Drained => return output.ends("drained", last),
        DrainEnd::Uncordoned => format!("`{id}` was put back into service meanwhile, with {left}"),
        DrainEnd::Left => format!("`{id}` has left the cluster, last seen with {left}"),
        DrainEnd::TimedOut => {
            format!("`{id}` is not empty after {} s: {left}; {undo}", timeout_s.unwrap_or_default())
        }
        DrainEnd::Interrupted => format!("no longer waiting for `{id}`: {left}; {undo}"),
    };
    let event = match end {
        DrainEnd::Drained => "drained",
        DrainEnd::Uncordoned => "uncordoned",
        DrainEnd::Left => "left",
        DrainEnd::TimedOut => "timeout",
        DrainEnd::Interrupted => "interrupted",
    };
    output.ends(event, last)?;
    Err(CommandExit::new(exit::OTHER, message))
}
