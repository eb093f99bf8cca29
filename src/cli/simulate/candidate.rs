//! A chain of a simulation, read from steps or from a config.

use std::path::{Path, PathBuf};

use crate::chain::StepSource;
use crate::cli::exit::CommandExit;
use crate::cli::problem;
use crate::config::{self, ConfigNeeds, Contents, FileError, Files, Loading};
use crate::front::Setup;
use crate::host::{Disk, zone};
use crate::model::head::DEFAULT_ACTION;
use crate::plain::Plain;
use crate::server::settings;

/// The file that a chain of steps would stand in.
const WRITTEN: &str = "--chain";

/// A chain with a name, and the setup of the service that runs the chain.
pub(super) struct SimulatedChain {
    pub(super) name: String,
    pub(super) setup: Setup,
}

impl SimulatedChain {
    /// Loads the chain `written`: a config where the name ends in `.toml`, else steps with commas between them.
    ///
    /// # Errors
    /// Every fault of the config or of a step.
    pub(super) fn load(written: &str, is_strict: bool) -> Result<Self, CommandExit> {
        let host_zone = zone::of_host(&Disk);
        let is_config = Path::new(written).extension().is_some_and(|extension| extension == "toml");
        let files = WrittenFiles(text(written, is_strict));
        let files: &dyn Files = if is_config { &Disk } else { &files };
        let path = Path::new(if is_config { written } else { WRITTEN });
        let loading = Loading { files, host_zone: &host_zone, needs: ConfigNeeds::Chains };
        let config = config::load(path, loading).map_err(|errors| problem::exit(&errors))?;
        let Some(chain) = config.chains.get(DEFAULT_ACTION) else {
            let message =
                format!("{}: it has no chain for `{DEFAULT_ACTION}`, which is what is simulated", Plain(written));
            return Err(CommandExit::usage(message));
        };
        let program = chain.steps.iter().find(|step| matches!(step.source, StepSource::Executable(_)));
        if let Some(step) = program {
            let message =
                format!("{} is an executable; only scripts and built-ins can be simulated", Plain(&step.name));
            return Err(CommandExit::usage(message));
        }
        // The simulated requests have no tokens.
        let setup = Setup { tokens: None, ..settings::service(&config, Vec::new()) };
        Ok(Self { name: written.to_owned(), setup })
    }
}

/// Returns the config of a chain of steps.
fn text(steps: &str, is_strict: bool) -> String {
    // A JSON string is a TOML string too.
    let quoted: Vec<_> = steps.split(',').map(|step| serde_json::Value::from(step.trim()).to_string()).collect();
    let capacity = if is_strict { "[service]\ncapacity = \"strict\"\n" } else { "" };
    format!("{capacity}[chain.\"{DEFAULT_ACTION}\"]\nsteps = [{}]\n", quoted.join(", "))
}

/// The files of this machine, and beside them a config that stands in none.
struct WrittenFiles(String);

impl Files for WrittenFiles {
    fn read(&self, path: &Path, at_most: usize) -> Result<Contents, FileError> {
        match path == Path::new(WRITTEN) {
            true => Ok(Contents { bytes: self.0.clone().into_bytes(), size: self.0.len() as u64, mode: 0 }),
            false => Disk.read(path, at_most),
        }
    }

    fn absolute(&self, path: &Path) -> PathBuf {
        Disk.absolute(path)
    }
}
