//! What front and runner say to each other, in the frames of `ipc::frame`.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::chain::{ChainSet, ChainSpec, ProgramAnswer, StepSource};
use crate::model::{Arrangement, Change};
use crate::script::ScriptLimits;
use crate::worker::PlacementQuestion;

/// What a runner is born with: the first frame.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunnerInit {
    /// The initial order of nodes.
    pub arrangement: Arrangement,
}

/// What the front sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RunnerCommand {
    /// Something happened to the cluster. The first of all variants, here as in the worker's orders: encoded once, it
    /// goes to all of them.
    Change(Change),
    /// From here on these programs count; those of earlier editions are asked only what was asked of them already.
    Edition(Arc<ProgramSet>),
    /// Ask a program.
    Run(ProgramQuestion),
}

/// The programs of one configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramSet {
    /// Its number; a later configuration has a greater one.
    pub number: u64,
    /// The chains that have programs, without the texts of their scripts.
    pub chains: Vec<ChainSpec>,
    /// The site's time zone, which programs get as `TZ`.
    pub zone: String,
    /// Their environment.
    pub environment: Vec<(String, String)>,
    /// What they may use.
    pub limits: ProgramLimits,
}

impl ProgramSet {
    /// The programs of `set`.
    #[must_use]
    pub fn of(number: u64, set: &ChainSet, environment: Vec<(String, String)>, limits: ProgramLimits) -> Self {
        let chains = set.chains.iter().filter(|chain| runs_programs(chain)).map(without_texts);
        Self { number, chains: chains.collect(), zone: set.zone.clone(), environment, limits }
    }

    /// The chain of `action`.
    #[must_use]
    pub fn get(&self, action: &str) -> Option<&ChainSpec> {
        self.chains.iter().find(|chain| &*chain.action == action)
    }
}

fn runs_programs(chain: &ChainSpec) -> bool {
    chain.steps.iter().any(|step| matches!(step.source, StepSource::Executable(_)))
}

fn without_texts(chain: &ChainSpec) -> ChainSpec {
    let mut chain = chain.clone();
    for step in &mut chain.steps {
        if let StepSource::Script { content, .. } = &mut step.source {
            *content = "".into();
        }
    }
    chain
}

/// What programs may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramLimits {
    /// Wall time of one answer in milliseconds, where the step has no limit of its own.
    pub wall_ms: u32,
    /// Programs of one chain that run at once, resident ones not counted.
    pub at_once: u32,
    /// Processes of one run.
    pub processes: u32,
    /// Answer in bytes.
    pub stdout_bytes: usize,
    /// What one run may print on standard error, in bytes.
    pub stderr_bytes: usize,
    /// Length of a message, and how many lines are logged.
    pub script: ScriptLimits,
}

impl Default for ProgramLimits {
    fn default() -> Self {
        Self {
            wall_ms: 10_000,
            at_once: 32,
            processes: 64,
            stdout_bytes: 64 << 10,
            stderr_bytes: 1 << 20,
            script: ScriptLimits::default(),
        }
    }
}

/// A question for a program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProgramQuestion {
    /// The edition that the decision is taken under.
    pub edition: u64,
    /// The step, from 0.
    pub step: usize,
    /// The request's question.
    pub question: Arc<PlacementQuestion>,
    /// The decision so far ([`Suspended`](crate::chain::Suspended)), encoded.
    pub suspended: Bytes,
}

/// What the runner sends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RunnerFrame {
    /// The programs of these questions are about to be asked; from here on nobody may ask them again.
    Asking(Vec<u64>),
    /// What was heard from a program about a question.
    Heard(u64, ProgramAnswer),
    /// The question's deadline passed before its program's turn came; it was not asked.
    Late(u64),
    /// A resident program logged a line.
    Logged(Arc<str>, String),
    /// A resident program, by its step's name, ended unasked or was ended for what it did.
    Ended(Arc<str>, String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker;

    #[test]
    fn a_change_is_encoded_alike_for_workers_and_runner() {
        let change = Change::Remove("a".into());
        let both = [
            postcard::to_stdvec(&RunnerCommand::Change(change.clone())).unwrap(),
            postcard::to_stdvec(&worker::WorkerCommand::Change(change)).unwrap(),
        ];
        assert_eq!(both[0], both[1]);
    }
}
