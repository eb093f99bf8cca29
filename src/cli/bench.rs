//! `whither bench`: the number of decisions a second that a chain makes, before anybody trusts the chain with any.
//!
//! In this process, over clusters of several sizes, because there a figure is the script's own and repeats; over NATS,
//! because there a figure is the latency that a launcher sees. A debug build prints no figures: they would be off by an
//! unknown factor, and would be quoted.

mod cluster;
mod contender;
mod course;
mod echo;
mod holdings;
mod in_flight;
mod isolated_row;
mod latencies;
mod load;
mod machine;
mod peer;
pub(super) mod plot;
mod progress;
mod row;
mod schedule;
mod service;
mod storm;
mod trial;
mod typed;
pub(super) mod units;
mod users;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Map, json};

use crate::model::head::DEFAULT_ACTION;
use crate::worker::WorkerLimits;

use super::bus::BusArgs;
use super::chains::ChainArgs;
use super::exit::{self, CommandExit};
use super::output;
use super::request::RequestArgs;

use cluster::Clusters;
use contender::BenchChain;
use course::RunPlan;
use isolated_row::IsolatedRow;
use machine::MachineInfo;
use peer::NodeJsPeer;
use progress::BenchProgress;
use row::Row;
use service::Demand;
use storm::StormArgs;
use typed::Typed;
use users::BenchUsers;

/// The numbers of nodes, where `--sizes` is not given.
const SIZES: [u32; 4] = [10, 100, 1_000, 10_000];
/// The number of requests under way in a closed loop, where `--in-flight` is not given.
const IN_FLIGHT: u32 = 64;
/// The longest run in seconds.
const MOST_SECONDS: f64 = 3600.0;
/// The shortest: a hundredth of a second is a few clock ticks of the kernel.
const LEAST_SECONDS: f64 = 0.01;
/// The time of each run, where `--seconds` is not given.
const SECONDS: Duration = Duration::from_secs(1);

/// Throughput: how long decisions take, and how many a second there are.
///
/// Decides again and again, in a process for each row, over clusters of several sizes, the same every time. Without a
/// chain, builtin:fewest-sessions and shipped scripts are measured. The first decision of each row is taken as `place`
/// takes a decision, so that a script which does not compile or hangs is reported. p50 and p99 are of decisions alone;
/// `a second` has the changes of the cluster in it: where the chain reserves, a place for every second node is held, 64
/// at most, and the oldest is given back for each new place. Users take turns, unless the request names a user.
///
/// With `--nats` typed, a running service is measured: real placements, each given back as soon as it is answered. They
/// alternate five times with a bare echo on the same server; medians are printed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  whither bench
  whither bench --script gpu.js --script builtin:fewest-sessions --plot gpu.svg
  whither bench --each --script a.js --script a.rhai --sizes 100,5000 --changes 1
  whither bench --script a.js --peer node
  whither bench --nats nats://127.0.0.1:4222 --action user/login --in-flight 512 --rate 10000
  whither bench --storm --sizes 1000 --in-flight 64,512 --script gpu.js

Exit codes: 0 measured · 1 anything else, a debug build too · 2 command line, config or input file
            3 a service has no node · 4 a script's fault · 5 a limit")]
pub struct BenchArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// Measure each script alone, instead of all as one chain
    #[arg(long, requires = "scripts")]
    each: bool,
    /// The nodes, instead of clusters as `whither new nodes` draws them
    #[arg(long, value_name = "FILE", conflicts_with = "sizes")]
    nodes: Option<PathBuf>,
    /// How many nodes the clusters have [default: 10,100,1000,10000]
    #[arg(long, value_name = "N,…", value_delimiter = ',',
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    sizes: Vec<u32>,
    #[command(flatten)]
    asked: RequestArgs,
    /// How long each run is, after a warm-up [default: 1]
    #[arg(long, value_parser = seconds)]
    seconds: Option<Duration>,
    /// One node reports something new before every N decisions
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    changes: Option<u64>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Draw p50 and p99 over the number of nodes, as SVG
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Run the same script under another runtime too
    #[arg(long, value_name = "RUNTIME")]
    peer: Option<Runtime>,
    /// Requests under way at a service; with --storm several numbers [default: 64]
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=65_536))]
    in_flight: Vec<u32>,
    /// Send R requests a second to a service too, in an open loop, timed from the moment each request was due
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Measure this row alone, for the bench that started this process
    #[arg(long, hide = true)]
    heat: Option<IsolatedRow>,
    #[command(flatten)]
    storm: StormArgs,
    #[command(flatten)]
    typed: Typed,
    #[command(flatten)]
    bus: BusArgs,
}

/// A runtime that runs JavaScript too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Runtime {
    /// Node.js, found on PATH
    Node,
}

/// Runs the command.
///
/// # Errors
/// The reason why nothing was measured.
pub fn run(args: &BenchArgs) -> Result<(), CommandExit> {
    match args {
        args if args.storm.storm => storm::run(args),
        args if args.typed.0 => of_service(args),
        args => in_process(args),
    }
}

impl BenchArgs {
    fn time(&self) -> Duration {
        self.seconds.unwrap_or(SECONDS)
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (LEAST_SECONDS..=MOST_SECONDS).contains(seconds));
    let seconds = seconds.ok_or_else(|| format!("expected a number of seconds, {LEAST_SECONDS} to {MOST_SECONDS}"))?;
    Ok(Duration::from_secs_f64(seconds))
}

/// Refuses to measure in a debug build.
fn refuse_debug() -> Result<(), CommandExit> {
    if cfg!(debug_assertions) {
        let message = "this is a debug build, whose figures say nothing: `cargo build --release`, then \
                       target/release/whither bench";
        return Err(CommandExit::new(exit::OTHER, message));
    }
    Ok(())
}

fn in_process(args: &BenchArgs) -> Result<(), CommandExit> {
    if !args.in_flight.is_empty() || args.rate.is_some() {
        return Err(CommandExit::usage("--in-flight and --rate are for a running service: add --nats URL, or --storm"));
    }
    let contenders = BenchChain::all(&args.chain, args.each, &args.asked)?;
    let max_bytes = contenders.first().map_or(WorkerLimits::default(), |first| first.init.limits).request_bytes;
    let sizes = if args.sizes.is_empty() { &SIZES } else { args.sizes.as_slice() };
    let (clusters, beside) = Clusters::of(args.nodes.as_deref(), sizes, max_bytes)?;
    let request = args.asked.over(beside, max_bytes)?;
    let peer = args.peer.map(|Runtime::Node| peer_for(&contenders)).transpose()?;
    args.plot.as_deref().map(check_plot).transpose()?;
    let bench = Bench { contenders, clusters, request, max_bytes, peer };
    let plan = RunPlan { time: args.time(), changes: args.changes };
    if let Some(isolated) = args.heat {
        return output::answer(bench.measure_isolated(isolated, &plan)?);
    }
    bench.try_smallest()?;
    refuse_debug()?;
    let machine = MachineInfo::here();
    let rows = bench.measure(&plan)?;
    if let Some(path) = &args.plot {
        let written = std::fs::write(path, plot::svg(&rows, &machine.line())?);
        written.map_err(|error| CommandExit::usage(format!("--plot {}: {error}", path.display())))?;
    }
    if args.json {
        let rows: Vec<_> = rows.iter().map(Row::to_json).collect();
        let figures = json!({
            "machine": machine.to_json(), "seconds": args.time().as_secs_f64(), "changes": args.changes, "rows": rows,
        });
        return output::json(format_args!("{figures:#}"));
    }
    let seconds = args.time().as_secs_f64();
    let news = args.changes.map(|every| match every {
        1 => ", a node reports before every decision".to_owned(),
        every => format!(", a node reports before every {} decisions", units::count(every)),
    });
    let too_few = rows.iter().any(|row| row.p99_ns.is_none()).then_some("; · too few decisions to say");
    let how = format!(
        "each row in a process of its own, {seconds} s after a warm-up{}{}",
        news.unwrap_or_default(),
        too_few.unwrap_or_default()
    );
    output::answer(format_args!("{}\n{how}\n{}", machine.line(), row::table(&rows)))
}

/// Everything that is measured without a service.
struct Bench {
    contenders: Vec<BenchChain>,
    clusters: Clusters,
    request: Map<String, serde_json::Value>,
    max_bytes: usize,
    peer: Option<NodeJsPeer>,
}

impl Bench {
    /// Finds the faults of scripts before anything takes long.
    fn try_smallest(&self) -> Result<(), CommandExit> {
        let Some(smallest) = self.clusters.sizes().into_iter().min() else { return Ok(()) };
        for contender in &self.contenders {
            trial::run(contender, self.clusters.reports(smallest)?, &self.users(contender)?)?;
        }
        Ok(())
    }

    fn users(&self, contender: &BenchChain) -> Result<BenchUsers, CommandExit> {
        BenchUsers::of(&self.request, &contender.action, self.max_bytes)
    }

    fn measure(&self, plan: &RunPlan) -> Result<Vec<Row>, CommandExit> {
        let sizes = self.clusters.sizes();
        let count = u32::try_from(sizes.len() * self.contenders.len()).unwrap_or(u32::MAX);
        let mut progress = BenchProgress::over((plan.time + plan.warm_up()) * count);
        let mut rows = Vec::new();
        for contender in 0..self.contenders.len() {
            for size in &sizes {
                rows.push(self.row(IsolatedRow { contender, size: *size }, plan, &mut progress)?);
            }
        }
        progress.end();
        rows.iter().filter_map(|row| Some((row, row.always()?))).for_each(|(row, name)| {
            output::aside(format_args!("{}, {} nodes: every decision came to {name}", row.label, row.nodes));
        });
        Ok(rows)
    }

    fn row(&self, isolated: IsolatedRow, plan: &RunPlan, progress: &mut BenchProgress) -> Result<Row, CommandExit> {
        let IsolatedRow { contender, size } = isolated;
        let contender = self.contender(contender)?;
        progress.begins(&format!("{}, {} nodes", contender.label, units::count(size as u64)));
        let users = self.users(contender)?;
        trial::run(contender, self.clusters.reports(size)?, &users)?;
        let longest = plan.time + plan.warm_up() + contender.longest(size);
        let mut row = isolated.run(longest, progress).map_err(|exit| match exit.message.as_str() {
            "" => exit,
            words => CommandExit::new(exit.code, format!("{}, {size} nodes: {words}", contender.label)),
        })?;
        if let Some(peer) = self.peer.as_ref().filter(|_| contender.chain().is_some_and(|c| peer::unfit(c).is_none())) {
            row.peers = peer.run(contender, self.clusters.reports(size)?, &users, plan)?;
            let differences = row.peers.iter().filter_map(|peer| peer.differs(&row.first));
            differences.for_each(|difference| output::aside(format_args!("{}, {size} nodes: {difference}", row.label)));
        }
        Ok(row)
    }

    fn contender(&self, place: usize) -> Result<&BenchChain, CommandExit> {
        self.contenders.get(place).ok_or_else(|| CommandExit::usage(format!("there is no chain number {place}")))
    }

    /// Returns a row as JSON, measured in this very process.
    fn measure_isolated(&self, isolated: IsolatedRow, plan: &RunPlan) -> Result<String, CommandExit> {
        let contender = self.contender(isolated.contender)?;
        let users = self.users(contender)?;
        let measure = || plan.run(contender, (&self.clusters, isolated.size), &users);
        let row = isolated.here(contender.init.limits.memory_bytes, measure)?;
        serde_json::to_string(&row).map_err(|error| CommandExit::new(exit::OTHER, error))
    }
}

/// Returns Node.js, where at least one of `contenders` can run under Node.js.
fn peer_for(contenders: &[BenchChain]) -> Result<NodeJsPeer, CommandExit> {
    let mut reasons = contenders.iter().filter_map(BenchChain::chain).map(peer::unfit);
    if let Some(Some(reason)) = reasons.clone().next()
        && reasons.all(|unfit| unfit.is_some())
    {
        return Err(CommandExit::usage(reason));
    }
    NodeJsPeer::find(&std::env::var_os("PATH").unwrap_or_default())
}

/// Makes sure, before minutes of measuring, that the plot has a folder to be in.
fn check_plot(path: &Path) -> Result<(), CommandExit> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() && !path.is_dir() {
        return Ok(());
    }
    Err(CommandExit::usage(format!("--plot {}: expected a file in a folder that is there", path.display())))
}

fn of_service(args: &BenchArgs) -> Result<(), CommandExit> {
    let is_local = !args.chain.scripts.is_empty() || args.nodes.is_some() || !args.sizes.is_empty();
    if is_local || args.peer.is_some() || args.plot.is_some() || args.changes.is_some() {
        return Err(CommandExit::usage(
            "with --nats a running service is measured, with its own chain and nodes: leave out --script, --nodes, \
             --sizes, --changes, --plot and --peer",
        ));
    }
    let max_bytes = WorkerLimits::default().request_bytes;
    let request = args.asked.over(Map::new(), max_bytes)?;
    let action = args.asked.action().unwrap_or(DEFAULT_ACTION.to_owned());
    let users = BenchUsers::of(&request, &action, max_bytes)?;
    let in_flight = match args.in_flight.as_slice() {
        [] => IN_FLIGHT,
        [one] => *one,
        _ => return Err(CommandExit::usage("--in-flight takes one number where a running service is measured")),
    };
    let in_flight = in_flight as usize;
    refuse_debug()?;
    let demand = Demand { in_flight, rate: args.rate, time: args.time() };
    let pairs = service::run(&args.bus, args.chain.config.as_deref(), &users, demand)?;
    let machine = MachineInfo::here();
    if args.json {
        let loops: Vec<_> = pairs.iter().map(service::ServiceAndEcho::to_json).collect();
        let figures = json!({
            "machine": machine.to_json(), "seconds": args.time().as_secs_f64(), "action": action, "loops": loops,
        });
        return output::json(format_args!("{figures:#}"));
    }
    let (runs, seconds) = (service::RUNS, args.time().as_secs_f64());
    let how = format!("{action} over NATS, medians of {runs} runs of {seconds} s each, echo and service in turn");
    output::answer(format_args!("{}\n{how}\n{}", machine.line(), service::table(&pairs)))
}
