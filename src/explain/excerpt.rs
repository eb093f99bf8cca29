//! The line of a script that a position is on, drawn with a mark under the column.

use serde_json::Value;

use crate::chain::{ChainSet, StepSource};
use crate::model::Position;
use crate::plain::plain;
use crate::script::Content;

/// The most characters of a line that are drawn, most of them before the mark.
const MAX_WIDTH: usize = 100;
const MAX_BEFORE: usize = 70;

/// Returns the line of `position` in the script of that name in `set`, drawn with a mark, or `None` if the script has
/// no such line.
#[must_use]
pub fn excerpt(set: &ChainSet, position: &Position) -> Option<String> {
    let steps = set.chains.iter().flat_map(|chain| &chain.steps);
    let source = steps.filter(|step| step.name == position.file).find_map(|step| match &step.source {
        StepSource::Script { content: Content::Text(text), .. } => Some(text),
        _ => None,
    })?;
    let line = source.lines().nth(usize::try_from(position.line).ok()?.checked_sub(1)?)?;
    let column = usize::try_from(position.column).ok()?.saturating_sub(1);
    // Minified code stands in a single line.
    let skipped = column.saturating_sub(MAX_BEFORE);
    let shown: String = line.chars().skip(skipped).take(MAX_WIDTH).map(|c| if c == '\t' { ' ' } else { c }).collect();
    let number = position.line.to_string();
    let (gutter, before) = (" ".repeat(number.len()), " ".repeat(column - skipped));
    Some(format!("  {number} │ {}\n  {gutter} │ {before}^", plain(&shown)))
}

/// Adds to each place in `explanation`, made by the chains of `set`, the source line as `excerpt`.
pub fn draw(explanation: &mut Value, set: &ChainSet) {
    let add = |record: &mut Value| {
        let position = record.get("position").cloned();
        let position = position.and_then(|position| serde_json::from_value::<Position>(position).ok());
        let drawn = position.and_then(|position| excerpt(set, &position));
        if let (Some(drawn), Some(fields)) = (drawn, record.as_object_mut()) {
            fields.insert("excerpt".to_owned(), drawn.into());
        }
    };
    if let Some(error) = explanation.get_mut("error") {
        add(error);
    }
    explanation.get_mut("steps").and_then(Value::as_array_mut).into_iter().flatten().for_each(add);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{ChainSpec, StepSpec};

    fn drawn(text: &str, line: u32, column: u32) -> Option<String> {
        let step = StepSpec::new("s.js", StepSource::script("js", text));
        let set = ChainSet::new(vec![ChainSpec::new("a", vec![step])]);
        excerpt(&set, &Position { file: "s.js".into(), line, column })
    }

    #[test]
    fn the_mark_stands_under_its_column() {
        assert_eq!(drawn("a\n\tb.c", 2, 4).unwrap(), "  2 │  b.c\n    │    ^");
        assert_eq!(drawn("a", 2, 1), None);
        let minified = format!("{}x{}", "y".repeat(500), "z".repeat(500));
        let drawn = drawn(&minified, 1, 501).unwrap();
        let (line, mark) = drawn.split_once('\n').unwrap();
        assert_eq!(line.chars().nth(mark.chars().position(|c| c == '^').unwrap()), Some('x'), "{drawn}");
    }
}
