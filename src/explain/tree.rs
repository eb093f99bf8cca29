//! An explanation as a person reads an explanation: the chain as a tree, the nodes side by side, and the answer to
//! `--node`.
//!
//! The text is made from the JSON that the service sends, so that a decision made here, a decision of the service and a
//! recorded decision look alike.

use std::collections::BTreeMap;

use owo_colors::OwoColorize;
use serde_json::Value;

use crate::model::LostReason;
use crate::model::diagnosis::{NOT_IN_CLUSTER, counted};
use crate::plain::{Plain, plain};

/// The most nodes that are shown side by side.
const MAX_ROWS: usize = 40;
/// The most ids that are named in a line.
const MAX_IDS: usize = 8;

/// Returns the text of `explanation`.
#[must_use]
pub fn tree(explanation: &Value) -> String {
    let steps = list(explanation, "steps");
    let nodes = explanation.get("nodes").and_then(Value::as_u64).unwrap_or_default();
    let plural = if nodes == 1 { "" } else { "s" };
    let mut lines = vec![format!("{} over {nodes} node{plural}", text(explanation, "chain").bold())];
    let excluded = lost(explanation.get("excluded"));
    if !excluded.is_empty() {
        lines.push(format!("├─ {}", "left out before the first step".dimmed()));
        lines.extend(excluded.into_iter().map(|line| format!("│    {line}")));
    }
    let width = steps.iter().map(|step| text(step, "step").chars().count()).max().unwrap_or_default();
    for (place, step) in steps.iter().enumerate() {
        let (branch, below) = if place + 1 == steps.len() { ("└─", "  ") } else { ("├─", "│ ") };
        lines.push(format!("{branch} {}", headline(step, width)));
        if step.get("reason").is_some() {
            lines.push(format!("{below}   {} {}", "because of".dimmed(), text(step, "reason")));
        }
        lines.extend(lost(step.get("lost")).into_iter().map(|line| format!("{below}   {line}")));
        let excerpt = step.get("excerpt").and_then(Value::as_str).into_iter().flat_map(str::lines);
        lines.extend(excerpt.map(|line| format!("{below} {line}")));
        let tiers = list(step, "tiers").iter().filter_map(Value::as_str);
        lines.extend(tiers.map(|tier| format!("{below}   {}", plain(tier).dimmed())));
        let logged =
            list(step, "log").iter().map(|line| format!("{below}   {} {}", "said".dimmed(), text(line, "text")));
        lines.extend(logged);
    }
    lines.extend(side_by_side(explanation, steps));
    lines.extend(conclusion(explanation));
    lines.join("\n")
}

/// Renders the line of a step: the candidates, the verdict and the cost.
fn headline(step: &Value, width: usize) -> String {
    let [name, verdict, cost] = ["step", "verdict", "cost_us"].map(|field| text(step, field));
    if verdict == "not reached" {
        return format!("{name:width$}  {}", verdict.dimmed());
    }
    let calls = step.get("calls").and_then(Value::as_u64).unwrap_or_default();
    let calls = match calls {
        0 => String::new(),
        1 => ", 1 call".to_owned(),
        many => format!(", {many} calls"),
    };
    let place = place_of(step).map(|place| format!(" (at {place})")).unwrap_or_default();
    let candidates = text(step, "candidates");
    format!(
        "{name:width$}  {candidates} candidates: {}{place}  {}",
        verdict.bold(),
        format!("{cost} us{calls}").dimmed()
    )
}

/// Returns a line for each reason for which nodes were lost.
fn lost(lost: Option<&Value>) -> Vec<String> {
    let reasons = lost.and_then(Value::as_object).into_iter().flatten();
    let line = |(reason, lost): (&String, &Value)| {
        let words = LostReason::parse(reason).map_or(reason.as_str(), |known| known.words());
        let count = lost.get("count").and_then(Value::as_u64).unwrap_or_default();
        let named: Vec<_> = list(lost, "nodes").iter().filter_map(Value::as_str).take(MAX_IDS).map(plain).collect();
        let more = count.saturating_sub(named.len() as u64);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let message = lost.get("message").map(|message| format!(": {}", Plain(message.as_str().unwrap_or_default())));
        format!("{count} {words}: {}{more}{}", named.join(", "), message.unwrap_or_default())
    };
    reasons.map(line).collect()
}

/// Returns a table of the nodes, a row each and the best first, with a column for each step that was reached.
fn side_by_side(explanation: &Value, steps: &[Value]) -> Vec<String> {
    let reached: Vec<_> = steps.iter().filter(|step| text(step, "verdict") != "not reached").collect();
    let cells: Vec<_> = reached.iter().map(|step| column(step)).collect();
    let chosen = explanation.get("node").and_then(Value::as_str);
    let asked = explanation.get("asked").and_then(|asked| asked.get("node")).and_then(Value::as_str);
    let mut rows: Vec<&str> = Vec::new();
    let scored = reached.iter().rev().flat_map(|step| list(step, "scores"));
    let scored = scored.filter_map(|scored| scored.get("node").and_then(Value::as_str));
    let left_out = reached.iter().flat_map(|step| named(step.get("lost")));
    let excluded: Vec<_> = named(explanation.get("excluded")).collect();
    for node in chosen.into_iter().chain(scored).chain(left_out).chain(excluded.iter().copied()) {
        if !rows.contains(&node) {
            rows.push(node);
        }
    }
    if rows.len() < 2 || reached.is_empty() {
        return Vec::new();
    }
    let total = rows.len();
    // The node asked about is shown whatever its place.
    let is_shown = |(place, node): &(usize, &str)| *place < MAX_ROWS || Some(*node) == asked;
    let rows: Vec<_> = rows.into_iter().enumerate().filter(is_shown).map(|(_, node)| node).collect();
    let mut table =
        vec![std::iter::once("node".to_owned()).chain(reached.iter().map(|step| text(step, "step"))).collect()];
    for node in &rows {
        let mut row = vec![plain(node).into_owned()];
        let mut is_out = excluded.contains(node);
        for column in &cells {
            let (cell, is_lost) = column.get(node).cloned().unwrap_or_else(|| (column.rest.clone(), false));
            row.push(if is_out { if row.len() == 1 { "left out".to_owned() } else { String::new() } } else { cell });
            is_out |= is_lost;
        }
        row.extend((Some(*node) == chosen).then(|| "chosen".to_owned()));
        table.push(row);
    }
    let more = total.saturating_sub(rows.len());
    let more = (more > 0).then(|| format!("  … and {more} more; --json has them"));
    std::iter::once(String::new()).chain(aligned(&table)).chain(more).collect()
}

/// The cells of a step in the table of nodes.
struct StepColumn {
    cells: BTreeMap<String, (String, bool)>,
    /// The cell of the nodes that the step's report does not name.
    rest: String,
}

impl StepColumn {
    fn get(&self, node: &str) -> Option<&(String, bool)> {
        self.cells.get(node)
    }
}

fn column(step: &Value) -> StepColumn {
    let mut cells = BTreeMap::new();
    for (reason, lost) in step.get("lost").and_then(Value::as_object).into_iter().flatten() {
        let words = LostReason::parse(reason).map_or(reason.as_str(), |known| known.words());
        for node in list(lost, "nodes").iter().filter_map(Value::as_str) {
            cells.insert(node.to_owned(), (words.to_owned(), true));
        }
    }
    for scored in list(step, "scores") {
        cells.insert(scored.get("node").and_then(Value::as_str).unwrap_or_default().to_owned(), (score(scored), false));
    }
    let verdict = text(step, "verdict");
    let rest = if verdict.starts_with("narrow") { "kept" } else { "-" };
    StepColumn { cells, rest: rest.to_owned() }
}

fn score(scored: &Value) -> String {
    let figure = text(scored, "score");
    counted(&figure, figure == "1", &text(scored, "unit"))
}

/// Returns the rows of `table` as lines, with the columns aligned.
fn aligned(table: &[Vec<String>]) -> Vec<String> {
    let columns = table.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| table.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let line = |(place, row): (usize, &Vec<String>)| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = format!("  {}", cells.collect::<Vec<_>>().join("  "));
        let line = line.trim_end();
        if place == 0 { line.dimmed().to_string() } else { line.to_owned() }
    };
    table.iter().enumerate().map(line).collect()
}

/// Returns the lines about the chosen node, and about the node that is asked about.
fn conclusion(explanation: &Value) -> Vec<String> {
    let mut lines = vec![String::new()];
    match explanation.get("node").and_then(Value::as_str) {
        Some(node) => {
            let by = text(explanation, "decided_by");
            let won = explanation.get("won_by").map(lead).unwrap_or_default();
            lines.push(format!("{} {}, by {by}{won}", "chosen".green().bold(), plain(node)));
        }
        None => {
            let error = explanation.get("error").cloned().unwrap_or_default();
            let place = place_of(&error).map(|place| format!(" (at {place})")).unwrap_or_default();
            let words = format!("{}: {}{place}", text(&error, "name"), text(&error, "message"));
            lines.push(format!("{} {words}", "not placed:".red().bold()));
            lines.extend(error.get("excerpt").and_then(Value::as_str).map(str::to_owned));
        }
    }
    if let Some(asked) = explanation.get("asked") {
        lines.push(format!("{} {}: {}", "asked".bold(), text(asked, "node"), text(asked, "fate")));
        if let Some(found) = asked.get("counterfactual").filter(|_| text(asked, "fate") != NOT_IN_CLUSTER) {
            lines.extend(text(found, "text").split("; ").enumerate().map(|(place, part)| match place {
                0 => format!("  {}", part.bold()),
                _ => format!("  {part}"),
            }));
        }
    }
    lines
}

/// Returns by how much the chosen node won, and which node was next.
fn lead(won: &Value) -> String {
    let own = score(won);
    let Some(next) = won.get("next").and_then(Value::as_str).map(plain) else {
        return format!(": {own}, and no other node has a score there");
    };
    match won.get("tie").and_then(Value::as_bool) {
        Some(true) => format!(": {own}, tied with {next}; ties go to the node chosen longest ago, then to the first"),
        _ => format!(": {own} against {} of {next}, which was next", text(won, "next_score")),
    }
}

/// Iterates over the ids that `lost` names.
fn named(lost: Option<&Value>) -> impl Iterator<Item = &str> {
    let reasons = lost.and_then(Value::as_object).into_iter().flatten();
    reasons.flat_map(|(_, lost)| list(lost, "nodes")).filter_map(Value::as_str)
}

/// Returns the place in a script where the step or error `report` failed.
fn place_of(report: &Value) -> Option<String> {
    let position = report.get("position")?;
    let [file, line, column] = ["file", "line", "column"].map(|field| text(position, field));
    Some(format!("{file}:{line}:{column}"))
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Returns the field `field` of `value` as plain text; empty where there is no such field.
fn text(value: &Value, field: &str) -> String {
    match value.get(field) {
        Some(Value::String(text)) => plain(text).into_owned(),
        Some(Value::Null) | None => String::new(),
        Some(other) => Plain(other).to_string(),
    }
}
