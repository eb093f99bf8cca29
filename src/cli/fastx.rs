//! The environment of FastX 4: the load balancer that it names, and the variables for FastX's programs.
//!
//! FastX keeps its settings in `fastx.env`, over which the real environment wins. Both are handed in, with the files:
//! nothing here reads or changes the environment of this process.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::chain::ChainSpec;
use crate::config::problem::{nearest, quoted};
use crate::config::steps::BUILTIN_PREFIX;
use crate::config::{FileError, Files, Problem, load_step};
use crate::engine::builtin::Builtin;
use crate::host::Disk;
use crate::model::head::DEFAULT_ACTION;
use crate::script::ScriptLimits;

mod dotenv;
pub mod load;

/// The name under which a link to the binary is a FastX load balancer script.
pub(super) const PLACE_NAME: &str = "whither-place";
/// Names the load balancer.
pub const LOAD_BALANCER: &str = "LOAD_BALANCER";
/// Names the script, where the load balancer is `custom`.
pub const LOAD_BALANCER_SCRIPT: &str = "LOAD_BALANCER_SCRIPT";
/// Names the folder of FastX's settings.
const CONFIG_DIR: &str = "FX_CONFIG_DIR";
/// The folder of FastX's settings where `FX_CONFIG_DIR` is not set.
const DEFAULT_CONFIG_DIR: &str = "/etc/fastx";
/// The file of settings in that folder.
const FILE_NAME: &str = "fastx.env";
/// The most bytes of that file.
const MAX_BYTES: usize = 1 << 20;
/// The service without which FastX starts no session on a node.
const LAUNCHER: &str = "launcher";
/// The value of `LOAD_BALANCER` for a script.
const CUSTOM: &str = "custom";
/// FastX's names of load balancers that have another name or another spelling here.
pub(super) const FASTX_NAMES: [(&str, Builtin); 3] = [
    ("Fewest Sessions", Builtin::FewestSessions),
    ("Most Available Memory", Builtin::MostMemory),
    ("Round Robin", Builtin::RoundRobin),
];

/// The machine from which FastX's environment is read.
pub struct FastxHost<'a> {
    /// The real environment.
    pub environment: BTreeMap<String, String>,
    /// The files of this machine.
    pub files: &'a dyn Files,
    /// Resolves the links of a path; absent where the path leads nowhere.
    pub resolve: &'a dyn Fn(&Path) -> Option<PathBuf>,
    /// The running binary, with links resolved.
    pub own: Option<PathBuf>,
}

impl FastxHost<'static> {
    /// Returns the machine and the process that we are in. A variable that is no UTF-8 is none of FastX's.
    #[must_use]
    pub fn real() -> Self {
        let utf8 = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            environment: std::env::vars_os().filter_map(utf8).collect(),
            files: &Disk,
            resolve: &|path| path.canonicalize().ok(),
            own: std::env::current_exe().ok().and_then(|path| path.canonicalize().ok()),
        }
    }
}

/// FastX's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FastX {
    /// The file of the settings, if there is a file.
    file: Option<PathBuf>,
    /// The files that were looked for, in order.
    looked_for: Vec<PathBuf>,
    variables: BTreeMap<String, String>,
}

/// The load balancer that FastX's settings name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Balancer {
    /// The built-in or script that the load balancer runs.
    pub runs: Runs,
    /// The setting that names the load balancer, as in "`LOAD_BALANCER` in `/etc/fastx/fastx.env`".
    pub origin: String,
}

/// The built-in or script of a load balancer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Runs {
    /// A built-in.
    Builtin(Builtin),
    /// The script at this path, from the root of the file system.
    Script(PathBuf),
}

/// A variable that is set, and where.
struct Setting<'a> {
    value: &'a str,
    /// The file; absent for the real environment.
    file: Option<&'a Path>,
    name: &'static str,
}

impl FastX {
    /// Reads FastX's settings: the file in `$FX_CONFIG_DIR`, else in `/etc/fastx`, under the real environment. A
    /// missing file is no error.
    ///
    /// # Errors
    /// A file that cannot be read, or a line in the file that is no setting.
    pub fn read(host: &FastxHost<'_>) -> Result<Self, Problem> {
        let named = host.environment.get(CONFIG_DIR).filter(|folder| !folder.is_empty());
        let folders = named.map(String::as_str).into_iter().chain([DEFAULT_CONFIG_DIR]);
        let looked_for: Vec<_> =
            folders.map(|folder| host.files.absolute(&Path::new(folder).join(FILE_NAME))).collect();
        for path in &looked_for {
            let Some(mut variables) = variables_in(path, host.files)? else { continue };
            for (name, value) in &mut variables {
                if let Some(real) = host.environment.get(name) {
                    value.clone_from(real);
                }
            }
            return Ok(Self { file: Some(path.clone()), looked_for, variables });
        }
        Ok(Self { file: None, looked_for, variables: BTreeMap::new() })
    }

    /// Reads FastX's settings from the file at `path` alone: they may be those of another machine.
    ///
    /// # Errors
    /// A file that is not there or cannot be read, or a line in the file that is no setting.
    pub fn read_file(path: &Path, files: &dyn Files) -> Result<Self, Problem> {
        let path = files.absolute(path);
        let missing = || Problem::new(format!("{}: {}", quoted(&path.to_string_lossy()), FileError::Missing));
        let variables = variables_in(&path, files)?.ok_or_else(missing)?;
        Ok(Self { file: Some(path.clone()), looked_for: vec![path], variables })
    }

    /// Returns the file of the settings, if there is a file.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Returns every variable of the file, as the real environment overrules the file: the variables that FastX would
    /// hand to its script.
    #[must_use]
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Returns the load balancer that the settings name, if any.
    ///
    /// # Errors
    /// An unknown name, `custom` without a script, a script that FastX would not run, or a script that is whither
    /// itself.
    pub fn balancer(&self, host: &FastxHost<'_>) -> Result<Option<Balancer>, Problem> {
        let (kind, script) = (self.setting(LOAD_BALANCER, host), self.setting(LOAD_BALANCER_SCRIPT, host));
        let is_custom = |kind: &Setting<'_>| plain(kind.value) == CUSTOM;
        match (kind, script) {
            (Some(kind), Some(script)) if is_custom(&kind) => script.path(host).map(|path| script.runs(path)).map(Some),
            (Some(kind), None) if is_custom(&kind) => {
                let message = format!("{kind} is `{CUSTOM}`, and there is no `{LOAD_BALANCER_SCRIPT}`");
                Err(Problem::new(message).help(format!("`{LOAD_BALANCER_SCRIPT}` is the path of the script to run")))
            }
            (kind, Some(script)) => {
                let kind = match kind {
                    Some(kind) => format!("{kind} is {}", quoted(kind.value)),
                    None => format!("`{LOAD_BALANCER}` is not set"),
                };
                let message = format!("{script} would not be run by FastX: {kind}");
                Err(Problem::new(message).help(format!("{LOAD_BALANCER}={CUSTOM} makes FastX run it")))
            }
            (Some(kind), None) => Ok(Some(Balancer { runs: Runs::Builtin(kind.builtin()?), origin: kind.to_string() })),
            (None, None) => Ok(None),
        }
    }

    /// Advice for where nothing names a load balancer.
    #[must_use]
    pub fn advice(&self) -> String {
        let files: Vec<_> = self.looked_for.iter().map(|path| quoted(&path.to_string_lossy())).collect();
        format!("`{LOAD_BALANCER}` names one, in the environment or in {}", files.join(" or "))
    }

    /// Returns a variable that is not empty. As in FastX, an empty variable of the real environment hides that of the
    /// file.
    fn setting<'a>(&'a self, name: &'static str, host: &'a FastxHost<'_>) -> Option<Setting<'a>> {
        let (value, file) = match host.environment.get(name) {
            Some(value) => (value, None),
            None => (self.variables.get(name)?, self.file.as_deref()),
        };
        Some(Setting { value, file, name }).filter(|setting| !setting.value.trim().is_empty())
    }
}

impl Balancer {
    /// Returns the step as a config names the step.
    #[must_use]
    pub fn step(&self) -> String {
        match &self.runs {
            Runs::Builtin(builtin) => format!("{BUILTIN_PREFIX}{}", builtin.name()),
            Runs::Script(path) => path.to_string_lossy().into_owned(),
        }
    }

    /// Returns the chain of the load balancer: a single step, for sessions, on nodes that run a launcher.
    ///
    /// # Errors
    /// A script that cannot be used.
    pub fn chain(&self, files: &dyn Files, limits: &ScriptLimits) -> Result<ChainSpec, Problem> {
        let folder = match &self.runs {
            Runs::Builtin(_) => Path::new(""),
            Runs::Script(path) => path.parent().unwrap_or(Path::new("/")),
        };
        let step = load_step(&self.step(), folder, files, limits)
            .map_err(|problem| Problem { message: format!("{}: {}", self.origin, problem.message), ..problem })?;
        Ok(ChainSpec { require_services: vec![LAUNCHER.to_owned()], ..ChainSpec::new(DEFAULT_ACTION, vec![step]) })
    }
}

impl fmt::Display for Setting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.file {
            Some(file) => write!(f, "`{}` in {}", self.name, quoted(&file.to_string_lossy())),
            None => write!(f, "`{}` in the environment", self.name),
        }
    }
}

impl Setting<'_> {
    /// Returns the built-in of this name: FastX's or ours.
    fn builtin(&self) -> Result<Builtin, Problem> {
        let wanted = plain(self.value);
        let names = || FASTX_NAMES.into_iter().chain(Builtin::ALL.map(|builtin| (builtin.name(), builtin)));
        names().find(|(name, _)| plain(name) == wanted).map(|(_, builtin)| builtin).ok_or_else(|| {
            let known: Vec<_> = std::iter::once(CUSTOM).chain(names().map(|(name, _)| name)).collect();
            let problem = Problem::new(format!("{self} is {}, there are: {}", quoted(self.value), known.join(", ")));
            match nearest(self.value.trim(), known) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem,
            }
        })
    }

    /// Returns the script's path: relative to the folder of the file that sets the path, else to the current folder.
    fn path(&self, host: &FastxHost<'_>) -> Result<PathBuf, Problem> {
        let folder = self.file.and_then(Path::parent).unwrap_or(Path::new(""));
        let path = host.files.absolute(&folder.join(self.value.trim()));
        if is_whither(&path, host) {
            let message =
                format!("{self} is {}, which is whither itself: it would ask itself for ever", quoted(self.value));
            return Err(
                Problem::new(message).help("name the script that chooses, or a built-in such as `Fewest Sessions`")
            );
        }
        Ok(path)
    }

    fn runs(&self, path: PathBuf) -> Balancer {
        Balancer { runs: Runs::Script(path), origin: self.to_string() }
    }
}

/// Returns the variables in the file at `path`, or `None` where there is no file.
fn variables_in(path: &Path, files: &dyn Files) -> Result<Option<BTreeMap<String, String>>, Problem> {
    let unusable = |why: &dyn fmt::Display| Problem::new(format!("{}: {why}", quoted(&path.to_string_lossy())));
    let contents = match files.read(path, MAX_BYTES) {
        Err(FileError::Missing) => return Ok(None),
        read => read.map_err(|fault| unusable(&fault))?,
    };
    let text = contents.text(MAX_BYTES).map_err(|why| unusable(&why))?;
    dotenv::parse(text).map(Some).map_err(|broken| unusable(&broken))
}

/// Whether the program at `path` is the running binary, or another whither by name: a whither that FastX runs to place
/// sessions, or an older whither that is still installed.
fn is_whither(path: &Path, host: &FastxHost<'_>) -> bool {
    let leads_to = (host.resolve)(path).unwrap_or_else(|| path.to_owned());
    let is_called_so =
        |path: &Path| path.file_name().is_some_and(|name| name == PLACE_NAME || name == env!("CARGO_PKG_NAME"));
    // A script of that name belongs to the site.
    let is_binary = || host.files.read(&leads_to, 4).is_ok_and(|contents| contents.bytes.starts_with(b"\x7fELF"));
    host.own.as_ref() == Some(&leads_to) || (is_called_so(path) || is_called_so(&leads_to)) && is_binary()
}

/// Normalizes a name: without case and without the separators that names of FastX are written with.
fn plain(name: &str) -> String {
    name.chars().filter(|character| !matches!(character, ' ' | '\t' | '-' | '_')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests;
