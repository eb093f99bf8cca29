//! The log's formatters: each event is a single line, and no text in the line steers a terminal.
//!
//! The library's own formatter escapes only the start of a terminal's sequence in a message, neither line ends nor
//! other characters, and nothing in a field. Here values are escaped and the library's colours are not, so that the
//! colours survive.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::{Plain, json};

/// The fields of events and spans as plain text: the message, then `name=value`.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainFields;

impl<'w> FormatFields<'w> for PlainFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut line = PlainLine { writer, is_empty: true, written: Ok(()) };
        fields.record(&mut line);
        line.written
    }
}

/// A line that is being written.
struct PlainLine<'w> {
    writer: Writer<'w>,
    is_empty: bool,
    written: fmt::Result,
}

impl PlainLine<'_> {
    fn put(&mut self, name: &str, value: &dyn fmt::Debug) -> fmt::Result {
        if !std::mem::take(&mut self.is_empty) {
            self.writer.write_char(' ')?;
        }
        match (name, self.writer.has_ansi_escapes()) {
            ("message", _) => {}
            (_, true) => write!(self.writer, "\u{1b}[3m{name}\u{1b}[0m\u{1b}[2m=\u{1b}[0m")?,
            (_, false) => write!(self.writer, "{name}=")?,
        }
        Plain(value).write_debug(&mut self.writer)
    }
}

impl Visit for PlainLine<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let name = field.name();
        // Fields of that kind are the source position of an event of the `log` crate, which the line shows already.
        if self.written.is_ok() && !name.starts_with("log.") {
            self.written = self.put(name.trim_start_matches("r#"), value);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.record_debug(field, &format_args!("{value}")),
            _ => self.record_debug(field, &value),
        }
    }
}

/// Formats events by a formatter that writes JSON, and escapes the text; the JSON data stays the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainEvents<F>(pub F);

impl<S, N, F> FormatEvent<S, N> for PlainEvents<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        writer.write_str(&json(&line))
    }
}
