//! A run over files of tests: each is read, its scripts are compiled, and its cases are run one after the other; several
//! files at a time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};

use crate::chain::{ChainSet, StepSource, StepSpec};
use crate::config::suite::{Case, NodeSource, SUITE_SUFFIX, Suite};
use crate::host::Disk;
use crate::script::Content;
use crate::server::settings;
use crate::suite::{CoverageBook, SuiteResult};
use crate::worker::WorkerLimits;

use super::super::chains::Chains;
use super::super::exit::CommandExit;
use super::super::nodes_file::{FilePrint, file_print};
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
    /// The results of the last run, by the files of tests, where a run follows on another.
    kept: Option<RefCell<BTreeMap<PathBuf, KeptRun>>>,
    /// How many cases of the last run were answered from there.
    reused: Cell<usize>,
}

/// The results of one file of tests, with everything that they came from.
struct KeptRun {
    suite: Suite,
    /// The lists of nodes that the cases name, with their prints.
    nodes: Vec<(PathBuf, Option<FilePrint>)>,
    result: SuiteResult,
    left_out: usize,
}

impl KeptRun {
    /// Whether a run of `suite` would come to the same results.
    fn is_of(&self, suite: &Suite) -> bool {
        self.suite == *suite && self.nodes.iter().all(|(path, print)| file_print(path) == *print)
    }
}

impl<'a> SuiteRuns<'a> {
    pub(super) fn new(options: &'a Options, book: &'a RefCell<CoverageBook>) -> Self {
        Self { options, book, left_out: 0, kept: None, reused: Cell::default() }
    }

    /// The same, with results that are kept from run to run: a file of tests is run again where something has changed that
    /// its results come from. Coverage needs each run.
    pub(super) fn keeping(self) -> Self {
        Self { kept: (!self.options.is_covered).then(RefCell::default), ..self }
    }

    /// How many cases of the last run were not run, because nothing had changed that they come from.
    pub(super) fn reused(&self) -> usize {
        self.reused.get()
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
        self.reused.set(0);
        let own = &*self;
        let runs = files.iter().map(|file| own.one(file, &bar));
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
        drop(results);
        self.left_out = left_out;
        Ok(suites)
    }

    /// Runs the file at `path`, or takes its results from the last run; returns them, and how many cases the filter left
    /// out.
    async fn one(&self, path: &Path, bar: &ProgressBar) -> (SuiteResult, usize) {
        let file: Arc<str> = path.to_string_lossy().into();
        let suite = match crate::config::suite::load(path, &Disk) {
            Ok(suite) => suite,
            Err(errors) => return (unrun(&file, problem::render(&errors, ProblemFormat::Plain), true), 0),
        };
        let Some(kept) = &self.kept else { return one(&file, &suite, self.options, self.book, bar).await };
        if let Some(kept) = kept.borrow().get(path).filter(|kept| kept.is_of(&suite)) {
            self.reused.set(self.reused.get() + kept.result.cases.len());
            return (kept.result.clone(), kept.left_out);
        }
        // Before the run: a list that is saved meanwhile is another one.
        let nodes = node_files(&suite).map(|path| (path.clone(), file_print(path))).collect();
        let (result, left_out) = one(&file, &suite, self.options, self.book, bar).await;
        let mut kept = kept.borrow_mut();
        match runs_programs(&suite) {
            // What a program hangs on is not known.
            true => drop(kept.remove(path)),
            false => drop(kept.insert(path.to_owned(), KeptRun { suite, nodes, result: result.clone(), left_out })),
        }
        (result, left_out)
    }
}

/// The lists of nodes and the decisions that the cases of `suite` name.
fn node_files(suite: &Suite) -> impl Iterator<Item = &PathBuf> {
    suite.cases.iter().filter_map(|case| match &case.nodes {
        NodeSource::File(path) | NodeSource::Decision(path) => Some(path),
        _ => None,
    })
}

/// The steps of all chains of `suite`.
fn steps(suite: &Suite) -> impl Iterator<Item = &StepSpec> {
    let sets = std::iter::once(&suite.set).chain(suite.variants.iter().map(|variant| &variant.set));
    sets.flat_map(|set| &set.chains).flat_map(|chain| &chain.steps)
}

fn runs_programs(suite: &Suite) -> bool {
    steps(suite).any(|step| matches!(step.source, StepSource::Executable(_)))
}

/// The result of the file of tests `file`, of which no case was run because of `problems`.
fn unrun(file: &Arc<str>, problems: String, is_unread: bool) -> SuiteResult {
    SuiteResult { file: Arc::clone(file), cases: Vec::new(), problems, is_unread }
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

/// Runs the tests of `suite`, which is in `file`; returns the results, and how many cases the filter left out.
async fn one(
    file: &Arc<str>,
    suite: &Suite,
    options: &Options,
    book: &RefCell<CoverageBook>,
    bar: &ProgressBar,
) -> (SuiteResult, usize) {
    let is_meant = |case: &&Case| {
        let named = |filter: &String| case.name.to_lowercase().contains(filter) || file.to_lowercase().contains(filter);
        options.filter.as_ref().is_none_or(named)
    };
    let cases: Vec<_> = suite.cases.iter().filter(is_meant).collect();
    let left_out = suite.cases.len() - cases.len();
    if cases.is_empty() {
        return (unrun(file, String::new(), false), left_out);
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
        let mut lab = TestWorker::new(with_limits(set, suite), &suite.base, book, options.is_covered);
        if let Err(exit) = lab.start().await {
            return (unrun(file, exit.words().to_owned(), false), left_out);
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
    (SuiteResult { file: Arc::clone(file), cases: results, problems: String::new(), is_unread: false }, left_out)
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
            tokens: config.tokens.clone(),
        },
        None => Chains {
            set,
            limits: WorkerLimits::default(),
            environment: settings::program_environment(&[], &Default::default()),
            programs: crate::runner::ProgramLimits::default(),
            tokens: None,
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
        let steps = steps(&suite).map(|step| suite.base.join(&*step.name));
        let beside = steps.chain(node_files(&suite).cloned()).filter_map(|path| path.parent().map(Path::to_owned));
        let existing = beside.map(|folder| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder });
        folders.extend(existing.filter(|folder| folder.is_dir()));
    }
    folders.extend(paths.iter().filter(|path| path.is_dir()).cloned());
    folders.into_iter().collect()
}
