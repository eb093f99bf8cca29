//! The removal of comments from a source, so that words in comments do not count.

use std::iter::Peekable;
use std::str::Chars;

/// The surroundings of a place in a source.
enum Within {
    /// Code, with this number of open braces.
    Code(usize),
    /// A text in backticks, which may hold code in `${…}`.
    Backticks,
}

/// Returns `text` with blanks in the place of comments; `None` where this file cannot tell texts from code.
pub(super) fn without_comments(text: &str) -> Option<String> {
    // Texts like `#"…"#` are rare, and may end in many ways.
    let is_unclear = text.contains("#\"") || text.contains("##");
    if is_unclear { None } else { Blanking::new(text).run() }
}

struct Blanking<'a> {
    rest: Peekable<Chars<'a>>,
    /// From the outermost code inwards.
    within: Vec<Within>,
    out: String,
}

impl<'a> Blanking<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.chars().peekable(), within: vec![Within::Code(0)], out: String::with_capacity(text.len()) }
    }

    /// Scans the whole source; `None` where the source does not end in code.
    fn run(mut self) -> Option<String> {
        while let Some(c) = self.rest.next() {
            match self.within.last_mut()? {
                Within::Code(braces) => match c {
                    '/' if self.rest.peek() == Some(&'/') => self.line(),
                    '/' if self.rest.peek() == Some(&'*') => self.block()?,
                    '"' | '\'' => self.quoted(c)?,
                    '`' => self.put(c, Within::Backticks),
                    '{' => {
                        *braces += 1;
                        self.out.push(c);
                    }
                    '}' => {
                        *braces = braces.checked_sub(1)?;
                        let is_over = *braces == 0 && self.within.len() > 1;
                        if is_over {
                            self.within.pop();
                        }
                        self.out.push(c);
                    }
                    _ => self.out.push(c),
                },
                Within::Backticks => match (c, self.rest.peek()) {
                    ('$', Some('{')) => self.put(c, Within::Code(0)),
                    ('\\', Some('$')) => {
                        self.out.push(c);
                        self.out.extend(self.rest.next());
                    }
                    ('`', _) => {
                        self.within.pop();
                        self.out.push(c);
                    }
                    _ => self.out.push(c),
                },
            }
        }
        matches!(self.within.as_slice(), [Within::Code(0)]).then_some(self.out)
    }

    fn put(&mut self, c: char, within: Within) {
        self.out.push(c);
        self.within.push(within);
    }

    /// Copies a text in quotes, in which a backslash escapes the next character.
    fn quoted(&mut self, quote: char) -> Option<()> {
        self.out.push(quote);
        loop {
            let c = self.rest.next()?;
            self.out.push(c);
            match c {
                '\\' => self.out.push(self.rest.next()?),
                _ if c == quote => return Some(()),
                _ => {}
            }
        }
    }

    fn line(&mut self) {
        self.out.push(' ');
        while self.rest.next_if(|c| !matches!(c, '\n' | '\r')).is_some() {
            self.out.push(' ');
        }
    }

    /// Blanks a comment that may hold nested comments; `None` where the comment does not end.
    fn block(&mut self) -> Option<()> {
        self.rest.next();
        self.out.push(' ');
        let mut level = 1_usize;
        while level > 0 {
            let c = self.rest.next()?;
            self.out.push(if c == '\n' { c } else { ' ' });
            let (other, deeper) = match c {
                '/' => ('*', true),
                '*' => ('/', false),
                _ => continue,
            };
            if self.rest.next_if_eq(&other).is_some() {
                level = if deeper { level + 1 } else { level - 1 };
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_blanked_and_texts_are_not() {
        for (text, expected) in [
            ("a // b\nc", "a     \nc"),
            ("a // b\rc", "a     \rc"),
            ("a /* b /* c */ d */ e", "a e"),
            ("a /*/ b */ c", "a c"),
            ("a /* \" */ b /* ' ` */ c", "a b c"),
            (r#""// a" + "\"// b" // c"#, r#""// a" + "\"// b" "#),
            (r"'/' + '\'' // c", r"'/' + '\'' "),
            (r#""a""// b" // c"#, r#""a""// b" "#),
            ("`// a` // b", "`// a` "),
            ("`a\n// b` // c", "`a\n// b` "),
            ("`a ${ b /* c */ + #{d: \"}\"} } // e` // f", "`a ${ b + #{d: \"}\"} } // e` "),
            ("`${`${a /* b */}`} // c` // d", "`${`${a }`} // c` "),
            (r"`a \${ // b` // c", r"`a \${ // b` "),
            (r"`a \` // b", r"`a \` "),
            ("`a `` // b` // c", "`a `` // b` "),
            ("a / b * c // d", "a / b * c "),
            ("'\"' /* a */ '`' // b", "'\"' '`' "),
        ] {
            // The number of blanks does not matter.
            let squeeze = |text: &str| text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
            let blanked = without_comments(text).map(|blanked| squeeze(&blanked));
            assert_eq!(blanked, Some(squeeze(expected)), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for text in
            ["#\"// a\"# // b", "##\"a\"## // b", "\"a // b", "} // a", "{ // a", "`${a // b", "/* a", "'a // b"]
        {
            assert_eq!(without_comments(text), None, "{text}");
        }
    }
}
