//! A scan of the words of a source: the properties that the source reads, and the fields of the request.
//!
//! Every guess errs on the safe side: words in strings and comments count as well. Rejected: walking the syntax tree,
//! which Rhai shows under the feature `internals` alone and without any promise.

use std::collections::BTreeSet;

use super::input::RhaiRequestFields;

/// Returns the names that follow a dot.
pub(super) fn properties(text: &str) -> BTreeSet<String> {
    let words: Vec<(usize, &str)> = words(text).collect();
    let behind_dot = |place: usize| text.get(..place).is_some_and(|before| before.trim_end().ends_with('.'));
    words.into_iter().filter(|(place, _)| behind_dot(*place)).map(|(_, word)| word.to_owned()).collect()
}

/// Returns the request fields that a source reads, where the source calls the request by `names`.
pub(super) fn wanted(text: &str, names: &[String]) -> RhaiRequestFields {
    let mut fields = BTreeSet::new();
    for (place, word) in words(text).filter(|(_, word)| names.iter().any(|name| name == word)) {
        let rest = text.get(place + word.len()..).unwrap_or_default();
        let is_own_name = text.get(..place).is_none_or(|before| !before.trim_end().ends_with('.'));
        let Some((field, _)) = field(rest).filter(|_| is_own_name) else {
            if is_parameter(text, place, rest) {
                continue;
            }
            return RhaiRequestFields::All;
        };
        fields.insert(field.to_owned());
    }
    RhaiRequestFields::Names(fields)
}

/// Returns the field that `rest` reads, a dot and a name and no call, with the text behind the name.
pub(super) fn field(rest: &str) -> Option<(&str, &str)> {
    let rest = rest.trim_start();
    let rest = rest.strip_prefix("?.").or_else(|| rest.strip_prefix('.'))?.trim_start();
    let end = rest.find(|c| !is_in_word(c)).unwrap_or(rest.len());
    let (name, behind) = rest.split_at_checked(end)?;
    let next = behind.trim_start();
    // Behind a comment the brackets of a call may stand.
    let may_be_called = ["(", "::", "//", "/*"].iter().any(|start| next.starts_with(start))
        || (next.starts_with('!') && !next.starts_with("!="));
    (!name.is_empty() && !may_be_called).then_some((name, behind))
}

/// Whether the name is a parameter in the brackets of `fn name(…)`.
fn is_parameter(text: &str, place: usize, rest: &str) -> bool {
    let before = text.get(..place).unwrap_or_default();
    let Some(open) = before.rfind('(') else { return false };
    let (head, inside) = before.split_at_checked(open).unwrap_or_default();
    let inside = inside.trim_start_matches('(');
    let head = head.trim_end().trim_end_matches(is_in_word).trim_end();
    let is_list = |text: &str| text.chars().all(|c| is_in_word(c) || c.is_whitespace() || c == ',');
    let is_definition = head.strip_suffix("fn").is_some_and(|before| !before.ends_with(is_in_word));
    is_definition && is_list(inside) && matches!(rest.trim_start().chars().next(), Some(',' | ')'))
}

/// Returns the words of `text` with the places where they start.
pub(super) fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + text.get(rest..)?.find(is_in_word)?;
        let tail = text.get(start..)?;
        let end = start + tail.find(|c| !is_in_word(c)).unwrap_or(tail.len());
        rest = end;
        Some((start, text.get(start..end)?))
    })
}

/// Whether `c` may be part of a word.
pub(super) fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(text: &str) -> Option<Vec<String>> {
        match wanted(text, &["input".to_owned()]) {
            RhaiRequestFields::All => None,
            RhaiRequestFields::Names(names) => Some(names.into_iter().collect()),
        }
    }

    #[test]
    fn fields_of_the_request_are_seen() {
        for (text, fields) in [
            ("fn balance(input) { input.nodes[0].id + input . user?.login }", Some(vec!["nodes", "user"])),
            ("fn f(x, input, y) { `${input.time.hour}` }", Some(vec!["time"])),
            ("fn f(input) { x.input }", None),
            ("fn f(input) { help(input) }", None),
            ("fn f(input) { input[`user`] }", None),
            ("fn f(input) { input.keys() }", None),
            ("fn f(input) { let other = input; }", None),
            ("fn f(input) { `${input}` }", None),
            ("fn f(input) { |x| input.data.group }", Some(vec!["data"])),
            ("fn f(input) { input.keys /**/ () }", None),
            ("fn f(input) { input.keys // a\n() }", None),
            ("fn f(input) { let xfn = 1; xfn in (input) }", None),
            ("fn f(input) { input.now/2 != input.data.x!=1 }", Some(vec!["data", "now"])),
            ("fn f(input) { 1 } // input.data", Some(vec!["data"])),
            ("fn f(input) { 1 } // of the input", None),
            ("fn f(inputs) { inputs.user }", Some(vec![])),
        ] {
            let fields = fields.map(|fields| fields.into_iter().map(str::to_owned).collect());
            assert_eq!(wants(text), fields, "{text}");
        }
    }

    #[test]
    fn properties_are_seen() {
        let found = properties("a.b?.c . d[1].e `${f.g}` 1.5 h");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["5", "b", "c", "d", "e", "g"]);
    }
}
