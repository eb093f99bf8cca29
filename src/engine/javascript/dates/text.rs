//! The texts that V8's `Date.parse` accepts, and their meaning: the standard's form first, then, token by token, the
//! forms that people write. Ported from V8's `dateparser-inl.h`, since the only way to agree with V8 is to use V8's
//! algorithm.

mod parts;
mod tokens;

use parts::{DateNumbers, Time, Zone, is_day, is_hour, is_minute, is_month, is_second};
use tokens::{DateWord, Token, Tokens};

/// The time that a text names.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ParsedTime {
    /// The day, in milliseconds from 1970.
    pub(super) day_ms: f64,
    /// The time of the day in milliseconds.
    pub(super) time_ms: f64,
    pub(super) offset: Offset,
}

/// The offset of a text's time from UTC.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Offset {
    /// The offset of the reader's zone.
    Local,
    /// This many seconds east of Greenwich.
    Seconds(i64),
}

/// The parts of a time that were read so far.
#[derive(Default)]
struct DateParts {
    day: DateNumbers,
    time: Time,
    zone: Zone,
}

/// Reads `text`, which is UTF-16; `None` where V8 returns `NaN`.
pub(super) fn read(text: &[u16]) -> Option<ParsedTime> {
    let mut tokens = Tokens::new(text);
    let mut parts = DateParts::default();
    match parts.standard(&mut tokens)? {
        Token::End => {}
        first => parts.anything(first, &mut tokens)?,
    }
    Some(ParsedTime { day_ms: parts.day.ms()?, time_ms: parts.time.ms()?, offset: parts.zone.offset() })
}

impl DateParts {
    /// Reads the standard's form, `[+-yy]yyyy[-MM[-DD]][THH:mm[:ss[.sss]][Z|+hh:mm|-hh:mm]]`. Returns the token at
    /// which the text deviates, or the end; `None` where the text is wrong in either form.
    fn standard(&mut self, tokens: &mut Tokens<'_>) -> Option<Token> {
        if let Some(sign) = tokens.peek().sign() {
            let first = tokens.take();
            let Some(year) = tokens.peek().fixed(6).filter(|year| sign > 0 || *year != 0) else { return Some(first) };
            tokens.take();
            self.day.add(sign * year);
        } else if let Some(year) = tokens.peek().fixed(4) {
            tokens.take();
            self.day.add(year);
        } else {
            return Some(tokens.take());
        }
        for fits in [is_month, is_day] {
            if !tokens.skip('-') {
                break;
            }
            match tokens.peek().fixed(2).filter(|number| fits(*number)) {
                Some(number) => self.day.add(number),
                None => return Some(tokens.take()),
            };
            tokens.take();
        }
        if !matches!(tokens.peek(), Token::Word { word: DateWord::Separator, .. }) {
            if tokens.peek() != Token::End {
                return Some(tokens.take());
            }
        } else {
            tokens.take();
            self.standard_time(tokens)?;
            self.standard_offset(tokens)?;
            if tokens.peek() != Token::End {
                return None;
            }
        }
        if self.zone.is_empty() && self.time.is_empty() {
            self.zone.set_hours(0);
        }
        self.day.is_standard = true;
        Some(Token::End)
    }

    fn standard_time(&mut self, tokens: &mut Tokens<'_>) -> Option<()> {
        let hour = tokens.peek().fixed(2).filter(|hour| (0..=24).contains(hour))?;
        // 24:00 is the end of a day; only zeros may follow.
        let fits = |number: &i64| hour != 24 || *number == 0;
        tokens.take();
        self.time.add(hour);
        tokens.skip(':').then_some(())?;
        self.time.add(tokens.peek().fixed(2).filter(|minute| is_minute(*minute)).filter(fits)?);
        tokens.take();
        if tokens.skip(':') {
            self.time.add(tokens.peek().fixed(2).filter(|second| is_second(*second)).filter(fits)?);
            tokens.take();
            if tokens.skip('.') {
                let Token::Number { value, .. } = tokens.peek() else { return None };
                fits(&value).then_some(())?;
                let fraction = tokens.take();
                self.time.add(fraction.milliseconds()?);
            }
        }
        Some(())
    }

    fn standard_offset(&mut self, tokens: &mut Tokens<'_>) -> Option<()> {
        if tokens.peek().is_z() {
            tokens.take();
            self.zone.set_hours(0);
        } else if let Some(sign) = tokens.peek().sign() {
            tokens.take();
            self.zone.sign = Some(sign);
            let (hour, minute) = match tokens.peek().fixed(4) {
                Some(both) => (both / 100, both % 100),
                None => {
                    let hour = tokens.peek().fixed(2).filter(|hour| is_hour(*hour))?;
                    tokens.take();
                    tokens.skip(':').then_some(())?;
                    (hour, tokens.peek().fixed(2)?)
                }
            };
            (is_hour(hour) && is_minute(minute)).then_some(())?;
            tokens.take();
            (self.zone.hour, self.zone.minute) = (Some(hour), Some(minute));
        }
        Some(())
    }

    /// Reads the forms that people write, from `first` on.
    fn anything(&mut self, first: Token, tokens: &mut Tokens<'_>) -> Option<()> {
        let mut has_number = !self.day.is_empty();
        let mut token = first;
        while token != Token::End {
            match token {
                Token::Number { value, .. } => {
                    has_number = true;
                    self.number(value, tokens)?;
                }
                Token::Word { word, .. } => self.word(word, has_number, tokens)?,
                Token::Symbol(_) => match token.sign() {
                    Some(sign) if self.zone.is_utc() || !self.time.is_empty() => {
                        has_number = true;
                        self.offset(sign, tokens)?;
                    }
                    Some(_) if has_number => return None,
                    None if has_number && token == Token::Symbol(')') => return None,
                    _ => {}
                },
                Token::Blank | Token::Other | Token::End => {}
            }
            token = tokens.take();
        }
        Some(())
    }

    fn number(&mut self, number: i64, tokens: &mut Tokens<'_>) -> Option<()> {
        if tokens.skip(':') {
            if tokens.skip(':') {
                self.time.is_empty().then_some(())?;
                self.time.add(number);
                self.time.add(0);
            } else {
                self.time.add(number).then_some(())?;
                tokens.skip('.');
            }
        } else if tokens.skip('.') && self.time.expects(number) {
            self.time.add(number);
            let fraction = tokens.peek();
            let milliseconds = fraction.milliseconds()?;
            tokens.take();
            self.time.finish(milliseconds);
        } else if self.zone.expects(number) {
            self.zone.minute = Some(number);
        } else if self.time.expects(number) {
            self.time.finish(number);
            let next = tokens.peek();
            let ends = matches!(next, Token::End | Token::Blank) || next.is_z() || next.sign().is_some();
            ends.then_some(())?;
        } else {
            self.day.add(number).then_some(())?;
            tokens.skip('-');
        }
        Some(())
    }

    fn word(&mut self, word: DateWord, has_number: bool, tokens: &mut Tokens<'_>) -> Option<()> {
        match word {
            DateWord::HalfOfDay(hours) if !self.time.is_empty() => self.time.hour_offset = Some(hours),
            DateWord::Month(month) => {
                self.day.month = Some(month);
                tokens.skip('-');
            }
            DateWord::Zone(hours) if has_number => self.zone.set_hours(hours),
            // Words without a meaning may only stand before the first number, and not right before that number.
            _ if has_number || matches!(tokens.peek(), Token::Number { .. }) => return None,
            _ => {}
        }
        Some(())
    }

    fn offset(&mut self, sign: i64, tokens: &mut Tokens<'_>) -> Option<()> {
        self.zone.sign = Some(sign);
        let (mut number, mut length) = (0, 0);
        if let Token::Number { value, length: digits } = tokens.peek() {
            tokens.take();
            (number, length) = (value, digits);
        }
        (self.zone.hour, self.zone.minute) = match length {
            _ if tokens.peek() == Token::Symbol(':') => (Some(number), None),
            1 | 2 => (Some(number), Some(0)),
            3 | 4 => (Some(number / 100), Some(number % 100)),
            _ => return None,
        };
        Some(())
    }
}
