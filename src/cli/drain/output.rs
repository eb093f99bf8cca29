//! The output of a drain: a table and a quiet line on a terminal, plain lines elsewhere, events for programs.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use super::snapshot::DrainSnapshot;
use crate::cli::exit::CommandExit;
use crate::cli::{output, table};
use crate::plain::Plain;

/// Sessions that a table shows; the rest is a number.
const SHOWN: usize = 50;
/// The interval between two moves of the line on a terminal.
const TURN: Duration = Duration::from_millis(200);

/// The output of a drain.
pub(super) struct DrainOutput {
    node: String,
    as_json: bool,
    /// The bar on standard error; hidden where standard error is no terminal.
    bar: ProgressBar,
    unanswered: bool,
}

impl DrainOutput {
    pub(super) fn new(node: &str, as_json: bool) -> Self {
        let bar = if as_json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}   {elapsed}") {
            bar.set_style(style);
        }
        Self { node: node.to_owned(), as_json, bar, unanswered: false }
    }

    /// Shows the sessions on the node at the beginning.
    pub(super) fn begins(&self, snapshot: &DrainSnapshot) -> Result<(), CommandExit> {
        if self.as_json {
            return self.event("draining", snapshot, true);
        }
        if let Some(doubt) = snapshot.doubt() {
            output::aside(format_args!("`{}` {doubt}", self.node));
        }
        if !snapshot.sessions.is_empty() {
            let mut rows = table::table(&["user", "name", "state", "since"]);
            for session in snapshot.sessions.iter().take(SHOWN) {
                let since = session.since.as_deref().unwrap_or("-");
                rows.add_row(table::row([&*session.user, &*session.name, &*session.state, since]));
            }
            output::answer(rows)?;
            if let Some(more) = snapshot.sessions.len().checked_sub(SHOWN).filter(|more| *more > 0) {
                output::aside(format_args!("and {more} more"));
            }
        }
        output::aside(format_args!("`{}` takes no new sessions: {}", self.node, snapshot.summary()));
        self.bar.set_message(format!("waiting: {}", snapshot.summary()));
        Ok(())
    }

    /// Shows the changes of a snapshot since `before`.
    pub(super) fn sees(&mut self, snapshot: &DrainSnapshot, before: &DrainSnapshot) -> Result<(), CommandExit> {
        self.unanswered = false;
        self.bar.enable_steady_tick(TURN);
        let (summary, doubt) = (snapshot.summary(), snapshot.doubt());
        if (snapshot.remaining, doubt) == (before.remaining, before.doubt()) {
            return Ok(());
        }
        if self.as_json {
            return self.event("remaining", snapshot, false);
        }
        if let Some(doubt) = doubt.filter(|doubt| Some(*doubt) != before.doubt()) {
            self.aside(&format!("`{}` {doubt}", self.node));
        }
        if self.bar.is_hidden() {
            output::aside(format_args!("`{}`: {summary}", self.node));
        }
        self.bar.set_message(format!("waiting: {summary}"));
        Ok(())
    }

    /// Reports a look without an answer; once until the next answer.
    pub(super) fn unanswered(&mut self, error: &CommandExit) {
        if !std::mem::replace(&mut self.unanswered, true) {
            self.aside(&format!("nothing is heard of `{}` at the moment: {error}; still waiting", self.node));
        }
    }

    /// Ends the output with the node's state, where the command does not wait: the sessions were shown.
    pub(super) fn leaves(&self, snapshot: &DrainSnapshot) -> Result<(), CommandExit> {
        if self.as_json {
            Ok(())
        } else {
            output::answer(format_args!("{} {}", Plain(&self.node), Plain(&snapshot.state)))
        }
    }

    /// The last word.
    pub(super) fn ends(self, event: &str, snapshot: &DrainSnapshot) -> Result<(), CommandExit> {
        self.bar.finish_and_clear();
        match (self.as_json, event) {
            (true, _) => self.event(event, snapshot, !snapshot.is_drained()),
            (false, "drained") => output::answer(format_args!("{} drained", self.node)),
            // The message of the command's exit has the rest.
            (false, _) => Ok(()),
        }
    }

    fn aside(&self, line: &str) {
        self.bar.suspend(|| output::aside(line));
    }

    fn event(&self, event: &str, snapshot: &DrainSnapshot, with_sessions: bool) -> Result<(), CommandExit> {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
        put("event", json!(event));
        put("node", json!(self.node));
        put("remaining", json!(snapshot.remaining));
        put("reporting", json!(snapshot.reporting));
        if with_sessions {
            put("sessions", snapshot.sessions.iter().map(|session| session.to_json()).collect());
        }
        output::json(Value::Object(members))
    }
}
