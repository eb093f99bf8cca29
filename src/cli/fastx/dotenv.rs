//! The file `fastx.env` as FastX itself reads it: the rules of Node.js's `dotenv`.
//!
//! `dotenvy` was tried and refuses values that FastX takes: a value with a space outside of quotes, as in
//! `LOAD_BALANCER=Fewest Sessions`. `dotenvy` also puts variables of our own environment in for a `$`, where FastX
//! keeps the letter, and names no line. A line that is no setting, which FastX skips in silence, is an error here.

use std::collections::BTreeMap;

/// A line that is no setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub(super) struct Broken {
    /// The line, from 1.
    pub(super) line: usize,
    /// The fault of the line; never the value, which may be a secret.
    why: &'static str,
}

/// A name and a value.
type Setting = (String, String);

/// Parses `text`; of a variable that is set twice, the last value counts.
///
/// # Errors
/// The first line that is no setting.
pub(super) fn parse(text: &str) -> Result<BTreeMap<String, String>, Broken> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut variables, mut rest, mut line) = (BTreeMap::new(), text, 1);
    while !rest.is_empty() {
        let (taken, setting) = setting(rest).map_err(|why| Broken { line, why })?;
        variables.extend(setting);
        let (done, left) = rest.split_at_checked(taken).unwrap_or((rest, ""));
        line += done.matches('\n').count();
        rest = left;
    }
    Ok(variables)
}

/// Parses the setting at the start of `text`, if there is a setting on the first line; also returns the number of bytes
/// read: a value in quotes may go over several lines.
fn setting(text: &str) -> Result<(usize, Option<Setting>), &'static str> {
    let (line, _) = text.split_once('\n').unwrap_or((text, ""));
    // With the line feed of the line; a byte too many at the end of the text does no harm.
    let whole_line = line.len() + 1;
    let bare = line.trim();
    if bare.is_empty() || bare.starts_with('#') {
        return Ok((whole_line, None));
    }
    let (name, value) = line.split_once('=').ok_or("expected NAME=value")?;
    let name = name.trim();
    let name = name.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).map_or(name, str::trim_start);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_name) {
        return Err("expected a name of letters, digits, `_`, `.` and `-` before the `=`");
    }
    let trimmed = value.trim_start();
    let (taken, value) = match trimmed.chars().next().filter(|first| matches!(first, '"' | '\'' | '`')) {
        Some(quote) => {
            let start = line.len() - trimmed.len() + quote.len_utf8();
            let (inside, value) = quoted(text.get(start..).unwrap_or_default(), quote)?;
            (start + inside, value)
        }
        None => (whole_line, value.split_once('#').map_or(value, |(value, _comment)| value).trim().to_owned()),
    };
    if value.contains('\0') {
        return Err("a value has no NUL in it");
    }
    Ok((taken, Some((name.to_owned(), value))))
}

/// Returns the value that `text` begins with and that `quote` ends, and how many bytes there are up to the line's end.
fn quoted(text: &str, quote: char) -> Result<(usize, String), &'static str> {
    let mut is_escaped = false;
    let end = text.char_indices().find(|(_, character)| {
        let ends = *character == quote && !is_escaped;
        is_escaped = *character == '\\' && !is_escaped;
        ends
    });
    let (end, _) = end.ok_or("the quote that its value begins with has no end")?;
    let (value, after) = text.split_at_checked(end).unwrap_or((text, ""));
    let (after, _) = after.split_once('\n').unwrap_or((after, ""));
    let comment = after.strip_prefix(quote).unwrap_or(after).trim_start();
    if !comment.is_empty() && !comment.starts_with('#') {
        return Err("something other than a comment stands after the closing quote");
    }
    let value = match quote {
        '"' => value.replace("\\n", "\n").replace("\\r", "\r"),
        _ => value.to_owned(),
    };
    Ok((end + after.len() + 1, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Vec<(String, String)>, String> {
        parse(text).map(|variables| variables.into_iter().collect()).map_err(|broken| broken.to_string())
    }

    #[test]
    fn settings_are_read_as_fastx_reads_them() {
        for (text, value) in [
            ("A=b", "b"),
            ("A=Fewest Sessions\n", "Fewest Sessions"),
            (" export  A = b # why\r\n", "b"),
            ("A=\"Fewest Sessions\" # why", "Fewest Sessions"),
            ("A='it is # here'", "it is # here"),
            ("A=`a \"b\" 'c'`", "a \"b\" 'c'"),
            ("A=$HOME/${HOME}", "$HOME/${HOME}"),
            ("A=a\\nb", "a\\nb"),
            ("A=\"a\\nb\"", "a\nb"),
            ("A='a\\nb'", "a\\nb"),
            ("A='a\\'b'", "a\\'b"),
            ("A=\"two\nlines\"\n", "two\nlines"),
            ("A=x=y", "x=y"),
            ("A=", ""),
            ("A=\"\"", ""),
            ("\u{feff}# first\n\n  # more\nA=1\nA=2", "2"),
            ("A=ü", "ü"),
        ] {
            assert_eq!(one(text), Ok(vec![("A".to_owned(), value.to_owned())]), "{text:?}");
        }
        assert_eq!(one(""), Ok(vec![]));
        assert_eq!(one("\n\n# only\n").unwrap().len(), 0);
        assert_eq!(one("A.b-C=\"1\n2\"\nB=3").unwrap().len(), 2);
    }

    #[test]
    fn a_broken_line_is_named_and_not_repeated() {
        for (text, words) in [
            ("A=1\nhunter2\n", "line 2: expected NAME=value"),
            ("\nA B=1", "line 2: expected a name"),
            ("=1", "line 1: expected a name"),
            ("A=\"x\ny\"\nB='z", "line 3: the quote"),
            ("A=\"x\" y", "line 1: something other"),
            ("A=\"x\\\"", "line 1: the quote"),
            ("A=a\0b", "line 1: a value has no NUL"),
        ] {
            let why = one(text).unwrap_err();
            assert!(why.contains(words) && !why.contains("hunter2"), "{text:?}: {why}");
        }
    }
}
