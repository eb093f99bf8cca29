//! The program `whither`: which command runs.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::runner;
use crate::worker::child;

use super::exit::CommandExit;
use super::{
    agent, assign, bench, check, completions, demo, drain, explain, fact, fastx, groups, import, logs, man, new, nodes,
    place, reload, requests, rules, serve, simulate, start, status, test, types,
};

/// To which node? Runs an administrator's chain of scripts over a live node list, for each session to place.
#[derive(Debug, Parser)]
#[command(name = "whither", version, max_term_width = groups::MAX_HELP_WIDTH)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

// In the order of their groups (`super::groups`). A comment here would hide the longer help of the command's own type;
// only commands that share a type have a comment.
#[derive(Debug, Subcommand)]
enum Command {
    Place(Box<place::PlaceArgs>),
    Start(Box<start::StartArgs>),
    Explain(Box<explain::ExplainArgs>),
    Waiting(requests::WaitingArgs),
    Cancel(requests::CancelArgs),
    /// A starting point: nodes, a script, a config
    New(new::NewArgs),
    Check(Box<check::CheckArgs>),
    Test(Box<test::TestArgs>),
    Rules(rules::RulesArgs),
    Types(types::TypesArgs),
    /// Write a config and scripts from another balancer's settings
    Import(import::ImportArgs),
    Nodes(nodes::NodesArgs),
    Cordon(nodes::CordonCommandArgs),
    /// Put a node back into service
    Uncordon(nodes::CordonArgs),
    Drain(drain::DrainArgs),
    Assign(assign::AssignArgs),
    Unassign(assign::UnassignArgs),
    Assignments(assign::AssignmentsArgs),
    Fact(fact::FactArgs),
    Serve(serve::ServeArgs),
    Agent(Box<agent::AgentArgs>),
    Status(status::StatusArgs),
    Reload(reload::ReloadArgs),
    Logs(logs::LogsArgs),
    LogLevel(logs::LogLevelArgs),
    Demo(demo::DemoArgs),
    Bench(Box<bench::BenchArgs>),
    Simulate(Box<simulate::SimulateArgs>),
    Completions(completions::CompletionsArgs),
    Man(man::ManArgs),
}

/// Returns the command line as a value: every command with its options and their help, for the reference page.
#[must_use]
pub fn command() -> clap::Command {
    groups::grouped(Cli::command())
}

/// Runs the binary.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == child::COMMAND) {
        return child::run();
    }
    if arguments.get(1).is_some_and(|first| first == runner::child::COMMAND) {
        return runner::child::run();
    }
    let name = arguments.first().map(std::path::PathBuf::from);
    let is_alias = name.as_ref().and_then(|name| name.file_name()).is_some_and(|name| name == fastx::PLACE_NAME);
    let command = match is_alias {
        true => Command::Place(Box::new(place::AliasArgs::parse_from(arguments).into_local())),
        false => parsed(arguments),
    };
    super::end(run(command))
}

fn parsed(arguments: Vec<OsString>) -> Command {
    let matches = command().get_matches_from(arguments);
    match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli.command,
        Err(error) => error.format(&mut command()).exit(),
    }
}

fn run(command: Command) -> Result<(), CommandExit> {
    match command {
        Command::Place(args) => place::run(&args),
        Command::Start(args) => start::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Waiting(args) => requests::waiting(&args),
        Command::Cancel(args) => requests::cancel(&args),
        Command::New(args) => new::run(args).map_err(CommandExit::usage),
        Command::Check(args) => check::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Rules(args) => rules::run(&args),
        Command::Types(args) => types::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Nodes(args) => nodes::run(&args),
        Command::Cordon(args) => nodes::cordon(&args),
        Command::Uncordon(args) => nodes::uncordon(&args),
        Command::Drain(args) => drain::run(&args),
        Command::Assign(args) => assign::assign(&args),
        Command::Unassign(args) => assign::unassign(&args),
        Command::Assignments(args) => assign::assignments(&args),
        Command::Fact(args) => fact::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Agent(args) => agent::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::LogLevel(args) => logs::level(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
