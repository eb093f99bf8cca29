//! Problems of a config as a person sees them: beside their line on a terminal, one line each anywhere else.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};

use crate::config::{ConfigErrors, Problem};

use super::exit::{self, Exit};

/// How problems are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// `file:line:col: message`, which editors and `grep` understand.
    Plain,
    /// With the line that it is about.
    Graphical,
    /// The same in colour.
    Coloured,
}

impl Look {
    /// What suits the standard error that this process has.
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

/// The end of a command over `errors`, which are shown already.
#[must_use]
pub fn exit(errors: &ConfigErrors) -> Exit {
    report(errors);
    Exit::shown(exit::USAGE)
}

/// The end of a command over one problem that stands in no config.
#[must_use]
pub fn exit_one(problem: &Problem) -> Exit {
    Exit::usage(problem)
}

/// Shows `errors` on standard error. That nobody reads it is no further error.
pub fn report(errors: &ConfigErrors) {
    let _unread = io::stderr().write_all(render(errors, Look::of_stderr()).as_bytes());
}

/// `errors` as text that ends in a line feed.
#[must_use]
pub fn render(errors: &ConfigErrors, look: Look) -> String {
    let theme = match look {
        Look::Plain => return format!("{errors}\n"),
        Look::Graphical => GraphicalTheme::unicode_nocolor(),
        Look::Coloured => GraphicalTheme::unicode(),
    };
    // A line alone: its neighbours have their own problems, or none.
    let handler = GraphicalReportHandler::new_themed(theme).with_links(false).with_context_lines(0);
    let source = Arc::new(NamedSource::new(&*errors.file, Arc::clone(&errors.text)));
    let mut shown = String::new();
    for problem in &errors.problems {
        let beside = Beside { problem, source: &source };
        if handler.render_report(&mut shown, &beside).is_err() {
            shown.push_str(&format!("{problem}\n"));
        }
    }
    let count = errors.problems.len() + errors.more;
    let not_shown = if errors.more > 0 { format!(", {} of them not shown", errors.more) } else { String::new() };
    shown.push_str(&format!("\n{}: {count} problem{}{not_shown}\n", errors.file, if count == 1 { "" } else { "s" }));
    shown
}

/// A problem beside its source.
#[derive(Debug)]
struct Beside<'a> {
    problem: &'a Problem,
    source: &'a NamedSource<Arc<str>>,
}

impl std::fmt::Display for Beside<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl std::error::Error for Beside<'_> {}

impl Diagnostic for Beside<'_> {
    fn help(&self) -> Option<Box<dyn std::fmt::Display + '_>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.problem.place.as_ref().map(|_| self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let place = self.problem.place.as_ref()?;
        Some(Box::new(std::iter::once(LabeledSpan::underline(place.span.clone()))))
    }
}
