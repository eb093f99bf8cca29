//! A contender: a chain that is measured, and the name of the chain's rows.

use std::sync::Arc;
use std::time::Duration;

use crate::chain::{ChainSpec, StepSource, StepSpec};
use crate::cli::chains::{ChainArgs, Chains};
use crate::cli::exit::CommandExit;
use crate::cli::request::RequestArgs;
use crate::host::{Disk, zone};
use crate::model::Arrangement;
use crate::model::head::DEFAULT_ACTION;
use crate::worker::{WorkerAudience, WorkerInit};

const GPU_JS: &str = include_str!("../../../scripts/gpu-for-group.js");
const GPU_RHAI: &str = include_str!("../../../scripts/gpu-for-group.rhai");
const LOAD_JS: &str = include_str!("../../../scripts/weighted-load.js");
const LOAD_RHAI: &str = include_str!("../../../scripts/weighted-load.rhai");

/// The most time for starting a process, compiling the chain and making the cluster.
const PATIENCE: Duration = Duration::from_secs(20);
const FOR_A_NODE: Duration = Duration::from_millis(1);

/// A chain that is measured alone.
#[derive(Clone, Debug)]
pub(super) struct BenchChain {
    /// The name of the chain: the names of the steps.
    pub(super) label: String,
    /// The initial message of a worker that runs the chain.
    pub(super) init: WorkerInit,
    /// The action that the chain decides.
    pub(super) action: Arc<str>,
}

impl BenchChain {
    /// Returns the chain of `args`, or with `is_each` each script alone; without `args`, a built-in and shipped
    /// scripts.
    ///
    /// # Errors
    /// Every fault of a step or of the config, and steps that do not run in a worker.
    pub(super) fn all(args: &ChainArgs, is_each: bool, asked: &RequestArgs) -> Result<Vec<Self>, CommandExit> {
        if !args.is_given() {
            let zone = zone::of_host(&Disk);
            let alone = |steps| Self::new(Chains::of(asked, steps, zone.clone()), asked);
            return shipped().into_iter().map(alone).collect();
        }
        if !is_each {
            return Ok(vec![Self::new(args.load(asked, None)?, asked)?]);
        }
        let alone = |script: &String| {
            let args = ChainArgs { scripts: vec![script.clone()], config: None };
            Self::new(args.load(asked, None)?, asked)
        };
        args.scripts.iter().map(alone).collect()
    }

    fn new(chains: Chains, asked: &RequestArgs) -> Result<Self, CommandExit> {
        let action = asked.action().unwrap_or(DEFAULT_ACTION.to_owned());
        let chain = chains.get(&action)?.clone();
        for step in &chain.steps {
            if let StepSource::Executable(_) = step.source {
                return Err(CommandExit::usage(format!(
                    "step `{}` is an executable, which runs outside of the process that is measured here: start \
                     `whither serve` with it, then `whither bench --nats URL`",
                    step.name
                )));
            }
        }
        let (mut set, limits, action) = (chains.set, chains.limits, Arc::clone(&chain.action));
        let names: Vec<_> = chain.steps.iter().map(|step| &*step.name).collect();
        let label = names.join(" + ");
        set.chains = vec![chain];
        Ok(Self {
            label,
            init: WorkerInit { set, arrangement: Arrangement::ById, limits, audience: WorkerAudience::Person },
            action,
        })
    }

    /// Returns the most time that a decision over `nodes` nodes, with making their cluster, may take on a busy machine.
    #[must_use]
    pub(super) fn longest(&self, nodes: usize) -> Duration {
        let limits = self.init.limits;
        let wall = self.chain().map(|chain| limits.chain_wall(chain, nodes as u64)).unwrap_or_default();
        wall + PATIENCE + FOR_A_NODE * u32::try_from(nodes).unwrap_or(u32::MAX)
    }

    /// Returns the chain.
    #[must_use]
    pub(super) fn chain(&self) -> Option<&ChainSpec> {
        self.init.set.get(&self.action)
    }
}

/// Returns the chains that are measured by default: the built-in that most sites use, and the same two policies as
/// functions of the whole list and of a single node in both languages.
fn shipped() -> Vec<Vec<StepSpec>> {
    let fewest = || StepSpec::new("builtin:fewest-sessions", StepSource::Builtin("fewest-sessions".to_owned()));
    let script = |name: &str, extension: &str, text: &str| {
        StepSpec::new(&format!("{name}.{extension}"), StepSource::script(extension, text))
    };
    vec![
        vec![fewest()],
        vec![script("gpu-for-group", "js", GPU_JS), fewest()],
        vec![script("gpu-for-group", "rhai", GPU_RHAI), fewest()],
        vec![script("weighted-load", "js", LOAD_JS)],
        vec![script("weighted-load", "rhai", LOAD_RHAI)],
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_chain_there_is_something_to_measure() {
        let all = BenchChain::all(&ChainArgs::default(), false, &RequestArgs::default()).unwrap();
        let labels: Vec<_> = all.iter().map(|contender| contender.label.as_str()).collect();
        assert_eq!(labels.len(), 5);
        assert_eq!(labels[1], "gpu-for-group.js + builtin:fewest-sessions");
        assert!(all.iter().all(|contender| contender.chain().is_some_and(|chain| chain.reserve)));
    }

    #[test]
    fn scripts_are_one_chain_or_each_its_own() {
        let scripts = ["builtin:sticky-user", "builtin:least-load"].map(str::to_owned).to_vec();
        let args = ChainArgs { scripts, config: None };
        let labels = |is_each| -> Vec<String> {
            let all = BenchChain::all(&args, is_each, &RequestArgs::default()).unwrap();
            all.into_iter().map(|contender| contender.label).collect()
        };
        assert_eq!(labels(false), ["builtin:sticky-user + builtin:least-load"]);
        assert_eq!(labels(true), ["builtin:sticky-user", "builtin:least-load"]);
    }
}
