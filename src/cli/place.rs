//! `whither place`: one placement, from a node list or from a running service.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::{Map, Value, json};

use crate::chain::{ChainSet, ChainSpec, Purpose};
use crate::config::{self, Config, Loading, Needs};
use crate::model::head::DEFAULT_ACTION;
use crate::model::json::JsonLimits;
use crate::model::{Arrangement, Outcome, Request, json as untrusted};
use crate::nats::wire;
use crate::runner::{Edition, ProgramLimits};
use crate::script::ScriptLimits;
use crate::worker::{Audience, Birth, Question, WorkerLimits};

use super::bus::BusArgs;
use super::exit::{self, Exit};
use super::files::Disk;
use super::{fastx, nodes_file, one_shot, problem, programs, remote, say, table};

/// Where a `place` without `--script` and `--config` looks for its chain.
const DEFAULT_CONFIGS: [&str; 2] = ["whither.toml", "/etc/whither/whither.toml"];

/// One placement, from a node list or from a running service.
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
    /// A step: a script file, or builtin:NAME; repeat it in chain order
    #[arg(long = "script", value_name = "STEP", conflicts_with = "config")]
    scripts: Vec<String>,
    /// The config whose chain is run
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The request: a JSON object, or a file that holds one
    #[arg(long, value_name = "FILE-or-JSON")]
    request: Option<String>,
    /// What the placement is for
    #[arg(long)]
    action: Option<String>,
    /// The user's login
    #[arg(long, value_name = "LOGIN")]
    user: Option<String>,
    /// A group of the user; repeatable
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// A value of the request's `data`; repeatable. The value is JSON where it reads as such
    #[arg(long, value_name = "KEY=VALUE")]
    data: Vec<String>,
    /// Say on standard error what each step said, and why nodes were left out
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
    let here = args.local || args.nodes.is_some() || args.config.is_some() || !args.scripts.is_empty();
    if args.bus.is_given() && !here {
        let asked = request(args, Map::new(), WorkerLimits::default().request_bytes)?;
        return remote::place(&args.bus, &asked, args.explain, args.json);
    }
    let Chains { set, limits, environment, programs } = chains(args)?;
    let nodes = nodes_file::read(args.nodes.as_deref(), limits.request_bytes)?;
    let asked = request(args, nodes.request, limits.request_bytes)?;
    let birth = Birth { set, arrangement: Arrangement::Arrival, limits, audience: Audience::Person };
    let question = question(args, &asked, limits.request_bytes)?;
    let chains = &birth.set;
    if chains.get(&question.head.action).is_none() {
        let known: Vec<_> = chains.chains.iter().map(|chain| &*chain.action).collect();
        return Err(Exit::usage(format!(
            "no chain is configured for the action `{}`, there are: {}",
            question.head.action,
            known.join(", ")
        )));
    }
    let id = Arc::clone(&question.decision);
    let programs = Edition::of(1, chains, environment, programs);
    let decision = one_shot::decide(&birth, &programs, nodes.reports, question)?;
    table::logged(&decision);
    if args.explain {
        say::aside(table::explained(&wire::explained(&id, &decision)));
    }
    if args.json {
        say::answer(format_args!("{:#}", wire::explained(&id, &decision)))?;
    }
    match &decision.outcome {
        Outcome::Placed(node) if !args.json => say::answer(node),
        Outcome::Placed(_) => Ok(()),
        Outcome::Failed(failure) => Err(Exit::failed(failure)),
    }
}

/// The chains to run, and what they are run with.
struct Chains {
    set: ChainSet,
    limits: WorkerLimits,
    environment: Vec<(String, String)>,
    programs: ProgramLimits,
}

/// The chains to run: from `--script`, else from the config.
fn chains(args: &PlaceArgs) -> Result<Chains, Exit> {
    let host_zone = super::zone::of_host(&Disk);
    let mut chains = if args.scripts.is_empty() {
        let path = args.config.clone().or_else(default_config).ok_or_else(|| {
            Exit::usage("no chain is given: add --script STEP (a file, or builtin:fewest-sessions), or --config FILE")
        })?;
        let loading = Loading { files: &Disk, host_zone: &host_zone, needs: Needs::Chains };
        let config = config::load(&path, loading).map_err(|errors| problem::exit(&errors))?;
        Chains {
            limits: super::limits::of(&config),
            environment: environment(&config)?,
            programs: programs::limits(&config),
            set: config.chains,
        }
    } else {
        let limits = ScriptLimits::default();
        let load = |written: &String| config::load_step(written, Path::new("."), &Disk, &limits);
        let steps =
            args.scripts.iter().map(load).collect::<Result<_, _>>().map_err(|problem| problem::exit_one(&problem))?;
        let action =
            args.action.as_deref().map(str::to_owned).or_else(|| action_of(args)).unwrap_or(DEFAULT_ACTION.to_owned());
        Chains {
            set: ChainSet { zone: host_zone, ..ChainSet::new(vec![ChainSpec::new(&action, steps)]) },
            limits: WorkerLimits::default(),
            environment: programs::environment(&[], &BTreeMap::new()),
            programs: ProgramLimits::default(),
        }
    };
    if let Some(zone) = &args.timezone {
        if crate::clock::zone(zone).is_none() {
            return Err(Exit::usage(format!("no time zone `{zone}`; expected a name such as Europe/Berlin")));
        }
        chains.set.zone.clone_from(zone);
    }
    Ok(chains)
}

/// What programs are given, also of FastX's environment where the config names it.
fn environment(config: &Config) -> Result<Vec<(String, String)>, Exit> {
    let listed = &config.service.environment;
    let beside = fastx::load::named(listed, &fastx::Host::real()).map_err(|problem| problem::exit_one(&problem))?;
    Ok(programs::environment(listed, &beside))
}

/// The action that the request names, where it names one.
fn action_of(args: &PlaceArgs) -> Option<String> {
    let request = request(args, Map::new(), WorkerLimits::default().request_bytes).ok()?;
    request.get("action").and_then(Value::as_str).map(str::to_owned)
}

fn default_config() -> Option<PathBuf> {
    DEFAULT_CONFIGS.into_iter().map(PathBuf::from).find(|path| path.is_file())
}

/// The request: what the node list's document says, over that `--request`, over that the single options.
fn request(args: &PlaceArgs, document: Map<String, Value>, max_bytes: usize) -> Result<Map<String, Value>, Exit> {
    let mut request = document;
    if let Some(given) = &args.request {
        request.extend(given_request(given, max_bytes)?);
    }
    if let Some(action) = &args.action {
        request.insert("action".to_owned(), json!(action));
    }
    if let Some(user) = &args.user {
        let entry = request.entry("user").or_insert_with(|| json!({}));
        if let Some(own) = entry.as_object_mut() {
            own.insert("login".to_owned(), json!(user));
        }
    }
    if !args.groups.is_empty() {
        request.insert("userGroups".to_owned(), json!(args.groups));
    }
    for pair in &args.data {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| Exit::usage(format!("--data {pair}: expected KEY=VALUE")))?;
        let value =
            untrusted::parse(value.as_bytes(), JsonLimits::bytes(value.len())).unwrap_or_else(|_text| json!(value));
        let entry = request.entry("data").or_insert_with(|| json!({}));
        if let Some(data) = entry.as_object_mut() {
            data.insert(key.to_owned(), value);
        }
    }
    Ok(request)
}

fn given_request(given: &str, max_bytes: usize) -> Result<Map<String, Value>, Exit> {
    let inline = given.trim_start().starts_with(['{', '[']);
    let (name, text) = if inline {
        ("--request".to_owned(), given.as_bytes().to_vec())
    } else {
        let read = std::fs::read(given).map_err(|error| Exit::usage(format!("--request {given}: {error}")))?;
        (given.to_owned(), read)
    };
    let value = untrusted::parse(&text, JsonLimits::bytes(max_bytes))
        .map_err(|error| Exit::usage(format!("{name}: {error}")))?;
    match value {
        Value::Object(request) => Ok(request),
        other => Err(Exit::usage(format!("{name}: the request is {}, expected an object", untrusted::kind(&other)))),
    }
}

fn question(args: &PlaceArgs, request: &Map<String, Value>, max_bytes: usize) -> Result<Question, Exit> {
    let server_id = super::host::name();
    let text = Value::Object(request.clone()).to_string();
    let parsed = Request::parse(text.as_bytes(), max_bytes, &server_id).map_err(Exit::usage)?;
    let seed = match args.seed {
        Some(seed) => seed,
        None => super::host::random().map_err(|error| Exit::new(exit::OTHER, error))?,
    };
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = args.now.map_or(i64::try_from(since.as_millis()).unwrap_or(i64::MAX), jiff::Timestamp::as_millisecond);
    Ok(Question {
        ticket: 1,
        decision: format!("place-{seed:016x}").into(),
        head: parsed.head().clone(),
        request: text.into(),
        server_id: server_id.into(),
        purpose: Purpose::Place,
        about: None,
        now_ms,
        seed,
        sequence: 0,
        deadline_ms: None,
        limited: Vec::new(),
        from: None,
        narrated: true,
    })
}
