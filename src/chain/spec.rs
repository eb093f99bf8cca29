//! The specification of a chain: plain data that a config describes and that a worker receives at the start.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::head::DEFAULT_ACTION;
use crate::model::{FailureName, UserNames};
use crate::script::{Content, Isolation, ScriptLimits};

/// Every chain of a service, with limits and time zone: the complete input of an evaluator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainSet {
    /// The chains, each for a different action.
    pub chains: Vec<ChainSpec>,
    /// The limits that engines enforce themselves.
    pub limits: ScriptLimits,
    /// The site's time zone: an IANA name, or a POSIX TZ string where the host has no name for the zone.
    pub zone: String,
    /// The rule by which the names of users are compared.
    pub names: UserNames,
}

impl ChainSet {
    /// Returns these chains in UTC with default limits.
    #[must_use]
    pub fn new(chains: Vec<ChainSpec>) -> Self {
        Self { chains, limits: ScriptLimits::default(), zone: "UTC".to_owned(), names: UserNames::default() }
    }

    /// Returns the chain of `action`.
    #[must_use]
    pub fn get(&self, action: &str) -> Option<&ChainSpec> {
        self.chains.iter().find(|chain| &*chain.action == action)
    }

    /// Returns the names of all steps.
    #[must_use]
    pub fn step_names(&self) -> BTreeSet<&str> {
        self.chains.iter().flat_map(|chain| &chain.steps).map(|step| &*step.name).collect()
    }
}

/// A chain as configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainSpec {
    /// The action that the chain decides.
    pub action: Arc<str>,
    /// The steps, in order.
    pub steps: Vec<StepSpec>,
    /// Whether a placement is reserved, and whether only nodes that can take a session are eligible.
    pub reserve: bool,
    /// The consequence when a step names a node that cannot take the request.
    pub on_unplaceable: OnUnplaceable,
    /// The consequence when the node that the user is assigned to cannot take the request.
    pub on_assigned_unplaceable: OnAssignedUnplaceable,
    /// Whether a node never takes more sessions than the node states, so that a node with unknown sessions takes none.
    pub strict: bool,
    /// The largest number of sessions that start on a node at a time, where the node states no figure.
    pub max_pending: Option<u64>,
    /// Services that a node must run to be eligible.
    pub require_services: Vec<String>,
    /// Whether scripts see the request's token.
    pub pass_jwt: bool,
    /// Whether the request's token is verified before the chain is asked.
    pub verify_jwt: bool,
    /// The number of worker processes that decide for this chain alone; `None` where a single, possibly shared worker
    /// is enough.
    pub workers: Option<u32>,
}

impl ChainSpec {
    /// Returns the chain of `action` with default settings.
    #[must_use]
    pub fn new(action: &str, steps: Vec<StepSpec>) -> Self {
        Self {
            action: action.into(),
            steps,
            reserve: Self::reserves_by_default(action),
            on_unplaceable: OnUnplaceable::default(),
            on_assigned_unplaceable: OnAssignedUnplaceable::default(),
            strict: false,
            max_pending: None,
            require_services: Vec::new(),
            pass_jwt: false,
            verify_jwt: false,
            workers: None,
        }
    }

    /// Returns the number of the chain's requests that may be at programs at a time: where the chain reserves, the
    /// lowest limit of the chain's programs.
    #[must_use]
    pub fn turns(&self) -> Option<usize> {
        let programs = self.steps.iter().filter_map(|step| match &step.source {
            StepSource::Executable(program) => Some(program.parallel as usize),
            StepSource::Script { .. } | StepSource::Builtin(_) => None,
        });
        programs.min().filter(|_| self.reserve)
    }

    /// Whether the chain of `action` reserves by default. Starting a session takes a place on a node; a login or any
    /// other question starts nothing.
    #[must_use]
    pub fn reserves_by_default(action: &str) -> bool {
        action == DEFAULT_ACTION
    }
}

/// The consequence when a step names a node that is not eligible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnplaceable {
    /// The request fails with `unplaceable-node`.
    #[default]
    Error,
    /// The step counts as a pass.
    Skip,
    /// The node is taken all the same.
    Allow,
}

/// The name by which decisions say that an administrator's assignment of the user chose the node, and no step.
pub const ASSIGNMENT: &str = "assignment";

/// The consequence when the node that the user is assigned to is not eligible, in a chain that reserves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnAssignedUnplaceable {
    /// The steps of the chain decide, as for any other user.
    #[default]
    Chain,
    /// The request fails with `unplaceable-node`.
    Error,
    /// The request fails with `no-node`, so that a request that may wait does wait for that node.
    Wait,
}

/// The consequence when a step fails: by an error, or by passing a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// The chain stops and the requester gets the failure, as in FastX.
    #[default]
    Stop,
    /// The step counts as a pass.
    Skip,
    /// The built-in of this name ends the chain.
    Fallback(String),
}

/// A step as configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSpec {
    /// The name of the step in diagnoses and errors: the file as written in the config, or `builtin:NAME`.
    pub name: Arc<str>,
    /// The script, built-in or program that the step runs.
    pub source: StepSource,
    /// The consequence when the step throws, or returns an invalid verdict.
    pub on_error: OnFailure,
    /// The consequence when the step passes a limit.
    pub on_limit: OnFailure,
    /// The step's own limit of CPU time in milliseconds, where the config sets a limit.
    pub cpu_ms: Option<u32>,
}

impl StepSpec {
    /// Returns the step that runs `source`, with default settings.
    #[must_use]
    pub fn new(name: &str, source: StepSource) -> Self {
        Self { name: name.into(), source, on_error: OnFailure::default(), on_limit: OnFailure::default(), cpu_ms: None }
    }

    /// Returns the consequence when the step fails with `name`.
    #[must_use]
    pub fn policy(&self, name: FailureName) -> &OnFailure {
        match name {
            FailureName::ScriptLimit => &self.on_limit,
            _ => &self.on_error,
        }
    }
}

/// The code that a step runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepSource {
    /// A script in the language of the file's extension.
    Script {
        /// The extension, without the dot.
        extension: String,
        /// The source.
        content: Content,
        /// Whether the script's memory is kept between requests.
        isolation: Isolation,
    },
    /// The built-in of this name.
    Builtin(String),
    /// A program on the front's machine.
    Executable(ProgramSpec),
}

impl StepSource {
    /// Returns a script of the language with this extension, with default settings.
    #[must_use]
    pub fn script(extension: &str, content: impl Into<Content>) -> Self {
        Self::Script { extension: extension.to_owned(), content: content.into(), isolation: Isolation::default() }
    }
}

/// A program that gives the answer of the step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProgramSpec {
    /// The path of the program's file, from the root of the file system.
    pub path: String,
    /// The working folder of the program: the folder of the config.
    pub folder: String,
    /// The way in which the program is asked.
    pub mode: Mode,
    /// The program's own limit of wall time for a single answer in milliseconds, where the config sets a limit.
    pub wall_ms: Option<u32>,
    /// In a chain that reserves, the number of requests that the program may be asked about at a time. With 1, each
    /// question sees the outcome of the question before; with more, a program whose node was taken meanwhile is asked
    /// again.
    pub parallel: u32,
}

/// The way in which a program is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The program is started for each request, as in FastX 4.
    #[default]
    Once,
    /// The program is kept running, and is sent changes alone.
    Resident,
}

/// The purpose of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// Place a session.
    Place,
    /// Explain the decision: nothing is reserved and no executable is run.
    Explain,
}
