//! `whither simulate`: a day of a cluster in simulated time, for a chain or for several side by side.

mod candidate;
mod faults;
mod plot;
mod sites;
mod summary;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::model::{Change, Report};
use crate::plain::{Plain, plain};
use crate::simulate::arrivals::{WorkingDay, recorded};
use crate::simulate::capacity::{self, Arrival, CapacityScenario, DayOutcome, Outage, SessionLoad};
use crate::worker::WorkerLimits;

use super::exit::{self, CommandExit};
use super::new::nodes;
use super::{nodes_file, output};
use candidate::SimulatedChain;
use sites::SitesArgs;
use summary::DaySummary;

/// The defaults of `--nodes` and `--users`.
const NODES: &str = "60";
const USERS: u32 = 2000;
/// The most nodes and users, so that a typing error does not take the machine's memory.
const MAX_NODES: u32 = 10_000;
const MAX_USERS: u32 = 1_000_000;
/// The largest record of requests, in bytes.
const MAX_RECORD_BYTES: u64 = 256 << 20;
/// A record may go on for so long at most.
const LONGEST_DAY: Duration = Duration::from_secs(31 * 86_400);
const HOUR: Duration = Duration::from_secs(3600);

/// Simulate a day: is the cluster large enough, and which chain fills it best?
///
/// Runs the real service in simulated time over nodes that fill and empty as users come and go, and says how many were
/// placed, refused and made to wait, and how evenly the nodes were filled. A day takes seconds. Scripts run in this
/// process, without limits of time: for your own, not for a stranger's.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  whither simulate --nodes 60 --max-sessions 40 --users 2000
  whither simulate --nodes nodes.json --chain builtin:fewest-sessions --chain gpu.js,builtin:weighted --plot day.svg
  whither nodes --json > nodes.json; whither simulate --nodes nodes.json --chain whither.toml --fail node-03@09:00+45m
  whither simulate --sites 20 --nodes 50000 --session 4h --cut 3@09:00+10m

A line of --requests: {\"at_s\": 30600, \"lasts_s\": 3600, \"request\": {\"user\": {\"login\": \"ann\"}}}

Exit codes: 0 simulated · 1 anything else · 2 command line, config or input file")]
pub struct SimulateArgs {
    /// A chain: its steps with commas between them (a script file, or builtin:NAME), or a config; repeatable, to
    /// compare
    #[arg(long = "chain", value_name = "STEPS", default_value = "builtin:fewest-sessions")]
    chains: Vec<String>,
    /// The nodes: how many are drawn, as `new nodes` draws them (60), or a file as `place` reads it
    #[arg(long, value_name = "N|FILE")]
    nodes: Option<String>,
    /// The most sessions of each node that says nothing of them
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_sessions: Option<u32>,
    /// How many users come during the day, each for one session: 2000, with --sites two for each node
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    users: Option<u32>,
    /// A group that users belong to; with several, each user belongs to one of them in turn
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// How long a session lasts in the mean: 90m, 6h
    #[arg(long, value_name = "TIME", default_value = "6h", value_parser = time)]
    session: Duration,
    /// How long a request may wait for a free node: 30s, 5m
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = time)]
    wait: Duration,
    /// Requests of a record, a JSON line each, instead of users who are drawn
    #[arg(long, value_name = "FILE", conflicts_with_all = ["users", "groups", "session", "wait"])]
    requests: Option<PathBuf>,
    /// A node that fails, when and for how long, with its sessions: node-03@09:00+45m; repeatable
    #[arg(long = "fail", value_name = "NODE@HH:MM+TIME")]
    fails: Vec<String>,
    /// How much of a node's processors a session takes, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    cpu: f64,
    /// How much memory a session takes, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 0)]
    memory: u64,
    /// No node ever takes more sessions than its maximum; for chains that are no config
    #[arg(long)]
    strict: bool,
    /// How often each node reports
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    report: Duration,
    /// How long the day is
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = time)]
    day: Duration,
    /// Random seed; the same seed gives the same day
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON, with the state of the cluster minute by minute
    #[arg(long)]
    json: bool,
    /// Look for faults of the service itself instead: in worlds where messages, processes, views and clocks fail, so
    /// many of them, or those of the seeds FROM..TO
    #[arg(long, value_name = "N|FROM..TO", value_parser = faults::seeds)]
    faults: Option<Range<u64>>,
    /// Draw the day into this SVG file: sessions on the fullest node, in the mean and on the emptiest one
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    #[command(flatten)]
    sites: SitesArgs,
}

/// A chain with the results of the chain's day.
struct Ran {
    name: String,
    outcome: DayOutcome,
    summary: DaySummary,
}

/// Runs `whither simulate`.
///
/// # Errors
/// An option, a file or a chain that cannot be used.
pub fn run(args: &SimulateArgs) -> Result<(), CommandExit> {
    if let Some(seeds) = &args.faults {
        return faults::run(seeds);
    }
    if let Some(count) = args.sites.sites {
        return sites::run(args, count);
    }
    let candidates = args.chains.iter().map(|chain| SimulatedChain::load(chain, args.strict));
    let candidates: Vec<_> = candidates.collect::<Result<_, _>>()?;
    let hosts = args.hosts()?;
    let (arrivals, outages) = (args.arrivals()?, args.outages(&hosts)?);
    let bar = bar(args.day, candidates.len());
    let mut ran = Vec::new();
    for SimulatedChain { name, setup } in candidates {
        let scenario = CapacityScenario {
            setup,
            hosts: hosts.clone(),
            arrivals: arrivals.clone(),
            outages: outages.clone(),
            load: SessionLoad { cpu_percent: args.cpu, memory_bytes: args.memory << 20 },
            report: args.report,
            day: args.day,
            seed: args.seed,
        };
        bar.set_message(plain(&name).into_owned());
        let before = bar.position();
        let outcome = capacity::run(&scenario, |passed| bar.set_position(before + passed.as_secs()));
        let outcome = outcome.map_err(|error| CommandExit::usage(format!("{}: {error}", Plain(&name))))?;
        bar.set_position(before + args.day.as_secs());
        ran.push(Ran { name, summary: DaySummary::of(&outcome), outcome });
    }
    bar.finish_and_clear();
    if let Some(path) = &args.plot {
        let about = format!("{} nodes, {} requests, seed {}", hosts.len(), arrivals.len(), args.seed);
        let svg = plot::svg(&ran, &about)?;
        std::fs::write(path, svg)
            .map_err(|error| CommandExit::new(exit::OTHER, format!("{}: {error}", path.display())))?;
        output::aside(format_args!("wrote {}", Plain(path.display())));
    }
    match args.json {
        true => output::json(format_args!("{:#}", as_json(args, &hosts, &arrivals, &ran))),
        false => output::answer(summary::table(&ran, hosts.len(), arrivals.len())),
    }
}

impl SimulateArgs {
    /// Returns the node documents.
    fn hosts(&self) -> Result<Vec<Value>, CommandExit> {
        let written = self.nodes.as_deref().unwrap_or(NODES);
        let mut hosts = match written.parse::<u32>() {
            Ok(count) if (1..=MAX_NODES).contains(&count) => {
                (0..count as usize).map(|place| nodes::node(place, self.seed)).collect()
            }
            Ok(count) => return Err(CommandExit::usage(format!("--nodes {count}: 1 to {MAX_NODES} can be drawn"))),
            Err(_no_number) => read_hosts(written)?,
        };
        for host in &mut hosts {
            let Some(fields) = host.as_object_mut() else { continue };
            if let Some(most) = self.max_sessions {
                fields.entry("maxSessions").or_insert(json!(most));
            }
            // The day begins with an empty cluster.
            if let Some(data) = fields.get_mut("nodeData").and_then(Value::as_object_mut) {
                data.remove("sessions");
            }
        }
        Ok(hosts)
    }

    fn arrivals(&self) -> Result<Vec<Arrival>, CommandExit> {
        if self.day > LONGEST_DAY || self.day.is_zero() || self.report.is_zero() {
            return Err(CommandExit::usage("--day is more than nothing and at most 744h, --report more than nothing"));
        }
        let users = self.users.unwrap_or(USERS);
        if users > MAX_USERS {
            return Err(CommandExit::usage(format!("--users {users}: at most {MAX_USERS} can come to one cluster")));
        }
        let Some(path) = &self.requests else {
            let day = WorkingDay {
                users,
                session: self.session,
                wait: self.wait,
                groups: self.groups.clone(),
                seed: self.seed,
            };
            return Ok(day.arrivals());
        };
        let unusable = |why: String| CommandExit::usage(format!("{}: {why}", Plain(path.display())));
        let size = std::fs::metadata(path).map_err(|error| unusable(error.to_string()))?.len();
        if size > MAX_RECORD_BYTES {
            return Err(unusable(format!("it has {size} bytes, at most {MAX_RECORD_BYTES} are read")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
        let arrivals = recorded(&text).map_err(unusable)?;
        match arrivals.is_empty() {
            true => Err(unusable("there is no request in it".to_owned())),
            false => Ok(arrivals),
        }
    }

    fn outages(&self, hosts: &[Value]) -> Result<Vec<Outage>, CommandExit> {
        let ids: Vec<_> = hosts.iter().filter_map(|host| Some(Report::from_value(host.clone()).ok()?.id)).collect();
        let mut outages = Vec::new();
        for written in &self.fails {
            let wrong = || {
                CommandExit::usage(format!("--fail {}: expected NODE@HH:MM+TIME, as node-03@09:00+45m", Plain(written)))
            };
            let (node, when) = written.rsplit_once('@').ok_or_else(wrong)?;
            let (at, lasts) = span(when).ok_or_else(wrong)?;
            let host: Arc<str> = node.into();
            if !ids.contains(&host) {
                return Err(CommandExit::usage(format!(
                    "--fail {}: there is no node `{}`",
                    Plain(written),
                    Plain(node)
                )));
            }
            outages.push(Outage { host, at, lasts });
        }
        Ok(outages)
    }
}

/// Returns the node documents of the file that is `written`.
fn read_hosts(written: &str) -> Result<Vec<Value>, CommandExit> {
    let path = PathBuf::from(written);
    let file = nodes_file::read(Some(&path), WorkerLimits::default().request_bytes)?;
    file.warnings.iter().for_each(|warning| output::aside(format_args!("warning: {}", Plain(warning))));
    let document = |change: &Change| match change {
        Change::Report(report) => serde_json::from_str(&report.text).ok(),
        _ => None,
    };
    let hosts: Vec<_> = file.reports.iter().filter_map(document).collect();
    match hosts.is_empty() {
        true => Err(CommandExit::usage(format!("{}: there is no node in it", Plain(written)))),
        false => Ok(hosts),
    }
}

/// Reads a time such as 30s, 90m or 6h.
fn time(text: &str) -> Result<Duration, String> {
    let split = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("expected a number with s, m or h, as in 90m".to_owned()),
    };
    let number: u32 = number.parse().map_err(|_| "expected a number with s, m or h, as in 90m".to_owned())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// Parses a moment of the day and a time, such as 09:00+45m; absent where `text` is neither.
fn span(text: &str) -> Option<(Duration, Duration)> {
    let (at, lasts) = text.split_once('+')?;
    let (hours, minutes) = at.split_once(':')?;
    let number = |text: &str, most: u64| text.parse::<u64>().ok().filter(|number| *number <= most);
    let at = Duration::from_secs(number(hours, 23)? * 3600 + number(minutes, 59)? * 60);
    Some((at, time(lasts).ok()?))
}

/// Returns a bar over the days of `chains` chains; hidden where standard error is no terminal.
fn bar(day: Duration, chains: usize) -> ProgressBar {
    let bar = ProgressBar::new(day.as_secs() * chains as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}") {
        bar.set_style(style);
    }
    bar
}

fn as_json(args: &SimulateArgs, hosts: &[Value], arrivals: &[Arrival], ran: &[Ran]) -> Value {
    let chains: Vec<_> = ran.iter().map(|ran| summary::json(&ran.name, &ran.summary, &ran.outcome)).collect();
    json!({
        "seed": args.seed, "nodes": hosts.len(), "requests": arrivals.len(),
        "day_hours": args.day.as_secs_f64() / HOUR.as_secs_f64(), "chains": chains,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(time("90m"), Ok(Duration::from_secs(5400)));
        assert_eq!((time("6h"), time("0s")), (Ok(HOUR * 6), Ok(Duration::ZERO)));
        for wrong in ["", "6", "h", "1d", "-1h", "1.5h", "99999999999h"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
