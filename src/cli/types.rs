//! `whither types`: type definitions and JSON Schemas, written for editors and checkers.

pub(super) mod folder;

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser};
use serde_json::json;

use crate::config::{FileError, Files};
use crate::model::{Change, Report};
use crate::plain::Plain;
use crate::script::{ScriptLimits, SourceText};
use crate::types::{FILES, Observed, PROJECT, TypeFile};

use super::exit::{self, CommandExit};
use super::nodes_file;
use super::output;
use crate::host::Disk;
use folder::{FileOutcome, Written, is_project, write};

/// The stack of the thread that parses a script, as large as in a worker: parsers recurse.
#[cfg(feature = "javascript")]
const STACK_BYTES: usize = 64 << 20;

/// Write type definitions of scripts for editors and checkers, and JSON Schemas of node, request, reply and config.
///
/// A script that begins with `// @ts-check` and `/// <reference path="whither.d.ts" />`, and names the types of its
/// functions, is completed and checked while it is written.
#[derive(Debug, Args)]
pub struct TypesArgs {
    /// The folder that the files are written to
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
    /// Print this file instead of writing all of them
    #[arg(long, value_name = "NAME", value_parser = names())]
    stdout: Option<String>,
    /// Print this JavaScript as `tsc` can read it: `function(input)` with a name, and with the types of its functions
    #[arg(long, value_name = "SCRIPT", conflicts_with_all = ["stdout", "nodes"])]
    annotate: Option<PathBuf>,
    /// Name also what these nodes have of their own: static data, metadata, metrics, health, members of sessions
    #[arg(long, value_name = "FILE")]
    nodes: Option<PathBuf>,
    /// Print the outcome as JSON
    #[arg(long, conflicts_with_all = ["stdout", "annotate"])]
    json: bool,
}

fn names() -> PossibleValuesParser {
    FILES.iter().map(|file| PossibleValue::new(file.name).help(file.about)).into()
}

/// Runs the command.
///
/// # Errors
/// A file that could not be read or written.
pub fn run(args: &TypesArgs) -> Result<(), CommandExit> {
    if let Some(script) = &args.annotate {
        return output::data(annotated(script)?.trim_end());
    }
    let observed = observed(args.nodes.as_deref())?;
    if let Some(name) = &args.stdout {
        let file = FILES.iter().find(|file| file.name == name.as_str());
        return file.map_or(Ok(()), |file| output::data(file.render(&observed).trim_end()));
    }
    // A folder with settings files keeps them.
    let (kept, files): (Vec<_>, Vec<_>) =
        FILES.iter().partition(|file| file.name == PROJECT.name && is_project(&args.folder));
    let texts = files.iter().map(|file| (file.name, file.render(&observed)));
    let mut written = write(&args.folder, texts)?;
    written.extend(kept.iter().map(|file| Written { name: file.name, outcome: FileOutcome::Kept }));
    match args.json {
        true => output::json(json!({"folder": args.folder, "files": written})),
        false => output::answer(lines(&args.folder, &written)),
    }
}

/// Renders the outcome of each file, a line each.
fn lines(folder: &Path, written: &[Written]) -> String {
    let about = |name: &str| FILES.iter().find(|file: &&TypeFile| file.name == name).map_or("", |file| file.about);
    let line = |file: &Written| {
        let path = folder.join(file.name);
        format!("{:<9} {}: {}", file.outcome.as_str(), Plain(path.display()), about(file.name))
    };
    written.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the names that the nodes in `list` have.
fn observed(list: Option<&Path>) -> Result<Observed, CommandExit> {
    let Some(list) = list else { return Ok(Observed::default()) };
    let nodes = nodes_file::read(Some(list), ScriptLimits::default().source_bytes)?;
    nodes.warnings.iter().for_each(|warning| output::aside(format_args!("warning: {}", Plain(warning))));
    let reports = nodes.reports.iter().filter_map(|change| match change {
        Change::Report(report) => Some(&**report),
        _ => None,
    });
    Ok(Observed::of(reports.collect::<Vec<&Report>>()))
}

/// Returns the script at `path` with the types of the script's functions.
fn annotated(path: &Path) -> Result<String, CommandExit> {
    let name = path.display();
    if path.extension().is_none_or(|extension| extension != "js") {
        let words = "is no JavaScript: --annotate takes a file that ends in `.js`; editors read Rhai's types from \
            `whither.d.rhai`";
        return Err(CommandExit::usage(format!("`{}` {words}", Plain(name))));
    }
    let limits = ScriptLimits::default();
    let unread = |fault: FileError| CommandExit::usage(format!("script `{}`: {fault}", Plain(path.display())));
    let contents = Disk.read(path, limits.source_bytes).map_err(unread)?;
    let text = contents.text(limits.source_bytes);
    let text = text.map_err(|why| CommandExit::usage(format!("script `{}` {why}", Plain(path.display()))))?;
    let source = SourceText { file: path.to_string_lossy().into(), text: text.into() };
    parsed(source, limits.source_depth)
}

#[cfg(feature = "javascript")]
fn parsed(source: SourceText, depth: usize) -> Result<String, CommandExit> {
    let work = move || crate::engine::javascript::annotate(&source, depth).map_err(|error| error.to_string());
    let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work);
    let thread =
        thread.map_err(|error| CommandExit::new(exit::OTHER, format!("no thread could be started: {error}")))?;
    let ended = thread.join().map_err(|_panic| CommandExit::new(exit::OTHER, "the parser failed"))?;
    ended.map_err(|error| CommandExit::new(exit::SCRIPT, Plain(error)))
}

#[cfg(not(feature = "javascript"))]
fn parsed(_source: SourceText, _depth: usize) -> Result<String, CommandExit> {
    Err(CommandExit::new(exit::OTHER, "this build of whither has no JavaScript"))
}
