//! Tables and colours for people: on a terminal only, and on standard error where standard output is the answer.

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Cell, Color, ContentArrangement, Table};
use owo_colors::OwoColorize;
use serde_json::Value;

use crate::model::diagnosis::{MAX_BEST, counted};
use crate::model::{Decision, LostReason};
use crate::nats::wire;
use crate::plain::{Plain, plain};

use super::output;

/// The width of a table, in columns, on a terminal that reports a width of 0.
const WIDTH: u16 = 80;

/// Returns an empty table with `headings`.
#[must_use]
pub fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headings.iter().map(Cell::new));
    if table.width() == Some(0) {
        table.set_width(WIDTH);
    }
    table
}

/// Returns a row of a table, with `values` as plain text, whatever their source.
pub fn row<V: AsRef<str>>(values: impl IntoIterator<Item = V>) -> Vec<Cell> {
    values.into_iter().map(|value| Cell::new(plain(value.as_ref()))).collect()
}

/// The tone of a cell: on a terminal its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// To be looked at.
    Doubtful,
    /// Wrong.
    Bad,
    /// Of no importance.
    Quiet,
}

/// Returns a cell with `value` as plain text, in the colour of `tone`.
pub fn toned(value: impl AsRef<str>, tone: Tone) -> Cell {
    let colour = match tone {
        Tone::Good => Color::Green,
        Tone::Doubtful => Color::Yellow,
        Tone::Bad => Color::Red,
        Tone::Quiet => Color::DarkGrey,
    };
    Cell::new(plain(value.as_ref())).fg(colour)
}

/// Returns the tone of a node's state.
#[must_use]
pub fn tone_of_state(state: &str) -> Tone {
    match state {
        wire::READY => Tone::Good,
        wire::STALE => Tone::Bad,
        _ => Tone::Doubtful,
    }
}

/// Renders an explanation for a person: the nodes left out, the verdict of each step, the outcome. Rendered from the
/// JSON that the service sends, so that a decision made here and a decision of the service look the same.
#[must_use]
pub fn explained(answer: &Value) -> String {
    let mut lines = Vec::new();
    let mut say = |line: String| lines.push(line);
    let text = |value: &Value, field: &str| match value.get(field) {
        Some(Value::String(text)) => plain(text).into_owned(),
        Some(Value::Null) | None => String::new(),
        Some(other) => Plain(other).to_string(),
    };
    let lost = |nodes: Option<&Value>| -> String {
        let reasons = nodes.and_then(Value::as_object).into_iter().flatten();
        let lines = reasons.map(|(reason, lost)| {
            let named: Vec<_> = lost.get("nodes").and_then(Value::as_array).into_iter().flatten().collect();
            let named: Vec<_> = named.into_iter().filter_map(Value::as_str).collect();
            let message = lost.get("message").and_then(Value::as_str).map(|message| format!(": {message}"));
            let words = LostReason::parse(reason).map_or(reason.as_str(), |known| known.words());
            let lost = format!("{} {words} ({}){}", text(lost, "count"), named.join(", "), message.unwrap_or_default());
            plain(&lost).into_owned()
        });
        lines.collect::<Vec<_>>().join("; ")
    };
    let count = answer.get("nodes").and_then(Value::as_u64).unwrap_or_default();
    let nodes = format!("{count} node{}", if count == 1 { "" } else { "s" });
    match text(answer, "chain") {
        chain if chain.is_empty() => say(nodes),
        chain => say(format!("{} {chain}, {nodes}", "chain".bold())),
    }
    let excluded = lost(answer.get("excluded"));
    if !excluded.is_empty() {
        say(format!("  left out: {excluded}"));
    }
    let mut steps = table(&["step", "candidates", "verdict", "calls", "cost", "lost"]);
    for step in answer.get("steps").and_then(Value::as_array).into_iter().flatten() {
        let cost = format!("{} us", text(step, "cost_us"));
        let columns = [text(step, "step"), text(step, "candidates"), text(step, "verdict"), text(step, "calls"), cost];
        steps.add_row(row(columns.into_iter().chain([lost(step.get("lost"))])));
    }
    say(format!("{steps}"));
    for step in answer.get("steps").and_then(Value::as_array).into_iter().flatten() {
        if step.get("reason").is_some() {
            say(format!("  by {}: {}", text(step, "step"), text(step, "reason")));
        }
        let scores = step.get("scores").and_then(Value::as_array).into_iter().flatten().take(MAX_BEST);
        let scores = scores.map(|scored| {
            let is_one = scored.get("score").and_then(Value::as_f64) == Some(1.0);
            format!("{} {}", text(scored, "node"), counted(&text(scored, "score"), is_one, &text(scored, "unit")))
        });
        let scores: Vec<_> = scores.collect();
        if !scores.is_empty() {
            say(format!("  best at {}: {}", text(step, "step"), scores.join(", ")));
        }
    }
    for step in answer.get("steps").and_then(Value::as_array).into_iter().flatten() {
        let tiers = step.get("tiers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        tiers.for_each(|tier| say(format!("  {}: {}", text(step, "step"), plain(tier)).dimmed().to_string()));
    }
    if let Some(asked) = answer.get("asked") {
        say(format!("{} {}: {}", "asked".bold(), text(asked, "node"), text(asked, "fate")));
    }
    match answer.get("node").and_then(Value::as_str) {
        Some(node) => say(format!("{} {}, by {}", "chosen".green().bold(), plain(node), text(answer, "decided_by"))),
        None => {
            let error = answer.get("error").cloned().unwrap_or_default();
            let place = place_of(&error);
            let (name, message) = (text(&error, "name"), text(&error, "message"));
            say(format!("{} {name}: {message}{place}", "not placed:".red().bold()));
        }
    }
    lines.join("\n")
}

/// Returns the position of the failure `error` in brackets, or the failure's step if the message does not name the
/// step.
pub(super) fn place_of(error: &Value) -> String {
    let text = |value: &Value, field: &str| {
        value.get(field).map(|value| match value.as_str() {
            Some(text) => plain(text).into_owned(),
            None => value.to_string(),
        })
    };
    if let Some(position) = error.get("position") {
        let [file, line, column] = ["file", "line", "column"].map(|field| text(position, field).unwrap_or_default());
        return format!(" (at {file}:{line}:{column})");
    }
    let message = text(error, "message").unwrap_or_default();
    text(error, "step").filter(|step| !message.contains(step)).map(|step| format!(" (step {step})")).unwrap_or_default()
}

/// Prints the log lines of a decision's scripts, under the names of the scripts.
pub fn logged(decision: &Decision) {
    for step in &decision.diagnosis.steps {
        for line in &step.log {
            output::aside(format_args!("{} {}", format!("{}:", Plain(&step.step)).dimmed(), Plain(&line.text)));
        }
    }
}
