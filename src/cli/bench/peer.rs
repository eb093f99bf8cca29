//! The peer: the same JavaScript under Node.js on this machine, so that a figure has something to stand beside.
//!
//! Node.js compiles to machine code and whither's engine interprets, and Node.js runs the script unbounded, unchecked
//! and unisolated. The choice is the site's; the page tells the price.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::chain::eligibility::reason_against;
use crate::chain::{ChainSpec, StepSource};
use crate::cli::exit::{self, CommandExit};
use crate::clock::{self, Moment, Silent};
use crate::engine::{LANGUAGES, Settings};
use crate::model::{Change, Cluster};
use crate::script::{ScriptRequest, ScriptShape, ScriptSource};
use crate::system_clock::unix_ms;

use super::contender::BenchChain;
use super::course::RunPlan;
use super::row::FirstAnswer;
use super::units;
use super::users::BenchUsers;

const HARNESS: &str = include_str!("peer.js");
const PROGRAM: &str = "node";
/// The built-in that the peer can run after a script.
const FEWEST: &str = "fewest-sessions";
/// The time limit on top of the peer's runs: for starting, and reading a large cluster.
const PATIENCE: Duration = Duration::from_secs(60);

/// Node.js on this machine.
#[derive(Clone, Debug)]
pub(super) struct NodeJsPeer(PathBuf);

/// The peer's figures for one way to run.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct PeerRow {
    way: String,
    decisions: u64,
    failed: u64,
    p50_ns: u64,
    p99_ns: u64,
    busy_ns: u64,
    first: FirstAnswer,
    #[serde(skip)]
    version: String,
    #[serde(skip)]
    memory_bytes: u64,
}

#[derive(Deserialize)]
struct PeerReport {
    version: String,
    memory_bytes: u64,
    rows: Vec<PeerRow>,
}

impl NodeJsPeer {
    /// Returns the first `node` in `path`, a list of folders such as PATH.
    ///
    /// # Errors
    /// No `node` in any folder.
    pub(super) fn find(path: &OsStr) -> Result<Self, CommandExit> {
        let found = std::env::split_paths(path).map(|folder| folder.join(PROGRAM)).find(|file| file.is_file());
        found.map(Self).ok_or_else(|| {
            CommandExit::new(
                exit::OTHER,
                "--peer node: there is no `node` in PATH; install Node.js, or leave the option out",
            )
        })
    }

    /// Runs the chain of `contender` over the cluster that `reports` make.
    ///
    /// # Errors
    /// A program that fails or does not end.
    pub(super) fn run(
        &self,
        contender: &BenchChain,
        reports: Vec<Change>,
        users: &BenchUsers,
        plan: &RunPlan,
    ) -> Result<Vec<PeerRow>, CommandExit> {
        let task = task(contender, reports, users, plan)?;
        let other = |error: std::io::Error| CommandExit::new(exit::OTHER, format!("--peer node: {error}"));
        let folder = tempfile::tempdir().map_err(other)?;
        let (harness, input) = (folder.path().join("peer.js"), folder.path().join("task.json"));
        std::fs::write(&harness, HARNESS).map_err(other)?;
        std::fs::write(&input, task).map_err(other)?;
        let printed = run(&self.0, &harness, &input, (plan.time + plan.warm_up()) * 4 + PATIENCE)?;
        let PeerReport { version, memory_bytes, rows } = serde_json::from_slice(&printed)
            .map_err(|error| CommandExit::new(exit::OTHER, format!("--peer node: its answer is {error}")))?;
        Ok(rows.into_iter().map(|row| PeerRow { version: version.clone(), memory_bytes, ..row }).collect())
    }
}

/// Returns the reason why the peer cannot run `chain`, or `None` where the peer can.
#[must_use]
pub(super) fn unfit(chain: &ChainSpec) -> Option<&'static str> {
    let is_js = |source: &StepSource| matches!(source, StepSource::Script { extension, .. } if extension == "js");
    let is_fewest = |source: &StepSource| matches!(source, StepSource::Builtin(name) if name == FEWEST);
    match chain.steps.as_slice() {
        [script] if is_js(&script.source) => None,
        [script, last] if is_js(&script.source) && is_fewest(&last.source) => None,
        _ => {
            Some("--peer node runs one step in JavaScript, which builtin:fewest-sessions may follow, and nothing else")
        }
    }
}

/// Returns the input of the harness. Nodes that the chain would leave out before the first step are left out here.
fn task(
    contender: &BenchChain,
    reports: Vec<Change>,
    users: &BenchUsers,
    plan: &RunPlan,
) -> Result<Vec<u8>, CommandExit> {
    let unrunnable = || CommandExit::usage("--peer node: the chain has no step in JavaScript");
    let chain = contender.chain().ok_or_else(unrunnable)?;
    let set = &contender.init.set;
    let zone = clock::zone(&set.zone).unwrap_or(TimeZone::UTC);
    let mut cluster = Cluster::new(contender.init.arrangement);
    reports.into_iter().for_each(|report| drop(cluster.apply(report)));
    let moment = Moment::at(unix_ms(), &zone);
    let inputs = (0..users.texts().count() as u64).filter_map(|turn| users.request(turn)).map(|request| {
        let passes_jwt = chain.pass_jwt;
        ScriptRequest { request: &request, passes_jwt, moment: &moment, seed: 1, sequence: 0 }.to_json(&cluster)
    });
    let inputs: Vec<_> = inputs.collect();
    let step = chain.steps.first().ok_or_else(unrunnable)?;
    let StepSource::Script { content, isolation, .. } = &step.source else { return Err(unrunnable()) };
    let source = ScriptSource { file: step.name.clone(), content: content.clone(), isolation: *isolation };
    let head = json!({
        "source": source.text().map_err(CommandExit::usage)?.text,
        "shape": shape(&source, Settings { limits: set.limits, zone, alarm: Rc::new(Silent) })?,
        "then_fewest": chain.steps.len() > 1,
        "ms": plan.time.as_secs_f64() * 1000.0,
        "warm_up_ms": plan.warm_up().as_secs_f64() * 1000.0,
        "inputs": inputs,
    });
    let mut text = head.to_string().into_bytes();
    // The nodes as scripts see them, which are text already.
    text.pop();
    text.extend_from_slice(b",\"nodes\":[");
    for (place, (_, node)) in cluster.nodes().filter(|(_, node)| reason_against(node, chain).is_none()).enumerate() {
        text.extend_from_slice(if place > 0 { b"," } else { b"" });
        text.extend_from_slice(&node.to_text(None));
    }
    text.extend_from_slice(b"]}");
    Ok(text)
}

fn shape(source: &ScriptSource, settings: Settings) -> Result<&'static str, CommandExit> {
    let language = LANGUAGES.iter().find(|language| language.extension == "js");
    let engine = language.map(|language| (language.engine)(&settings));
    let engine = engine.ok_or_else(|| CommandExit::new(exit::OTHER, "there is no engine for JavaScript"))?;
    let script = engine.load(source).map_err(|error| CommandExit::new(exit::SCRIPT, error))?;
    Ok(match script.shape() {
        ScriptShape::WholeList => "list",
        ScriptShape::PerNode(_) => "node",
    })
}

fn run(program: &Path, harness: &Path, task: &Path, patience: Duration) -> Result<Vec<u8>, CommandExit> {
    let failed = |why: String| CommandExit::new(exit::OTHER, format!("--peer node: {why}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| failed(error.to_string()))?.block_on(async {
        let mut command = tokio::process::Command::new(program);
        command.arg(harness).arg(task).stdin(std::process::Stdio::null()).kill_on_drop(true);
        match tokio::time::timeout(patience, command.output()).await {
            Err(_late) => {
                Err(CommandExit::new(exit::LIMIT, format!("--peer node: it did not end within {patience:?}")))
            }
            Ok(Err(error)) => Err(failed(error.to_string())),
            Ok(Ok(output)) if output.status.success() => Ok(output.stdout),
            Ok(Ok(output)) => {
                let words = String::from_utf8_lossy(&output.stderr);
                let telling = words.lines().find(|line| line.contains("Error")).unwrap_or("it said nothing");
                Err(failed(format!("it ended with {}: {telling}", output.status)))
            }
        }
    })
}

impl PeerRow {
    fn name(&self) -> String {
        let how = if self.way == "resident" { "resident objects" } else { "JSON.parse for each request" };
        format!("  Node.js {}, {how}", self.version)
    }

    fn per_second(&self) -> f64 {
        self.decisions as f64 * 1e9 / self.busy_ns.max(1) as f64
    }

    /// Returns the ratio of the peer's median to whither's.
    fn ratio(&self, ours_ns: u64) -> f64 {
        self.p50_ns as f64 / ours_ns.max(1) as f64
    }

    /// Whether any decision of the peer failed.
    pub(super) fn has_failed(&self) -> bool {
        self.failed > 0
    }

    /// Returns the number of failed decisions as text; empty where none failed.
    pub(super) fn failed(&self) -> String {
        if self.has_failed() { units::count(self.failed) } else { String::new() }
    }

    /// Returns the row as JSON.
    #[must_use]
    pub(super) fn to_json(&self, ours_ns: u64) -> Value {
        json!({
            "peer": "node", "version": self.version, "way": self.way, "decisions": self.decisions,
            "p50_ns": self.p50_ns, "p99_ns": self.p99_ns, "decisions_per_second": self.per_second(),
            "memory_bytes": self.memory_bytes, "failed": self.failed, "p50_to_ours": self.ratio(ours_ns),
            "first_node": self.first.node, "first_error": self.first.error,
        })
    }

    /// Returns the row for a person.
    #[must_use]
    pub(super) fn cells(&self, nodes: usize, ours_ns: u64) -> Vec<String> {
        vec![
            self.name(),
            units::count(nodes as u64),
            units::duration(self.p50_ns),
            units::duration(self.p99_ns),
            units::rate(self.per_second()),
            String::new(),
            units::bytes(self.memory_bytes),
            units::ratio(self.ratio(ours_ns)),
        ]
    }

    /// Returns a note where `ours` chose another node or failed otherwise on the first request; ties may fall
    /// otherwise.
    #[must_use]
    pub(super) fn differs(&self, ours: &FirstAnswer) -> Option<String> {
        let outcome = |first: &FirstAnswer| match (&first.node, &first.error) {
            (Some(node), _) => format!("chose {node}"),
            (None, error) => format!("failed: {}", error.as_deref().unwrap_or("no node")),
        };
        let differs = self.first.node != ours.node;
        differs.then(|| {
            format!("on the first request whither {}, {} {}", outcome(ours), self.name().trim(), outcome(&self.first))
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::super::cluster::Clusters;
    use super::*;
    use crate::chain::StepSpec;
    use crate::cli::chains::ChainArgs;
    use crate::cli::request::RequestArgs;

    fn contender(scripts: &[&str]) -> BenchChain {
        let scripts = scripts.iter().map(|script| (*script).to_owned()).collect();
        let args = ChainArgs { scripts, config: None };
        BenchChain::all(&args, false, &RequestArgs::default()).unwrap().remove(0)
    }

    #[test]
    fn what_the_peer_cannot_run_is_refused() {
        let fewest = "builtin:fewest-sessions";
        for (scripts, fits) in [
            (vec!["scripts/allow-list.js"], true),
            (vec!["scripts/allow-list.js", fewest], true),
            (vec!["scripts/allow-list.js", "builtin:weighted"], false),
            (vec!["scripts/allow-list.js", "scripts/allow-list.js"], false),
            (vec!["scripts/allow-list.rhai"], false),
            (vec![fewest], false),
        ] {
            let contender = contender(&scripts);
            assert_eq!(unfit(contender.chain().unwrap()).is_none(), fits, "{scripts:?}");
        }
        assert!(NodeJsPeer::find(OsStr::new("")).unwrap_err().message.contains("install Node.js"));
    }

    /// Every way to write a function is found, and chooses as written; the figures do not matter here.
    #[test]
    fn the_peer_runs_what_we_run() {
        let Ok(peer) = NodeJsPeer::find(&std::env::var_os("PATH").unwrap_or_default()) else {
            crate::cli::output::aside("skipped, because there is no Node.js");
            return;
        };
        let plan = RunPlan { time: Duration::from_millis(1), changes: None };
        let clusters = Clusters::Drawn(vec![30]);
        for (text, node) in [
            ("// A comment.\nfunction(input) { return input.servers[1].id }", Some("node-02")),
            ("(input) => input.nodes[2].id;", Some("node-03")),
            ("const few = 2;\nfunction balance({ nodes }) { return nodes.slice(few) }", None),
            ("function helper(x) { return x }\nconst choose = (input) => helper(input.nodes[4].id);", Some("node-05")),
            ("function score(node) { return node.id === 'node-06' ? 1 : 0 }", Some("node-06")),
            (
                "const key = (request) => request.user.login;\nfunction filter(node, login) { return node.id === 'node-07' }\n\
                 let score = (node, login) => (login ? 1 : undefined);",
                Some("node-07"),
            ),
            ("function(input) { return undefined }", None),
        ] {
            let mut contender = contender(&["builtin:weighted"]);
            contender.init.set.chains[0].steps = vec![StepSpec::new("step.js", StepSource::script("js", text))];
            let users = BenchUsers::of(&Map::new(), &contender.action, 1 << 20).unwrap();
            let rows = peer.run(&contender, clusters.reports(30).unwrap(), &users, &plan).unwrap();
            assert_eq!(rows.iter().map(|row| row.way.as_str()).collect::<Vec<_>>(), ["resident", "parse"]);
            for row in rows {
                assert_eq!((row.first.node.as_deref(), row.has_failed()), (node, node.is_none()), "{text}: {row:?}");
                assert!(row.decisions > 0 && row.version.starts_with('v'), "{row:?}");
                let ours = FirstAnswer { node: node.map(str::to_owned), error: None };
                assert_eq!(row.differs(&ours), None);
                assert!(
                    row.differs(&FirstAnswer { node: Some("x".to_owned()), error: None })
                        .unwrap()
                        .contains("whither chose x")
                );
            }
        }
    }
}
