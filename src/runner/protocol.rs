//! The protocol between front and runner, in the frames of `ipc::frame`.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::chain::{ChainSet, ChainSpec, ProgramAnswer, StepSource};
use crate::model::{Arrangement, Change};
use crate::script::ScriptLimits;
use crate::worker::PlacementQuestion;

/// The first frame that a runner is sent.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunnerInit {
    /// The initial order of nodes.
    pub arrangement: Arrangement,
}

/// A command of the front to the runner.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RunnerCommand {
    /// A change of the cluster. The first of all variants, here as in the worker's commands: encoded once, a change is
    /// sent to all of them.
    Change(Change),
    /// The programs of a new configuration; programs of earlier editions are asked only the questions that were asked
    /// of them already.
    Edition(Arc<ProgramSet>),
    /// Asks a program.
    Run(ProgramQuestion),
}

/// The programs of one configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramSet {
    /// The number of the configuration; a later configuration has a greater number.
    pub number: u64,
    /// The chains that have programs, without the texts of their scripts.
    pub chains: Vec<ChainSpec>,
    /// The site's time zone, which programs get as `TZ`.
    pub zone: String,
    /// The environment of the programs.
    pub environment: Vec<(String, String)>,
    /// The limits of the programs.
    pub limits: ProgramLimits,
}

impl ProgramSet {
    /// Returns the programs of `set`.
    #[must_use]
    pub fn of(number: u64, set: &ChainSet, environment: Vec<(String, String)>, limits: ProgramLimits) -> Self {
        let chains = set.chains.iter().filter(|chain| runs_programs(chain)).map(without_texts);
        Self { number, chains: chains.collect(), zone: set.zone.clone(), environment, limits }
    }

    /// Returns the chain of `action`.
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

/// The limits of programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramLimits {
    /// The wall time of an answer in milliseconds, where the step has no limit of its own.
    pub wall_ms: u32,
    /// The most programs of a chain that run at once, resident programs not counted.
    pub at_once: u32,
    /// The most processes of a run.
    pub processes: u32,
    /// The largest answer in bytes.
    pub stdout_bytes: usize,
    /// The most bytes that a run may print on standard error.
    pub stderr_bytes: usize,
    /// The longest message, and the most lines that are logged.
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

/// A frame of the runner to the front.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum RunnerFrame {
    /// The programs of these questions are about to be asked; from here on the questions must not be asked again.
    Asking(Vec<u64>),
    /// The answer of a program to a question.
    Heard(u64, ProgramAnswer),
    /// The deadline of the question passed before the program's turn came; the program was not asked.
    Late(u64),
    /// A resident program logged a line.
    Logged(Arc<str>, String),
    /// A resident program, by the name of the step, exited unasked or was killed for a fault.
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
