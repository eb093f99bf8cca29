//! The vocabulary of a chain: the names of fields that its steps can look at, and the values they compare them with.
//!
//! The vocabulary is read from the words of the sources alone, whatever the language, and decides the order of the
//! search and the values to try. A field that is missing here is tried later; a name here that no script reads costs a
//! few tries.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::chain::{ChainSpec, OnFailure, StepSource};
use crate::script::Content;

/// The most literals of each kind that are tried.
const MAX_LITERALS: usize = 48;
/// The same with those that the request and the node have.
const MAX_LEARNT: usize = 3 * MAX_LITERALS;
/// The longest text in quotes that is taken for a value.
const MAX_TEXT_BYTES: usize = 128;

/// Words and literals of the sources of a chain.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    words: BTreeSet<String>,
    /// Each word behind a dot, or in quotes behind a bracket, with the word before: `metadata.gpu`.
    members: BTreeSet<(String, String)>,
    numbers: Vec<f64>,
    texts: Vec<String>,
    is_opaque: bool,
}

impl Vocabulary {
    /// Returns the vocabulary of `chain`, with the fields that the chain's built-ins and settings look at.
    pub(super) fn of(chain: &ChainSpec) -> Self {
        let mut vocabulary = Self::default();
        for step in &chain.steps {
            match &step.source {
                StepSource::Script { content: Content::Text(text), .. } => vocabulary.read(text),
                StepSource::Script { .. } | StepSource::Executable(_) => vocabulary.is_opaque = true,
                StepSource::Builtin(name) => vocabulary.add_builtin(name),
            }
            for policy in [&step.on_error, &step.on_limit] {
                if let OnFailure::Fallback(name) = policy {
                    vocabulary.add_builtin(name);
                }
            }
        }
        if chain.reserve {
            vocabulary.add(&["sessions", "maxSessions", "cordoned"]);
        }
        if !chain.require_services.is_empty() {
            vocabulary.add(&["services"]);
            vocabulary.texts.extend(chain.require_services.iter().cloned());
        }
        vocabulary.texts.truncate(MAX_LITERALS);
        vocabulary.numbers.truncate(MAX_LITERALS);
        vocabulary
    }

    /// Adds the texts and numbers in `fields`, which sources may compare with as well as with their literals.
    pub(super) fn learn(&mut self, fields: &Map<String, Value>) {
        let mut left: Vec<&Value> = fields.values().collect();
        while let Some(value) = left.pop() {
            if self.texts.len() + self.numbers.len() >= MAX_LEARNT {
                return;
            }
            match value {
                Value::String(text) if text.len() <= MAX_TEXT_BYTES && !self.texts.contains(text) => {
                    self.texts.push(text.clone());
                }
                Value::Number(number) => {
                    self.numbers.extend(number.as_f64().filter(|number| !self.numbers.contains(number)));
                }
                Value::Array(list) => left.extend(list),
                Value::Object(inner) => left.extend(inner.values()),
                _ => {}
            }
        }
    }

    fn add(&mut self, words: &[&str]) {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
    }

    /// Adds the fields that the built-in `name` ranks nodes by.
    fn add_builtin(&mut self, name: &str) {
        self.add(match name {
            "fewest-sessions" => &["sessions"],
            "most-memory" => &["freemem"],
            "least-load" => &["load1", "cores"],
            "weighted" => &["sessions", "weight"],
            "sticky-user" => &["sessions", "user"],
            _ => &[],
        });
    }

    /// Whether a step can look at a field called `name`, as far as the step's source shows.
    pub(super) fn has(&self, name: &str) -> bool {
        self.is_opaque || self.words.contains(name)
    }

    /// Whether a source that is text has the word `name`.
    pub(super) fn names(&self, name: &str) -> bool {
        self.words.contains(name)
    }

    /// Iterates over the names that sources look up in something called `object`.
    pub(super) fn members_of(&self, object: &str) -> impl Iterator<Item = &str> {
        let of_object = move |(of, _): &&(String, String)| of == object;
        self.members.iter().filter(of_object).map(|(_, member)| member.as_str())
    }

    /// Returns the numbers in the sources.
    pub(super) fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    /// Returns the texts in quotes in the sources.
    pub(super) fn texts(&self) -> &[String] {
        &self.texts
    }

    fn read(&mut self, source: &str) {
        let (mut rest, mut before) = (source, WordContext::default());
        while let Some(first) = rest.chars().next() {
            let length = match first {
                '"' | '\'' | '`' => self.read_text(rest, first, &mut before),
                _ if first.is_ascii_digit() => self.read_number(rest),
                _ if is_in_word(first) => self.read_word(rest, &mut before),
                _ => {
                    if !first.is_whitespace() {
                        before.mark(first);
                    }
                    first.len_utf8()
                }
            };
            rest = rest.get(length.max(1)..).unwrap_or_default();
        }
    }

    fn read_text(&mut self, rest: &str, quote: char, before: &mut WordContext) -> usize {
        let inner = rest.get(1..).unwrap_or_default();
        let Some(end) =
            inner.find([quote, '\n']).filter(|end| inner.get(*end..).is_some_and(|at| at.starts_with(quote)))
        else {
            return 1;
        };
        let text = inner.get(..end).unwrap_or_default();
        if text.len() <= MAX_TEXT_BYTES {
            if before.is_bracket {
                self.members.insert((before.word.clone(), text.to_owned()));
            }
            self.words.insert(text.to_owned());
            if !self.texts.iter().any(|known| known == text) {
                self.texts.push(text.to_owned());
            }
        }
        before.mark(quote);
        end + 2
    }

    fn read_number(&mut self, rest: &str) -> usize {
        let end = rest.find(|c: char| !(is_in_word(c) || c == '.')).unwrap_or(rest.len());
        let digits = rest.get(..end).unwrap_or_default().replace('_', "");
        if let Ok(number) = digits.trim_end_matches('.').parse::<f64>()
            && number.is_finite()
            && !self.numbers.contains(&number)
        {
            self.numbers.push(number);
        }
        end
    }

    fn read_word(&mut self, rest: &str, before: &mut WordContext) -> usize {
        let end = rest.find(|c: char| !is_in_word(c)).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        if before.is_dot {
            self.members.insert((before.word.clone(), word.to_owned()));
        }
        self.words.insert(word.to_owned());
        *before = WordContext { word: word.to_owned(), is_dot: false, is_bracket: false };
        end
    }
}

/// The signs and the word before a word.
#[derive(Debug, Default)]
struct WordContext {
    word: String,
    is_dot: bool,
    is_bracket: bool,
}

impl WordContext {
    /// Notes the sign `sign` between two words.
    fn mark(&mut self, sign: char) {
        match sign {
            // `a?.b` leads where `a.b` does.
            '?' => {}
            '.' => self.is_dot = true,
            '[' => self.is_bracket = true,
            _ => (self.is_dot, self.is_bracket) = (false, false),
        }
    }
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::StepSpec;

    fn of(source: &str) -> Vocabulary {
        Vocabulary::of(&ChainSpec::new("user/login", vec![StepSpec::new("s.js", StepSource::script("js", source))]))
    }

    #[test]
    fn names_members_and_literals_are_read_from_any_source() {
        let source = "node => node.metadata?.gpu === 'a100' && node.staticData[\"rack\"] > 1_000 && node.freemem < 0.5";
        let vocabulary = of(source);
        for word in ["metadata", "gpu", "a100", "rack", "freemem"] {
            assert!(vocabulary.has(word), "{word}");
        }
        assert!(!vocabulary.has("sessions"));
        assert_eq!(vocabulary.members_of("metadata").collect::<Vec<_>>(), ["gpu"]);
        assert_eq!(vocabulary.members_of("staticData").collect::<Vec<_>>(), ["rack"]);
        assert_eq!(vocabulary.numbers(), [1000.0, 0.5]);
        assert_eq!(vocabulary.texts(), ["a100", "rack"]);
    }

    #[test]
    fn odd_sources_end() {
        for source in ["'", "\"unclosed\nnext", "`${a}`", "1e", "ü.ö", "a.", "\u{1f600}'x'", "0x10 . y"] {
            let _read = of(source);
        }
    }

    #[test]
    fn built_ins_and_settings_name_their_fields() {
        let builtin = StepSpec::new("builtin:least-load", StepSource::Builtin("least-load".to_owned()));
        let vocabulary = Vocabulary::of(&ChainSpec::new("session/start", vec![builtin]));
        assert!(["load1", "cores", "maxSessions", "sessions"].iter().all(|name| vocabulary.has(name)));
    }
}
