//! `whither explain`: why a session would go to that node, and what would have to differ for another node; for files,
//! for a running service, and for a recorded decision.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::chain::Purpose;
use crate::config::problem::nearest;
use crate::explain;
use crate::model::diagnosis::NOT_IN_CLUSTER;
use crate::model::{FailureName, JsonLimits, LostReason, json as untrusted};
use crate::nats::wire;
use crate::plain::Plain;

use super::exit::{self, CommandExit};
use super::place::{LocalDecision, Placement};
use super::watch::{self, WatchedAnswer};
use super::{output, remote, table};

/// The most bytes of a recorded decision.
const MAX_RECORD_BYTES: usize = 16 << 20;
/// The most time of a search for counterfactuals, in microseconds, where nobody else waits for the evaluator.
const MAX_SEARCH_US: u64 = 3_000_000;

/// Explain where a session would be placed, and why; and what would have to differ for another node. Reserves nothing.
///
/// Prints each step's verdict, cost and the nodes left out, the scores of all nodes, the margin of the chosen node, and
/// the runner-up. With `--node`, also prints why that node is not chosen, and the smallest changes with which the node
/// would be chosen, each of them tried. The options are those of `whither place`, and a running service is asked in the
/// same cases. Executables are not run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  whither explain --user ann --group cad
  whither explain --user ann --node node7              # why does ann not get node7, and what would have to differ?
  whither explain --nodes nodes.json --script gpu.js --script builtin:fewest-sessions --node node7 --watch
  whither place --user ann --explain --json > decision.json; whither explain --decision decision.json

Exit codes: those of `whither place`; 3 also where there is no node of the id that --node names, 2 where the file that
--decision names has no decision in it")]
pub struct ExplainArgs {
    #[command(flatten)]
    placement: Placement,
    /// Explain the decision recorded in this file: the output of `place --explain --json`, `explain --json` or the
    /// service
    #[arg(long, value_name = "FILE", help_heading = "Options", conflicts_with_all = ["nodes", "scripts", "config", "user", "request"])]
    decision: Option<PathBuf>,
    /// Explain again each time a script, the config, the nodes or the request changes
    #[arg(long, help_heading = "Options", conflicts_with = "decision")]
    watch: bool,
}

/// Runs `whither explain`.
///
/// # Errors
/// The error of the decision, where no node was chosen, and an id of `--node` that the cluster does not have.
pub fn run(args: &ExplainArgs) -> Result<(), CommandExit> {
    let placement = &args.placement;
    if let Some(path) = &args.decision {
        return recorded(path, placement);
    }
    match placement.service() {
        None if args.watch => watch::run(&|| placement.watched(), &mut || {
            let (explanation, end) = local(placement)?;
            let text = explain::tree(&explanation);
            Ok(WatchedAnswer { text: if placement.json { format!("{explanation:#}") } else { text }, explanation, end })
        }),
        None => {
            let (explanation, end) = local(placement)?;
            print(&explanation, placement.json)?;
            end
        }
        Some(_) if args.watch => Err(CommandExit::usage(watch::NEEDS_FILES)),
        Some(service) => {
            let explanation = remote::explanation(service, &placement.request()?)?;
            print(&explanation, placement.json)?;
            let known = [];
            let failed = explanation.get("error").map(remote::failed);
            missing(&explanation, known)
                .or(failed)
                .map_or(Ok(()), |exit| Err(shown(exit, &explanation, placement.json)))
        }
    }
}

/// Explains a decision that is made here; returns the explanation with the command's end.
fn local(placement: &Placement) -> Result<(Value, Result<(), CommandExit>), CommandExit> {
    let LocalDecision { id, decision, nodes, notes, set } = placement.decide(Purpose::Explain, true, MAX_SEARCH_US)?;
    table::logged(&decision);
    notes.iter().for_each(|note| output::aside(format_args!("note: {}", Plain(note))));
    let mut explanation = wire::explained(&id, &decision);
    explain::draw(&mut explanation, &set);
    let end = match missing(&explanation, nodes.iter().map(String::as_str)) {
        Some(exit) => Err(exit),
        None => placement.ended(&decision, true, &set),
    };
    Ok((explanation, end))
}

/// Returns the command's end where the node that `explanation` was asked about is none of the cluster; `known` are ids
/// that may have been meant.
fn missing<'a>(explanation: &Value, known: impl IntoIterator<Item = &'a str>) -> Option<CommandExit> {
    let asked = explanation.get("asked").filter(|asked| asked.get("fate") == Some(&json!(NOT_IN_CLUSTER)))?;
    let node = asked.get("node").and_then(Value::as_str).unwrap_or_default();
    let known: Vec<_> = known.into_iter().collect();
    let advice = match (nearest(node, known.iter().copied()), known.is_empty()) {
        (Some(meant), _) => format!("; did you mean `{}`?", Plain(meant)),
        (None, true) => format!("; `whither nodes history {}` tells when it left", Plain(node)),
        (None, false) => String::new(),
    };
    let message = format!("{}: no node of the cluster has the id `{}`{advice}", FailureName::UnknownNode, Plain(node));
    Some(CommandExit::new(exit::NO_NODE, message))
}

/// Returns `exit` without the words that `explanation` shows already.
fn shown(exit: CommandExit, explanation: &Value, as_json: bool) -> CommandExit {
    let is_told = !as_json && explanation.get("error").is_some() && exit.code != exit::NO_NODE;
    if is_told || (!as_json && exit.message.contains("no-node")) { CommandExit::shown(exit.code) } else { exit }
}

fn print(explanation: &Value, as_json: bool) -> Result<(), CommandExit> {
    match as_json {
        true => output::json(format_args!("{explanation:#}")),
        false => output::answer(explain::tree(explanation)),
    }
}

/// Explains the decision that is recorded at `path`.
fn recorded(path: &Path, placement: &Placement) -> Result<(), CommandExit> {
    let name = path.display();
    let mut explanation = read(path)?;
    if let Some(node) = &placement.node {
        let fate = fate(&explanation, node).ok_or_else(|| {
            let message = format!("{name}: the recorded decision says nothing of a node `{}`", Plain(node));
            CommandExit::new(exit::NO_NODE, message)
        })?;
        if let Some(fields) = explanation
            .as_object_mut()
            .filter(|fields| fields.get("asked").and_then(|asked| asked.get("node")) != Some(&json!(node)))
        {
            fields.insert("asked".to_owned(), json!({"node": node, "fate": fate}));
        }
    }
    print(&explanation, placement.json)
}

/// Reads the explanation in the file at `path`: by itself, in the answer to a placement, or in an error.
fn read(path: &Path) -> Result<Value, CommandExit> {
    let name = path.display();
    let unreadable = |error: std::io::Error| CommandExit::usage(format!("{name}: {error}"));
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(MAX_RECORD_BYTES as u64 + 1).read_to_end(&mut text).map_err(unreadable)?;
    let limits = JsonLimits { max_bytes: MAX_RECORD_BYTES, max_depth: untrusted::MAX_DEPTH };
    let record = untrusted::parse(&text, limits);
    let record = record.map_err(|error| CommandExit::usage(format!("{name}: {error}")))?;
    let explanation = match (record.get("explanation"), record.get("error").and_then(|error| error.get("diagnosis"))) {
        (Some(explanation), _) => explanation.clone(),
        (None, Some(diagnosis)) => {
            let mut explanation = diagnosis.clone();
            if let (Some(fields), Some(error)) = (explanation.as_object_mut(), record.get("error")) {
                fields.insert("error".to_owned(), error.clone());
            }
            explanation
        }
        (None, None) => record,
    };
    if explanation.get("steps").is_none_or(|steps| !steps.is_array()) {
        let message = format!(
            "{name}: no decision is recorded in it; `whither place --explain --json` and `whither explain --json` \
             print one"
        );
        return Err(CommandExit::usage(message));
    }
    Ok(explanation)
}

/// Returns the fate of `node`, as far as the record shows: the step that left the node out, or the node's scores.
fn fate(explanation: &Value, node: &str) -> Option<String> {
    let asked = explanation.get("asked").filter(|asked| asked.get("node") == Some(&json!(node)));
    if let Some(fate) = asked.and_then(|asked| asked.get("fate")).and_then(Value::as_str) {
        return Some(fate.to_owned());
    }
    if explanation.get("node") == Some(&json!(node)) {
        let by = explanation.get("decided_by").and_then(Value::as_str).unwrap_or_default();
        return Some(format!("{by} chose it"));
    }
    let names = |lost: Option<&Value>| {
        let mut reasons = lost.and_then(Value::as_object).into_iter().flatten();
        let is_named = |lost: &Value| {
            let nodes = lost.get("nodes").and_then(Value::as_array);
            nodes.is_some_and(|nodes| nodes.contains(&json!(node)))
        };
        reasons.find(|(_, lost)| is_named(lost)).map(|(reason, _)| reason.clone())
    };
    if let Some(reason) = names(explanation.get("excluded")) {
        let words = LostReason::parse(&reason).map_or(reason.clone(), |known| known.phrase().to_owned());
        return Some(format!("it could not take the request: {words}"));
    }
    let steps = explanation.get("steps").and_then(Value::as_array)?;
    let name = |step: &Value| step.get("step").and_then(Value::as_str).unwrap_or_default().to_owned();
    for step in steps {
        if let Some(reason) = names(step.get("lost")) {
            let known = LostReason::parse(&reason);
            return Some(known.map_or(reason, |known| known.by_step(&name(step))));
        }
    }
    let scored = steps.iter().rev().find_map(|step| {
        let scores = step.get("scores").and_then(Value::as_array)?;
        let own = scores.iter().find(|scored| scored.get("node") == Some(&json!(node)))?;
        Some((name(step), own.get("score").cloned().unwrap_or_default()))
    });
    scored.map(|(step, score)| format!("it was a candidate, with {score} at {step}"))
}
