//! `whither place`: a single placement, from a node list or from a running service.

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Parser};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::chain::{ChainSet, Purpose};
use crate::explain;
use crate::model::{Arrangement, Decision, Failure, Outcome};
use crate::nats::wire;
use crate::plain::Plain;
use crate::runner::ProgramSet;
use crate::worker::{WorkerAudience, WorkerInit, WorkerLimits};

use super::bus::BusArgs;
use super::chains::{ChainArgs, Chains, has_section};
use super::exit::CommandExit;
use super::nodes_file::{self, KeptNodes, NodesFile};
use super::request::{self, RequestArgs};
use super::token::{OwnClaims, with_token};
use super::watch::{self, WatchedAnswer};
use super::{one_shot, output, recorded, remote, table};

/// Place one session: offline from a node list, or by a running service.
///
/// Runs a chain of steps over a list of nodes and prints the id of the chosen node. With `--script`, or a `--config`
/// that has chains, and without `--nodes`, standard input is read: {"nodes": […], "params": {…}}, as FastX 4 gives it
/// to a load balancer script; `--nodes -` does the same. With neither nodes nor steps a running service is asked: at
/// `--nats`, or at the address in the `nats` section of the config, else on this machine.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  whither new nodes > nodes.json
  whither place --nodes nodes.json --script builtin:fewest-sessions
  whither place --nodes nodes.json --script gpu-only.js --script builtin:most-memory --user ann --group cad --explain
  whither place --nats nats://127.0.0.1:4222 --user ann

Exit codes: 0 placed · 1 anything else · 2 command line, config or input file · 3 no node · 4 a script's fault · 5 a limit")]
pub struct PlaceArgs {
    #[command(flatten)]
    placement: Placement,
    /// Wait so many seconds for a free node, where a service is asked; 600 at most
    #[arg(long, value_name = "SECONDS", help_heading = "Options", value_parser = clap::value_parser!(u32).range(..=600))]
    wait: Option<u32>,
    /// Explain each step on standard error, and why nodes were left out
    #[arg(long, help_heading = "Options")]
    explain: bool,
    /// Answer again each time a script, the config, the nodes or the request changes, with the differences since
    #[arg(long, help_heading = "Options", conflicts_with = "wait")]
    watch: bool,
}

/// Choose a node for FastX: read the document of FastX on standard input, and print a node's id.
///
/// This name is a link to `whither`, for FastX's LOAD_BALANCER_SCRIPT. The chain comes from `--script` or from a
/// `whither.toml` here or in /etc/whither; no service is asked.
#[derive(Debug, Parser)]
#[command(name = super::fastx::PLACE_NAME, version, max_term_width = 110)]
pub struct AliasArgs {
    #[command(flatten)]
    args: PlaceArgs,
}

impl AliasArgs {
    /// Returns the options of `place` that decide in this process: a FastX load balancer script asks no service.
    #[must_use]
    pub fn into_local(mut self) -> PlaceArgs {
        self.args.placement.local = true;
        self.args
    }
}

/// The options that `place` and `explain` share: the nodes, the steps and the request.
#[derive(Debug, Args)]
pub(super) struct Placement {
    /// The nodes: a JSON array of them, or a FastX 4 document; - reads standard input
    #[arg(long, value_name = "FILE")]
    nodes: Option<PathBuf>,
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    asked: RequestArgs,
    /// Also show the fate of this node, and why; implies --explain
    #[arg(long, value_name = "ID", visible_alias = "why-not")]
    pub(super) node: Option<String>,
    /// The request's random bits, to run a decision again
    #[arg(long)]
    seed: Option<u64>,
    /// Request time, e.g. 2026-11-20T17:30:00Z, to run a decision again
    #[arg(long, value_name = "TIME")]
    now: Option<Timestamp>,
    /// The time zone of the scripts' clock
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Decide here, even where the environment names a service
    #[arg(long, hide = true)]
    local: bool,
    /// Print the whole decision as JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    bus: BusArgs,
}

/// A decision that was made in this process.
pub(super) struct LocalDecision {
    /// The decision's id.
    pub(super) id: Arc<str>,
    /// The decision.
    pub(super) decision: Decision,
    /// The ids of all nodes.
    pub(super) nodes: Vec<String>,
    /// The notes on the question, in sentences: oddities such as a misspelt user.
    pub(super) notes: Vec<String>,
    /// The chains, with their sources.
    pub(super) set: ChainSet,
}

/// Runs `whither place`.
///
/// # Errors
/// The reason why no node was printed.
pub fn run(args: &PlaceArgs) -> Result<(), CommandExit> {
    let placement = &args.placement;
    let is_explained = args.explain || placement.node.is_some();
    let Some(service) = placement.service() else {
        if args.watch {
            let mut kept = KeptNodes::default();
            return watch::run(&|| placement.watched(), &mut || watched(placement, is_explained, &mut kept));
        }
        let LocalDecision { id, decision, set, .. } =
            placement.decide(Purpose::Place, is_explained, 0, &mut KeptNodes::default())?;
        table::logged(&decision);
        let explanation = wire::explained(&id, &decision);
        if is_explained {
            output::aside(table::explained(&explanation));
        }
        if placement.json {
            output::json(format_args!("{explanation:#}"))?;
        }
        return match &decision.outcome {
            Outcome::Placed(node) if !placement.json => output::data(node),
            _ => placement.ended(&decision, is_explained, &set),
        };
    };
    if args.watch {
        return Err(CommandExit::usage(watch::NEEDS_FILES));
    }
    let mut request = placement.request()?;
    if let Some(seconds) = args.wait {
        request.insert("wait_ms".to_owned(), (u64::from(seconds) * 1000).into());
    }
    if is_explained {
        request.insert("explain".to_owned(), Value::Bool(true));
    }
    remote::place(service, &request, is_explained, placement.json)
}

/// Returns the command's end for `failure`, with the line of the script that failed.
fn failed(failure: &Failure, set: &ChainSet) -> CommandExit {
    let CommandExit { code, message, .. } = CommandExit::failed(failure);
    let drawn = failure.position.as_ref().and_then(|position| explain::excerpt(set, position));
    CommandExit::new(code, drawn.map_or(message.clone(), |drawn| format!("{message}\n{drawn}")))
}

/// Decides once under `--watch`.
fn watched(placement: &Placement, is_explained: bool, kept: &mut KeptNodes) -> Result<WatchedAnswer, CommandExit> {
    let LocalDecision { id, decision, set, .. } = placement.decide(Purpose::Place, true, 0, kept)?;
    table::logged(&decision);
    let explanation = wire::explained(&id, &decision);
    let text = match (&decision.outcome, is_explained) {
        _ if placement.json => format!("{explanation:#}"),
        (Outcome::Placed(node), false) => Plain(node).to_string(),
        (Outcome::Failed(failure), false) => return Err(failed(failure, &set)),
        (_, true) => table::explained(&explanation),
    };
    Ok(WatchedAnswer { text, explanation, end: placement.ended(&decision, true, &set) })
}

impl Placement {
    /// Returns the service to ask, or `None` if this process decides.
    pub(super) fn service(&self) -> Option<remote::RemoteService<'_>> {
        let bus = &self.bus;
        if self.local || self.nodes.is_some() || !self.chain.scripts.is_empty() {
            return None;
        }
        if let Some(config) = &self.chain.config {
            return (!has_section(config, "chain"))
                .then_some(remote::RemoteService { bus, config: Some(config.clone()) });
        }
        Some(remote::RemoteService { bus, config: None })
    }

    /// Returns the request for a service.
    ///
    /// # Errors
    /// An option that a service cannot obey.
    pub(super) fn request(&self) -> Result<Map<String, Value>, CommandExit> {
        let own =
            [("--seed", self.seed.is_some()), ("--now", self.now.is_some()), ("--timezone", self.timezone.is_some())];
        if let Some((option, _)) = own.iter().find(|(_, is_given)| *is_given) {
            let message =
                format!("{option} means nothing to a service, which decides by its own; add --nodes or --script");
            return Err(CommandExit::usage(message));
        }
        let mut request = self.asked.over(Map::new(), WorkerLimits::default().request_bytes)?;
        request.extend(self.node.as_ref().map(|node| ("node".to_owned(), json!(node))));
        Ok(request)
    }

    /// Returns the files that a decision made here is made from.
    pub(super) fn watched(&self) -> Vec<PathBuf> {
        self.chain.files().into_iter().chain(self.nodes.clone()).chain(self.asked.files()).collect()
    }

    /// Decides in this process; a search for counterfactuals of the node asked about may take `search_us`. The node list
    /// is that of `kept` while its file stays as it was.
    pub(super) fn decide(
        &self,
        purpose: Purpose,
        is_explained: bool,
        search_us: u64,
        kept: &mut KeptNodes,
    ) -> Result<LocalDecision, CommandExit> {
        let chains = self.chain.load(&self.asked, self.timezone.as_deref())?;
        let mut nodes = kept.read(self.nodes.as_deref(), chains.limits.request_bytes)?;
        nodes.warnings.iter().for_each(|warning| output::aside(format_args!("warning: {}", Plain(warning))));
        let request = self.asked.over(std::mem::take(&mut nodes.request), chains.limits.request_bytes)?;
        let request = with_token(request, chains.token_rules(), OwnClaims::Dropped, request::now_ms(self.now));
        let request = request.map_err(|failure| CommandExit::failed(&failure))?;
        let moment = (self.seed, self.now);
        self.decide_over(chains, NodesFile { request, ..nodes }, moment, purpose, is_explained, search_us)
    }

    /// Fetches the decision `id` that a running service recorded, with everything that the decision was made from.
    pub(super) fn recorded(&self, id: &str) -> Result<Map<String, Value>, CommandExit> {
        let config = self.chain.config.as_deref().filter(|config| has_section(config, "nats"));
        remote::with_bus(&self.bus, config, async |bus, namespace| recorded::fetch(&bus, &namespace, id).await)
    }

    /// Explains in this process a decision like that of `record`: over the nodes, with the request, the time and the
    /// random bits that were recorded, by the chain of the config or of `--script`. A search for counterfactuals of the
    /// node asked about may take `search_us`.
    pub(super) fn decide_again(
        &self,
        record: &Map<String, Value>,
        search_us: u64,
    ) -> Result<LocalDecision, CommandExit> {
        let text = |field: &str| record.get(field).and_then(Value::as_str).unwrap_or_default();
        let chains = self.chain.load(&self.asked.of_action(text("chain")), self.timezone.as_deref())?;
        let document = json!({"nodes": record.get("nodes")}).to_string();
        let mut nodes = nodes_file::parse(document.as_bytes()).map_err(CommandExit::usage)?;
        nodes.request = record.get("request").and_then(Value::as_object).cloned().unwrap_or_default();
        nodes.request.insert("action".to_owned(), json!(text("chain")));
        // The claims of the record are those of a verified token; the token itself is in no record.
        nodes.request = self.asked.over(nodes.request, chains.limits.request_bytes)?;
        let now = record.get("now").and_then(Value::as_i64).and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let seed = text("seed").parse().ok();
        self.decide_over(chains, nodes, (self.seed.or(seed), self.now.or(now)), Purpose::Explain, true, search_us)
    }

    fn decide_over(
        &self,
        chains: Chains,
        mut nodes: NodesFile,
        (seed, now): (Option<u64>, Option<Timestamp>),
        purpose: Purpose,
        is_explained: bool,
        search_us: u64,
    ) -> Result<LocalDecision, CommandExit> {
        let limits = chains.limits;
        let asked = std::mem::take(&mut nodes.request);
        let mut question = request::question(&asked, limits.request_bytes, seed, now)?;
        question.purpose = purpose;
        question.head.explain = is_explained;
        let named = asked.get("node").and_then(Value::as_str).filter(|_| is_explained);
        question.about = self.node.as_deref().or(named).map(Arc::from);
        chains.get(&question.head.action)?;
        let Chains { set, environment, programs, .. } = chains;
        let init = WorkerInit { set, arrangement: Arrangement::Arrival, limits, audience: WorkerAudience::Person };
        question.search_us = if question.about.is_some() { search_us } else { 0 };
        let id = Arc::clone(&question.decision);
        let (ids, notes) = (nodes.ids(), nodes.notes_on(&question.head.login));
        let programs = ProgramSet::of(1, &init.set, environment, programs);
        let decision = one_shot::decide(&init, &programs, nodes.reports, question)?;
        Ok(LocalDecision { id, decision, nodes: ids, notes, set: init.set })
    }

    /// Returns the command's end for `decision`; a failure that the explanation showed (`is_told`) is not printed
    /// again.
    pub(super) fn ended(&self, decision: &Decision, is_told: bool, set: &ChainSet) -> Result<(), CommandExit> {
        match &decision.outcome {
            Outcome::Placed(_) => Ok(()),
            Outcome::Failed(failure) if is_told && !self.json => {
                Err(CommandExit::shown(super::exit::code(failure.name)))
            }
            Outcome::Failed(failure) if self.json => Err(CommandExit::failed(failure)),
            Outcome::Failed(failure) => Err(failed(failure, set)),
        }
    }
}
