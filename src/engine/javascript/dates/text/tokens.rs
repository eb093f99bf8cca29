//! The tokens of a text that may name a date: numbers, known words, signs.

/// The number of digits of a number that count.
const MAX_DIGITS: usize = 9;
/// The number of letters of a word that count.
const PREFIX: usize = 3;
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
/// Words that are matched whole.
const WORDS: [(&str, DateWord); 15] = [
    ("am", DateWord::HalfOfDay(0)),
    ("pm", DateWord::HalfOfDay(12)),
    ("ut", DateWord::Zone(0)),
    ("utc", DateWord::Zone(0)),
    ("z", DateWord::Zone(0)),
    ("gmt", DateWord::Zone(0)),
    ("cdt", DateWord::Zone(-5)),
    ("cst", DateWord::Zone(-6)),
    ("edt", DateWord::Zone(-4)),
    ("est", DateWord::Zone(-5)),
    ("mdt", DateWord::Zone(-6)),
    ("mst", DateWord::Zone(-7)),
    ("pdt", DateWord::Zone(-7)),
    ("pst", DateWord::Zone(-8)),
    ("t", DateWord::Separator),
];

/// A token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token {
    Number {
        value: i64,
        length: usize,
    },
    Word {
        word: DateWord,
        length: usize,
    },
    Symbol(char),
    Blank,
    /// A character without a meaning, or text in brackets.
    Other,
    End,
}

/// The meaning of a word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum DateWord {
    Month(i64),
    /// `am` or `pm`, in hours.
    HalfOfDay(i64),
    /// The name of a zone, in hours east of Greenwich.
    Zone(i64),
    /// `T`.
    Separator,
    Nothing,
}

impl Token {
    /// Returns the value of a number of exactly `digits` digits.
    pub(super) fn fixed(self, digits: usize) -> Option<i64> {
        match self {
            Self::Number { value, length } if length == digits => Some(value),
            _ => None,
        }
    }

    pub(super) fn sign(self) -> Option<i64> {
        match self {
            Self::Symbol('+') => Some(1),
            Self::Symbol('-') => Some(-1),
            _ => None,
        }
    }

    /// Whether the token is a zone's name of a single letter.
    pub(super) fn is_z(self) -> bool {
        matches!(self, Self::Word { word: DateWord::Zone(_), length: 1 })
    }

    /// Returns a number as milliseconds, read as the digits behind a second's point.
    pub(super) fn milliseconds(self) -> Option<i64> {
        let Self::Number { value, length } = self else { return None };
        Some(match length {
            0 => 0,
            1 => value * 100,
            2 => value * 10,
            3 => value,
            _ => (3..length.min(MAX_DIGITS)).fold(value, |value, _| value / 10),
        })
    }
}

/// The tokens of a text, with a look at the next token.
pub(super) struct Tokens<'a> {
    rest: &'a [u16],
    next: Token,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(text: &'a [u16]) -> Self {
        // V8 ends the text at a zero.
        let text = text.split(|unit| *unit == 0).next().unwrap_or_default();
        let mut tokens = Self { rest: text, next: Token::End };
        tokens.next = tokens.scan();
        tokens
    }

    pub(super) fn peek(&self) -> Token {
        self.next
    }

    pub(super) fn take(&mut self) -> Token {
        let scanned = self.scan();
        std::mem::replace(&mut self.next, scanned)
    }

    /// Takes the next token, if the token is `symbol`.
    pub(super) fn skip(&mut self, symbol: char) -> bool {
        let is_next = self.next == Token::Symbol(symbol);
        if is_next {
            self.take();
        }
        is_next
    }

    fn scan(&mut self) -> Token {
        let Some((first, rest)) = self.rest.split_first() else { return Token::End };
        match char::from_u32(u32::from(*first)) {
            Some('0'..='9') => self.number(),
            Some(symbol @ (':' | '-' | '+' | '.' | ')')) => {
                self.rest = rest;
                Token::Symbol(symbol)
            }
            _ if is_letter(*first) => self.word(),
            Some('(') => {
                self.skip_brackets();
                Token::Other
            }
            _ => {
                self.rest = rest;
                if is_blank(*first) { Token::Blank } else { Token::Other }
            }
        }
    }

    fn number(&mut self) -> Token {
        let digits = self.rest.iter().take_while(|unit| is_digit(**unit)).count();
        let (number, rest) = self.rest.split_at_checked(digits).unwrap_or_default();
        self.rest = rest;
        let value = number.iter().skip_while(|unit| **unit == u16::from(b'0')).take(MAX_DIGITS);
        let value = value.fold(0, |value, unit| value * 10 + i64::from(unit - u16::from(b'0')));
        Token::Number { value, length: digits }
    }

    fn word(&mut self) -> Token {
        let length = self.rest.iter().take_while(|unit| is_letter(**unit)).count();
        let (word, rest) = self.rest.split_at_checked(length).unwrap_or_default();
        self.rest = rest;
        let lower = |unit: &u16| u8::try_from(*unit).map_or('\u{fffd}', |byte| char::from(byte.to_ascii_lowercase()));
        let prefix: String = word.iter().take(PREFIX).map(lower).collect();
        let known = WORDS.iter().find(|(known, _)| *known == prefix && length <= PREFIX).map(|(_, word)| *word);
        let month =
            || MONTHS.iter().zip(1..).find(|(month, _)| **month == prefix).map(|(_, number)| DateWord::Month(number));
        Token::Word { word: known.or_else(month).unwrap_or(DateWord::Nothing), length }
    }

    fn skip_brackets(&mut self) {
        let mut open = 0_usize;
        let mut end = self.rest.len();
        for (place, unit) in self.rest.iter().enumerate() {
            match char::from_u32(u32::from(*unit)) {
                Some('(') => open += 1,
                Some(')') => open = open.saturating_sub(1),
                _ => {}
            }
            if open == 0 {
                end = place + 1;
                break;
            }
        }
        self.rest = self.rest.get(end..).unwrap_or_default();
    }
}

fn is_digit(unit: u16) -> bool {
    u8::try_from(unit).is_ok_and(|byte| byte.is_ascii_digit())
}

fn is_letter(unit: u16) -> bool {
    unit >= u16::from(b'A') && !is_blank(unit)
}

/// Whether `unit` is white space or ends a line, by JavaScript's definition.
fn is_blank(unit: u16) -> bool {
    matches!(unit, 0x09..=0x0d | 0x20 | 0xa0 | 0x1680 | 0x2000..=0x200a | 0x2028 | 0x2029 | 0x202f | 0x205f | 0x3000 | 0xfeff)
}
