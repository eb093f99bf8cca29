//! Typed reading of the tree: every getter notes problems under the key's full name, and goes on.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::plain::plain;

use super::figure::{FIGURES, Figure};
use super::problem::{Notes, Problem, nearest, quoted};

/// A table of the config with a known list of keys.
pub(super) struct Section<'a> {
    /// The name as messages show the section, without brackets; empty for the file as a whole.
    pub(super) path: String,
    /// The span of the section.
    pub(super) span: Range<usize>,
    table: &'a DeTable<'a>,
}

/// A value with the full name of the key.
#[derive(Clone)]
pub(super) struct SectionEntry<'a> {
    /// The key's full name.
    pub(super) path: String,
    /// The span of the value.
    pub(super) span: Range<usize>,
    value: &'a DeValue<'a>,
}

impl<'a> Section<'a> {
    /// Opens the file's own table, in which only `known` keys are accepted.
    pub(super) fn root(root: &'a Spanned<DeTable<'a>>, known: &[&'static str], notes: &mut Notes) -> Self {
        Self::open(String::new(), root.span(), root.get_ref(), known, notes)
    }

    fn open(
        path: String,
        span: Range<usize>,
        table: &'a DeTable<'a>,
        known: &[&'static str],
        notes: &mut Notes,
    ) -> Self {
        let section = Self { path, span, table };
        for key in table.keys().filter(|key| !known.contains(&&**key.get_ref())) {
            notes.at(&key.span(), section.unknown(key.get_ref(), known));
        }
        section
    }

    /// Returns the value of `key`.
    pub(super) fn get(&self, key: &str) -> Option<SectionEntry<'a>> {
        let value = self.table.get(key)?;
        Some(SectionEntry { path: self.name_of(key), span: value.span(), value: value.get_ref() })
    }

    /// Reads the whole number that `figure` describes; the default where the config sets no number, or no acceptable
    /// number.
    pub(super) fn figure(&self, figure: &Figure, notes: &mut Notes) -> u32 {
        let stated = self.get(figure.key).and_then(|entry| entry.whole(figure.least, figure.most, notes));
        stated.unwrap_or(figure.default)
    }

    /// Reads the text of `key`; `expected` describes the text for messages.
    pub(super) fn text(&self, key: &str, expected: &str, notes: &mut Notes) -> Option<(SectionEntry<'a>, &'a str)> {
        let entry = self.get(key)?;
        let text = entry.text(expected, notes)?;
        Some((entry, text))
    }

    /// Reads the boolean value of `key`.
    pub(super) fn flag(&self, key: &str, notes: &mut Notes) -> Option<bool> {
        let entry = self.get(key)?;
        match entry.value {
            DeValue::Boolean(flag) => Some(*flag),
            _ => {
                entry.wrong("`true` or `false`", notes);
                None
            }
        }
    }

    /// Reads the value of `all` that `key` names; the default where the config names none, or none of them.
    pub(super) fn choice<T: Copy + Default>(
        &self,
        key: &str,
        all: &[T],
        name: fn(T) -> &'static str,
        notes: &mut Notes,
    ) -> T {
        let choices: Vec<_> = all.iter().map(|one| (name(*one), *one)).collect();
        let names: Vec<_> = choices.iter().map(|(name, _)| quoted(name)).collect();
        self.one_of(key, &format!("one of {}", names.join(", ")), &choices, notes).unwrap_or_default()
    }

    /// Reads the value that `key` names by one of the names in `choices`; `expected` describes them for messages.
    pub(super) fn one_of<T: Copy>(
        &self,
        key: &str,
        expected: &str,
        choices: &[(&'static str, T)],
        notes: &mut Notes,
    ) -> Option<T> {
        let (entry, text) = self.text(key, expected, notes)?;
        let found = choices.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            entry.none_of(text, expected, choices.iter().map(|(name, _)| *name), notes);
        }
        found.map(|(_, value)| *value)
    }

    fn name_of(&self, key: &str) -> String {
        if self.path.is_empty() { written(key) } else { format!("{}.{}", self.path, written(key)) }
    }

    fn unknown(&self, key: &DeString<'_>, known: &[&'static str]) -> Problem {
        let problem = match self.path.as_str() {
            "" => Problem::new(format!("unknown section or key {}", quoted(key))),
            path => Problem::new(format!("unknown key {} in {}", quoted(key), quoted(path))),
        };
        if let Some(meant) = nearest(key, known.iter().copied()) {
            return problem.help(format!("did you mean `{meant}`?"));
        }
        match FIGURES.iter().find(|figure| figure.key == &**key) {
            Some(figure) => problem.help(format!("it belongs in `[{}]`", figure.section)),
            None => problem.help(format!("there are: {}", known.join(", "))),
        }
    }
}

impl<'a> SectionEntry<'a> {
    /// Notes that the value is not `expected`.
    pub(super) fn wrong(&self, expected: &str, notes: &mut Notes) {
        let found = self.found();
        notes.at(&self.span, Problem::new(format!("{} is {found}, expected {expected}", quoted(&self.path))));
    }

    /// Whether the value is a table.
    pub(super) const fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    /// Returns the value as text that is not empty.
    pub(super) fn text(&self, expected: &str, notes: &mut Notes) -> Option<&'a str> {
        match self.value.as_str().filter(|text| !text.is_empty()) {
            Some(text) => Some(text),
            None => {
                self.wrong(expected, notes);
                None
            }
        }
    }

    /// Returns the value as a whole number from `least` to `most`.
    pub(super) fn whole(&self, least: u32, most: u32, notes: &mut Notes) -> Option<u32> {
        let read = |number: &toml::de::DeInteger<'_>| u32::from_str_radix(number.as_str(), number.radix()).ok();
        match self.value.as_integer().and_then(read).filter(|number| (least..=most).contains(number)) {
            Some(number) => Some(number),
            None => {
                self.wrong(&format!("a whole number from {least} to {most}"), notes);
                None
            }
        }
    }

    /// Returns the value as a number.
    pub(super) fn number(&self) -> Option<f64> {
        self.json().ok()?.as_f64()
    }

    /// Returns the value as JSON.
    ///
    /// # Errors
    /// Names the part of the value that JSON cannot express.
    pub(super) fn json(&self) -> Result<serde_json::Value, String> {
        super::suite::json::of(self.value)
    }

    /// Returns the value of `key`, where the value is a table, whatever other keys the table has.
    pub(super) fn member(&self, key: &str) -> Option<Self> {
        let value = self.value.as_table()?.get(key)?;
        Some(Self { path: format!("{}.{}", self.path, written(key)), span: value.span(), value: value.get_ref() })
    }

    /// Returns the value's elements, where the value is a list.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        let item = |(place, value): (usize, &'a Spanned<DeValue<'a>>)| Self {
            path: format!("{}[{place}]", self.path),
            span: value.span(),
            value: value.get_ref(),
        };
        self.value.as_array().map(|list| list.iter().enumerate().map(item).collect())
    }

    /// Returns the texts of the value, which may be a text or a list of texts; `expected` describes a text for
    /// messages.
    pub(super) fn texts(&self, expected: &str, notes: &mut Notes) -> Vec<(Self, &'a str)> {
        let entries = self.items().unwrap_or_else(|| vec![self.clone()]);
        let read = |entry: Self| entry.text(expected, notes).map(|text| (entry, text));
        entries.into_iter().filter_map(read).collect()
    }

    /// Notes that the value, `text`, is none of `choices`.
    pub(super) fn none_of(
        &self,
        text: &str,
        expected: &str,
        choices: impl IntoIterator<Item = &'static str>,
        notes: &mut Notes,
    ) {
        let message = format!("{} is the string {}, expected {expected}", quoted(&self.path), quoted(text));
        let problem = Problem::new(message);
        let problem = match nearest(text, choices) {
            Some(meant) => problem.help(format!("did you mean `{meant}`?")),
            None => problem,
        };
        notes.at(&self.span, problem);
    }

    /// Opens the value as a table in which only `known` keys are accepted.
    pub(super) fn section(&self, known: &[&'static str], expected: &str, notes: &mut Notes) -> Option<Section<'a>> {
        match self.value.as_table() {
            Some(table) => Some(Section::open(self.path.clone(), self.span.clone(), table, known, notes)),
            None => {
                self.wrong(expected, notes);
                None
            }
        }
    }

    /// Returns the value's entries in the order of the file, where the value is a table with names of the
    /// administrator's choice.
    pub(super) fn named(&self) -> Option<Vec<(&'a str, Range<usize>, Self)>> {
        let named = |(key, value): (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)| {
            let path = format!("{}.{}", self.path, written(key.get_ref()));
            (&**key.get_ref(), key.span(), Self { path, span: value.span(), value: value.get_ref() })
        };
        let mut entries: Vec<_> = self.value.as_table()?.iter().map(named).collect();
        entries.sort_by_key(|(_, span, _)| span.start);
        Some(entries)
    }

    /// Returns the value's kind and, where the value is no secret, the value.
    fn found(&self) -> String {
        match self.value {
            _ if super::secret::is_secret_key(&self.path) => format!("a {}", self.value.type_str()),
            DeValue::String(text) if text.is_empty() => "empty".to_owned(),
            DeValue::String(text) => format!("the string {}", quoted(text)),
            DeValue::Integer(number) => format!("the number {}", plain(cut(&number.to_string()))),
            DeValue::Float(number) => format!("the number {}", plain(cut(number.as_str()))),
            DeValue::Boolean(flag) => format!("`{flag}`"),
            DeValue::Datetime(_) => "a date".to_owned(),
            DeValue::Array(list) if list.is_empty() => "an empty list".to_owned(),
            DeValue::Array(_) => "a list".to_owned(),
            DeValue::Table(_) => "a table".to_owned(),
        }
    }
}

fn cut(number: &str) -> &str {
    number.get(..number.floor_char_boundary(40)).unwrap_or(number)
}

/// Returns `key` as TOML writes keys.
fn written(key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !key.is_empty() && key.bytes().all(bare) { key.to_owned() } else { format!("{key:?}") }
}
