//! What reads bytes from outside, as functions of bytes: each panics where a promise about its bytes is broken.
//!
//! Nothing here knows libFuzzer, so that the crate's own tests run the same functions over the seeds.

pub mod agent;
pub mod answer;
pub mod config;
pub mod documents;
pub mod dotenv;
pub mod frames;
pub mod gossip;
pub mod headers;
pub mod names;
pub mod nodes_file;
pub mod plain;
pub mod replies;
pub mod report;
pub mod request;
pub mod rules;

/// A function that is fed bytes.
pub type Target = fn(&[u8]);

/// Every target, by the name of its file, its seeds and its dictionary.
pub const TARGETS: [(&str, Target); 15] = [
    ("agent", agent::run),
    ("answer", answer::run),
    ("config", config::run),
    ("documents", documents::run),
    ("dotenv", dotenv::run),
    ("frames", frames::run),
    ("gossip", gossip::run),
    ("headers", headers::run),
    ("names", names::run),
    ("nodes_file", nodes_file::run),
    ("plain", plain::run),
    ("replies", replies::run),
    ("report", report::run),
    ("request", request::run),
    ("rules", rules::run),
];

/// The longest error message in bytes: it names a field, a node's id and a value, and repeats no document.
const MOST_MESSAGE_BYTES: usize = 2048;

/// Fails where the message of `error` is as long as what it is about.
fn must_be_short(error: &dyn std::fmt::Display) -> String {
    let words = error.to_string();
    assert!((1..=MOST_MESSAGE_BYTES).contains(&words.len()), "a message of {} bytes: {words:.300}", words.len());
    words
}

/// Fails where `text` has anything in it that is not plain, line ends aside.
fn must_be_plain(text: &str) {
    let raw = text.chars().find(|character| *character != '\n' && !whither::plain::is_plain(*character));
    assert_eq!(raw, None, "raw in {text:?}");
}

/// `text` without the sequences that set a colour.
fn without_colours(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        shown.push_str(before);
        let end = after.find(|character: char| !character.is_ascii_digit() && character != ';');
        let (_, end) = after.split_at(end.unwrap_or(after.len()));
        assert!(end.starts_with('m'), "another sequence than one for a colour: {text:?}");
        rest = end.split_at(1).1;
    }
    shown + rest
}

/// Fails where `left` and `right` differ in more than digits: serde_json reads a number with a fraction as the nearest but
/// one at times, so that one which is written and read again may drift in its last digit.
fn must_be_alike<T: std::fmt::Debug + PartialEq>(left: &T, right: &T) {
    if left != right {
        let without_digits = |value: &T| format!("{value:?}").replace(|letter: char| letter.is_ascii_digit(), "");
        assert_eq!(without_digits(left), without_digits(right));
    }
}

/// The first byte as a choice among `among`, and the others.
fn choice(bytes: &[u8], among: u8) -> (u8, &[u8]) {
    match bytes {
        [first, rest @ ..] => (first % among, rest),
        [] => (0, &[]),
    }
}
