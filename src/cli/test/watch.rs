//! `whither test --watch`: the tests run again when a file beside them changes, and what has changed is said.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use inotify::{EventMask, EventStream, Inotify, WatchMask};
use owo_colors::OwoColorize;

use crate::plain::plain;
use crate::suite::{CoverageBook, SuiteResult};

use super::super::exit::{self, CommandExit};
use super::super::output;
use super::run::{SuiteRuns, folders};
use super::{Options, show};

/// What is read of the kernel's queue at one time: more than one event with the longest name.
const BUFFER: usize = 4096;
/// How long further changes are waited for after the first: an editor writes more than one file for a save.
const SETTLING: Duration = Duration::from_millis(15);
/// The most folders that are watched.
const MAX_FOLDERS: usize = 1_000;

/// Whether each case passed, by its file and name.
type Verdicts = BTreeMap<(String, String), bool>;

/// The results of the last run that came to some, and the verdicts of each file of tests when it was last run.
#[derive(Default)]
struct LastRun {
    verdicts: Option<Verdicts>,
    totals: Option<String>,
}

/// Runs the tests, and again after each change, until the process is ended.
///
/// # Errors
/// Folders that cannot be read or watched. A test that fails is no error here.
pub(super) async fn run(options: &Options) -> Result<(), CommandExit> {
    let mut last = LastRun::default();
    let book = RefCell::new(CoverageBook::default());
    let mut runs = SuiteRuns::new(options, &book).keeping();
    loop {
        // Watched before the run, so that what is saved during the run is not missed.
        let mut events = watch(&folders(&options.paths))
            .map_err(|error| CommandExit::new(exit::OTHER, format!("the folders cannot be watched: {error}")))?;
        drop(book.take());
        let start = Instant::now();
        match runs.run(|_suite| ()).await {
            Ok(suites) => {
                let verdicts = verdicts(&suites, last.verdicts.as_ref());
                let is_first = last.verdicts.is_none();
                let is_new = |suite: &&SuiteResult| is_first || !suite.problems.is_empty();
                suites.iter().filter(is_new).for_each(|suite| output::print_line(show::suite(suite)));
                output::print_line(super::told(&suites, &book.borrow(), options, runs.left_out(), start));
                if runs.reused() > 0 {
                    let words = format!("{} as before: nothing has changed that they come from", runs.reused());
                    output::print_line(words.dimmed());
                }
                if !is_first {
                    output::print_line(last.compared(&suites, &verdicts));
                }
                if suites.iter().all(|suite| suite.problems.is_empty()) {
                    last.totals = Some(show::totals(&suites, runs.left_out(), start.elapsed()));
                }
                last.verdicts = Some(verdicts);
            }
            // What is wrong now may be right after the next save; what was known stays.
            Err(exit) => {
                output::print_line(format!("{} {}", "✗".red(), plain(exit.words())));
                output::print_line(last.good());
            }
        }
        output::aside("waiting for a change; Ctrl-C ends");
        changed(&mut events).await.map_err(|error| CommandExit::new(exit::OTHER, error))?;
    }
}

impl LastRun {
    /// What has changed since, and the last good answer where a file of tests could not be run.
    fn compared(&self, suites: &[SuiteResult], verdicts: &Verdicts) -> String {
        let Some(before) = &self.verdicts else { return String::new() };
        let changes = changes(before, verdicts);
        let mut text = if changes.is_empty() { "nothing has changed".to_owned() } else { changes.join("\n") };
        if suites.iter().any(|suite| !suite.problems.is_empty()) {
            text = format!("{text}\n{}", self.good());
        }
        text
    }

    /// The totals of the last run in which every file of tests could be run.
    fn good(&self) -> String {
        let totals =
            self.totals.as_ref().map(|totals| format!("{} {}", "the last good run:".dimmed(), totals.trim_start()));
        totals.unwrap_or_default()
    }
}

fn watch(folders: &[PathBuf]) -> io::Result<EventStream<[u8; BUFFER]>> {
    let inotify = Inotify::init()?;
    let mask = WatchMask::CLOSE_WRITE | WatchMask::MOVED_TO | WatchMask::DELETE | WatchMask::ONLYDIR;
    for folder in folders.iter().take(MAX_FOLDERS) {
        inotify.watches().add(folder, mask)?;
    }
    inotify.into_event_stream([0; BUFFER])
}

/// Returns when a file was written, replaced or removed, and nothing more follows at once.
async fn changed(events: &mut EventStream<[u8; BUFFER]>) -> io::Result<()> {
    loop {
        let Some(event) = events.next().await else { return Err(io::ErrorKind::NotFound.into()) };
        let event = event?;
        let is_hidden = event.name.as_ref().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if event.mask.contains(EventMask::Q_OVERFLOW) || !is_hidden {
            break;
        }
    }
    while let Ok(Some(event)) = tokio::time::timeout(SETTLING, events.next()).await {
        drop(event?);
    }
    Ok(())
}

/// The verdicts of `suites`; of a file that could not be run, those of `before`.
fn verdicts(suites: &[SuiteResult], before: Option<&Verdicts>) -> Verdicts {
    let unrun: BTreeSet<_> =
        suites.iter().filter(|suite| !suite.problems.is_empty()).map(|suite| &*suite.file).collect();
    let kept = before.into_iter().flatten().filter(|((file, _), _)| unrun.contains(file.as_str()));
    let kept: Vec<_> = kept.map(|(case, is_passed)| (case.clone(), *is_passed)).collect();
    let cases = suites.iter().flat_map(|suite| {
        let file = Path::new(&*suite.file).to_string_lossy().into_owned();
        suite.cases.iter().map(move |case| ((file.clone(), case.name.to_string()), case.is_passed()))
    });
    cases.chain(kept).collect()
}

/// What is different from the last run, a line each.
fn changes(before: &Verdicts, now: &Verdicts) -> Vec<String> {
    let line = |mark: String, (file, name): &(String, String), what: &str| {
        format!("{mark} {}: {} {what}", plain(file), plain(name))
    };
    let (good, bad) = (format!("{}", "✓".green()), format!("{}", "✗".red()));
    let mut lines = Vec::new();
    for (case, is_passed) in now {
        match (before.get(case), is_passed) {
            (Some(false), true) => lines.push(line(good.clone(), case, "passes now")),
            (Some(true), false) => lines.push(line(bad.clone(), case, "fails now")),
            (None, true) => lines.push(line(good.clone(), case, "is new")),
            (None, false) => lines.push(line(bad.clone(), case, "is new, and fails")),
            (Some(_), _) => {}
        }
    }
    lines.extend(
        before.keys().filter(|case| !now.contains_key(*case)).map(|case| line(" ".to_owned(), case, "is gone")),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_said() {
        let of = |cases: &[(&str, bool)]| -> Verdicts {
            cases.iter().map(|(name, passed)| (("f".to_owned(), (*name).to_owned()), *passed)).collect()
        };
        let before = of(&[("a", true), ("b", false), ("c", true), ("d", true)]);
        let now = of(&[("a", false), ("b", true), ("c", true), ("e", true)]);
        let words: Vec<_> =
            changes(&before, &now).iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert_eq!(words, ["✗ f: a fails now", "✓ f: b passes now", "✓ f: e is new", "  f: d is gone"]);
        assert!(changes(&now, &now).is_empty());
    }
}
