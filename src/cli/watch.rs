//! `--watch`: answers again each time a file is saved, with the differences from the last answer.
//!
//! Folders are watched rather than files, because editors replace files. A script that is broken while it is edited is
//! reported, and the last good answer stays beside the error.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use inotify::{Inotify, WatchMask};
use owo_colors::OwoColorize;
use serde_json::Value;

use crate::explain;

use super::exit::{self, CommandExit};
use super::nodes_file::{FilePrint, file_print};
use super::output;

/// The size of the buffer for events of the kernel.
const BUFFER: usize = 4096;
/// The most time of a save: an editor writes, renames and sets times one after another.
const SAVING: Duration = Duration::from_millis(5);

/// The error where `--watch` has no files to look at.
pub(super) const NEEDS_FILES: &str =
    "--watch looks at files, and a service is asked here: add --nodes FILE, and --script or --config";

/// An answer that is shown.
pub(super) struct WatchedAnswer {
    /// The text of the answer.
    pub(super) text: String,
    /// The explanation that the next explanation is compared with.
    pub(super) explanation: Value,
    /// The exit of the command without `--watch`.
    pub(super) end: Result<(), CommandExit>,
}

/// Prints the result of `answer` now, and again whenever a file of `paths` changes; returns on an error alone.
///
/// # Errors
/// A folder that cannot be watched, or standard output that cannot be written.
pub(super) fn run(
    paths: &dyn Fn() -> Vec<PathBuf>,
    answer: &mut dyn FnMut() -> Result<WatchedAnswer, CommandExit>,
) -> Result<(), CommandExit> {
    let mut last: Option<(Value, String)> = None;
    loop {
        let watched = paths();
        // Before the files are read, so that no save falls between.
        let (mut inotify, before) = (watch(&watched)?, prints(&watched));
        let start = Instant::now();
        let answered = answer();
        let taken = start.elapsed();
        match answered {
            Ok(WatchedAnswer { text, explanation, end }) => {
                output::answer(&text)?;
                if let Some(words) = end.err().map(|end| end.message).filter(|words| !words.is_empty()) {
                    output::aside(format_args!("{} {words}", "error:".red().bold()));
                }
                let changed = last.as_ref().map(|(before, _)| explain::changes(before, &explanation));
                output::answer(footer(taken, changed.as_deref()))?;
                last = Some((explanation, text));
            }
            Err(error) => {
                output::answer(format_args!("{} {error}", "error:".red().bold()))?;
                if let Some((_, text)) = &last {
                    output::answer(format_args!("{}\n{text}", "the last good answer:".dimmed()))?;
                }
                output::answer(footer(taken, None))?;
            }
        }
        wait(&mut inotify, &watched, &before)
            .map_err(|error| CommandExit::new(exit::OTHER, format!("--watch: {error}")))?;
    }
}

/// Returns the line below an answer: the time that the answer took, and the differences from the last answer.
fn footer(taken: Duration, changed: Option<&[String]>) -> String {
    let what = match changed {
        None => String::new(),
        Some([]) => "; nothing changed".to_owned(),
        Some(changed) => format!("; changed:\n  {}", changed.join("\n  ")),
    };
    format!("{}{what}", format_args!("── answered in {} ms", taken.as_millis()).dimmed())
}

/// Watches the folders of `paths`.
fn watch(paths: &[PathBuf]) -> Result<Inotify, CommandExit> {
    let failed =
        |folder: &Path, error: io::Error| CommandExit::usage(format!("--watch: {}: {error}", folder.display()));
    let inotify = Inotify::init().map_err(|error| failed(Path::new("inotify"), error))?;
    for path in paths {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mask = WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO | WatchMask::DELETE | WatchMask::ONLYDIR;
        inotify.watches().add(folder, mask).map_err(|error| failed(folder, error))?;
    }
    Ok(inotify)
}

/// Returns when a file at `paths` is no longer as in `before`.
fn wait(inotify: &mut Inotify, paths: &[PathBuf], before: &[Option<FilePrint>]) -> io::Result<()> {
    let mut buffer = [0; BUFFER];
    loop {
        // A save before the folder was watched, or while the answer was made, is seen here at once.
        if prints(paths) != before {
            std::thread::sleep(SAVING);
            return Ok(());
        }
        inotify.read_events_blocking(&mut buffer)?.for_each(drop);
    }
}

fn prints(paths: &[PathBuf]) -> Vec<Option<FilePrint>> {
    paths.iter().map(|path| file_print(path)).collect()
}
