//! A start: the program is run once, and the output is read as an answer.
//!
//! The program ends; the session is what the program leaves behind. So where the start succeeds the processes that are
//! left live on, and where the start fails all of them are killed, also those that left the process group.

use std::process::ExitStatus;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tracing::warn;

use crate::model::json::{self, JsonLimits};
use crate::nats::starts::{StartAnswer, StartFault, StartOrder};
use crate::trace::TraceContext;

use super::super::command::{self, CommandError, CommandLimits, EndedCommand};
use super::super::reservations::VARIABLE;
use super::{CommandLine, StartProgram, StartSettings, leftovers};

/// The variables that tell the program the user's login and the node's id.
const USER_VARIABLE: &str = "WHITHER_USER";
const NODE_VARIABLE: &str = "WHITHER_NODE";
/// The variables that tell the program the trace of the request, as OpenTelemetry names them.
const TRACE_VARIABLE: &str = "TRACEPARENT";
const STATE_VARIABLE: &str = "TRACESTATE";
/// The search path where the agent itself has none.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// The depth of the answer in which the printed object travels.
const FRAME_DEPTH: usize = 4;
/// The most bytes of the program's last words that a message carries.
const MAX_SAID: usize = 512;
/// The field of a printed object by which the start has succeeded.
const RESULT: &str = "result";

/// Runs the program of `settings` for `order`, which belongs to `trace`, on the node `node`, for `limit` at most.
pub(super) async fn launch(
    settings: &StartSettings,
    (order, trace): (&StartOrder, Option<&TraceContext>),
    node: &str,
    limit: Duration,
) -> StartAnswer {
    let mut command = match command(settings, order, node) {
        Ok(command) => command,
        Err(answer) => return answer,
    };
    if let Some(trace) = trace {
        command.env(TRACE_VARIABLE, trace.traceparent());
        command.envs(trace.state.iter().map(|state| (STATE_VARIABLE, &**state)));
    }
    let limits = CommandLimits { time: limit, output: settings.max_output };
    let outcome = command::execute(command, Some(document(&settings.program, order)), limits).await;
    let answer = match outcome {
        Ok(mut ended) => {
            let answer = read(&settings.program, &ended);
            if !is_failed(&answer) {
                ended.leave_alone();
            }
            answer
        }
        Err(CommandError::Slow(limit)) => failed(StartFault::Time, slow(settings.program.line(), limit)),
        Err(error) => failed(fault_of(&error), format!("{} {error}", settings.program.line())),
    };
    if is_failed(&answer) {
        clean_up(&order.reservation).await;
    }
    answer
}

/// Kills what a failed start under `reservation` left behind.
pub(super) async fn clean_up(reservation: &str) {
    let left = leftovers::kill(reservation).await;
    if left > 0 {
        warn!(reservation, left, "processes of a failed start could not be killed: this agent may not");
    }
}

/// Returns the answer that nothing was started.
pub(super) fn failed(reason: StartFault, message: impl Into<String>) -> StartAnswer {
    StartAnswer::Failed { reason, message: message.into() }
}

/// Whether no session of the start may be left. A text in place of a session is such a start too.
fn is_failed(answer: &StartAnswer) -> bool {
    matches!(answer, StartAnswer::Failed { .. } | StartAnswer::Text { .. })
}

impl StartProgram {
    fn line(&self) -> &CommandLine {
        let (Self::Session(line) | Self::Job(line)) = self;
        line
    }
}

fn command(settings: &StartSettings, order: &StartOrder, node: &str) -> Result<Command, StartAnswer> {
    let login = &order.login;
    let runner = settings.runner.as_ref().map(|runner| runner.words(login)).transpose();
    let runner = runner.map_err(|error| failed(StartFault::User, error.to_string()))?.unwrap_or_default();
    let filled =
        |text: &str| text.replace("{user}", login).replace("{reservation}", &order.reservation).replace("{node}", node);
    let mut words = runner.iter().map(|word| filled(word)).chain(settings.program.line().words().cloned());
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_else(|| PATH.into()));
    command.envs(settings.environment.iter().map(|(name, value)| (name, filled(value))));
    command.env(USER_VARIABLE, login).env(NODE_VARIABLE, node).env(VARIABLE, &order.reservation);
    Ok(command)
}

/// The document on standard input.
fn document(program: &StartProgram, order: &StartOrder) -> Vec<u8> {
    let document = match program {
        StartProgram::Session(_) => order.start.to_string(),
        StartProgram::Job(_) => json!({"user": order.user, "admin": order.admin, "start": order.start}).to_string(),
    };
    format!("{document}\n").into_bytes()
}

/// Reads the end of the program as an answer.
fn read(program: &StartProgram, ended: &EndedCommand) -> StartAnswer {
    if !ended.exit.success() {
        return failed(fault_of_exit(ended.exit), exit_words(program, ended));
    }
    if let Some(output) = result(&ended.output) {
        return StartAnswer::Started { output: Some(output) };
    }
    let text = String::from_utf8_lossy(&ended.output).trim().to_owned();
    match program {
        StartProgram::Job(_) => StartAnswer::Deferred { text },
        StartProgram::Session(line) if text.is_empty() => {
            failed(StartFault::Silent, format!("{line} printed nothing; expected {{\"{RESULT}\": …}}, or a text"))
        }
        StartProgram::Session(_) => StartAnswer::Text { text },
    }
}

/// The printed object, where the object says that the session runs.
fn result(output: &[u8]) -> Option<Value> {
    let limits = JsonLimits { max_bytes: output.len(), max_depth: json::MAX_DEPTH - FRAME_DEPTH };
    let printed = json::parse(output, limits).ok()?;
    printed.get(RESULT).is_some().then_some(printed)
}

/// The words about a program that was still running after `limit`, of which a turn may have taken a part.
fn slow(line: &CommandLine, limit: Duration) -> String {
    format!("{line} took longer than {:.1} s, and was killed", limit.as_secs_f64())
}

fn exit_words(program: &StartProgram, ended: &EndedCommand) -> String {
    let said = Some(ended.said()).filter(|said| !said.is_empty());
    let said = said.unwrap_or_else(|| command::last_line(&ended.output));
    let colon = if said.is_empty() { "" } else { ": " };
    let said = said.get(..said.floor_char_boundary(MAX_SAID)).unwrap_or_default();
    format!("{} ended with {}{colon}{said}", program.line(), ended.exit)
}

fn fault_of_exit(exit: ExitStatus) -> StartFault {
    if exit.code().is_some() { StartFault::Exit } else { StartFault::Signal }
}

fn fault_of(error: &CommandError) -> StartFault {
    match error {
        CommandError::Start(_) => StartFault::Spawn,
        CommandError::Slow(_) => StartFault::Time,
        CommandError::Output(_) => StartFault::Output,
        CommandError::Failed { .. } => StartFault::Exit,
    }
}

#[cfg(test)]
mod tests;
