//! The host of compiled code: the state behind the calls that the code makes while the code runs, and the calls for
//! texts, order, and chance. No call has an effect outside of the run.

use std::rc::Rc;

use icu_collator::CollatorBorrowed;
use regress::Regex;
use wasmtime::{Caller, Linker, Memory, bail};

use crate::clock::{Dice, Moment};
use crate::model::diagnosis::LogLevel;

use super::dictionary::{Dictionary, DictionaryKind};
use super::emit::{HOST, NUMBER, ORDER, PLUS, REMAINDER};
use super::host_calls::HostCall;
use super::host_texts;
use super::ir::BailCause;
use super::strings::Strings;
use super::texts;
use super::thrown::ThrownText;
use super::value::{self, Kind, LIST_ITEMS, LIST_LENGTH, kind};

/// Longer texts are not made.
pub(super) const MAX_TEXT_BYTES: usize = 1 << 20;

/// The surroundings of compiled code: the data of its store.
#[derive(Default)]
pub(super) struct Surroundings {
    pub(super) strings: Strings,
    pub(super) dice: Option<Dice>,
    pub(super) patterns: Vec<Regex>,
    /// The dictionaries of the call.
    pub(super) dictionaries: Vec<Dictionary>,
    /// The time of the request; absent where there is none.
    pub(super) moment: Option<Moment>,
    /// Why a function of ours gave up.
    pub(super) cause: Option<BailCause>,
    /// The order of `localeCompare`, from its first use on.
    pub(super) collator: Option<CollatorBorrowed<'static>>,
    /// The lines that were logged.
    pub(super) lines: Vec<(LogLevel, Rc<str>)>,
    /// How many lines are kept.
    pub(super) most_lines: usize,
    /// The error that the code ended with.
    pub(super) thrown: Option<ThrownText>,
}

impl Surroundings {
    /// Gives up.
    pub(super) fn give_up<T>(&mut self, cause: BailCause) -> wasmtime::Result<T> {
        self.cause = Some(cause);
        bail!("compiled code gives up")
    }

    /// The text that `bits` are.
    pub(super) fn text(&mut self, bits: i64) -> wasmtime::Result<Rc<str>> {
        let text = match kind(bits as u64) {
            Kind::Text(number) => self.strings.get(number).cloned(),
            _ => None,
        };
        match text {
            Some(text) => Ok(text),
            None => self.give_up(BailCause::Kind),
        }
    }

    pub(super) fn ascii(&mut self, bits: i64) -> wasmtime::Result<Rc<str>> {
        let text = self.text(bits)?;
        if text.is_ascii() { Ok(text) } else { self.give_up(BailCause::Conversion) }
    }

    pub(super) fn intern(&mut self, text: &str) -> wasmtime::Result<i64> {
        if text.len() > MAX_TEXT_BYTES || self.strings.bytes() > 16 * MAX_TEXT_BYTES {
            return self.give_up(BailCause::Memory);
        }
        Ok(value::text(self.strings.intern(text)) as i64)
    }

    /// A primitive as a text.
    pub(super) fn text_of_value(&mut self, bits: i64) -> wasmtime::Result<Rc<str>> {
        Ok(match kind(bits as u64) {
            Kind::Text(_) => return self.text(bits),
            Kind::Undefined => "undefined".into(),
            Kind::Null => "null".into(),
            Kind::Flag(flag) => flag.to_string().into(),
            Kind::Number(number) => match texts::text_of(number) {
                Some(text) => text.into(),
                None => return self.give_up(BailCause::Conversion),
            },
            Kind::List(_) | Kind::Object(..) | Kind::Dictionary(_) | Kind::Unknown => {
                return self.give_up(BailCause::Conversion);
            }
        })
    }

    pub(super) fn number(&mut self, bits: i64) -> wasmtime::Result<f64> {
        match kind(bits as u64) {
            Kind::Number(number) => Ok(number),
            Kind::Undefined => Ok(f64::NAN),
            Kind::Null => Ok(0.0),
            Kind::Flag(flag) => Ok(f64::from(u8::from(flag))),
            Kind::Text(_) => match texts::number_of(&self.text(bits)?) {
                Some(number) => Ok(number),
                None => self.give_up(BailCause::Conversion),
            },
            Kind::List(_) | Kind::Object(..) | Kind::Dictionary(_) | Kind::Unknown => {
                self.give_up(BailCause::Conversion)
            }
        }
    }

    fn plus(&mut self, left: i64, right: i64) -> wasmtime::Result<i64> {
        let is_text = |bits: i64| matches!(kind(bits as u64), Kind::Text(_));
        if is_text(left) || is_text(right) {
            let (first, second) = (self.text_of_value(left)?, self.text_of_value(right)?);
            return match (first.is_empty() && is_text(right), second.is_empty() && is_text(left)) {
                (true, _) => Ok(right),
                (_, true) => Ok(left),
                _ => self.intern(&[&*first, &*second].concat()),
            };
        }
        Ok(value::number(self.number(left)? + self.number(right)?) as i64)
    }

    /// The parts of a text, as the values of a map by place.
    fn split(&mut self, text: i64, separator: i64) -> wasmtime::Result<i64> {
        let (text, separator) = (self.text(text)?, self.text(separator)?);
        let parts = self.make(DictionaryKind::Map);
        if separator.is_empty() {
            if !text.is_ascii() {
                return self.give_up(BailCause::Conversion);
            }
            for (place, letter) in text.char_indices() {
                let letter = self.intern(letter.encode_utf8(&mut [0; 4]))?;
                self.put(parts, DictionaryKind::Map, (value::number(place as f64), letter))?;
            }
            return Ok(parts);
        }
        for (place, part) in text.split(&*separator).enumerate() {
            let part = self.intern(part)?;
            self.put(parts, DictionaryKind::Map, (value::number(place as f64), part))?;
        }
        Ok(parts)
    }

    fn moment(&mut self, read: fn(&Moment) -> f64) -> wasmtime::Result<f64> {
        match self.moment.as_ref().map(read) {
            Some(number) => Ok(number),
            None => self.give_up(BailCause::Throws),
        }
    }

    fn matches(&mut self, text: i64, pattern: i64) -> wasmtime::Result<i32> {
        let Kind::Number(pattern) = kind(pattern as u64) else { return self.give_up(BailCause::Kind) };
        let pattern = pattern as usize;
        let number = match kind(text as u64) {
            Kind::Text(number) if self.strings.is_settled(number) => Some(number),
            _ => None,
        };
        if let Some(known) = number.and_then(|number| self.strings.memo.matched(pattern, number)) {
            return Ok(i32::from(known));
        }
        let text = self.text_of_value(text)?;
        let units: Vec<u16> = text.encode_utf16().collect();
        let Some(known) = self.patterns.get(pattern) else { return self.give_up(BailCause::Kind) };
        let is_match = known.find_from_ucs2(&units, 0).next().is_some();
        if let Some(number) = number {
            self.strings.memo.note_match(pattern, number, is_match);
        }
        Ok(i32::from(is_match))
    }
}

/// Offers everything that modules import.
///
/// # Errors
/// What wasmtime says.
pub(super) fn offer(linker: &mut Linker<Surroundings>) -> wasmtime::Result<()> {
    type Ask<'a> = Caller<'a, Surroundings>;
    fn flag(text: &str, part: &str, ask: fn(&str, &str) -> bool) -> i32 {
        i32::from(ask(text, part))
    }
    linker.func_wrap(HOST, HostCall::TextLength.name(), |mut ask: Ask<'_>, text: i64| {
        ask.data_mut().text(text).map(|text| texts::length(&text) as f64)
    })?;
    linker.func_wrap(HOST, HostCall::Includes.name(), |mut ask: Ask<'_>, text: i64, part: i64| {
        let (text, part) = (ask.data_mut().text(text)?, ask.data_mut().text(part)?);
        Ok(flag(&text, &part, |text, part| text.contains(part)))
    })?;
    linker.func_wrap(HOST, HostCall::StartsWith.name(), |mut ask: Ask<'_>, text: i64, part: i64| {
        let (text, part) = (ask.data_mut().text(text)?, ask.data_mut().text(part)?);
        Ok(flag(&text, &part, |text, part| text.starts_with(part)))
    })?;
    linker.func_wrap(HOST, HostCall::EndsWith.name(), |mut ask: Ask<'_>, text: i64, part: i64| {
        let (text, part) = (ask.data_mut().text(text)?, ask.data_mut().text(part)?);
        Ok(flag(&text, &part, |text, part| text.ends_with(part)))
    })?;
    linker.func_wrap(HOST, HostCall::IndexOf.name(), |mut ask: Ask<'_>, text: i64, part: i64| {
        let (text, part) = (ask.data_mut().text(text)?, ask.data_mut().text(part)?);
        let place = text.find(&*part).and_then(|place| text.get(..place)).map(texts::length);
        Ok(place.map_or(-1.0, |place| place as f64))
    })?;
    linker.func_wrap(HOST, HostCall::Lower.name(), |mut ask: Ask<'_>, text: i64| {
        let text = ask.data_mut().ascii(text)?.to_ascii_lowercase();
        ask.data_mut().intern(&text)
    })?;
    linker.func_wrap(HOST, HostCall::Upper.name(), |mut ask: Ask<'_>, text: i64| {
        let text = ask.data_mut().ascii(text)?.to_ascii_uppercase();
        ask.data_mut().intern(&text)
    })?;
    linker.func_wrap(HOST, HostCall::Trim.name(), |mut ask: Ask<'_>, text: i64| {
        let text = ask.data_mut().ascii(text)?;
        ask.data_mut().intern(text.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']))
    })?;
    linker.func_wrap(HOST, HostCall::ToText.name(), |mut ask: Ask<'_>, value: i64| {
        let text = ask.data_mut().text_of_value(value)?;
        ask.data_mut().intern(&text)
    })?;
    linker.func_wrap(HOST, HostCall::Random.name(), |mut ask: Ask<'_>| match &mut ask.data_mut().dice {
        Some(dice) => Ok(dice.unit()),
        None => ask.data_mut().give_up(BailCause::Throws),
    })?;
    linker.func_wrap(HOST, HostCall::Matches.name(), |mut ask: Ask<'_>, text: i64, pattern: i64| {
        ask.data_mut().matches(text, pattern)
    })?;
    linker.func_wrap(HOST, HostCall::Split.name(), |mut ask: Ask<'_>, text: i64, separator: i64| {
        ask.data_mut().split(text, separator)
    })?;
    linker
        .func_wrap(HOST, HostCall::Now.name(), |mut ask: Ask<'_>| ask.data_mut().moment(|moment| moment.ms as f64))?;
    linker.func_wrap(HOST, HostCall::Hour.name(), |mut ask: Ask<'_>| {
        ask.data_mut().moment(|moment| f64::from(moment.hour))
    })?;
    linker.func_wrap(HOST, HostCall::Minute.name(), |mut ask: Ask<'_>| {
        ask.data_mut().moment(|moment| f64::from(moment.minute))
    })?;
    linker.func_wrap(HOST, HostCall::Weekday.name(), |mut ask: Ask<'_>| {
        ask.data_mut().moment(|moment| f64::from(moment.weekday))
    })?;
    super::host_dictionaries::offer(linker)?;
    host_texts::offer(linker)?;
    super::sorting::offer(linker)?;
    super::host_lists::offer(linker)?;
    linker.func_wrap(HOST, ORDER, |mut ask: Ask<'_>, left: i64, right: i64| {
        let (left, right) = (ask.data_mut().text(left)?, ask.data_mut().text(right)?);
        Ok(texts::order(&left, &right) as i32)
    })?;
    linker.func_wrap(HOST, NUMBER, |mut ask: Ask<'_>, text: i64| ask.data_mut().number(text))?;
    linker.func_wrap(HOST, PLUS, |mut ask: Ask<'_>, left: i64, right: i64| ask.data_mut().plus(left, right))?;
    linker.func_wrap(HOST, REMAINDER, |left: f64, right: f64| left % right)?;
    Ok(())
}

/// The four bytes at `at`.
pub(super) fn word_at(memory: &[u8], at: u64) -> Option<u32> {
    let bytes = memory.get(usize::try_from(at).ok()?..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

/// The elements of the list at `list`.
pub(super) fn elements(memory: &[u8], list: u32) -> Option<impl Iterator<Item = u64> + '_> {
    let length = word_at(memory, u64::from(list) + LIST_LENGTH)?;
    let items = word_at(memory, u64::from(list) + LIST_ITEMS)? as usize;
    let bytes = memory.get(items..items.checked_add(8 * length as usize)?)?;
    Some(bytes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)))
}

/// Reads the list of eight-byte values that `memory` has at the place of `list`; for what came back.
pub(super) fn read_list<T>(memory: Memory, store: &wasmtime::Store<T>, list: u32) -> Option<Vec<u64>> {
    elements(memory.data(store), list).map(Iterator::collect)
}
