//! What a person sees of a test run: a line for each case, what failed with its diagnosis, the totals, the coverage.

use std::fmt::Write;
use std::time::Duration;

use owo_colors::OwoColorize;
use serde_json::Value;

use crate::plain::plain;
use crate::suite::{CaseFailure, CaseResult, CaseVerdict, Complaint, CoverageBook, SmallCluster, SuiteResult, Totals};

use super::super::table;

/// Cases of a file up to which those that passed have a line each.
const MAX_LISTED: usize = 200;
/// The most lines of a small cluster that are shown.
const MAX_CLUSTER_LINES: usize = 60;

/// A file's results, a line for each case.
pub(super) fn suite(suite: &SuiteResult) -> String {
    let mut text = format!("{}\n", plain(&suite.file).bold());
    if !suite.problems.is_empty() {
        for line in suite.problems.lines() {
            let _ = writeln!(text, "  {} {}", "✗".red(), plain(line));
        }
        return text;
    }
    let is_listed = suite.cases.len() <= MAX_LISTED;
    let passed = suite.cases.iter().filter(|case| case.is_passed()).count();
    for case in suite.cases.iter().filter(|case| is_listed || !case.is_passed()) {
        let time = format!("{}{}", questions(case.questions), took(case.took));
        let mark = if case.is_passed() { format!("{}", "✓".green()) } else { format!("{}", "✗".red()) };
        let _ = writeln!(text, "  {mark} {} {}", plain(&case.name), format!("({time})").dimmed());
    }
    if !is_listed {
        let _ = writeln!(text, "  {} {passed} cases passed", "✓".green());
    }
    text
}

fn questions(questions: u64) -> String {
    if questions > 1 { format!("{questions} questions, ") } else { String::new() }
}

fn took(took: Duration) -> String {
    match took.as_millis() {
        0..=999 => format!("{:.1} ms", took.as_secs_f64() * 1000.0),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}

/// The cases that failed, each with what was expected, what came, and the diagnosis; empty where none did.
pub(super) fn failures(suites: &[SuiteResult]) -> String {
    let mut text = String::new();
    for suite in suites {
        for case in &suite.cases {
            let head = format!("{}:{}: {}", plain(&suite.file), case.line, plain(&case.name));
            match &case.verdict {
                CaseVerdict::Passed => {}
                CaseVerdict::Broken(why) => {
                    let why = why.lines().map(|line| format!("  {}\n", plain(line))).collect::<String>();
                    let _ = write!(text, "\n{} {}\n{why}", "✗".red(), head.bold());
                }
                CaseVerdict::Failed(failure) => {
                    let _ = writeln!(text, "\n{} {}", "✗".red(), head.bold());
                    text.push_str(&failed(case, failure));
                }
            }
        }
    }
    text
}

fn failed(case: &CaseResult, failure: &CaseFailure) -> String {
    let mut text = String::new();
    for complaint in &failure.complaints {
        text.push_str(&diff(complaint, case.questions));
    }
    if let Some(cluster) = &failure.cluster {
        text.push_str(&small(cluster));
    }
    if let Some(explanation) = &failure.explanation {
        for line in table::explained(explanation).lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    text
}

/// What was expected and what came, as a diff: lines that are the same stand once.
fn diff(complaint: &Complaint, questions: u64) -> String {
    let at = match complaint.request {
        Some(request) if questions > 1 => format!(", request {} of {questions}", request + 1),
        _ => String::new(),
    };
    let mut text = format!("  {}{at}\n", complaint.key);
    let most = complaint.expected.len().max(complaint.got.len());
    for place in 0..most {
        match (complaint.expected.get(place), complaint.got.get(place)) {
            (Some(expected), Some(got)) if expected == got => {
                let _ = writeln!(text, "      {}", plain(expected));
            }
            (expected, got) => {
                if let Some(expected) = expected {
                    let _ = writeln!(text, "    {} {}", "- expected".green(), plain(expected).green());
                }
                if let Some(got) = got {
                    let _ = writeln!(text, "    {} {}", "+ got     ".red(), plain(got).red());
                }
            }
        }
    }
    text
}

/// The cluster of a property that does not hold, as a test file writes its nodes.
fn small(cluster: &SmallCluster) -> String {
    let SmallCluster { number, drawn, nodes } = cluster;
    let mut text = format!("  cluster {number} of {drawn} nodes; the smallest on which it still fails:\n");
    let mut lines = vec!["nodes = [".to_owned()];
    lines.extend(nodes.iter().map(|node| format!("  {},", toml_of(node))));
    lines.push("]".to_owned());
    let hidden = lines.len().saturating_sub(MAX_CLUSTER_LINES);
    for line in lines.iter().take(MAX_CLUSTER_LINES) {
        let _ = writeln!(text, "    {}", plain(line));
    }
    if hidden > 0 {
        let _ = writeln!(text, "    … and {hidden} more lines; --json has all of them");
    }
    text
}

/// `value` as TOML writes it within a line.
pub(super) fn toml_of(value: &Value) -> String {
    let written = match value {
        Value::Null => "\"\"".to_owned(),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            // A field without a value cannot be written, and is no field.
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let fields: Vec<_> = fields.map(|(name, value)| format!("{} = {}", key_of(name), toml_of(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(toml_of).collect::<Vec<_>>().join(", ")),
        Value::String(text) => toml::Value::String(text.clone()).to_string(),
        other => other.to_string(),
    };
    written.replace('\n', "\\n")
}

/// `name` as TOML writes a key.
fn key_of(name: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    match !name.is_empty() && name.bytes().all(bare) {
        true => name.to_owned(),
        false => serde_json::to_string(name).unwrap_or_default(),
    }
}

/// The last line: how many passed, and how long it took.
pub(super) fn totals(suites: &[SuiteResult], left_out: usize, time: Duration) -> String {
    let totals = Totals::of(suites);
    let mut words = Vec::new();
    let failed = totals.failed + totals.broken;
    if failed > 0 {
        words.push(format!("{}", format!("{failed} failed").red()));
    }
    words.push(format!("{}", format!("{} passed", totals.passed).green()));
    if left_out > 0 {
        words.push(format!("{left_out} left out by --filter"));
    }
    if totals.unread > 0 {
        let files = if totals.unread == 1 { "file" } else { "files" };
        words.push(format!("{}", format!("{} {files} could not be run", totals.unread).red()));
    }
    format!("\n{}, in {}", words.join(", "), took(time))
}

/// The coverage of each script, with what did not run.
pub(super) fn coverage(book: &CoverageBook) -> String {
    let mut rows =
        table::table(&["script", "lines", "ways of branches", "lines that did not run", "branches half taken"]);
    for script in book.scripts() {
        let columns = [
            script.path.clone(),
            script.line_part().to_string(),
            script.way_part().to_string(),
            script.missed_lines(),
            script.missed_branches(),
        ];
        rows.add_row(table::row(columns));
    }
    let mut text = format!("\n{}\n{rows}", "coverage".bold());
    for path in book.uncounted() {
        let _ = write!(text, "\n{} was not run, or cannot be counted", plain(path));
    }
    text
}
