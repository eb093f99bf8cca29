//! The place of an error in Boa's compiled code, beyond the place in the source that Boa reports.
//!
//! Boa shows the compiled code of an error only in the text for debugging. That text is used only to say more about a
//! place: text that does not read as expected gives no place.

use std::fmt::Write;

use boa_engine::JsError;

use super::analysis::edits::Place;
use super::tail::Tail;

/// The bytes at the end of the text for debugging that are read: some thousands of places in one function.
const MAX_FRAME_BYTES: usize = 256 * 1024;

/// The place of the innermost function of a script at an error.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FailedAt {
    /// The place that Boa reports.
    pub(super) reported: Place,
    /// The place before `reported` in the compiled code.
    pub(super) before: Option<Place>,
    /// The place after `reported` in the compiled code.
    pub(super) next: Option<Place>,
}

impl FailedAt {
    /// Returns the places of `error`; `None` where they cannot be read.
    pub(super) fn of(error: &JsError) -> Option<Self> {
        let mut text = Tail::new(MAX_FRAME_BYTES);
        write!(text, "{error:?}").ok()?;
        Self::read(text.as_str())
    }

    fn read(text: &str) -> Option<Self> {
        let (_, frame) = text.rsplit_once("Bytecode { pc: ")?;
        if frame.contains("Native {") {
            // A function of the engine is the innermost one.
            return None;
        }
        let failed = number(frame)?;
        let entries = frame.split("Entry { pc: ").skip(1);
        let entries: Vec<_> = entries.map_while(|entry| Some((number(entry)?, place(entry)))).collect();
        let at = entries.iter().rposition(|(start, _)| *start <= failed)?;
        let (_, reported) = entries.get(at)?;
        let place = |at: usize| entries.get(at).and_then(|(_, place)| *place);
        Some(Self { reported: (*reported)?, before: at.checked_sub(1).and_then(place), next: place(at + 1) })
    }
}

/// Returns the number that `text` begins with.
fn number(text: &str) -> Option<u32> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

/// Returns the place of an entry.
fn place(entry: &str) -> Option<Place> {
    let (_, line) = entry.split_once("line_number: ")?;
    let (_, column) = line.split_once("column_number: ")?;
    Some((number(line)?, number(column)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_and_the_next_one_are_read() {
        let entry = |pc: u32, line: u32| {
            format!("Entry {{ pc: {pc}, position: Some(Position {{ line_number: {line}, column_number: 7 }}) }}")
        };
        let frame = |pc: u32| {
            let (first, second) = (entry(0, 1), entry(20, 2));
            format!("Bytecode {{ pc: {pc}, map: [{first}, {second}, Entry {{ pc: 30, position: None }}]")
        };
        let at = |before, reported, next| Some(FailedAt { reported, before, next });
        let (first, second) = ((1, 7), (2, 7));
        assert_eq!(FailedAt::read(&frame(19)), at(None, first, Some(second)));
        assert_eq!(FailedAt::read(&format!("{}{}", frame(1), frame(20))), at(Some(first), second, None));
        assert_eq!(FailedAt::read(&format!("{}Native {{", frame(1))), None);
        assert_eq!(FailedAt::read(&frame(31)), None);
        assert_eq!(FailedAt::read("Bytecode { pc: , Entry { pc: x"), None);
    }
}
