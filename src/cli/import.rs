//! `whither import`: writes a config and scripts from the settings of another balancer, and says what became of each.

mod broker;
mod document_path;
mod environment;
mod found;
mod function_text;
mod plan;
mod report;
mod script_folder;
mod staging;
mod store;
mod stored_scripts;
mod words;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::check::{CheckedFile, FindingLevel, json as as_json};
use crate::cli::exit::{self, CommandExit};
use crate::cli::fastx::{FastX, FastxHost};
use crate::cli::{check, output};
use crate::config::Files;
use crate::config::problem::shell_word;
use crate::host::Disk;
use crate::model::json::{self as read_json, JsonLimits};
use crate::plain::Plain;

use broker::BrokerSettings;
use environment::EnvironmentSettings;
use plan::{CONFIG, FastxSources, PlannedFile};
use report::{ImportOutcome, ImportReport};
use staging::StagedFiles;
use stored_scripts::StoreContents;

/// The folders of FastX, each with the variable that names another one.
const CONFIG_FOLDER: (&str, &str) = ("FX_CONFIG_DIR", "/etc/fastx");
const VAR_FOLDER: (&str, &str) = ("FX_VAR_DIR", "/var/fastx");
const LOCAL_FOLDER: &str = "FX_LOCAL_DIR";
/// The most bytes of `broker.json`.
const MAX_BROKER_BYTES: usize = 1 << 20;

/// The arguments of `whither import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(subcommand)]
    from: ImportCommand,
}

#[derive(Debug, Subcommand)]
enum ImportCommand {
    Fastx(FastxImportArgs),
}

/// Write a config and scripts from FastX 3 or FastX 4.
///
/// Reads FastX's environment file, its broker.json, a FastX 3 store and folders of scripts; where none is named, those
/// in FastX's own folders. Says line by line what became of each setting, shows what `whither check` finds in the
/// result, and changes nothing of FastX.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  whither import fastx --dry-run                          # what would come of this machine's FastX
  whither import fastx --out /etc/whither
  whither import fastx --store /var/fastx/local/store --broker /etc/fastx/broker.json
  whither import fastx --scripts balancers/ --json

Exit codes: 0 everything was imported · 2 nothing to import, or a file is there already · 6 something was not imported, \
or was found in a script")]
struct FastxImportArgs {
    /// The environment file of FastX 4
    #[arg(long, value_name = "FILE")]
    env: Option<PathBuf>,
    /// A folder of balancer scripts: functions of FastX 3, or programs
    #[arg(long, value_name = "DIR")]
    scripts: Option<PathBuf>,
    /// The settings of FastX's transporter
    #[arg(long, value_name = "FILE")]
    broker: Option<PathBuf>,
    /// A FastX 3 store, or an export of one
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Replace files that are there already
    #[arg(long)]
    force: bool,
    /// Write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Runs `whither import`.
///
/// # Errors
/// Nothing to import, a file that could not be written, or a setting that was not imported.
pub fn run(args: &ImportArgs) -> Result<(), CommandExit> {
    let ImportCommand::Fastx(args) = &args.from;
    let mut report = ImportReport::default();
    let sources = args.read(&FastxHost::real(), &mut report)?;
    let files = plan::files(&sources, &mut report);
    if !args.force && !args.dry_run {
        staging::must_be_absent(&files, &args.out)?;
    }
    let staged = StagedFiles::write(&files, (!args.dry_run).then_some(args.out.as_path()))?;
    let checked = findings(&files, &staged, &args.out)?;
    if !args.dry_run {
        staged.install(&files, &args.out, args.force)?;
    }
    args.tell(&files, &report, &checked)?;
    let is_mistake = |file: &CheckedFile| file.findings.iter().any(|finding| finding.level != FindingLevel::Note);
    match report.count(ImportOutcome::NotImported) > 0 || checked.iter().any(is_mistake) {
        true => Err(CommandExit::shown(exit::FINDING)),
        false => Ok(()),
    }
}

/// Returns what a check of the staged files finds, under the names that the files will have.
fn findings(files: &[PlannedFile], staged: &StagedFiles, out: &Path) -> Result<Vec<CheckedFile>, CommandExit> {
    let is_script = |path: &str| Path::new(path).extension().is_some_and(|extension| extension != "json");
    let named = files.iter().filter(|file| is_script(&file.path) && !file.path.ends_with(".env"));
    let paths: Vec<_> = named.map(|file| staged.path().join(&file.path)).collect();
    let mut checked = check::checked(&paths)?;
    for file in &mut checked {
        if let Ok(below) = Path::new(&*file.file).strip_prefix(staged.path()) {
            file.file = Arc::from(out.join(below).to_string_lossy().trim_start_matches("./"));
        }
    }
    Ok(checked)
}

impl FastxImportArgs {
    /// Reads the sources that are named, or those in FastX's folders where none is.
    fn read(&self, host: &FastxHost<'_>, report: &mut ImportReport) -> Result<FastxSources, CommandExit> {
        let mut sources = FastxSources::default();
        let folder = |(variable, default): (&str, &str)| {
            let named = host.environment.get(variable).filter(|folder| !folder.is_empty());
            PathBuf::from(named.map_or(default, String::as_str))
        };
        let local = host.environment.get(LOCAL_FOLDER).filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let local = local.unwrap_or_else(|| folder(VAR_FOLDER).join("local"));
        let is_named = [&self.env, &self.scripts, &self.broker, &self.store].into_iter().any(Option::is_some);
        let or_default = |named: &Option<PathBuf>, default: PathBuf| match named {
            Some(path) => Some(path.clone()),
            None => Some(default).filter(|path| !is_named && path.exists()),
        };
        let broker = or_default(&self.broker, folder(CONFIG_FOLDER).join("broker.json"));
        let store = or_default(&self.store, local.join("store"));
        if let Some(path) = &broker {
            sources.take_broker(path, report)?;
        }
        sources.take_environment(self.env.as_deref(), is_named, host, report)?;
        if let Some(path) = &self.scripts {
            must_be_there(path)?;
            sources.read.push(path.to_string_lossy().into_owned());
            sources.contents = script_folder::read(path, report);
        }
        if let Some(path) = &store {
            must_be_there(path)?;
            sources.read.push(path.to_string_lossy().into_owned());
            let documents = store::read(path, report);
            sources.contents = StoreContents::read(&documents, std::mem::take(&mut sources.contents), report);
        }
        if sources.read.is_empty() && report.is_empty() {
            let message = format!(
                "nothing of FastX is on this machine, neither in `{}` nor in `{}`; name it with --env, --broker, --store \
                 or --scripts",
                Plain(folder(CONFIG_FOLDER).display()),
                Plain(local.display())
            );
            return Err(CommandExit::usage(message));
        }
        Ok(sources)
    }

    fn tell(&self, files: &[PlannedFile], report: &ImportReport, checked: &[CheckedFile]) -> Result<(), CommandExit> {
        if self.json {
            let file = |file: &PlannedFile| {
                let path = self.out.join(&file.path);
                json!({"path": path.to_string_lossy(), "mode": format!("{:03o}", file.mode), "bytes": file.content.len()})
            };
            let (lines, more) = report.to_json();
            let document = json!({"written": !self.dry_run, "files": files.iter().map(file).collect::<Vec<_>>(),
                "lines": lines, "more": more, "check": as_json::document(checked)});
            return output::json(format_args!("{document:#}"));
        }
        output::answer(report.text().trim_end())?;
        let shown = check::shown(checked, std::io::stdout().is_terminal());
        if !shown.is_empty() {
            output::answer(format_args!("\n{}", shown.trim_end()))?;
        }
        output::aside(self.summary(files, report));
        Ok(())
    }

    fn summary(&self, files: &[PlannedFile], report: &ImportReport) -> String {
        let named: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        let is_here = self.out == Path::new(".");
        let out = if is_here { "this folder".to_owned() } else { shell_word(&self.out.to_string_lossy()) };
        let wrote = if self.dry_run { "would write" } else { "wrote" };
        let left = match report.count(ImportOutcome::NotImported) {
            0 => String::new(),
            1 => "; 1 line was not imported".to_owned(),
            count => format!("; {count} lines were not imported"),
        };
        let config = if is_here { PathBuf::from(CONFIG) } else { self.out.join(CONFIG) };
        let config = shell_word(&config.to_string_lossy());
        let next = match self.dry_run {
            true => String::new(),
            false => format!(
                "\ntry: whither new nodes --out nodes.json\n     whither place --nodes nodes.json --config {config} --explain\n     \
                 whither serve --config {config}"
            ),
        };
        format!("\n{wrote} into {out}: {}{left}{next}", named.join(", "))
    }
}

impl FastxSources {
    fn take_broker(&mut self, path: &Path, report: &mut ImportReport) -> Result<(), CommandExit> {
        let source = path.to_string_lossy().into_owned();
        let contents = Disk.read(path, MAX_BROKER_BYTES);
        let contents = contents.map_err(|fault| CommandExit::usage(format!("`{}`: {fault}", Plain(&source))))?;
        match read_json::parse(&contents.bytes, JsonLimits::bytes(MAX_BROKER_BYTES)) {
            Ok(Value::Object(document)) => self.broker = Some(BrokerSettings::read(&source, &document, report)),
            Ok(other) => {
                let message = format!("is {}, expected an object", read_json::kind(&other));
                report.add(ImportOutcome::NotImported, &source, "", message);
            }
            Err(why) => report.add(ImportOutcome::NotImported, &source, "", why.to_string()),
        }
        self.read.push(source);
        Ok(())
    }

    fn take_environment(
        &mut self,
        named: Option<&Path>,
        is_named: bool,
        host: &FastxHost<'_>,
        report: &mut ImportReport,
    ) -> Result<(), CommandExit> {
        // A file that is named may be that of another machine, whose environment is not ours.
        let other = FastxHost { environment: Default::default(), own: host.own.clone(), ..*host };
        let (fastx, host) = match named {
            Some(path) => (FastX::read_file(path, host.files).map_err(CommandExit::usage)?, &other),
            None if is_named => return Ok(()),
            None => (FastX::read(host).map_err(CommandExit::usage)?, host),
        };
        let Some(file) = fastx.file() else { return Ok(()) };
        self.read.push(file.to_string_lossy().into_owned());
        self.environment = Some(EnvironmentSettings::read(&fastx, host, report));
        Ok(())
    }
}

fn must_be_there(path: &Path) -> Result<(), CommandExit> {
    match path.exists() {
        true => Ok(()),
        false => Err(CommandExit::usage(format!("`{}`: no such file or folder", Plain(path.display())))),
    }
}
