//! `whither test`: runs the tests beside scripts, and says what is not as expected.

mod artifacts;
mod cluster;
mod discover;
mod lab;
mod record;
mod run;
mod show;
mod trial;
mod watch;

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};

use crate::suite::{CoverageBook, SuiteResult, Totals, result};

use super::exit::{self, CommandExit};
use super::output;
use super::remote::RemoteArgs;
use run::SuiteRuns;

/// Test scripts: run the cases in *.test.toml files, and explain what is not as expected.
///
/// A file of tests stands beside the scripts that it tests. It names the chain (without that, the script that is called
/// like the file), nodes, requests, and what must come. Scripts run under the limits of the service: one that hangs fails
/// its case, and the other cases run.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  whither new js gpu                     # writes gpu.js, and gpu.js.test.toml beside it
  whither test                           # all tests below this folder
  whither test scripts --filter office --coverage
  whither test --junit report.xml --coverage-dir coverage     # for CI
  whither test --watch
  whither test scripts --record ID --script gpu.js --script builtin:fewest-sessions

Exit codes: 0 all passed · 1 a test failed, or anything else · 2 command line, no test, or a file of tests that is wrong")]
pub struct TestArgs {
    /// Folders with tests, or files of tests; the folder of this shell where none is named
    #[arg(value_name = "DIR")]
    paths: Vec<PathBuf>,
    /// Run the cases whose file or name has this text in it, in small or large letters
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Run again when a file changes, and output what has changed
    #[arg(long, conflicts_with_all = ["json", "junit", "coverage_dir"])]
    watch: bool,
    /// Count which lines and branches of JavaScript and Rhai scripts run
    #[arg(long)]
    coverage: bool,
    /// Write the coverage as HTML and as LCOV into this folder; implies --coverage
    #[arg(long, value_name = "DIR")]
    coverage_dir: Option<PathBuf>,
    /// Write the results as JUnit's XML into this file
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
    /// Write a test of this decision of a running service into the folder, and run nothing; the service keeps decisions
    /// where `service.recorded_decisions` says how many
    #[arg(long, value_name = "ID", conflicts_with_all = ["filter", "watch", "coverage", "coverage_dir", "junit", "json"])]
    record: Option<String>,
    /// With --record, a step of the chain that the test is of, in order; without it the chain is that of the config
    #[arg(long = "script", value_name = "STEP", requires = "record")]
    scripts: Vec<String>,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// SuiteRuns `whither test`.
///
/// # Errors
/// A test that failed, a file of tests that is wrong, or none at all.
pub fn run(args: &TestArgs) -> Result<(), CommandExit> {
    if let Some(id) = &args.record {
        return record::run(id, args);
    }
    let paths = if args.paths.is_empty() { vec![PathBuf::from(".")] } else { args.paths.clone() };
    let options = Options {
        paths,
        filter: args.filter.as_ref().map(|text| text.to_lowercase()),
        is_covered: args.coverage || args.coverage_dir.is_some(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CommandExit::new(exit::OTHER, error))?;
    if args.watch {
        return runtime.block_on(watch::run(&options));
    }
    let start = Instant::now();
    let book = RefCell::new(CoverageBook::default());
    let ran = runtime.block_on(async {
        let mut runs = SuiteRuns::new(&options, &book);
        let suites = runs
            .run(|suite| {
                if !args.json {
                    output::print_line(show::suite(suite))
                }
            })
            .await?;
        Ok::<_, CommandExit>((suites, runs.left_out()))
    });
    let (suites, left_out) = ran?;
    let book = book.into_inner();
    if let Some(path) = &args.junit {
        artifacts::junit(path, &suites)?;
    }
    if let Some(folder) = &args.coverage_dir {
        artifacts::coverage(folder, &book)?;
    }
    if args.json {
        output::json(format_args!("{:#}", as_json(&suites, &book, &options)))?;
    } else {
        output::answer(told(&suites, &book, &options, left_out, start))?;
    }
    end(&suites, left_out, &options)
}

/// What `whither test` was asked for.
#[derive(Debug)]
struct Options {
    paths: Vec<PathBuf>,
    filter: Option<String>,
    is_covered: bool,
}

fn told(suites: &[SuiteResult], book: &CoverageBook, options: &Options, left_out: usize, start: Instant) -> String {
    let mut text = show::failures(suites);
    if options.is_covered {
        text.push_str(&show::coverage(book));
        text.push('\n');
    }
    text.push_str(&show::totals(suites, left_out, start.elapsed()));
    text
}

fn as_json(suites: &[SuiteResult], book: &CoverageBook, options: &Options) -> Value {
    let mut told = result::to_json(suites);
    if let Some(fields) = told.as_object_mut().filter(|_| options.is_covered) {
        let scripts: Vec<_> = book.scripts().iter().map(|script| script.to_json()).collect();
        fields.insert("coverage".to_owned(), json!(scripts));
    }
    told
}

/// How the command ends: everything has been said.
fn end(suites: &[SuiteResult], left_out: usize, options: &Options) -> Result<(), CommandExit> {
    let totals = Totals::of(suites);
    if suites.iter().any(|suite| suite.is_unread) {
        return Err(CommandExit::shown(exit::USAGE));
    }
    if !totals.is_clean() {
        return Err(CommandExit::shown(exit::OTHER));
    }
    if totals.passed == 0 {
        let filter = options.filter.as_deref().unwrap_or_default();
        return Err(CommandExit::usage(match left_out {
            0 => "no test was run".to_owned(),
            left_out => format!("none of {left_out} tests has `{filter}` in its name or file"),
        }));
    }
    Ok(())
}
