//! Problems of a config as a person sees them: beside their line on a terminal, a line each anywhere else.

use std::fmt;
use std::io::{self, IsTerminal};

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode,
    SourceSpan, SpanContents,
};

use crate::config::problem::line_around;
use crate::config::{ConfigErrors, Problem};
use crate::{log, plain};

use super::exit::{self, CommandExit};

/// The form in which problems are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemFormat {
    /// `file:line:col: message`, which editors and `grep` understand.
    Plain,
    /// With the line of the problem.
    Graphical,
    /// The same in colour.
    Coloured,
}

impl ProblemFormat {
    /// Returns the form for the standard error of this process.
    #[must_use]
    pub fn of_stderr() -> Self {
        let colourless = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        match io::stderr().is_terminal() {
            false => Self::Plain,
            true if colourless => Self::Graphical,
            true => Self::Coloured,
        }
    }
}

/// Returns the exit of a command over `errors`, which are shown already.
#[must_use]
pub fn exit(errors: &ConfigErrors) -> CommandExit {
    report(errors);
    CommandExit { told: render(errors, ProblemFormat::Plain), ..CommandExit::shown(exit::USAGE) }
}

/// Returns the exit of a command over a problem that stands in no config.
#[must_use]
pub fn exit_one(problem: &Problem) -> CommandExit {
    CommandExit::usage(problem)
}

/// Prints `errors` on standard error. A failing write is no further error.
pub fn report(errors: &ConfigErrors) {
    log::print_line(&plain::lines(&render(errors, ProblemFormat::of_stderr())));
}

/// Renders `errors` as text that ends in a line feed.
#[must_use]
pub fn render(errors: &ConfigErrors, look: ProblemFormat) -> String {
    let theme = match look {
        ProblemFormat::Plain => return format!("{errors}\n"),
        ProblemFormat::Graphical => GraphicalTheme::unicode_nocolor(),
        ProblemFormat::Coloured => GraphicalTheme::unicode(),
    };
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false);
    let mut shown = String::new();
    for problem in &errors.problems {
        let beside = ExcerptLine { problem, line: ProblemLine { file: &errors.file, text: &errors.text } };
        if handler.render_report(&mut shown, &beside).is_err() {
            shown.push_str(&format!("{problem}\n"));
        }
    }
    let count = errors.problems.len() + errors.more;
    let not_shown = if errors.more > 0 { format!(", {} of them not shown", errors.more) } else { String::new() };
    shown.push_str(&format!("\n{}: {count} problem{}{not_shown}\n", errors.file, if count == 1 { "" } else { "s" }));
    shown
}

/// A problem beside the problem's line.
#[derive(Debug)]
struct ExcerptLine<'a> {
    problem: &'a Problem,
    line: ProblemLine<'a>,
}

impl fmt::Display for ExcerptLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for ExcerptLine<'_> {}

impl Diagnostic for ExcerptLine<'_> {
    fn help(&self) -> Option<Box<dyn fmt::Display + '_>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.problem.place.as_ref().map(|_| &self.line as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.problem.place.as_ref()?;
        // Of a span over several lines the first is shown: the place to begin.
        let line = line_around(self.line.text, place.span.start);
        let span = place.span.start..place.span.end.clamp(place.span.start, line.end.max(place.span.start));
        Some(Box::new(std::iter::once(LabeledSpan::underline(span))))
    }
}

/// The text of a config, of which a single line is shown at a time: the other lines have problems of their own, or
/// none.
#[derive(Debug)]
struct ProblemLine<'a> {
    file: &'a str,
    text: &'a str,
}

impl SourceCode for ProblemLine<'_> {
    fn read_span<'s>(
        &'s self,
        span: &SourceSpan,
        lines_before: usize,
        _after: usize,
    ) -> Result<Box<dyn SpanContents<'s> + 's>, MietteError> {
        let line = line_around(self.text, span.offset());
        // A request for the span without lines around the span asks for the place where the span begins.
        let start = if lines_before == 0 { span.offset() } else { line.start };
        let data = self.text.get(start..line.end).ok_or(MietteError::OutOfBounds)?.as_bytes();
        let column = self.text.get(line.start..start).map_or(0, |before| before.chars().count());
        let number = self.text.get(..line.start).map_or(0, |before| before.matches('\n').count());
        let stands = SourceSpan::from(start..line.end);
        Ok(Box::new(MietteSpanContents::new_named(self.file.to_owned(), data, stands, number, column, 1)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{ConfigNeeds, Loading, MemoryFiles, load};

    fn errors_of(text: &str) -> ConfigErrors {
        let files = MemoryFiles::default().with("w.toml", text);
        load(Path::new("w.toml"), Loading { files: &files, host_zone: "UTC", needs: ConfigNeeds::Both }).unwrap_err()
    }

    #[test]
    fn a_terminal_shows_the_line_and_anything_else_gets_one_line_each() {
        let errors = errors_of(include_str!("../../tests/data/five-mistakes.toml"));
        let plain = render(&errors, ProblemFormat::Plain);
        assert_eq!(plain.lines().filter(|line| line.starts_with("w.toml:")).count(), 5, "{plain}");
        let graphical = render(&errors, ProblemFormat::Graphical);
        for words in ["livness_s = 90", "w.toml:11:13", "help: did you mean `liveness_s`?", "w.toml: 5 problems"] {
            assert!(graphical.contains(words), "{words}: {graphical}");
            assert!(!graphical.contains("[service]"), "a line alone: {graphical}");
        }
        assert!(!graphical.contains('\u{1b}') && render(&errors, ProblemFormat::Coloured).contains('\u{1b}'));
    }

    #[test]
    fn problems_without_a_line_and_secrets_are_shown_safely() {
        let shown =
            render(&errors_of("[nats]\ntoken = \"hunter2\"\npasword = \"hunter2\"\n"), ProblemFormat::Graphical);
        assert!(shown.contains("unknown key `pasword`") && !shown.contains("hunter2"), "{shown}");
        let shown = render(&errors_of(""), ProblemFormat::Graphical);
        assert!(shown.contains("there is no `nats.url`") && shown.contains("2 problems"), "{shown}");
        let shown = render(&errors_of("a = \"unclosed\u{1b}[2J"), ProblemFormat::Graphical);
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
}
