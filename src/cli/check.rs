//! `whither check`: finds mistakes in scripts, chains and the config before a request does, and applies the safe fixes.

mod files;
mod render;
mod target;

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::thread;

use clap::Args;
use serde_json::json;

use crate::check::finding::Fix;
use crate::check::{CheckedFile, Code, Finding, FindingLevel, json as as_json, sarif};
use crate::plain::Plain;

use super::bus::BusArgs;
use super::exit::{self, CommandExit};
use super::{chains, node_ids, output};
use files::MadeFix;
use render::Drawing;
use target::{NodeIds, Targets};

/// The stack on which scripts are parsed, as large as in workers: parsers recurse.
const STACK_BYTES: usize = 64 << 20;
/// The most rounds of fixes: a fix may show a mistake that another mistake hid.
const MAX_FIXES: usize = 4;

/// Find mistakes in scripts before a request does, and put the sure ones right.
///
/// Compiles each script, reads the config as `whither serve` does, and follows values through the scripts: fields that
/// nothing has, answers that are no verdict, comparisons that are never true, steps that are never asked. Each finding
/// has a code, the line that it is about, and what to do. Runs no script, and needs no service.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  whither check                                # whither.toml, its chains and their scripts
  whither check gpu.js scripts/ --fix
  whither check whither.toml --nats nats://127.0.0.1:4222      # are the ids in the scripts those of nodes?
  whither check gpu.js --tiers                 # is it compiled?
  whither check --explain W012
  whither check --sarif > whither.sarif        # for editors and CI

Exit codes: 0 nothing found · 2 a file cannot be read, or the command line is wrong · 6 something was found")]
pub struct CheckArgs {
    /// Configs (*.toml), scripts, and folders of scripts [default: whither.toml]
    #[arg(value_name = "CONFIG | SCRIPT")]
    paths: Vec<PathBuf>,
    /// Make the safe fixes, and print the changes
    #[arg(long)]
    fix: bool,
    /// Count notes as findings too
    #[arg(long)]
    strict: bool,
    /// Print the findings as JSON
    #[arg(long, conflicts_with = "sarif")]
    json: bool,
    /// Print the findings as SARIF 2.1.0
    #[arg(long)]
    sarif: bool,
    /// Say of each function of a script whether it is compiled, and what keeps it out; `--json` has it always
    #[arg(long, conflicts_with = "sarif")]
    tiers: bool,
    /// Look whether ids that are written into scripts are those of nodes in this list
    #[arg(long, value_name = "FILE")]
    nodes: Option<PathBuf>,
    /// Print the page of a code, as W012, and end
    #[arg(long, value_name = "CODE", conflicts_with_all = ["fix", "strict", "sarif", "tiers", "nodes", "paths"])]
    explain: Option<String>,
    #[command(flatten)]
    bus: BusArgs,
}

/// Runs `whither check`.
///
/// # Errors
/// A finding, or a file that cannot be read.
pub fn run(args: &CheckArgs) -> Result<(), CommandExit> {
    if let Some(code) = &args.explain {
        return explain(code, args.json);
    }
    let ids = node_ids::of(args.nodes.as_deref(), &args.bus)?;
    let targets = Targets::find(&args.paths, chains::default_config)?;
    let (mut files, fixed) = on_a_large_stack(|| check_and_fix(&targets, ids.as_ref(), args.fix))??;
    files.sort_by(|one, other| one.file.cmp(&other.file));
    tell(args, &files, &fixed)?;
    end(args, &files)
}

fn check_and_fix(
    targets: &Targets,
    ids: Option<&NodeIds>,
    is_fixing: bool,
) -> Result<(Vec<CheckedFile>, Vec<MadeFix>), CommandExit> {
    let mut files = targets.check(ids);
    let mut all = Vec::new();
    for _ in 0..MAX_FIXES {
        let fixed = if is_fixing { files::fix(&files)? } else { Vec::new() };
        if fixed.is_empty() {
            break;
        }
        all.extend(fixed);
        files = targets.check(ids);
    }
    Ok((files, all))
}

/// Returns what is found in the configs and scripts at `paths`, in the order of their names.
///
/// # Errors
/// A fault of the check itself.
pub(super) fn checked(paths: &[PathBuf]) -> Result<Vec<CheckedFile>, CommandExit> {
    let targets = Targets::find(paths, chains::default_config)?;
    let mut files = on_a_large_stack(|| targets.check(None))?;
    files.sort_by(|one, other| one.file.cmp(&other.file));
    Ok(files)
}

/// Returns the findings of `files` as `whither check` shows them.
pub(super) fn shown(files: &[CheckedFile], is_terminal: bool) -> String {
    render::text(files, Drawing::of(is_terminal))
}

/// Runs `work` on a stack on which no source that is accepted is too deep.
///
/// # Errors
/// A thread that cannot be started, or a panic.
pub(super) fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, CommandExit> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("check".to_owned()).stack_size(STACK_BYTES);
        let started = thread.spawn_scoped(scope, work).map_err(|error| CommandExit::new(exit::OTHER, error))?;
        started
            .join()
            .map_err(|_panic| CommandExit::new(exit::OTHER, "the check itself failed; this is a fault of whither"))
    })
}

fn tell(args: &CheckArgs, files: &[CheckedFile], fixed: &[MadeFix]) -> Result<(), CommandExit> {
    if args.sarif {
        return output::json(format_args!("{:#}", sarif::document(files)));
    }
    if args.json {
        let mut document = as_json::document(files);
        if let (true, Some(members)) = (args.fix, document.as_object_mut()) {
            let made: Vec<_> = fixed.iter().map(MadeFix::to_json).collect();
            members.insert("fixed".to_owned(), json!(made));
        }
        return output::json(format_args!("{document:#}"));
    }
    for one in fixed {
        output::aside(format_args!("fixed {one}"));
    }
    let shown = render::text(files, Drawing::of(io::stdout().is_terminal()));
    if !shown.is_empty() {
        output::answer(shown.trim_end())?;
    }
    if args.tiers {
        let tiers = files.iter().flat_map(|file| file.tiers.iter().map(move |tier| format!("{}: {tier}", file.file)));
        for line in tiers {
            output::answer(line)?;
        }
    }
    output::aside(summary(files, args.strict));
    Ok(())
}

fn summary(files: &[CheckedFile], is_strict: bool) -> String {
    let all = || files.iter().flat_map(|file| &file.findings);
    let notes = all().filter(|finding| finding.level == FindingLevel::Note).count();
    let (findings, more) = (all().count() - notes, files.iter().map(|file| file.more).sum::<usize>());
    let sure = |fix: &Fix| fix.is_safe;
    let fixes = all().filter(|finding| finding.fix.as_ref().is_some_and(sure)).count();
    let mut words = vec![counted(files.len(), "file"), counted(findings, "finding")];
    if notes > 0 {
        words.push(format!("{}{}", counted(notes, "note"), if is_strict { " (counted)" } else { "" }));
    }
    if more > 0 {
        words.push(format!("{more} more not shown"));
    }
    let fixes = if fixes > 0 { format!("; --fix puts {fixes} right") } else { String::new() };
    format!("{}{fixes}", words.join(", "))
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn end(args: &CheckArgs, files: &[CheckedFile]) -> Result<(), CommandExit> {
    let counts = |finding: &&Finding| args.strict || finding.level != FindingLevel::Note;
    let codes: BTreeSet<Code> =
        files.iter().flat_map(|file| &file.findings).filter(counts).map(|finding| finding.code).collect();
    match codes {
        codes if codes.contains(&Code::Unreadable) => Err(CommandExit::shown(exit::USAGE)),
        codes if codes.is_empty() => Ok(()),
        _ => Err(CommandExit::shown(exit::FINDING)),
    }
}

/// Prints the page of `code`.
fn explain(code: &str, is_json: bool) -> Result<(), CommandExit> {
    let found = Code::parse(code).ok_or_else(|| {
        let (first, last) =
            (Code::ALL.first().map_or("", |code| code.name()), Code::ALL.last().map_or("", |code| code.name()));
        CommandExit::usage(format!("no code `{}`; they go from {first} to {last}", Plain(code)))
    })?;
    let page = found.page();
    if is_json {
        let explanation = json!({"code": found.name(), "about": found.about(), "why": page.why,
            "language": page.language, "wrong": page.wrong, "right": page.right});
        return output::json(format_args!("{explanation:#}"));
    }
    let indented = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
    output::answer(format_args!(
        "{}: {}\n\n{}\n\nWrong:\n\n{}\nRight:\n\n{}",
        found.name(),
        found.about(),
        textwrapped(page.why),
        indented(page.wrong),
        indented(page.right).trim_end_matches('\n')
    ))
}

/// Returns `text` in lines that a terminal shows whole.
fn textwrapped(text: &str) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_whitespace() {
        if !line.is_empty() && line.len() + 1 + word.len() > render::COLUMNS {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines.join("\n")
}
