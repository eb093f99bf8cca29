//! Findings as a person reads them: drawn on a terminal, and as lines that editors and `grep` understand anywhere else.

use std::fmt;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, Severity,
    SourceCode, SourceSpan, SpanContents,
};

use crate::check::json::level;
use crate::check::{CheckedFile, Finding, FindingLevel};
use crate::config::problem::line_around;
use crate::plain::plain;

/// The width of running text, in columns.
pub(super) const COLUMNS: usize = 100;
/// The most characters of a line that are shown before the underlined part, and after the start of that part.
const AROUND: (usize, usize) = (100, 100);

/// The form in which findings are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Drawing {
    /// `file:line:column: level[code]: message`, with the line below.
    Lines,
    /// FindingSource, in colours where those are wanted.
    Picture,
}

impl Drawing {
    /// Returns the form for standard output: pictures on a terminal, else lines.
    pub(super) const fn of(is_terminal: bool) -> Self {
        if is_terminal { Self::Picture } else { Self::Lines }
    }
}

/// Returns the findings of `files` as text.
pub(super) fn text(files: &[CheckedFile], drawing: Drawing) -> String {
    let all = files.iter().flat_map(|file| file.findings.iter().map(move |finding| (file, finding)));
    let one = |(file, finding)| match drawing {
        Drawing::Lines => lines(file, finding),
        Drawing::Picture => drawn(file, finding),
    };
    all.map(one).collect()
}

fn lines(file: &CheckedFile, finding: &Finding) -> String {
    let (name, code, level) = (plain(&file.file), finding.code.name(), level(finding.level));
    let message = plain(&finding.message);
    let place = file.place(finding).map_or_else(String::new, |(line, column)| format!(":{line}:{column}"));
    let help = finding.help.as_ref().map_or_else(String::new, |help| format!(" ({})", plain(help)));
    let head = format!("{name}{place}: {level}[{code}]: {message}{help}\n");
    match Excerpt::of(file, finding) {
        Some(excerpt) => format!("{head}{excerpt}"),
        None => head,
    }
}

/// The line of a finding, with marks under the faulty part.
struct Excerpt {
    line: String,
    before: usize,
    marks: usize,
}

impl Excerpt {
    fn of(file: &CheckedFile, finding: &Finding) -> Option<Self> {
        let span = finding.span.clone()?;
        let line = line_around(&file.text, span.start);
        let start = cut_start(&file.text, line.start, span.start);
        let end = cut_end(&file.text, span.start, line.end);
        let shown = |text: &str| plain(&text.replace('\t', " ")).into_owned();
        let before = shown(file.text.get(start..span.start)?).chars().count();
        let marked = file.text.get(span.start..span.end.min(end).max(span.start)).unwrap_or_default();
        let marks = shown(marked).chars().count().max(1);
        Some(Self { line: shown(file.text.get(start..end)?), before, marks })
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "    {}", self.line.trim_end())?;
        writeln!(f, "    {}{}", " ".repeat(self.before), "^".repeat(self.marks))
    }
}

/// Returns the start of the shown part of a line, before the byte `at`: a line that a program made may be very long.
fn cut_start(text: &str, line: usize, at: usize) -> usize {
    let before = text.get(line..at).unwrap_or_default();
    before.char_indices().rev().nth(AROUND.0).map_or(line, |(offset, _)| line + offset)
}

fn cut_end(text: &str, at: usize, line: usize) -> usize {
    // Lines may end as on Windows.
    let behind = text.get(at..line).unwrap_or_default().trim_end_matches('\r');
    at + behind.char_indices().nth(AROUND.1).map_or(behind.len(), |(offset, _)| offset)
}

fn drawn(file: &CheckedFile, finding: &Finding) -> String {
    // Where colours are not wanted, `output::answer` leaves them out.
    let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode()).with_links(false).with_width(COLUMNS);
    let mut shown = String::new();
    let beside = FindingDiagnostic { finding, source: FindingSource { file } };
    match handler.render_report(&mut shown, &beside) {
        Ok(()) => shown,
        Err(fmt::Error) => lines(file, finding),
    }
}

/// A finding beside the finding's line.
#[derive(Debug)]
struct FindingDiagnostic<'a> {
    finding: &'a Finding,
    source: FindingSource<'a>,
}

impl fmt::Display for FindingDiagnostic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(&self.finding.message))
    }
}

impl std::error::Error for FindingDiagnostic<'_> {}

impl Diagnostic for FindingDiagnostic<'_> {
    fn code(&self) -> Option<Box<dyn fmt::Display + '_>> {
        let file = &self.source.file.file;
        // A finding without a place shows the file beside the code.
        match self.finding.span {
            Some(_) => Some(Box::new(self.finding.code.name())),
            None => Some(Box::new(format!("{} {}", self.finding.code.name(), plain(file)))),
        }
    }

    fn severity(&self) -> Option<Severity> {
        Some(match self.finding.level {
            FindingLevel::Error => Severity::Error,
            FindingLevel::Warning => Severity::Warning,
            FindingLevel::Note => Severity::Advice,
        })
    }

    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        let help = self.finding.help.as_ref()?;
        Some(Box::new(plain(help).into_owned()))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.finding.span.as_ref().map(|_| &self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.finding.span.clone()?;
        let text = &self.source.file.text;
        // Of a span over several lines the first is shown: the place to begin.
        let line = line_around(text, span.start);
        let end = span.end.clamp(span.start, cut_end(text, span.start, line.end).max(span.start));
        Some(Box::new(std::iter::once(LabeledSpan::underline(span.start..end))))
    }
}

/// The text of a file, of which a single line is shown at a time.
#[derive(Debug)]
struct FindingSource<'a> {
    file: &'a CheckedFile,
}

impl SourceCode for FindingSource<'_> {
    fn read_span<'s>(
        &'s self,
        span: &SourceSpan,
        lines_before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'s> + 's>, MietteError> {
        let text = &self.file.text;
        let line = line_around(text, span.offset());
        // A request for the span without lines around the span asks for the place where the span begins.
        let start = if lines_before == 0 { span.offset() } else { cut_start(text, line.start, span.offset()) };
        let end = cut_end(text, span.offset(), line.end);
        let data = text.get(start..end).ok_or(MietteError::OutOfBounds)?.as_bytes();
        let column = text.get(line.start..start).map_or(0, |before| before.chars().count());
        let number = text.get(..line.start).map_or(0, |before| before.matches('\n').count());
        let (name, stands) = (plain(&self.file.file).into_owned(), SourceSpan::from(start..end));
        Ok(Box::new(MietteSpanContents::new_named(name, data, stands, number, column, 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Code;

    fn file(text: &str, span: std::ops::Range<usize>) -> CheckedFile {
        let finding = Finding::new(Code::UnknownField, Some(span), "a node has no field `x`").help("did you mean `y`?");
        CheckedFile::new("a.js".into(), text.into(), vec![finding])
    }

    #[test]
    fn a_finding_is_a_line_and_what_it_is_about_is_marked() {
        let shown = text(&[file("one\n\treturn node.x\n", 17..18)], Drawing::Lines);
        let expected = "a.js:2:14: warning[W001]: a node has no field `x` (did you mean `y`?)\n\
                        \u{20}    return node.x\n                 ^\n";
        assert_eq!(shown, expected);
        let shown = text(&[file("one\nreturn node.x\n", 16..17)], Drawing::Picture);
        assert!(shown.contains("W001") && shown.contains("return node.x") && shown.contains("a.js:2:13"), "{shown}");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let long = format!("{}node.x{}", "a+".repeat(100_000), "+b".repeat(100_000));
        for drawing in [Drawing::Lines, Drawing::Picture] {
            let shown = text(&[file(&long, 200_005..200_006)], drawing);
            assert!(shown.len() < 1_000 && shown.contains("node.x"), "{}", shown.len());
        }
    }
}
