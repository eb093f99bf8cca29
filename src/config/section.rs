//! Typed reading of the tree: every getter notes what is wrong, by the key's full name, and goes on.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::plain::plain;

use super::figure::{FIGURES, Figure};
use super::problem::{Notes, Problem, nearest, quoted};

/// A table of the config whose keys are known.
pub(super) struct Section<'a> {
    /// Its name as messages say it, without brackets; empty for the file as a whole.
    pub(super) path: String,
    /// Where it stands.
    pub(super) span: Range<usize>,
    table: &'a DeTable<'a>,
}

/// A value with its key.
#[derive(Clone)]
pub(super) struct Entry<'a> {
    /// The key's full name.
    pub(super) path: String,
    /// Where the value stands.
    pub(super) span: Range<usize>,
    value: &'a DeValue<'a>,
}

impl<'a> Section<'a> {
    /// The file's own table, of which only `known` keys may be there.
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

    /// The value of `key`.
    pub(super) fn get(&self, key: &str) -> Option<Entry<'a>> {
        let value = self.table.get(key)?;
        Some(Entry { path: self.name_of(key), span: value.span(), value: value.get_ref() })
    }

    /// The whole number that `figure` describes; its default where the config says nothing, or nothing of use.
    pub(super) fn figure(&self, figure: &Figure, notes: &mut Notes) -> u32 {
        let stated = self.get(figure.key).and_then(|entry| entry.whole(figure.least, figure.most, notes));
        stated.unwrap_or(figure.default)
    }

    /// The text of `key`, which is `expected`.
    pub(super) fn text(&self, key: &str, expected: &str, notes: &mut Notes) -> Option<(Entry<'a>, &'a str)> {
        let entry = self.get(key)?;
        let text = entry.text(expected, notes)?;
        Some((entry, text))
    }

    /// The truth of `key`.
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

    /// The one of `all` that `key` names; the default where the config says nothing, or nothing of use.
    pub(super) fn word<T: Copy + Default>(
        &self,
        key: &str,
        all: &[T],
        name: fn(T) -> &'static str,
        notes: &mut Notes,
    ) -> T {
        let words: Vec<_> = all.iter().map(|one| quoted(name(*one))).collect();
        let expected = format!("one of {}", words.join(", "));
        let Some((entry, text)) = self.text(key, &expected, notes) else { return T::default() };
        if let Some(one) = all.iter().find(|one| name(**one) == text) {
            return *one;
        }
        let problem =
            Problem::new(format!("{} is the string {}, expected {expected}", quoted(&entry.path), quoted(text)));
        notes.at(
            &entry.span,
            match nearest(text, all.iter().map(|one| name(*one))) {
                Some(meant) => problem.help(format!("did you mean `{meant}`?")),
                None => problem,
            },
        );
        T::default()
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

impl<'a> Entry<'a> {
    /// Notes that the value is not `expected`.
    pub(super) fn wrong(&self, expected: &str, notes: &mut Notes) {
        let found = self.found();
        notes.at(&self.span, Problem::new(format!("{} is {found}, expected {expected}", quoted(&self.path))));
    }

    /// Whether the value is a table.
    pub(super) const fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }

    /// The value as text that is not empty.
    pub(super) fn text(&self, expected: &str, notes: &mut Notes) -> Option<&'a str> {
        match self.value.as_str().filter(|text| !text.is_empty()) {
            Some(text) => Some(text),
            None => {
                self.wrong(expected, notes);
                None
            }
        }
    }

    /// The value as a whole number from `least` to `most`.
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

    /// The value as a number.
    pub(super) fn number(&self) -> Option<f64> {
        self.json().ok()?.as_f64()
    }

    /// The value as JSON.
    ///
    /// # Errors
    /// What JSON has no word for.
    pub(super) fn json(&self) -> Result<serde_json::Value, String> {
        super::suite::json::of(self.value)
    }

    /// The value of `key`, where the value is a table, whatever else is in it.
    pub(super) fn member(&self, key: &str) -> Option<Self> {
        let value = self.value.as_table()?.get(key)?;
        Some(Self { path: format!("{}.{}", self.path, written(key)), span: value.span(), value: value.get_ref() })
    }

    /// The value's elements, where it is a list.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        let item = |(place, value): (usize, &'a Spanned<DeValue<'a>>)| Self {
            path: format!("{}[{place}]", self.path),
            span: value.span(),
            value: value.get_ref(),
        };
        self.value.as_array().map(|list| list.iter().enumerate().map(item).collect())
    }

    /// The texts of the value, which may be one or a list of them, each of which is `expected`.
    pub(super) fn texts(&self, expected: &str, notes: &mut Notes) -> Vec<(Self, &'a str)> {
        let entries = self.items().unwrap_or_else(|| vec![self.clone()]);
        let read = |entry: Self| entry.text(expected, notes).map(|text| (entry, text));
        entries.into_iter().filter_map(read).collect()
    }

    /// The value as a table of which only `known` keys may be there.
    pub(super) fn section(&self, known: &[&'static str], expected: &str, notes: &mut Notes) -> Option<Section<'a>> {
        match self.value.as_table() {
            Some(table) => Some(Section::open(self.path.clone(), self.span.clone(), table, known, notes)),
            None => {
                self.wrong(expected, notes);
                None
            }
        }
    }

    /// The value's entries in the order of the file, where it is a table with names of the administrator's choice.
    pub(super) fn named(&self) -> Option<Vec<(&'a str, Range<usize>, Self)>> {
        let named = |(key, value): (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)| {
            let path = format!("{}.{}", self.path, written(key.get_ref()));
            (&**key.get_ref(), key.span(), Self { path, span: value.span(), value: value.get_ref() })
        };
        let mut entries: Vec<_> = self.value.as_table()?.iter().map(named).collect();
        entries.sort_by_key(|(_, span, _)| span.start);
        Some(entries)
    }

    /// The value's kind and, where it is no secret, the value.
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

/// `key` as TOML writes it.
fn written(key: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !key.is_empty() && key.bytes().all(bare) { key.to_owned() } else { format!("{key:?}") }
}
