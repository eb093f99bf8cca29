//! What a case expects, read from its `expect` tables.

use crate::model::FailureName;

use super::super::problem::{Notes, Problem, nearest, quoted};
use super::super::section::{Section, SectionEntry};
use super::key::{self, expected};
use super::reader::free;
use super::{Expectations, ExpectedOutcome, Spread};

/// The most ids of one list.
const MAX_IDS: usize = 10_000;

/// The expectations in the table `entry`.
pub(super) fn read(entry: &SectionEntry<'_>, notes: &mut Notes) -> Option<Expectations> {
    let section = entry.section(&key::of("expect"), expected("case", "expect"), notes)?;
    let table = |key: &str, notes: &mut Notes| {
        let entry = section.get(key)?;
        free(&entry, expected("expect", key), notes).map(serde_json::Value::Object)
    };
    let (never, always) = (table("never", notes), table("always", notes));
    let calls = section.get("calls").and_then(|entry| entry.whole(0, u32::MAX, notes)).map(u64::from);
    let order = ids(&section, "order", notes);
    let spread = spread(&section, notes);
    let read = Expectations { outcome: outcome(&section, notes), never, always, order, spread, calls };
    if read.is_empty() {
        let problem = Problem::new(format!("{} expects nothing", quoted(&section.path)));
        notes.missing(Some(&section.span), problem.help(format!("there are: {}", key::of("expect").join(", "))));
    }
    Some(read)
}

/// How the decision must end; one key alone may say so.
fn outcome(section: &Section<'_>, notes: &mut Notes) -> Option<ExpectedOutcome> {
    let node = section.text("node", expected("expect", "node"), notes);
    let mut said = vec![
        ("node", node.map(|(_, id)| ExpectedOutcome::OneOf(vec![id.to_owned()]))),
        ("one_of", ids(section, "one_of", notes).map(ExpectedOutcome::OneOf)),
        (
            "placed",
            section.flag("placed", notes).map(|is| if is { ExpectedOutcome::Any } else { ExpectedOutcome::None }),
        ),
        ("error", error(section, notes)),
    ];
    said.retain(|(_, outcome)| outcome.is_some());
    if let [(first, _), (second, _), ..] = said.as_slice()
        && let Some(entry) = section.get(second)
    {
        let problem = format!("{} stands beside `{first}`, and a decision ends in one way", quoted(&entry.path));
        notes.at(&entry.span, Problem::new(problem).help("leave one of them out"));
    }
    said.into_iter().next().and_then(|(_, outcome)| outcome)
}

fn error(section: &Section<'_>, notes: &mut Notes) -> Option<ExpectedOutcome> {
    let entry = section.get("error")?;
    if !entry.is_table() {
        let words = entry.text(expected("expect", "error"), notes)?;
        return Some(ExpectedOutcome::Error(None, words.to_owned()));
    }
    let table = entry.section(&key::of("error"), expected("expect", "error"), notes)?;
    let words = table.text("words", expected("error", "words"), notes).map(|(_, words)| words.to_owned());
    let name = table.text("name", expected("error", "name"), notes).and_then(|(entry, name)| {
        let known = FailureName::parse(name);
        if known.is_none() {
            let names = FailureName::ALL.map(FailureName::as_str);
            let message = format!("{} is {}, which is no error's name", quoted(&entry.path), quoted(name));
            let help = nearest(name, names)
                .map_or(format!("there are: {}", names.join(", ")), |meant| format!("did you mean `{meant}`?"));
            notes.at(&entry.span, Problem::new(message).help(help));
        }
        known
    });
    Some(ExpectedOutcome::Error(name, words.unwrap_or_default()))
}

/// A list of ids, which may not be empty.
fn ids(section: &Section<'_>, key: &str, notes: &mut Notes) -> Option<Vec<String>> {
    let entry = section.get(key)?;
    let expected = expected("expect", key);
    match entry.items().map(|items| items.len()) {
        Some(1..=MAX_IDS) => {}
        Some(many) if many > MAX_IDS => {
            let problem = format!("{} has {many} ids, at most {MAX_IDS} are accepted", quoted(&entry.path));
            notes.at(&entry.span, Problem::new(problem));
            return None;
        }
        _ => {
            entry.wrong(expected, notes);
            return None;
        }
    }
    Some(entry.texts(expected, notes).into_iter().map(|(_, id)| id.to_owned()).collect())
}

fn spread(section: &Section<'_>, notes: &mut Notes) -> Option<Spread> {
    let table = section.get("spread")?.section(&key::of("spread"), expected("expect", "spread"), notes)?;
    let max_share = table.get("max_share").and_then(|entry| {
        let share = entry.number().filter(|share| (0.0..=1.0).contains(share));
        if share.is_none() {
            entry.wrong(expected("spread", "max_share"), notes);
        }
        share
    });
    let difference = table.get("max_difference").and_then(|entry| entry.whole(0, u32::MAX, notes));
    Some(Spread { max_share, max_difference: difference.map(u64::from) })
}
