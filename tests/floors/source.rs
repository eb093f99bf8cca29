//! A Rust file as tokens and paths: enough to see what it names, blind to comments, strings and test code.
//!
//! Not a parser of Rust: that would be a dependency for one test. What it cannot know (a macro that builds a path, a
//! `use … as` that hides one) a reviewer sees.

use std::collections::BTreeSet;

/// One word or mark of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    /// The word itself, `::`, any other character alone, or `"` for a whole literal.
    text: String,
    line: usize,
}

/// A path as it is written: `crate::model::Node` or `HashMap`, with `use` trees taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    /// How it stands there.
    pub(crate) kind: Kind,
}

/// How a path stands in the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// In a `use`.
    Imported,
    /// As a macro's name.
    Macro,
    /// Anywhere else.
    Used,
}

/// A file without its comments, strings and tests.
pub(crate) struct Source {
    tokens: Vec<Token>,
    /// How many lines are no test code.
    pub(crate) lines: usize,
}

impl Source {
    /// Reads `text`.
    pub(crate) fn read(text: &str) -> Self {
        let all = tokens(text);
        let mut test_lines = BTreeSet::new();
        let (mut kept, mut place) = (Vec::with_capacity(all.len()), 0);
        while let Some(token) = all.get(place) {
            match test_item_end(&all, place) {
                Some(end) => {
                    let last = all.get(end - 1).map_or(token.line, |last| last.line);
                    test_lines.extend(token.line..=last);
                    place = end;
                }
                None => {
                    kept.push(token.clone());
                    place += 1;
                }
            }
        }
        Self { tokens: kept, lines: text.lines().count() - test_lines.len() }
    }

    /// Every path that the file names.
    pub(crate) fn named(&self) -> Vec<Named> {
        let (mut named, mut place) = (Vec::new(), 0);
        while let Some(token) = self.tokens.get(place) {
            if token.text == "use" {
                place = self.use_tree(place + 1, &[], &mut named);
            } else if is_word(&token.text) {
                place = self.path(place, &mut named);
            } else {
                place += 1;
            }
        }
        named
    }

    /// Attributes that consist of one word, as `#[ignore]` does, with or without a reason.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = (&str, usize)> {
        self.tokens.windows(3).filter_map(|three| match three {
            [hash, open, word] if hash.text == "#" && open.text == "[" => Some((word.text.as_str(), word.line)),
            _ => None,
        })
    }

    /// Whether the file has a module of its own called `name`, which then is no crate.
    pub(crate) fn declares(&self, name: &str) -> bool {
        self.tokens.windows(2).any(|two| two[0].text == "mod" && two[1].text == name)
    }

    fn text(&self, place: usize) -> &str {
        self.tokens.get(place).map_or("", |token| token.text.as_str())
    }

    /// Reads the path that begins at `place`, and returns the place after it.
    fn path(&self, start: usize, named: &mut Vec<Named>) -> usize {
        let is_field = start > 0 && matches!(self.text(start - 1), "." | "::");
        let (mut segments, mut place) = (vec![self.text(start).to_owned()], start + 1);
        while self.text(place) == "::" && is_word(self.text(place + 1)) {
            segments.push(self.text(place + 1).to_owned());
            place += 2;
        }
        if !is_field && let Some(token) = self.tokens.get(start) {
            let kind = if self.text(place) == "!" { Kind::Macro } else { Kind::Used };
            named.push(Named { segments, line: token.line, kind });
        }
        place
    }

    /// Reads a `use` tree below `prefix`, and returns the place after it.
    fn use_tree(&self, start: usize, prefix: &[String], named: &mut Vec<Named>) -> usize {
        let (mut segments, mut place) = (prefix.to_vec(), start);
        loop {
            match self.text(place) {
                "::" => place += 1,
                "{" => {
                    place += 1;
                    while !matches!(self.text(place), "}" | "") {
                        place = self.use_tree(place, &segments, named);
                        place += usize::from(self.text(place) == ",");
                    }
                    return place + 1;
                }
                "as" => place += 2,
                word if is_word(word) || word == "*" => {
                    segments.push(word.to_owned());
                    place += 1;
                }
                _ => break,
            }
        }
        let line = self.tokens.get(start).map_or(0, |token| token.line);
        if segments.len() > prefix.len() {
            named.push(Named { segments, line, kind: Kind::Imported });
        }
        // Always on, whatever stands here, so that no text can hold the reader up.
        if place == start { place + 1 } else { place }
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Where the item ends that begins at `start` with `#[cfg(test)]`; absent where none does.
fn test_item_end(tokens: &[Token], start: usize) -> Option<usize> {
    let text = |place: usize| tokens.get(place).map_or("", |token| token.text.as_str());
    let is_test = |place: usize| (0..7).all(|n| text(place + n) == ["#", "[", "cfg", "(", "test", ")", "]"][n]);
    if !is_test(start) {
        return None;
    }
    let (mut place, mut depth) = (start + 7, 0_usize);
    while place < tokens.len() {
        match text(place) {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth = depth.saturating_sub(1),
            "}" if depth <= 1 => return Some(place + 1),
            "}" => depth -= 1,
            ";" if depth == 0 => return Some(place + 1),
            _ => {}
        }
        place += 1;
    }
    Some(place)
}

fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut place, mut line) = (Vec::new(), 0, 1);
    while let Some(&first) = chars.get(place) {
        let (end, text) = match first {
            '/' if chars.get(place + 1) == Some(&'/') => (line_end(&chars, place), None),
            '/' if chars.get(place + 1) == Some(&'*') => (comment_end(&chars, place), None),
            _ if first.is_whitespace() => (place + 1, None),
            ':' if chars.get(place + 1) == Some(&':') => (place + 2, Some("::".to_owned())),
            _ => match literal_end(&chars, place) {
                Some(end) => (end, Some("\"".to_owned())),
                None if first.is_alphanumeric() || first == '_' => {
                    let end = word_end(&chars, place);
                    (end, Some(chars[place..end].iter().collect()))
                }
                None => (place + 1, Some(first.to_string())),
            },
        };
        tokens.extend(text.map(|text| Token { text, line }));
        line += chars[place..end].iter().filter(|character| **character == '\n').count();
        place = end;
    }
    tokens
}

fn line_end(chars: &[char], start: usize) -> usize {
    chars[start..].iter().position(|character| *character == '\n').map_or(chars.len(), |length| start + length)
}

/// Comments nest.
fn comment_end(chars: &[char], start: usize) -> usize {
    let (mut depth, mut place) = (0, start);
    while place < chars.len() {
        match (chars[place], chars.get(place + 1)) {
            ('/', Some('*')) => (depth, place) = (depth + 1, place + 2),
            ('*', Some('/')) if depth == 1 => return place + 2,
            ('*', Some('/')) => (depth, place) = (depth - 1, place + 2),
            _ => place += 1,
        }
    }
    place
}

fn word_end(chars: &[char], start: usize) -> usize {
    let is_part = |character: &char| character.is_alphanumeric() || *character == '_';
    chars[start..].iter().position(|character| !is_part(character)).map_or(chars.len(), |length| start + length)
}

/// Where the literal ends that begins at `start`; absent where none does. A lifetime is none.
fn literal_end(chars: &[char], start: usize) -> Option<usize> {
    match chars[start] {
        '"' => Some(quoted_end(chars, start, '"')),
        '\'' if chars.get(start + 1) == Some(&'\\') => Some(quoted_end(chars, start, '\'')),
        '\'' if chars.get(start + 2) == Some(&'\'') => Some(start + 3),
        'b' | 'c' | 'r' => {
            let prefix = chars[start..].iter().take_while(|character| matches!(character, 'b' | 'c' | 'r')).count();
            let hashes = chars[start + prefix..].iter().take_while(|character| **character == '#').count();
            let quote = start + prefix + hashes;
            let raw = chars[start..start + prefix].contains(&'r');
            match chars.get(quote)? {
                '"' if raw => Some(raw_end(chars, quote, hashes)),
                '"' if hashes == 0 => Some(quoted_end(chars, quote, '"')),
                '\'' if hashes == 0 && prefix == 1 && !raw => Some(quoted_end(chars, quote, '\'')),
                _ => None,
            }
        }
        _ => None,
    }
}

fn quoted_end(chars: &[char], start: usize, quote: char) -> usize {
    let mut place = start + 1;
    while place < chars.len() {
        match chars[place] {
            '\\' => place += 2,
            character if character == quote => return place + 1,
            _ => place += 1,
        }
    }
    chars.len()
}

fn raw_end(chars: &[char], start: usize, hashes: usize) -> usize {
    (start + 1..chars.len())
        .find(|place| chars[*place] == '"' && (1..=hashes).all(|offset| chars.get(place + offset) == Some(&'#')))
        .map_or(chars.len(), |end| end + 1 + hashes)
}
