//! The options of `whither agent` about starts.

use std::time::Duration;

use clap::Args;

use crate::agent::starts::{CommandLine, Runner, StartProgram, StartSettings};
use crate::nats::starts::MAX_PRINTED_BYTES;

use super::super::exit::CommandExit;
use super::seconds;

/// The options about starts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Starts")]
pub(super) struct StartOptions {
    /// The command that starts a session where the service asks: words, or a JSON list of words; no shell reads them.
    /// FastX's start document comes on standard input, and an object with `result` on standard output says that the
    /// session runs; what the command leaves behind is the session
    #[arg(long, value_name = "COMMAND", conflicts_with = "job_command", value_parser = CommandLine::parse)]
    start_command: Option<CommandLine>,
    /// The command that has a job scheduler start the session later, instead of --start-command: {user, admin, start}
    /// comes on standard input, and what is printed goes to the user
    #[arg(long, value_name = "COMMAND", value_parser = CommandLine::parse)]
    job_command: Option<CommandLine>,
    /// The command that runs another one as {user}, as `runuser -u {user} --` does [default: none; everything runs as
    /// the user of this agent]
    #[arg(long, value_name = "COMMAND", value_parser = Runner::parse)]
    start_runner: Option<Runner>,
    /// How long a start may take
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    start_limit: Duration,
    /// How much a start may print, in bytes
    #[arg(
        long, value_name = "BYTES", default_value = "65536",
        value_parser = clap::value_parser!(u32).range(1..=MAX_PRINTED_BYTES as i64)
    )]
    start_output: u32,
    /// A variable for the environment of a start, which has PATH and the start's own variables alone; without a value
    /// this agent's own. {user}, {node} and {reservation} are filled in; repeatable
    #[arg(long = "start-env", value_name = "NAME[=VALUE]")]
    start_environment: Vec<String>,
    /// How many starts may be under way at once
    #[arg(long, value_name = "NUMBER", default_value = "16", value_parser = clap::value_parser!(u16).range(1..=256))]
    starts_at_once: u16,
}

impl StartOptions {
    /// Returns the settings of starts; `None` where there is no command to run.
    ///
    /// # Errors
    /// An option that means nothing, or a variable that has no value.
    pub(super) fn settings(&self) -> Result<Option<StartSettings>, CommandExit> {
        let session = self.start_command.clone().map(StartProgram::Session);
        let Some(program) = session.or(self.job_command.clone().map(StartProgram::Job)) else {
            if self.start_runner.is_some() || !self.start_environment.is_empty() {
                let message = "--start-runner and --start-env mean nothing without --start-command or --job-command";
                return Err(CommandExit::usage(message));
            }
            return Ok(None);
        };
        let environment = self.start_environment.iter().map(|given| variable(given)).collect::<Result<_, _>>()?;
        Ok(Some(StartSettings {
            program,
            runner: self.start_runner.clone(),
            limit: self.start_limit,
            max_output: usize::try_from(self.start_output).unwrap_or(MAX_PRINTED_BYTES),
            environment,
            at_once: usize::from(self.starts_at_once),
        }))
    }
}

/// Returns name and value of the variable that `given` sets, or hands on.
fn variable(given: &str) -> Result<(String, String), CommandExit> {
    let (name, value) = match given.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => {
            let own = std::env::var(given).map_err(|_unset| {
                CommandExit::usage(format!("--start-env {given}: this agent has no such variable to hand on"))
            })?;
            (given, own)
        }
    };
    let is_name = |name: &str| !name.is_empty() && !name.contains('\0');
    if !is_name(name) || value.contains('\0') {
        return Err(CommandExit::usage(format!("--start-env {given}: expected NAME or NAME=VALUE")));
    }
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        starts: StartOptions,
    }

    fn settings(arguments: &[&str]) -> Result<Option<StartSettings>, String> {
        let line = Line::try_parse_from(["agent"].iter().chain(arguments)).map_err(|error| error.to_string())?;
        line.starts.settings().map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_command_nothing_is_started() {
        assert!(settings(&[]).unwrap().is_none());
        let error = settings(&["--start-runner", "runuser -u {user} --"]).unwrap_err();
        assert!(error.contains("--start-command or --job-command"), "{error}");
    }

    #[test]
    fn the_options_become_settings() {
        let given = settings(&[
            "--start-command",
            "/usr/lib/fastx/start --json",
            "--start-runner",
            "sudo -n -u {user} --",
            "--start-env",
            "HOME=/home/{user}",
            "--start-env",
            "PATH",
            "--start-limit",
            "5",
        ]);
        let given = given.unwrap().unwrap();
        assert!(matches!(&given.program, StartProgram::Session(line) if line.arguments == ["--json"]));
        assert_eq!(given.runner.unwrap().to_string(), "sudo -n -u {user} --");
        assert_eq!((given.limit, given.max_output, given.at_once), (Duration::from_secs(5), 65536, 16));
        assert_eq!(given.environment[0], ("HOME".to_owned(), "/home/{user}".to_owned()));
        assert_eq!(given.environment[1].1, std::env::var("PATH").unwrap());
    }

    #[test]
    fn nonsense_is_refused() {
        let refused: [(&[&str], &str); 6] = [
            (&["--start-command", "a", "--job-command", "b"], "cannot be used with"),
            (&["--start-command", "a 'b c'"], "groups no words"),
            (&["--start-command", "a", "--start-runner", "sudo"], "{user}"),
            (&["--start-command", "a", "--start-env", "WHITHER_NO_SUCH"], "no such variable"),
            (&["--start-command", "a", "--start-env", "=x"], "expected NAME or NAME=VALUE"),
            (&["--start-command", "a", "--start-output", "999999"], "999999"),
        ];
        for (arguments, words) in refused {
            let error = settings(arguments).unwrap_err();
            assert!(error.contains(words), "{arguments:?}: {error}");
        }
    }
}
