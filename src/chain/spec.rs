//! What a chain is made from: plain data that a config describes and a worker is born with.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::head::DEFAULT_ACTION;
use crate::model::{FailureName, UserNames};
use crate::script::{Content, Isolation, ScriptLimits};

/// Every chain of a service, with what their scripts are run under: all that an evaluator is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainSet {
    /// The chains, one for each action.
    pub chains: Vec<ChainSpec>,
    /// The limits that engines keep themselves.
    pub limits: ScriptLimits,
    /// The site's time zone: an IANA name, or a POSIX TZ string where the host has no name for it.
    pub zone: String,
    /// How the names of users are compared.
    pub names: UserNames,
}

impl ChainSet {
    /// These chains in UTC with every limit at its default.
    #[must_use]
    pub fn new(chains: Vec<ChainSpec>) -> Self {
        Self { chains, limits: ScriptLimits::default(), zone: "UTC".to_owned(), names: UserNames::default() }
    }

    /// The chain of `action`.
    #[must_use]
    pub fn get(&self, action: &str) -> Option<&ChainSpec> {
        self.chains.iter().find(|chain| &*chain.action == action)
    }
}

/// A chain as it was configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainSpec {
    /// The action that it decides.
    pub action: Arc<str>,
    /// Its steps, in order.
    pub steps: Vec<StepSpec>,
    /// Whether a placement is reserved, and whether only nodes that can take a session are eligible.
    pub reserve: bool,
    /// What happens when a step names a node that cannot take the request.
    pub on_unplaceable: OnUnplaceable,
    /// Whether a node never takes more sessions than it states, so that one whose sessions are unknown takes none.
    pub strict: bool,
    /// The most sessions that start on a node at one time, where the node has no figure of its own.
    pub max_pending: Option<u64>,
    /// Services that a node must run to be eligible.
    pub require_services: Vec<String>,
    /// Whether scripts see the request's token.
    pub pass_jwt: bool,
    /// Worker processes that decide for this chain alone; absent where one is enough and may be shared.
    pub workers: Option<u32>,
}

impl ChainSpec {
    /// The chain of `action` with every setting at its default.
    #[must_use]
    pub fn new(action: &str, steps: Vec<StepSpec>) -> Self {
        Self {
            action: action.into(),
            steps,
            reserve: Self::reserves_by_default(action),
            on_unplaceable: OnUnplaceable::default(),
            strict: false,
            max_pending: None,
            require_services: Vec::new(),
            pass_jwt: false,
            workers: None,
        }
    }

    /// How many of its requests may be at its programs at a time: where it reserves, as many as each of them allows.
    #[must_use]
    pub fn turns(&self) -> Option<usize> {
        let programs = self.steps.iter().filter_map(|step| match &step.source {
            StepSource::Executable(program) => Some(program.parallel as usize),
            StepSource::Script { .. } | StepSource::Builtin(_) => None,
        });
        programs.min().filter(|_| self.reserve)
    }

    /// Starting a session takes a place on a node; a login or any other question starts nothing.
    #[must_use]
    pub fn reserves_by_default(action: &str) -> bool {
        action == DEFAULT_ACTION
    }
}

/// What happens when a step names a node that is not eligible.
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

/// What happens when a step fails: by an error, or by a limit that it passed.
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

/// A step as it was configured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSpec {
    /// How diagnoses and errors call it: the file as it was written, or `builtin:NAME`.
    pub name: Arc<str>,
    /// What it runs.
    pub source: StepSource,
    /// What happens when it throws, or returns what is no verdict.
    pub on_error: OnFailure,
    /// What happens when it passes a limit.
    pub on_limit: OnFailure,
    /// Its limit of CPU time in milliseconds, where it has its own.
    pub cpu_ms: Option<u32>,
}

impl StepSpec {
    /// The step that runs `source`, with every setting at its default.
    #[must_use]
    pub fn new(name: &str, source: StepSource) -> Self {
        Self { name: name.into(), source, on_error: OnFailure::default(), on_limit: OnFailure::default(), cpu_ms: None }
    }

    /// What happens when it fails with `name`.
    #[must_use]
    pub fn policy(&self, name: FailureName) -> &OnFailure {
        match name {
            FailureName::ScriptLimit => &self.on_limit,
            _ => &self.on_error,
        }
    }
}

/// What a step runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepSource {
    /// A script in the language that its file's extension names.
    Script {
        /// The extension, without the dot.
        extension: String,
        /// The source.
        content: Content,
        /// What is kept of it between requests.
        isolation: Isolation,
    },
    /// The built-in of this name.
    Builtin(String),
    /// A program on the front's machine.
    Executable(ProgramSpec),
}

impl StepSource {
    /// A script of the language with this extension, with every setting at its default.
    #[must_use]
    pub fn script(extension: &str, content: impl Into<Content>) -> Self {
        Self::Script { extension: extension.to_owned(), content: content.into(), isolation: Isolation::default() }
    }
}

/// A program that is asked what a step says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProgramSpec {
    /// Its file, from the root of the file system.
    pub path: String,
    /// The folder that it runs in: the config's.
    pub folder: String,
    /// How it is asked.
    pub mode: Mode,
    /// Its limit of wall time for one answer in milliseconds, where it has its own.
    pub wall_ms: Option<u32>,
    /// In a chain that reserves, how many requests it may be asked about at a time. With one, each question sees what came
    /// of the one before; with more, a program whose node took something meanwhile is asked again.
    pub parallel: u32,
}

/// How a program is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Started for each request, as FastX 4 does it.
    #[default]
    Once,
    /// Kept running, and told of changes alone.
    Resident,
}

/// What a request is decided for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Purpose {
    /// To place a session.
    Place,
    /// To say what would happen: reserves nothing and runs no executable.
    Explain,
}
