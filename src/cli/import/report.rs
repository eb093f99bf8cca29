//! The report of an import: a line for each setting of FastX, with the place of the setting and what became of it.

use owo_colors::OwoColorize;
use serde_json::{Value, json};

use crate::plain::plain;

/// The most lines of a report; further lines are counted.
const MAX_LINES: usize = 1_000;
/// The width of the column with the outcome, in characters.
const OUTCOME_WIDTH: usize = 14;

/// What became of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ImportOutcome {
    /// The setting is in the written files, with the same meaning.
    Imported,
    /// Nothing is lost, and somebody should know or do something.
    Note,
    /// The setting is not in the written files.
    NotImported,
}

impl ImportOutcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Imported => "imported",
            Self::Note => "note",
            Self::NotImported => "not-imported",
        }
    }

    fn column(self) -> String {
        let words = format!("{:<OUTCOME_WIDTH$}", self.as_str().replace('-', " "));
        match self {
            Self::Imported => words.green().to_string(),
            Self::Note => words.yellow().to_string(),
            Self::NotImported => words.red().to_string(),
        }
    }
}

/// A line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImportLine {
    pub(super) outcome: ImportOutcome,
    /// The file that the setting stands in.
    pub(super) source: String,
    /// The place in that file, as in `options.token`; empty for the file as a whole.
    pub(super) place: String,
    /// What became of the setting; never the value of a secret.
    pub(super) message: String,
    /// What to do.
    pub(super) advice: Option<String>,
}

impl ImportLine {
    fn text(&self) -> String {
        let place = if self.place.is_empty() { String::new() } else { format!("{}: ", plain(&self.place).cyan()) };
        let line = format!("  {}{place}{}\n", self.outcome.column(), plain(&self.message));
        match &self.advice {
            Some(advice) => format!("{line}  {:OUTCOME_WIDTH$}{}\n", "", plain(advice).dimmed()),
            None => line,
        }
    }
}

/// The report of an import, in the order in which the sources were read.
#[derive(Debug, Default)]
pub(super) struct ImportReport {
    lines: Vec<ImportLine>,
    more: usize,
}

impl ImportReport {
    /// Adds a line about the setting at `place` of the file `source`.
    pub(super) fn add(&mut self, outcome: ImportOutcome, source: &str, place: &str, message: impl Into<String>) {
        let (source, place) = (source.to_owned(), place.to_owned());
        self.push(ImportLine { outcome, source, place, message: message.into(), advice: None });
    }

    /// Adds a line with advice.
    pub(super) fn advise(
        &mut self,
        outcome: ImportOutcome,
        source: &str,
        place: &str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) {
        let (source, place, advice) = (source.to_owned(), place.to_owned(), Some(advice.into()));
        self.push(ImportLine { outcome, source, place, message: message.into(), advice });
    }

    fn push(&mut self, line: ImportLine) {
        if self.lines.len() < MAX_LINES { self.lines.push(line) } else { self.more += 1 }
    }

    /// The number of lines with `outcome`.
    pub(super) fn count(&self, outcome: ImportOutcome) -> usize {
        self.lines.iter().filter(|line| line.outcome == outcome).count()
    }

    /// Whether no line was added.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns the report for a person: the settings of a file below the file's name.
    pub(super) fn text(&self) -> String {
        let mut sources: Vec<&str> = Vec::new();
        for line in &self.lines {
            if !sources.contains(&line.source.as_str()) {
                sources.push(&line.source);
            }
        }
        let mut shown = String::new();
        for source in sources {
            shown.push_str(&format!("{}\n", plain(source).bold()));
            self.lines.iter().filter(|line| line.source == source).for_each(|line| shown.push_str(&line.text()));
        }
        if self.more > 0 {
            shown.push_str(&format!("{} more lines not shown\n", self.more));
        }
        shown
    }

    /// Returns the lines for programs, and the number of further lines.
    pub(super) fn to_json(&self) -> (Vec<Value>, usize) {
        let line = |line: &ImportLine| {
            json!({"outcome": line.outcome.as_str(), "source": line.source, "place": line.place,
                "message": line.message, "advice": line.advice})
        };
        (self.lines.iter().map(line).collect(), self.more)
    }

    #[cfg(test)]
    pub(super) fn lines(&self) -> &[ImportLine] {
        &self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_bounded_and_shows_no_control_characters() {
        let mut report = ImportReport::default();
        report.add(ImportOutcome::Imported, "a\u{1b}[2J.json", "options", "two\nlines");
        (1..MAX_LINES).for_each(|_| report.add(ImportOutcome::Note, "b", "", "x"));
        report.advise(ImportOutcome::NotImported, "b", "", "one too many", "do");
        let text = report.text();
        assert!(!text.contains("\u{1b}[2J") && !text.contains("two\nlines"), "{text:?}");
        assert!(text.ends_with("1 more lines not shown\n"), "{text}");
        assert_eq!((report.count(ImportOutcome::Note), report.to_json().1), (MAX_LINES - 1, 1));
    }
}
