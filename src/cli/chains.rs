//! The chain that a command line names: `--script` after `--script`, or a config.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::chain::{ChainSet, ChainSpec, StepSource, StepSpec};
use crate::config::{self, Config, ConfigNeeds, Files, Loading};
use crate::host::Disk;
use crate::model::head::DEFAULT_ACTION;
use crate::runner::ProgramLimits;
use crate::script::ScriptLimits;
use crate::server::settings;
use crate::token::TokenVerifier;
use crate::worker::WorkerLimits;

use super::exit::CommandExit;
use super::request::RequestArgs;
use super::token::TokenRules;
use super::{fastx, problem};

/// The paths at which a config is looked for when none is named.
const DEFAULT_CONFIGS: [&str; 2] = ["whither.toml", "/etc/whither/whither.toml"];

/// The most bytes of a config that are searched for sections.
const MAX_CONFIG_BYTES: usize = 1 << 20;

/// Which chain to run.
#[derive(Clone, Debug, Default, Args)]
pub struct ChainArgs {
    /// A step: a script file, or builtin:NAME; repeatable, in chain order
    #[arg(long = "script", value_name = "STEP", conflicts_with = "config")]
    pub scripts: Vec<String>,
    /// The config with the chain
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl ChainArgs {
    /// Whether a script or a config was given.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.config.is_some() || !self.scripts.is_empty()
    }

    /// Returns the files that the chains are made from, as far as they are known.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let scripts =
            self.scripts.iter().filter(|step| !step.starts_with(config::steps::BUILTIN_PREFIX)).map(PathBuf::from);
        let Some(path) = self.config.clone().or_else(|| default_config().filter(|_| self.scripts.is_empty())) else {
            return scripts.collect();
        };
        let loading = Loading { files: &Disk, host_zone: "UTC", needs: ConfigNeeds::Chains };
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let chains = config::load(&path, loading).map(|config| config.chains.chains).unwrap_or_default();
        let steps = chains.iter().flat_map(|chain| &chain.steps);
        let steps = steps.filter(|step| !matches!(step.source, StepSource::Builtin(_)));
        let steps: Vec<_> = steps.map(|step| folder.join(&*step.name)).collect();
        scripts.chain([path]).chain(steps).collect()
    }

    /// Loads the chains to run: from `--script`, else from the config.
    ///
    /// # Errors
    /// Everything that is wrong with a step or the config.
    pub fn load(&self, asked: &RequestArgs, timezone: Option<&str>) -> Result<Chains, CommandExit> {
        let host_zone = crate::host::zone::of_host(&Disk);
        let mut chains =
            if self.scripts.is_empty() { self.of_config(&host_zone)? } else { self.of_scripts(asked, host_zone)? };
        if let Some(zone) = timezone {
            if crate::clock::zone(zone).is_none() {
                return Err(CommandExit::usage(format!(
                    "no time zone `{zone}`; expected a name such as Europe/Berlin"
                )));
            }
            zone.clone_into(&mut chains.set.zone);
        }
        Ok(chains)
    }

    fn of_config(&self, host_zone: &str) -> Result<Chains, CommandExit> {
        let path = self.config.clone().or_else(default_config).ok_or_else(|| {
            CommandExit::usage(
                "no chain is given: add --script STEP (a file, or builtin:fewest-sessions), or --config FILE",
            )
        })?;
        let loading = Loading { files: &Disk, host_zone, needs: ConfigNeeds::Chains };
        let config = config::load(&path, loading).map_err(|errors| problem::exit(&errors))?;
        Ok(Chains {
            limits: settings::worker_limits(&config),
            environment: environment(&config)?,
            programs: settings::program_limits(&config),
            tokens: config.tokens,
            set: config.chains,
        })
    }

    fn of_scripts(&self, asked: &RequestArgs, zone: String) -> Result<Chains, CommandExit> {
        let limits = ScriptLimits::default();
        let load = |written: &String| config::load_step(written, Path::new("."), &Disk, &limits);
        let steps: Vec<_> =
            self.scripts.iter().map(load).collect::<Result<_, _>>().map_err(|problem| problem::exit_one(&problem))?;
        if let Some((_, problem)) = config::never_asked(&steps) {
            return Err(problem::exit_one(&problem));
        }
        Ok(Chains::of(asked, steps, zone))
    }
}

/// The chains to run, and the limits and the environment for running them.
#[derive(Clone, Debug)]
pub struct Chains {
    /// The chains.
    pub set: ChainSet,
    /// The limits of scripts.
    pub limits: WorkerLimits,
    /// The environment of programs.
    pub environment: Vec<(String, String)>,
    /// The limits of programs.
    pub programs: ProgramLimits,
    /// The verifier of the tokens of requests, where the config has one.
    pub tokens: Option<Arc<TokenVerifier>>,
}

impl Chains {
    /// Returns a chain of `steps` for the action that is `asked` for, every limit at its default.
    #[must_use]
    pub fn of(asked: &RequestArgs, steps: Vec<StepSpec>, zone: String) -> Self {
        let action = asked.action().unwrap_or(DEFAULT_ACTION.to_owned());
        Self {
            set: ChainSet { zone, ..ChainSet::new(vec![ChainSpec::new(&action, steps)]) },
            limits: WorkerLimits::default(),
            environment: settings::program_environment(&[], &BTreeMap::new()),
            programs: ProgramLimits::default(),
            tokens: None,
        }
    }

    /// Returns what decides about the tokens of requests.
    #[must_use]
    pub fn token_rules(&self) -> TokenRules<'_> {
        TokenRules { tokens: self.tokens.as_deref(), set: &self.set }
    }

    /// Returns the chain of `action`.
    ///
    /// # Errors
    /// The actions that there are chains for.
    pub fn get(&self, action: &str) -> Result<&ChainSpec, CommandExit> {
        self.set.get(action).ok_or_else(|| {
            let known: Vec<_> = self.set.chains.iter().map(|chain| &*chain.action).collect();
            let known = known.join(", ");
            CommandExit::usage(format!("no chain is configured for the action `{action}`, there are: {known}"))
        })
    }
}

/// Returns the environment of programs, with the variables of FastX's environment that the config names.
fn environment(config: &Config) -> Result<Vec<(String, String)>, CommandExit> {
    let listed = &config.service.environment;
    let beside =
        fastx::load::named(listed, &fastx::FastxHost::real()).map_err(|problem| problem::exit_one(&problem))?;
    Ok(settings::program_environment(listed, &beside))
}

/// Returns the config that is read where none is named: the first that is there and that this user may read.
pub(super) fn default_config() -> Option<PathBuf> {
    let may_read = |path: &PathBuf| path.is_file() && std::fs::File::open(path).is_ok();
    DEFAULT_CONFIGS.into_iter().map(PathBuf::from).find(may_read)
}

/// Whether the config at `path` has the section `name`; a config that cannot be read may have the section, and loading
/// the config reports the error.
pub(super) fn has_section(path: &Path, name: &str) -> bool {
    match Disk.read(path, MAX_CONFIG_BYTES) {
        Ok(read) => config::has_section(&String::from_utf8_lossy(&read.bytes), name),
        Err(_unreadable) => true,
    }
}
