//! The corpus through each sink: the log's formatters, and what prints to a terminal.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;
use whither::cli::exit::CommandExit;
use whither::cli::table;
use whither::model::{Failure, FailureName};
use whither::plain::{self, PlainEvents, PlainFields};

use super::corpus::{TEXTS, texts};
use super::{must_be_plain, without_colours};

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

/// Logs every text in each way there is: three events for each.
fn say(texts: &[String]) {
    for text in texts {
        let span = tracing::info_span!("request", login = %text, id = text.as_str());
        let _within = span.enter();
        tracing::info!(target: "script", script = "a.js", "{text}");
        tracing::warn!(error = %io::Error::other(text.clone()), list = ?[text], text, message = text.as_str());
        span.record("login", tracing::field::display(text));
        tracing::error!("a line of ours");
    }
}

#[test]
fn a_log_line_is_a_line() {
    let texts = texts();
    for ansi in [false, true] {
        let log = Log::default();
        let plain = tracing_subscriber::fmt().with_writer(log.clone()).fmt_fields(PlainFields).with_ansi(ansi);
        tracing::subscriber::with_default(plain.finish(), || say(&texts));
        let said = log.take();
        let said = if ansi { without_colours(&said) } else { said };
        must_be_plain(&said);
        assert_eq!(said.lines().count(), 3 * TEXTS, "one line an event");
        for line in said.lines() {
            assert!(line.starts_with("20") && line.contains("Z ") && line.contains("request{"), "{line}");
        }
        let ours = said.lines().filter(|line| line.ends_with(": a line of ours")).count();
        assert_eq!(ours, TEXTS);
        assert!(
            said.contains(r"script: \u{1b}[2J\u{1b}[H script=") && said.contains(" script=\"a.js\""),
            "{said:.2000}"
        );
    }
}

#[test]
fn a_log_line_of_json_is_an_object_and_the_same_data() {
    let texts = texts();
    let log = Log::default();
    let json = tracing_subscriber::fmt().with_writer(log.clone()).json().map_event_format(PlainEvents);
    tracing::subscriber::with_default(json.finish(), || say(&texts));
    let said = log.take();
    must_be_plain(&said);
    assert_eq!(said.lines().count(), 3 * TEXTS, "one line an event");
    for (place, line) in said.lines().enumerate() {
        let event: Value = serde_json::from_str(line).unwrap();
        if place % 3 == 0 {
            assert_eq!(event["fields"]["message"], texts[place / 3]);
        }
    }
}

/// The decision that a service explains, with `text` wherever there are words.
fn explained(text: &str) -> Value {
    let lost = json!({text: {"count": 1, "nodes": [text], "message": text}});
    json!({
        "chain": text, "nodes": 1, "search": {"plan": text, "looked_at": [text]}, "excluded": lost,
        "steps": [{"step": text, "candidates": 1, "verdict": text, "calls": {text: text}, "cost_us": text, "lost": lost}],
        "asked": {"node": text, "fate": text}, "node": null, "error": {"name": text, "message": text},
    })
}

#[test]
fn a_terminal_gets_no_sequence_but_our_colours() {
    for text in texts() {
        let mut answer = explained(&text);
        let not_placed = table::explained(&answer);
        answer["node"] = json!(text);
        let placed = table::explained(&answer);
        let mut rows = table::table(&["a", "b"]);
        rows.add_row(table::row([&text, &text]));
        let failure = Failure::new(FailureName::ScriptError, text.clone()).at_step(&text.as_str().into());
        for shown in [not_placed, placed, rows.to_string(), CommandExit::failed(&failure).message] {
            must_be_plain(&without_colours(&shown));
            assert!(!shown.contains("\u{1b}[31mred"), "a colour that is not ours: {shown:?}");
            assert_eq!(plain::lines(&shown), shown, "the sink has nothing left to do");
        }
        // What nobody made plain before is so at the sink, but for lines and colours.
        must_be_plain(&without_colours(&plain::lines(&text)));
        let json = format!("{:#}", json!({text.clone(): text}));
        must_be_plain(&plain::json(&json));
        assert_eq!(serde_json::from_str::<Value>(&plain::json(&json)).unwrap()[&text], text);
    }
}
