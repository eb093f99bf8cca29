//! `whither agent`: reports this machine as a node of the cluster.

mod starts;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::agent::facts::FactSource;
use crate::agent::logins::LoginRecord;
use crate::agent::metrics::MetricsFolder;
use crate::agent::report::NodeIdentity;
use crate::agent::sessions::{Lister, SessionsSource};
use crate::agent::{Agent, AgentError, AgentSettings, health, metadata};
use crate::config::{Config, Namespace, figure};
use crate::model::report::MAX_FED_FACTS;
use crate::nats::{Bus, Connection};
use crate::plain::Plain;
use crate::pulse::{self, Pulse};

use super::bus::{self, BusArgs};
use super::daemon::{self, LogFormat};
use super::exit::{self, CommandExit};
use starts::StartOptions;

/// Report this machine as a node of the cluster, until SIGTERM or SIGINT.
///
/// The agent reports health, sessions, metadata and static data when they change and every few seconds anyway; a node
/// without a report for 90 seconds takes no sessions. On SIGTERM or SIGINT the agent takes the node out and ends. While
/// no broker is reachable, the agent waits.
#[derive(Debug, Args)]
#[command(
    after_help = "Metadata: each environment variable METADATA_<NAME> becomes metadata.<NAME>, as written, with a \
lower-case alias where that name is free; always strings.

Metrics: what fails or prints no object keeps its last good value, and metricsStale.NAME says so: {\"error\", \"age_s\"}. \
Scripts ask `node.metricsStale?.NAME`.

Reservations: a launcher that starts a session with WHITHER_RESERVATION in its environment needs to do no more where \
the sessions command lists the session's `pid` and the agent may read /proc/PID/environ; otherwise the command lists \
`reservation` itself.

Examples:
  whither agent --nats nats://bus:4222 --url https://node7.example.org:3300 --max-sessions 40
  METADATA_gpu=a100 whither agent --sessions-command 'fastx-sessions --json' --static-data /etc/whither/node.json
  whither agent --start-command /usr/lib/fastx/start --start-runner 'runuser -u {user} --'
  whither agent --once | jq .nodeData.health"
)]
pub struct AgentArgs {
    /// The node's id in the cluster [default: the host name]
    #[arg(long, value_name = "ID", env = "WHITHER_NODE_ID")]
    id: Option<String>,
    /// The node's name for people [default: the host name]
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// Where sessions on this node are reached; repeatable
    #[arg(long = "url", value_name = "URL")]
    node_urls: Vec<String>,
    /// The most sessions that this node takes [default: no limit]
    #[arg(long, value_name = "NUMBER")]
    max_sessions: Option<u64>,
    /// A service that this node runs; repeatable
    #[arg(long = "service", value_name = "NAME", default_value = "launcher")]
    services: Vec<String>,
    /// Take no new sessions for as long as this agent runs
    #[arg(long)]
    cordoned: bool,
    /// How often to report when nothing changes
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    interval: Duration,
    /// A shell command whose standard output is the JSON list of sessions: objects, or their ids
    #[arg(long, value_name = "COMMAND")]
    sessions_command: Option<String>,
    /// Take the logins of the operating system for sessions: `logind` asks systemd, `utmp` reads /run/utmp, `utmp:FILE`
    /// another file of that kind, `os` is logind where systemd runs and utmp elsewhere
    #[arg(long, value_name = "RECORD", conflicts_with = "sessions_command", value_parser = LoginRecord::parse)]
    sessions_from: Option<LoginRecord>,
    /// How often the sessions are listed
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    sessions_interval: Duration,
    /// How long listing them may take
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    sessions_limit: Duration,
    /// A JSON object to report as static data; an edit counts at once, broken JSON does not
    #[arg(long, value_name = "FILE")]
    static_data: Option<PathBuf>,
    /// A folder of executables; each prints a JSON object, reported as metrics.NAME after the file's name. They are run
    /// at each interval
    #[arg(long, value_name = "DIR")]
    metrics: Option<PathBuf>,
    /// How long each of them may take
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    metrics_limit: Duration,
    /// A countable fact whose count is a number among the metrics, as in matlab=flexlm.total; repeatable, 16 at most. The
    /// service believes the count for four intervals
    #[arg(long = "fact", value_name = "NAME=METRIC.MEMBER", requires = "metrics")]
    facts: Vec<FactSource>,
    /// Print the node's document and end; needs no NATS
    #[arg(long)]
    once: bool,
    /// A config that says how to reach the bus
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How log lines look
    #[arg(long, value_enum, default_value_t = LogFormat::Text, env = "WHITHER_LOG_FORMAT")]
    log_format: LogFormat,
    #[command(flatten)]
    starts: StartOptions,
    #[command(flatten)]
    bus: BusArgs,
}

#[derive(Debug, Parser)]
#[command(name = "whither-agent", version, max_term_width = 110)]
struct AgentProgram {
    #[command(flatten)]
    args: AgentArgs,
}

/// Returns the command line of the program `whither-agent` as a value.
#[must_use]
pub fn command() -> clap::Command {
    AgentProgram::command()
}

/// Runs the program `whither-agent`.
#[must_use]
pub fn main() -> ExitCode {
    super::end(run(&AgentProgram::parse().args))
}

/// Runs the agent until SIGTERM or SIGINT.
///
/// # Errors
/// Settings with which the agent could never report.
pub fn run(args: &AgentArgs) -> Result<(), CommandExit> {
    daemon::begin(args.log_format)?;
    let config = args.config.as_deref().map(bus::load).transpose()?;
    let (mut connection, namespace) = args.bus.resolve(config.as_ref().map(|config| &config.nats), "whither agent")?;
    if let Some(path) = &args.config {
        bus::reread(&mut connection, &args.bus, path);
    }
    let agent = Agent::new(args.settings(namespace, config.as_ref())?).map_err(|error| refused(&error))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| CommandExit::new(exit::OTHER, error))?;
    runtime.block_on(async { if args.once { print(agent).await } else { report(agent, &connection).await } })
}

async fn print(agent: Agent) -> Result<(), CommandExit> {
    let document = agent.once().await.map_err(|error| refused(&error))?;
    for warning in &document.warnings {
        super::output::aside(format_args!("warning: {}", Plain(warning)));
    }
    super::output::json(&document.text)
}

async fn report(agent: Agent, connection: &Connection) -> Result<(), CommandExit> {
    let stop = CancellationToken::new();
    // Caught, and no more: a log that may not grow any further is an error of the write then, and not the end.
    let _file_size =
        signal(SignalKind::from_raw(libc::SIGXFSZ)).map_err(|error| CommandExit::new(exit::OTHER, error))?;
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind).map_err(|error| CommandExit::new(exit::OTHER, error))?;
        let stop = stop.clone();
        tokio::spawn(async move {
            signals.recv().await;
            info!("told to stop");
            stop.cancel();
        });
    }
    let bus = Bus::open(connection).await.map_err(CommandExit::usage)?;
    let pulse = Arc::new(Pulse::default());
    pulse::watch(Arc::clone(&pulse)).map_err(|error| CommandExit::new(exit::OTHER, error))?;
    // A broker that is away is waited for, which is a state to be in.
    pulse::notify_ready("reporting this machine as a node");
    agent.run(bus, stop, &pulse).await;
    pulse::notify_stopping();
    Ok(())
}

impl AgentArgs {
    fn settings(&self, namespace: Namespace, config: Option<&Config>) -> Result<AgentSettings, CommandExit> {
        let hostname = self.hostname.clone().unwrap_or_else(health::hostname);
        let identity = NodeIdentity {
            id: self.id.clone().unwrap_or_else(health::hostname),
            hostname,
            urls: self.node_urls.clone(),
            max_sessions: self.max_sessions,
            services: self.services.clone(),
            cordoned: self.cordoned,
        };
        let logins = self.sessions_from.clone().map(Lister::Logins);
        let lister = self.sessions_command.clone().map(Lister::Command).or(logins);
        let sessions =
            lister.map(|lister| SessionsSource { lister, every: self.sessions_interval, limit: self.sessions_limit });
        let metrics = self.metrics.clone();
        let metrics = metrics.map(|path| MetricsFolder { path, every: self.interval, limit: self.metrics_limit });
        Ok(AgentSettings {
            namespace,
            identity,
            metadata: metadata::read(std::env::vars_os()),
            static_data: self.static_data.clone(),
            sessions,
            metrics,
            facts: fed(&self.facts)?,
            starts: self.starts.settings()?,
            interval: self.interval,
            liveness: {
                let seconds = config.map_or(figure::LIVENESS_S.default, |config| config.service.liveness_s);
                Duration::from_secs(u64::from(seconds))
            },
            keeping: config.map(|config| config.nats.keeping).unwrap_or_default(),
        })
    }
}

/// Returns the facts of the command line.
///
/// # Errors
/// A fact that is named twice, or more facts than a node may feed.
fn fed(facts: &[FactSource]) -> Result<Vec<FactSource>, CommandExit> {
    if facts.len() > MAX_FED_FACTS {
        return Err(CommandExit::usage(format!("--fact: {} facts, at most {MAX_FED_FACTS} of a node", facts.len())));
    }
    let twice = facts.iter().enumerate().find(|(at, fact)| facts.iter().take(*at).any(|other| other.name == fact.name));
    match twice {
        Some((_, fact)) => Err(CommandExit::usage(format!("--fact {}: named twice", fact.name))),
        None => Ok(facts.to_vec()),
    }
}

fn refused(error: &AgentError) -> CommandExit {
    CommandExit::usage(error)
}

/// Seconds, whole or not.
fn seconds(text: &str) -> Result<Duration, String> {
    let duration = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let range = Duration::from_millis(100)..=Duration::from_secs(24 * 60 * 60);
    duration.filter(|duration| range.contains(duration)).ok_or_else(|| "expected seconds, from 0.1 to 86400".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_do_not_contradict_each_other() {
        AgentArgs::augment_args(clap::Command::new("agent")).debug_assert();
    }

    #[test]
    fn seconds_are_numbers_in_range() {
        assert_eq!(seconds("1.5"), Ok(Duration::from_millis(1500)));
        for refused in ["", "0", "-1", "NaN", "inf", "1e300", "15s", "90000"] {
            assert!(seconds(refused).is_err(), "{refused}");
        }
    }
}
