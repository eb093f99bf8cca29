//! Loads the config of `serve`, with FastX's load balancer for a chain where the config has no chain.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use crate::chain::ChainSpec;
use crate::cli::exit::CommandExit;
use crate::cli::problem;
use crate::config::{self, Config, ConfigErrors, ConfigNeeds, FileError, Loading, Problem};
use crate::script::ScriptLimits;

use super::{FastX, FastxHost, LOAD_BALANCER};

/// The config of `serve` without `--config`.
pub const DEFAULT_CONFIG: &str = "whither.toml";
/// The advice where there is no config.
const WRITES_ONE: &str = "`whither new config` writes one";

/// A config, and the variables of FastX's environment that belong to the config.
#[derive(Debug)]
pub struct Loaded {
    /// The config.
    pub config: Config,
    /// The place where FastX's settings name the chain, if the chain is FastX's.
    origin: Option<String>,
    variables: BTreeMap<String, String>,
}

impl Loaded {
    /// Returns the variables of FastX's environment for executables: all of them where the chain is FastX's, else those
    /// that `service.environment` names and the real environment does not have. The real environment has won already.
    #[must_use]
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Returns the place where FastX's settings name the chain, if the chain is FastX's.
    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Says in the log where the chain comes from, if not from the config.
    pub fn log_problems(&self) {
        let Some(origin) = &self.origin else { return };
        let step = self.config.chains.chains.iter().flat_map(|chain| &chain.steps).map(|step| &*step.name).next();
        tracing::info!(from = origin, step, "no chain in the config: sessions are placed by FastX's load balancer");
    }
}

/// Loads the config at `path`; absent: the default config, which need not exist if nothing but a chain is needed.
///
/// # Errors
/// Every fault of the config, or of FastX's environment where that environment is needed.
pub fn load(
    path: Option<&Path>,
    needs: ConfigNeeds,
    host: &FastxHost<'_>,
    host_zone: &str,
) -> Result<Loaded, CommandExit> {
    let loading = Loading { files: host.files, host_zone, needs };
    let file = path.unwrap_or(Path::new(DEFAULT_CONFIG));
    let no_file = || format!("config `{}`: no such file", file.display());
    let is_absent = path.is_none() && matches!(host.files.read(file, 0), Err(FileError::Missing));
    let lacking = match is_absent {
        true if needs != ConfigNeeds::Chains => {
            let help = format!("{WRITES_ONE}; with `--nats URL` and FastX's `{LOAD_BALANCER}` none is needed");
            return Err(refused(file, Problem::new(no_file()).help(help)));
        }
        true => Lacking { what: no_file(), advice: WRITES_ONE },
        false => Lacking { what: config::NO_CHAIN.to_owned(), advice: config::LEAST_CHAIN },
    };
    let found = RefCell::new(None);
    let elsewhere = |limits: &ScriptLimits| {
        let (chain, origin, fastx) = chain(host, limits, &lacking)?;
        found.replace(Some((origin, fastx)));
        Ok(vec![chain])
    };
    let config = match is_absent {
        true => config::without_file(file, loading, &elsewhere),
        false => config::load_or(file, loading, &elsewhere),
    }
    .map_err(|errors| problem::exit(&errors))?;
    let (origin, variables) = match found.into_inner() {
        Some((origin, fastx)) => (Some(origin), fastx.variables),
        None => (None, named(&config.service.environment, host).map_err(|problem| refused(file, problem))?),
    };
    Ok(Loaded { config, origin, variables })
}

/// Returns the exit over a problem, which is shown like the problems of the config `file`.
fn refused(file: &Path, problem: Problem) -> CommandExit {
    problem::exit(&ConfigErrors::whole(&file.to_string_lossy(), problem))
}

/// The message that a config or a chain is missing, and the advice for that.
struct Lacking {
    what: String,
    advice: &'static str,
}

/// Returns FastX's chain, the place that names the chain, and the settings of FastX.
fn chain(
    host: &FastxHost<'_>,
    limits: &ScriptLimits,
    lacking: &Lacking,
) -> Result<(ChainSpec, String, FastX), Problem> {
    let unusable = |problem: Problem| Problem {
        message: format!("{}, and FastX's environment cannot be used: {}", lacking.what, problem.message),
        ..problem
    };
    let fastx = FastX::read(host).map_err(unusable)?;
    let Some(balancer) = fastx.balancer(host).map_err(unusable)? else {
        let help = format!("{}; or FastX's load balancer: {}", lacking.advice, fastx.advice());
        return Err(Problem::new(&lacking.what).help(help));
    };
    let chain = balancer.chain(host.files, limits).map_err(unusable)?;
    Ok((chain, balancer.origin, fastx))
}

/// Returns the variables called `names` that FastX's file has and the real environment has not.
pub fn named(names: &[String], host: &FastxHost<'_>) -> Result<BTreeMap<String, String>, Problem> {
    let unset: Vec<_> = names.iter().filter(|name| !host.environment.contains_key(*name)).collect();
    let Some(first) = unset.first() else { return Ok(BTreeMap::new()) };
    // A broken file that nobody needs is no error.
    let fastx = FastX::read(host).map_err(|problem| Problem {
        message: format!(
            "`service.environment` names `{first}`, which is not set, and FastX's environment cannot be used: {}",
            problem.message
        ),
        ..problem
    })?;
    let value = |name: &&String| Some(((*name).clone(), fastx.variables.get(*name)?.clone()));
    Ok(unset.iter().filter_map(value).collect())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{executable, host};
    use super::*;
    use crate::config::MemoryFiles;

    const CHAIN: &str = "[chain.\"session/start\"]\nsteps = [\"builtin:weighted\"]\n";

    fn files() -> MemoryFiles {
        MemoryFiles::default().with("/etc/fastx/fastx.env", "LOAD_BALANCER=Round Robin\nLM_LICENSE_FILE=1700@a\nB=2\n")
    }

    fn loaded(
        files: &MemoryFiles,
        path: Option<&str>,
        needs: ConfigNeeds,
        real: &[(&str, &str)],
    ) -> Result<Loaded, CommandExit> {
        load(path.map(Path::new), needs, &host(files, real), "UTC")
    }

    fn step(loaded: &Loaded) -> String {
        loaded.config.chains.chains[0].steps[0].name.to_string()
    }

    #[test]
    fn a_config_without_a_chain_has_fastxs() {
        for files in [files(), files().with_mode("whither.toml", "[service]\nretries = 1\n", 0o600)] {
            let loaded = loaded(&files, None, ConfigNeeds::Chains, &[("B", "3")]).unwrap();
            assert_eq!(step(&loaded), "builtin:round-robin");
            let chain = loaded.config.chains.get("session/start").unwrap();
            assert_eq!((chain.require_services.as_slice(), chain.reserve), (["launcher".to_owned()].as_slice(), true));
            assert_eq!(loaded.origin.as_deref(), Some("`LOAD_BALANCER` in `/etc/fastx/fastx.env`"));
            assert_eq!(
                (loaded.variables()["LM_LICENSE_FILE"].as_str(), loaded.variables()["B"].as_str()),
                ("1700@a", "3")
            );
        }
    }

    #[test]
    fn a_chain_of_the_config_wins() {
        let files = files().with("whither.toml", CHAIN);
        let loaded = loaded(&files, None, ConfigNeeds::Chains, &[("LOAD_BALANCER", "nonsense")]).unwrap();
        assert_eq!((step(&loaded).as_str(), loaded.origin.as_deref()), ("builtin:weighted", None));
        assert!(loaded.variables().is_empty());
    }

    #[test]
    fn what_the_config_names_is_taken_from_fastxs_file() {
        let config = format!("{CHAIN}[service]\nenvironment = [\"LM_LICENSE_FILE\", \"B\", \"NONE\"]\n");
        let files = files().with("whither.toml", &config);
        let loaded = |files: &MemoryFiles, real: &[(&str, &str)]| loaded(files, None, ConfigNeeds::Chains, real);
        let variables = loaded(&files, &[("B", "3")]).unwrap().variables;
        assert_eq!(variables.into_iter().collect::<Vec<_>>(), [("LM_LICENSE_FILE".to_owned(), "1700@a".to_owned())]);
        let broken = files.with("/etc/fastx/fastx.env", "broken");
        let told = named(&["LM_LICENSE_FILE".to_owned()], &host(&broken, &[])).unwrap_err().to_string();
        assert!(told.contains("`LM_LICENSE_FILE`") && told.contains("`/etc/fastx/fastx.env`: line 1"), "{told}");
        assert_eq!(loaded(&broken, &[]).map(|_| ()).unwrap_err().code, 2);
        loaded(&broken, &[("LM_LICENSE_FILE", ""), ("B", ""), ("NONE", "")]).unwrap();
    }

    #[test]
    fn only_a_default_config_may_be_absent() {
        let code = |path, needs| loaded(&files(), path, needs, &[]).map(|_| ()).unwrap_err().code;
        assert_eq!(code(Some("whither.toml"), ConfigNeeds::Chains), 2);
        assert_eq!(code(None, ConfigNeeds::Both), 2);
        let empty = MemoryFiles::default();
        assert_eq!(loaded(&empty, None, ConfigNeeds::Chains, &[]).map(|_| ()).unwrap_err().code, 2);
    }

    #[test]
    fn what_is_lacking_is_said_with_every_way_to_get_it() {
        let empty = MemoryFiles::default();
        let told = |lacking: &Lacking, real: &[(&str, &str)]| {
            chain(&host(&empty, real), &ScriptLimits::default(), lacking).unwrap_err().to_string()
        };
        let absent = Lacking { what: "config `w`: no such file".to_owned(), advice: "write one" };
        let nothing = told(&absent, &[("FX_CONFIG_DIR", "/fx")]);
        for words in
            ["config `w`: no such file (write one; or", "`LOAD_BALANCER`", "`/fx/fastx.env` or `/etc/fastx/fastx.env`"]
        {
            assert!(nothing.contains(words), "{words}: {nothing}");
        }
        let wrong = told(&absent, &[("LOAD_BALANCER", "round robbin")]);
        for words in ["no such file, and FastX's environment", "in the environment is `round robbin`", "did you mean"] {
            assert!(wrong.contains(words), "{words}: {wrong}");
        }
    }

    #[test]
    fn a_script_runs_in_its_own_folder() {
        let files = MemoryFiles::default()
            .with("/etc/fastx/fastx.env", "LOAD_BALANCER=custom\nLOAD_BALANCER_SCRIPT=bin/choose\n");
        let files = executable(files, "/etc/fastx/bin/choose");
        let loaded = loaded(&files, None, ConfigNeeds::Chains, &[]).unwrap();
        let crate::chain::StepSource::Executable(program) = &loaded.config.chains.chains[0].steps[0].source else {
            panic!("no executable: {loaded:?}");
        };
        assert_eq!((program.path.as_str(), program.folder.as_str()), ("/etc/fastx/bin/choose", "/etc/fastx/bin"));
    }
}
