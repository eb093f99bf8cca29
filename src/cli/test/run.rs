//! A run over files of tests: each is read, its scripts are compiled, and its cases are run one after the other; several
//! files at a time.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};

use crate::chain::{ChainSet, StepSource};
use crate::config::suite::{Case, NodeSource, SUITE_SUFFIX, Suite};
use crate::host::Disk;
use crate::script::Content;
use crate::server::settings;
use crate::suite::{CoverageBook, SuiteResult};
use crate::worker::WorkerLimits;

use super::super::chains::Chains;
use super::super::exit::CommandExit;
use super::super::problem::{self, ProblemFormat};
use super::Options;
use super::cluster::ClusterShelf;
use super::discover;
use super::lab::{TestWorker, path_of};
use super::trial::CaseTrials;

/// Files of tests that are run at a time, where the machine has so many processors.
const MOST_AT_ONCE: usize = 8;

/// Runs of the tests that the options name.
pub(super) struct SuiteRuns<'a> {
    options: &'a Options,
    book: &'a RefCell<CoverageBook>,
    left_out: usize,
}

impl<'a> SuiteRuns<'a> {
    pub(super) fn new(options: &'a Options, book: &'a RefCell<CoverageBook>) -> Self {
        Self { options, book, left_out: 0 }
    }

    /// How many cases of the last run the filter left out.
    pub(super) fn left_out(&self) -> usize {
        self.left_out
    }

    /// Runs all files, and tells `tell` of each as soon as those before it are told.
    ///
    /// # Errors
    /// Folders that cannot be read, or that have no tests.
    pub(super) async fn run(&mut self, tell: impl Fn(&SuiteResult)) -> Result<Vec<SuiteResult>, CommandExit> {
        let files = discover::files(&self.options.paths)?;
        if files.is_empty() {
            let named: Vec<_> = self.options.paths.iter().map(|path| path.display().to_string()).collect();
            let message = format!("there is no file *{SUITE_SUFFIX} in {}", named.join(", "));
            return Err(CommandExit::usage(format!("{message} (`whither new js NAME` writes a script with one)")));
        }
        let at_once = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_AT_ONCE);
        let bar = progress(files.len());
        let (options, book) = (self.options, self.book);
        let runs = files.iter().map(|file| one(file, options, book, &bar));
        let mut results = stream::iter(runs).buffered(at_once);
        let (mut suites, mut left_out) = (Vec::new(), 0);
        while let Some((suite, hidden)) = results.next().await {
            left_out += hidden;
            // A file of which nothing is run says nothing.
            if !suite.cases.is_empty() || !suite.problems.is_empty() {
                bar.suspend(|| tell(&suite));
                suites.push(suite);
            }
        }
        bar.finish_and_clear();
        self.left_out = left_out;
        Ok(suites)
    }
}

/// A bar on standard error, which is drawn on a terminal alone.
fn progress(files: usize) -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} tests  {msg}") {
        bar.set_style(style);
    }
    bar.set_message(format!("in {files} files"));
    bar
}

/// Runs the file at `path`; returns its results, and how many cases the filter left out.
async fn one(path: &Path, options: &Options, book: &RefCell<CoverageBook>, bar: &ProgressBar) -> (SuiteResult, usize) {
    let file: Arc<str> = path.to_string_lossy().into();
    let failed =
        |problems: String, is_unread| SuiteResult { file: Arc::clone(&file), cases: Vec::new(), problems, is_unread };
    let suite = match crate::config::suite::load(path, &Disk) {
        Ok(suite) => suite,
        Err(errors) => return (failed(problem::render(&errors, ProblemFormat::Plain), true), 0),
    };
    let is_meant = |case: &&Case| {
        let named = |filter: &String| case.name.to_lowercase().contains(filter) || file.to_lowercase().contains(filter);
        options.filter.as_ref().is_none_or(named)
    };
    let cases: Vec<_> = suite.cases.iter().filter(is_meant).collect();
    let left_out = suite.cases.len() - cases.len();
    if cases.is_empty() {
        return (failed(String::new(), false), left_out);
    }
    let own = std::iter::once(("", &suite.set));
    let chains: Vec<_> = own.chain(suite.variants.iter().map(|variant| (&*variant.name, &variant.set))).collect();
    bar.inc_length((cases.len() * chains.len()) as u64);
    let mut results = Vec::with_capacity(cases.len() * chains.len());
    let mut shelf = ClusterShelf::default();
    for (variant, set) in chains {
        if options.is_covered {
            expect(set, &suite.base, book);
        }
        let mut lab = TestWorker::new(with_limits(set, &suite), &suite.base, book, options.is_covered);
        if let Err(exit) = lab.start().await {
            return (failed(exit.words().to_owned(), false), left_out);
        }
        let mut trials = CaseTrials { lab: &mut lab, shelf: &mut shelf };
        for case in &cases {
            let mut result = trials.run(case).await;
            if !variant.is_empty() {
                result.name = format!("{} ({variant})", result.name).into();
            }
            results.push(result);
            bar.inc(1);
        }
    }
    (SuiteResult { file, cases: results, problems: String::new(), is_unread: false }, left_out)
}

/// The chains `set` of `suite`, under the limits of its config or the defaults.
fn with_limits(set: &ChainSet, suite: &Suite) -> Chains {
    let set = set.clone();
    match &suite.config {
        Some(config) => Chains {
            set,
            limits: settings::worker_limits(config),
            environment: settings::program_environment(&config.service.environment, &Default::default()),
            programs: settings::program_limits(config),
        },
        None => Chains {
            set,
            limits: WorkerLimits::default(),
            environment: settings::program_environment(&[], &Default::default()),
            programs: crate::runner::ProgramLimits::default(),
        },
    }
}

/// Notes the scripts of `set`, below `base`, whose text could be counted.
fn expect(set: &ChainSet, base: &Path, book: &RefCell<CoverageBook>) {
    let mut book = book.borrow_mut();
    for step in set.chains.iter().flat_map(|chain| &chain.steps) {
        if let StepSource::Script { content: Content::Text(text), .. } = &step.source {
            book.expect(&path_of(base, &step.name), text);
        }
    }
}

/// The files on which the results of `suites` hang beside the files of tests: scripts, configs and lists of nodes.
pub(super) fn folders(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut folders = std::collections::BTreeSet::new();
    for path in discover::files(paths).unwrap_or_default() {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        folders.insert(folder.to_owned());
        let Ok(suite) = crate::config::suite::load(&path, &Disk) else { continue };
        let sets = std::iter::once(&suite.set).chain(suite.variants.iter().map(|variant| &variant.set));
        let steps = sets.flat_map(|set| &set.chains).flat_map(|chain| &chain.steps);
        let steps = steps.map(|step| suite.base.join(&*step.name));
        let named = suite.cases.iter().filter_map(|case| match &case.nodes {
            NodeSource::File(path) | NodeSource::Decision(path) => Some(path.clone()),
            _ => None,
        });
        let beside = steps.chain(named).filter_map(|path| path.parent().map(Path::to_owned));
        let existing = beside.map(|folder| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder });
        folders.extend(existing.filter(|folder| folder.is_dir()));
    }
    folders.extend(paths.iter().filter(|path| path.is_dir()).cloned());
    folders.into_iter().collect()
}
