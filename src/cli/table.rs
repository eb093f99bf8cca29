//! Tables and colours for people: on a terminal only, and on standard error where standard output is the answer.

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Cell, Table};
use owo_colors::OwoColorize;

use crate::model::diagnosis::LostNodes;
use crate::model::{Decision, Outcome};

/// An empty table with `headings`.
#[must_use]
pub fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY).set_header(headings.iter().map(Cell::new));
    table
}

/// Writes a decision's diagnosis as a person reads it: what was left out, what each step said, what came of it.
pub fn explain(decision: &Decision) {
    let diagnosis = &decision.diagnosis;
    let excluded = diagnosis.excluded.total();
    anstream::eprintln!(
        "{} {}   {} nodes, {} left out before the first step",
        "chain".bold(),
        decision.chain,
        diagnosis.nodes,
        excluded
    );
    if excluded > 0 {
        anstream::eprintln!("  left out: {}", lost(&diagnosis.excluded));
    }
    let mut steps = table(&["step", "candidates", "verdict", "calls", "cost", "lost"]);
    for step in &diagnosis.steps {
        steps.add_row([
            step.step.to_string(),
            step.candidates.to_string(),
            step.said.to_string(),
            step.calls.to_string(),
            format!("{} us", step.cost_us),
            lost(&step.lost),
        ]);
    }
    if !diagnosis.steps.is_empty() {
        anstream::eprintln!("{steps}");
    }
    if let (Some(node), Some(fate)) = (&diagnosis.asked_node, &diagnosis.asked_fate) {
        anstream::eprintln!("{} {node}: {fate}", "asked".bold());
    }
    match (&decision.outcome, &decision.decided_by) {
        (Outcome::Placed(node), Some(step)) => anstream::eprintln!("{} {node}, chosen by {step}", "placed".green().bold()),
        (Outcome::Placed(node), None) => anstream::eprintln!("{} {node}", "placed".green().bold()),
        (Outcome::Failed(failure), _) => anstream::eprintln!("{} {failure}", "no node".red().bold()),
    }
    anstream::eprintln!("{}", format!("now {}  seed {}", diagnosis.now_ms, diagnosis.seed).dimmed());
}

/// Lost nodes in a line: `2 cordoned (a, b), 1 full (c)`.
#[must_use]
pub fn lost(nodes: &LostNodes) -> String {
    let reasons = nodes.by_reason.iter().map(|(reason, lost)| {
        let more = if lost.count > lost.nodes.len() as u64 { ", …" } else { "" };
        let message = lost.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        format!("{} {} ({}{more}){message}", lost.count, reason.as_str(), lost.nodes.join(", "))
    });
    reasons.collect::<Vec<_>>().join("; ")
}

/// Writes what the scripts of a decision logged, under their names.
pub fn logged(decision: &Decision) {
    for step in &decision.diagnosis.steps {
        for line in &step.log {
            anstream::eprintln!("{} {}", format!("{}:", step.step).dimmed(), line.text);
        }
    }
}
