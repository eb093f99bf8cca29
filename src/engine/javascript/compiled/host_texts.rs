//! Texts, numbers and dates for compiled code, as far as they are beyond doubt: what depends on letters beyond
//! ASCII, or on how the engine writes a number, is left to Boa.

use std::cmp::Ordering;
use std::rc::Rc;

use icu_collator::CollatorBorrowed;
use wasmtime::{Caller, Linker};

use super::super::locales::collation::plain_collator;
use super::emit::HOST;
use super::host::Surroundings;
use super::host_calls::HostCall;
use super::host_numbers::figure_of;
use super::ir::{BailCause, Ty};
use super::texts;
use super::value::{self, Kind, kind};

/// A text is not made longer than this by one call.
const MAX_MADE: f64 = 65_536.0;
/// The space of ASCII that `trimStart` and `trimEnd` take away.
const SPACE: [char; 6] = [' ', '\t', '\n', '\r', '\x0b', '\x0c'];
/// The calls that are answered here.
const CALLS: [HostCall; 47] = [
    HostCall::CharAt,
    HostCall::Letter,
    HostCall::CharCode,
    HostCall::Substring,
    HostCall::Substr,
    HostCall::SliceText,
    HostCall::Replace,
    HostCall::ReplaceAll,
    HostCall::PadStart,
    HostCall::PadEnd,
    HostCall::Repeat,
    HostCall::LastIndexOf,
    HostCall::TrimStart,
    HostCall::TrimEnd,
    HostCall::Collate,
    HostCall::Fixed,
    HostCall::Radix,
    HostCall::ParseInt,
    HostCall::ParseFloat,
    HostCall::Match,
    HostCall::MatchAll,
    HostCall::ReplaceMatch,
    HostCall::ReplaceMatches,
    HostCall::SplitMatches,
    HostCall::Power,
    HostCall::MathPow,
    HostCall::Log,
    HostCall::Log2,
    HostCall::Log10,
    HostCall::Exp,
    HostCall::Sign,
    HostCall::Cbrt,
    HostCall::Hypot,
    HostCall::Imul,
    HostCall::BitAnd,
    HostCall::BitOr,
    HostCall::BitXor,
    HostCall::ShiftLeft,
    HostCall::ShiftRight,
    HostCall::ShiftRightUnsigned,
    HostCall::DatePart,
    HostCall::LogStart,
    HostCall::Json,
    HostCall::JsonParse,
    HostCall::DateParse,
    HostCall::Write,
    HostCall::Throw,
];

pub(super) type Given = [i64; 3];
pub(super) type Answer<T> = wasmtime::Result<T>;

/// Offers the calls.
///
/// # Errors
/// What wasmtime says.
pub(super) fn offer(linker: &mut Linker<Surroundings>) -> Answer<()> {
    type Ask<'a> = Caller<'a, Surroundings>;
    for call in CALLS {
        let name = call.name();
        match call.signature() {
            (1, Ty::Num) => linker
                .func_wrap(HOST, name, move |mut ask: Ask<'_>, one: i64| ask.data_mut().figure(call, [one, 0, 0]))?,
            (1, _) => linker
                .func_wrap(HOST, name, move |mut ask: Ask<'_>, one: i64| ask.data_mut().made(call, [one, 0, 0]))?,
            (2, Ty::Num) => linker.func_wrap(HOST, name, move |mut ask: Ask<'_>, one: i64, two: i64| {
                ask.data_mut().figure(call, [one, two, 0])
            })?,
            (2, _) => linker.func_wrap(HOST, name, move |mut ask: Ask<'_>, one: i64, two: i64| {
                ask.data_mut().made(call, [one, two, 0])
            })?,
            _ => linker.func_wrap(HOST, name, move |mut ask: Ask<'_>, one: i64, two: i64, three: i64| {
                ask.data_mut().made(call, [one, two, three])
            })?,
        };
    }
    Ok(())
}

impl Surroundings {
    /// The number that `call` comes to.
    fn figure(&mut self, call: HostCall, [first, second, _]: Given) -> Answer<f64> {
        let number = match call {
            HostCall::CharCode => {
                let text = self.ascii(first)?;
                let place = self.whole(second, 0.0)?;
                place_in(&text, place).map_or(f64::NAN, |letter| f64::from(letter as u32))
            }
            HostCall::LastIndexOf => {
                let (text, part) = (self.ascii(first)?, self.text(second)?);
                text.rfind(&*part).map_or(-1.0, |place| place as f64)
            }
            HostCall::Collate => f64::from(self.collate(first, second)? as i8),
            HostCall::ParseInt => return self.parse_int(first, second),
            HostCall::ParseFloat => {
                if let Kind::Number(number) = kind(first as u64) {
                    // The text of a number is read as that number, but for the sign of zero.
                    return Ok(f64::from_bits(value::number(number + 0.0)));
                }
                let text = self.text_of_value(first)?;
                return self.sure(texts::leading_number(&text));
            }
            HostCall::Power => {
                let (base, exponent) = (self.number(first)?, self.number(second)?);
                return self.power(base, exponent);
            }
            HostCall::DatePart => return self.date_part(first),
            HostCall::DateParse => {
                let text = self.text(first)?;
                return self.sure(super::dates::time_of(&text));
            }
            _ => {
                let (left, right) = (self.number(first)?, self.number(second)?);
                figure_of(call, left, right)
            }
        };
        // Hardware may make other numbers that are none, whose bits mean something else here.
        Ok(if number.is_nan() { f64::from_bits(value::number(f64::NAN)) } else { number })
    }

    /// The order of two texts as `localeCompare` has it.
    fn collate(&mut self, left: i64, right: i64) -> Answer<Ordering> {
        if let (Kind::Text(first), Kind::Text(second)) = (kind(left as u64), kind(right as u64))
            && self.strings.is_settled(first)
            && self.strings.is_settled(second)
        {
            let (first, second) = (self.order_key(first)?, self.order_key(second)?);
            return Ok(first.cmp(&second));
        }
        let (left, right) = (self.text(left)?, self.text_of_value(right)?);
        self.order(|collator| collator.compare(&left, &right))
    }

    /// The key of a text in that order.
    fn order_key(&mut self, number: u32) -> Answer<Rc<[u8]>> {
        if let Some(key) = self.strings.memo.key(number) {
            return Ok(Rc::clone(key));
        }
        let text = self.strings.get(number).cloned().unwrap_or_default();
        let key: Rc<[u8]> = self.order(|collator| {
            let mut key = Vec::new();
            let Ok(()) = collator.write_sort_key_to(&text, &mut key);
            key.into()
        })?;
        self.strings.memo.note_key(number, Rc::clone(&key));
        Ok(key)
    }

    fn order<T>(&mut self, ask: impl FnOnce(&CollatorBorrowed<'static>) -> T) -> Answer<T> {
        if self.collator.is_none() {
            self.collator = plain_collator();
        }
        match self.collator.as_ref().map(ask) {
            Some(said) => Ok(said),
            None => self.give_up(BailCause::Conversion),
        }
    }

    /// What else `call` comes to.
    fn made(&mut self, call: HostCall, [first, second, third]: Given) -> Answer<i64> {
        match call {
            HostCall::CharAt | HostCall::Letter => self.letter(call, first, second),
            HostCall::Substring | HostCall::Substr | HostCall::SliceText => self.cut_out(call, [first, second, third]),
            HostCall::Replace | HostCall::ReplaceAll => self.replace(call, [first, second, third]),
            HostCall::PadStart | HostCall::PadEnd => self.pad(call, [first, second, third]),
            HostCall::Repeat => self.repeat(first, second),
            HostCall::TrimStart => self.ascii(first).and_then(|text| self.intern(text.trim_start_matches(SPACE))),
            HostCall::TrimEnd => self.ascii(first).and_then(|text| self.intern(text.trim_end_matches(SPACE))),
            HostCall::Fixed => self.fixed(first, second),
            HostCall::Radix => self.in_radix(first, second),
            HostCall::Match | HostCall::MatchAll => self.match_parts(call, first, second),
            HostCall::ReplaceMatch | HostCall::ReplaceMatches => self.replace_matches(call, [first, second, third]),
            HostCall::SplitMatches => self.split_matches(first, second),
            HostCall::LogStart => self.log_start(first),
            HostCall::Json => self.json(first),
            HostCall::JsonParse => self.parse_json(first),
            HostCall::Write => self.write_line(first, second),
            _ => self.throw(first, second),
        }
    }

    /// Returns the letter of a text at a place; past the end, the empty text for `charAt`, else `undefined`.
    fn letter(&mut self, call: HostCall, text: i64, place: i64) -> Answer<i64> {
        let text = self.ascii(text)?;
        let place = self.whole(place, 0.0)?;
        match (place_in(&text, place), call) {
            (Some(letter), _) => self.intern(letter.encode_utf8(&mut [0; 4])),
            (None, HostCall::CharAt) => self.intern(""),
            (None, _) => Ok(value::UNDEFINED as i64),
        }
    }

    fn replace(&mut self, call: HostCall, [text, part, by]: Given) -> Answer<i64> {
        let (text, part, by) = (self.text(text)?, self.text_of_value(part)?, self.replacement(by)?);
        match call {
            HostCall::Replace => self.intern(&text.replacen(&*part, &by, 1)),
            _ if part.is_empty() => self.give_up(BailCause::Conversion),
            _ => self.intern(&text.replace(&*part, &by)),
        }
    }

    fn repeat(&mut self, text: i64, count: i64) -> Answer<i64> {
        let (text, count) = (self.ascii(text)?, self.whole(count, 0.0)?);
        if count < 0.0 || count * text.len() as f64 > MAX_MADE || !count.is_finite() {
            return self.give_up(BailCause::Throws);
        }
        self.intern(&text.repeat(count as usize))
    }

    /// A number that is certain; gives up where there is none.
    pub(super) fn sure(&mut self, number: Option<f64>) -> Answer<f64> {
        match number {
            Some(number) => Ok(f64::from_bits(value::number(number))),
            None => self.give_up(BailCause::Conversion),
        }
    }

    /// A value as a whole number, `default` where it is `undefined`.
    pub(super) fn whole(&mut self, bits: i64, default: f64) -> Answer<f64> {
        if kind(bits as u64) == Kind::Undefined {
            return Ok(default);
        }
        let number = self.number(bits)?;
        Ok(if number.is_nan() { 0.0 } else { number.trunc() })
    }

    fn cut_out(&mut self, call: HostCall, [text, start, end]: Given) -> Answer<i64> {
        let text = self.ascii(text)?;
        let length = text.len() as f64;
        let (start, last) = (self.whole(start, 0.0)?, self.whole(end, length)?);
        let from_end = |place: f64| if place < 0.0 { (place + length).max(0.0) } else { place.min(length) };
        let (from, to) = match call {
            HostCall::SliceText => (from_end(start), from_end(last)),
            HostCall::Substr => {
                let from = from_end(start);
                let count = if kind(end as u64) == Kind::Undefined { length } else { last };
                (from, (from + count.max(0.0)).min(length))
            }
            _ => {
                let (start, last) = (start.clamp(0.0, length), last.clamp(0.0, length));
                (start.min(last), start.max(last))
            }
        };
        self.intern(text.get(from as usize..to as usize).unwrap_or_default())
    }

    fn pad(&mut self, call: HostCall, [text, length, fill]: Given) -> Answer<i64> {
        let (text, length) = (self.ascii(text)?, self.whole(length, 0.0)?);
        let fill = if kind(fill as u64) == Kind::Undefined { " ".into() } else { self.ascii(fill)? };
        if length > MAX_MADE {
            return self.give_up(BailCause::Memory);
        }
        let missing = (length.max(0.0) as usize).saturating_sub(text.len());
        if missing == 0 || fill.is_empty() {
            return self.intern(&text);
        }
        let filler = fill.repeat(missing / fill.len() + 1);
        let filler = filler.get(..missing).unwrap_or_default();
        self.intern(&if call == HostCall::PadStart { format!("{filler}{text}") } else { format!("{text}{filler}") })
    }

    /// What something is replaced by, where that has no meaning beside itself.
    pub(super) fn replacement(&mut self, bits: i64) -> Answer<Rc<str>> {
        let by = self.text_of_value(bits)?;
        if by.contains('$') { self.give_up(BailCause::Conversion) } else { Ok(by) }
    }

    fn date_part(&mut self, part: i64) -> Answer<f64> {
        let Kind::Number(part) = kind(part as u64) else { return self.give_up(BailCause::Kind) };
        let Some(moment) = &self.moment else { return self.give_up(BailCause::Throws) };
        let part = super::dates::part(moment, part as usize);
        self.sure(part.map(|part| part as f64))
    }
}

/// The letter of a text of ASCII at a place.
fn place_in(text: &str, place: f64) -> Option<char> {
    let is_place = (0.0..text.len() as f64).contains(&place);
    is_place.then(|| text.as_bytes().get(place as usize).map(|byte| char::from(*byte))).flatten()
}
