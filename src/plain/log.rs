//! The log's formatters: one line an event, and nothing in it that steers a terminal.
//!
//! The library's own escape what begins a terminal's sequence in a message, and neither line ends nor the rest, nor any
//! of it in a field. Values are escaped here and the library's colours are not, so that they survive.

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
        // Fields of that kind are where an event of the `log` crate stood, which the line says already.
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

/// The events of a formatter that writes JSON, each still the same data.
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
