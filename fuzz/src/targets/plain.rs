//! Text on its way into a log line or onto a terminal.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use serde_json::Value;
use tracing::Dispatch;
use tracing_subscriber::fmt::MakeWriter;
use whither::plain::{self, Plain, PlainEvents, PlainFields, is_plain};

use super::{choice, must_be_plain, without_colours};

/// The most bytes that escaping makes of a byte: `\u{1}` of a control character.
const MOST_GROWTH: usize = 6;

/// The log's formats: text without colours and with them, and JSON.
const FORMATS: u8 = 3;
/// The last of them.
const JSON: u8 = FORMATS - 1;

/// The first byte says which of the log's formats writes the others as a text. Whatever a text is, what is shown of it is plain, is the same text where it was plain before, and in JSON the same data.
pub fn run(bytes: &[u8]) {
    let (log, bytes) = choice(bytes, FORMATS);
    let text = String::from_utf8_lossy(bytes);
    let shown = plain::plain(&text);
    assert!(shown.chars().all(is_plain) && shown.len() <= MOST_GROWTH * text.len());
    assert_eq!(matches!(shown, Cow::Borrowed(_)), text.chars().all(is_plain));
    assert_eq!((&plain::plain(&shown), Plain(&text).to_string()), (&shown, shown.to_string()));
    let lines = plain::lines(&text);
    assert!(lines.len() <= MOST_GROWTH * text.len());
    assert_eq!(lines.matches('\n').count(), text.matches('\n').count());
    assert_eq!(plain::lines(&lines), lines);
    must_be_plain(&without_colours(&lines));
    let value = Value::String(text.to_string());
    let json = plain::json(&value.to_string()).into_owned();
    must_be_plain(&json);
    assert_eq!(serde_json::from_str::<Value>(&json).ok().as_ref(), Some(&value));
    must_be_a_line(log, &text);
}

/// An event is a line of this one of the logs.
fn must_be_a_line(log: u8, text: &str) {
    LOGS.with(|logs| {
        tracing::dispatcher::with_default(&logs.each[usize::from(log)], || {
            let _within = tracing::info_span!("request", login = %text).entered();
            tracing::warn!(target: "script", text, shown = %text, list = ?[text], "{text}");
        });
        let said = String::from_utf8(logs.written.borrow_mut().split_off(0)).expect("a log is text");
        let said = without_colours(&said);
        must_be_plain(&said);
        assert!(said.ends_with('\n') && said.matches('\n').count() == 1, "{said:?}");
        if log == JSON {
            let event: Value = serde_json::from_str(&said).expect("an object a line");
            assert_eq!(event.pointer("/fields/message").and_then(Value::as_str), Some(text));
        }
    });
}

/// The log's formats, and what was written to them.
struct Logs {
    each: [Dispatch; FORMATS as usize],
    written: Written,
}

type Written = Rc<RefCell<Vec<u8>>>;

thread_local! {
    static WRITTEN: Written = Written::default();
    static LOGS: Logs = {
        let text = |ansi| tracing_subscriber::fmt().with_writer(Here).fmt_fields(PlainFields).with_ansi(ansi).finish();
        let json = tracing_subscriber::fmt().with_writer(Here).json().map_event_format(PlainEvents).finish();
        let each = [Dispatch::new(text(false)), Dispatch::new(text(true)), Dispatch::new(json)];
        Logs { each, written: WRITTEN.with(Rc::clone) }
    };
}

/// Writes into what this thread has written.
struct Here;

impl io::Write for Here {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        WRITTEN.with(|written| written.borrow_mut().extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Here {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        Self
    }
}
