//! The table of date patterns: for each choice of fields, the text that Node.js produces.
//!
//! A line is a kind, a language or number, keys, the text between a date and a time, and the pattern, separated by
//! tabs. `N` lines are lists of names. The key of a date is four digits, the widths of weekday, year, month and day, or
//! `s` and a style; the key of a time is three, of hour, minute and second, and another for the cycle of the hours.

use std::collections::BTreeMap;
use std::sync::LazyLock;

static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| Patterns::read(include_str!("patterns.txt")));
const LANGUAGES: [&str; 3] = ["en-US", "en-GB", "de-DE"];

/// The table.
#[derive(Default)]
pub(super) struct Patterns {
    names: BTreeMap<u32, Vec<String>>,
    /// By language and key: the text between date and time, and the pattern.
    lines: BTreeMap<(u32, String), (String, Vec<PatternPart>)>,
}

/// A part of a pattern.
#[derive(Clone, Debug)]
pub(super) enum PatternPart {
    Literal(String),
    Field(TimeField),
}

/// A field of a time, with the number of the list of names where the field has names.
#[derive(Clone, Copy, Debug)]
pub(super) enum TimeField {
    Year,
    ShortYear,
    Month(u32),
    Weekday(u32),
    Day,
    LongDay,
    Hour(u32),
    Minute,
    LongMinute,
    Second,
    LongSecond,
    HalfOfDay(u32),
}

impl TimeField {
    /// Returns the type of such a part in `formatToParts`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Year | Self::ShortYear => "year",
            Self::Month(_) => "month",
            Self::Weekday(_) => "weekday",
            Self::Day | Self::LongDay => "day",
            Self::Hour(_) => "hour",
            Self::Minute | Self::LongMinute => "minute",
            Self::Second | Self::LongSecond => "second",
            Self::HalfOfDay(_) => "dayPeriod",
        }
    }

    fn read(text: &str) -> Option<Self> {
        let list = || text.get(1..)?.parse().ok();
        Some(match text {
            "y" => Self::Year,
            "yy" => Self::ShortYear,
            "d" => Self::Day,
            "dd" => Self::LongDay,
            "m" => Self::Minute,
            "mm" => Self::LongMinute,
            "s" => Self::Second,
            "ss" => Self::LongSecond,
            _ => match text.chars().next()? {
                'M' => Self::Month(list()?),
                'W' => Self::Weekday(list()?),
                'H' => Self::Hour(list()?),
                'P' => Self::HalfOfDay(list()?),
                _ => return None,
            },
        })
    }
}

/// Returns the table, which is read at the first call.
pub(super) fn patterns() -> &'static Patterns {
    &PATTERNS
}

impl Patterns {
    fn read(text: &str) -> Self {
        let mut table = Self::default();
        for line in text.lines() {
            let columns: Vec<&str> = line.split('\t').collect();
            match columns.as_slice() {
                ["N", number, names] => {
                    let names = names.split('|').map(str::to_owned).collect();
                    table.names.insert(number.parse().unwrap_or_default(), names);
                }
                [kind, language, keys, between, pattern] => {
                    let number = LANGUAGES.iter().zip(0..).find(|(name, _)| *name == language);
                    let Some((_, number)) = number else { continue };
                    // Dates and times have keys of the same form; a key of both has a plus.
                    let kind = if *kind == "B" { "" } else { kind };
                    for key in keys.split(' ') {
                        table.lines.insert((number, format!("{kind}{key}")), ((*between).to_owned(), parts(pattern)));
                    }
                }
                _ => {}
            }
        }
        table
    }

    /// Returns the name in a `place` of a list.
    pub(super) fn name(&self, list: u32, place: usize) -> &str {
        self.names.get(&list).and_then(|names| names.get(place)).map(String::as_str).unwrap_or_default()
    }

    /// Returns the pattern of a date, of a time, or of both.
    pub(super) fn find(&self, language: u32, date: &str, time: &str) -> Option<Vec<PatternPart>> {
        let line = |kind: &str, key: &str| self.lines.get(&(language, format!("{kind}{key}")));
        let alone = |line: &(String, Vec<PatternPart>)| line.1.clone();
        if time.is_empty() || date.is_empty() {
            return if time.is_empty() { line("D", date) } else { line("T", time) }.map(alone);
        }
        if let Some(both) = line("", &format!("{date}+{time}")) {
            return Some(alone(both));
        }
        let ((between, date), (_, time)) = line("D", date).zip(line("T", time))?;
        let between = Some(between).filter(|text| !text.is_empty()).map(|text| PatternPart::Literal(text.clone()));
        Some(date.iter().cloned().chain(between).chain(time.iter().cloned()).collect())
    }
}

/// Returns the parts of a pattern with fields in braces.
fn parts(pattern: &str) -> Vec<PatternPart> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        if !before.is_empty() {
            parts.push(PatternPart::Literal(before.to_owned()));
        }
        let (field, after) = after.split_once('}').unwrap_or((after, ""));
        parts.extend(TimeField::read(field).map(PatternPart::Field));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(PatternPart::Literal(rest.to_owned()));
    }
    parts
}
