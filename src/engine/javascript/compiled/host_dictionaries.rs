//! Dictionaries for compiled code: objects with computed names, maps and sets.

use wasmtime::{Caller, Linker};

use super::dictionary::{Dictionary, DictionaryKind};
use super::emit::HOST;
use super::host::Surroundings;
use super::host_calls::HostCall;
use super::ir::BailCause;
use super::lower::is_inherited;
use super::value::{self, Kind, kind};

/// Every kind of dictionary.
const ANY: [DictionaryKind; 3] = [DictionaryKind::Object, DictionaryKind::Map, DictionaryKind::Set];

impl Surroundings {
    /// Makes an empty dictionary of `kind`.
    pub(super) fn make(&mut self, kind: DictionaryKind) -> i64 {
        self.dictionaries.push(Dictionary::new(kind));
        let number = self.dictionaries.len() as u64 - 1;
        (value::DICTIONARY << 48 | number) as i64
    }

    /// Returns the dictionary with the number in `bits`; gives up where the dictionary is of none of the `kinds`.
    fn dictionary(&mut self, bits: i64, kinds: &[DictionaryKind]) -> wasmtime::Result<&mut Dictionary> {
        let number = match kind(bits as u64) {
            Kind::Dictionary(number) => Some(number as usize),
            _ => None,
        };
        let is_one = |dictionary: &Dictionary| kinds.contains(&dictionary.kind);
        match number.filter(|number| self.dictionaries.get(*number).is_some_and(is_one)) {
            Some(number) => self.dictionaries.get_mut(number).ok_or_else(|| wasmtime::format_err!("no dictionary")),
            None => self.give_up(BailCause::Kind),
        }
    }

    /// Returns a key as a name of an object; gives up over names that every object inherits.
    fn name(&mut self, key: i64) -> wasmtime::Result<u64> {
        if let Kind::Text(number) = kind(key as u64) {
            return if self.strings.is_inherited(number) { self.give_up(BailCause::Kind) } else { Ok(key as u64) };
        }
        let text = self.text_of_value(key)?;
        if is_inherited(&text) {
            return self.give_up(BailCause::Kind);
        }
        self.intern(&text).map(|bits| bits as u64)
    }

    /// Returns a member of an object, or the `size` of a map or set.
    fn member(&mut self, dictionary: i64, key: i64) -> wasmtime::Result<i64> {
        if self.dictionary(dictionary, &ANY)?.kind == DictionaryKind::Object {
            let name = self.name(key)?;
            let found = self.dictionary(dictionary, &ANY)?.get(name);
            return Ok(found.unwrap_or(value::UNDEFINED) as i64);
        }
        if &*self.text(key)? != "size" {
            return self.give_up(BailCause::Kind);
        }
        let count = self.dictionary(dictionary, &ANY)?.entries().len();
        Ok(value::number(count as f64) as i64)
    }

    /// Puts an entry into a dictionary of `kind`.
    pub(super) fn put(
        &mut self,
        dictionary: i64,
        kind: DictionaryKind,
        (key, value): (u64, i64),
    ) -> wasmtime::Result<()> {
        match self.dictionary(dictionary, &[kind])?.put(key, value as u64) {
            true => Ok(()),
            false => self.give_up(BailCause::Memory),
        }
    }

    /// Returns the number of entries. Gives up over an object with names that are numbers, which JavaScript puts first.
    fn count(&mut self, dictionary: i64) -> wasmtime::Result<f64> {
        let dictionary = self.dictionary(dictionary, &ANY)?;
        let (kind_of, keys): (_, Vec<u64>) =
            (dictionary.kind, dictionary.entries().iter().map(|(key, _)| *key).collect());
        let count = keys.len();
        let is_place = |text: &str| text.parse::<u32>().is_ok_and(|place| place.to_string() == text);
        for key in keys.into_iter().filter(|_| kind_of == DictionaryKind::Object) {
            if let Kind::Text(_) = kind(key)
                && is_place(&self.text(key as i64)?)
            {
                return self.give_up(BailCause::Conversion);
            }
        }
        Ok(count as f64)
    }

    /// Returns the entry at `place`, in order of arrival: key and value.
    fn entry(&mut self, dictionary: i64, place: i64) -> wasmtime::Result<(u64, u64)> {
        let Kind::Number(place) = kind(place as u64) else { return self.give_up(BailCause::Kind) };
        let entry = self.dictionary(dictionary, &ANY)?.entries().get(place as usize).copied();
        match entry {
            Some(entry) => Ok(entry),
            None => self.give_up(BailCause::Changed),
        }
    }
}

/// Offers the calls for dictionaries.
///
/// # Errors
/// The error of wasmtime.
pub(super) fn offer(linker: &mut Linker<Surroundings>) -> wasmtime::Result<()> {
    type Ask<'a> = Caller<'a, Surroundings>;
    for (call, kind) in [
        (HostCall::NewObject, DictionaryKind::Object),
        (HostCall::NewMap, DictionaryKind::Map),
        (HostCall::NewSet, DictionaryKind::Set),
    ] {
        linker.func_wrap(HOST, call.name(), move |mut ask: Ask<'_>| ask.data_mut().make(kind))?;
    }
    linker.func_wrap(HOST, HostCall::Member.name(), |mut ask: Ask<'_>, own: i64, key: i64| {
        ask.data_mut().member(own, key)
    })?;
    linker.func_wrap(HOST, HostCall::PutMember.name(), |mut ask: Ask<'_>, own: i64, key: i64, value: i64| {
        let name = ask.data_mut().name(key)?;
        ask.data_mut().put(own, DictionaryKind::Object, (name, value))?;
        Ok(value)
    })?;
    linker.func_wrap(HOST, HostCall::MapGet.name(), |mut ask: Ask<'_>, own: i64, key: i64| {
        let found = ask.data_mut().dictionary(own, &[DictionaryKind::Map])?.get(key as u64);
        Ok(found.unwrap_or(value::UNDEFINED) as i64)
    })?;
    linker.func_wrap(HOST, HostCall::MapSet.name(), |mut ask: Ask<'_>, own: i64, key: i64, value: i64| {
        ask.data_mut().put(own, DictionaryKind::Map, (key as u64, value))?;
        Ok(own)
    })?;
    linker.func_wrap(HOST, HostCall::SetAdd.name(), |mut ask: Ask<'_>, own: i64, value: i64| {
        ask.data_mut().put(own, DictionaryKind::Set, (value as u64, value))?;
        Ok(own)
    })?;
    linker.func_wrap(HOST, HostCall::HasKey.name(), |mut ask: Ask<'_>, own: i64, key: i64| {
        let kinds = [DictionaryKind::Map, DictionaryKind::Set];
        Ok(i32::from(ask.data_mut().dictionary(own, &kinds)?.get(key as u64).is_some()))
    })?;
    linker.func_wrap(HOST, HostCall::HasMember.name(), |mut ask: Ask<'_>, own: i64, key: i64| {
        let name = ask.data_mut().name(key)?;
        Ok(i32::from(ask.data_mut().dictionary(own, &[DictionaryKind::Object])?.get(name).is_some()))
    })?;
    linker.func_wrap(HOST, HostCall::DictionaryKind.name(), |mut ask: Ask<'_>, own: i64| {
        Ok(match ask.data_mut().dictionary(own, &ANY)?.kind {
            DictionaryKind::Object => 0.0,
            DictionaryKind::Map => 1.0,
            DictionaryKind::Set => 2.0,
        })
    })?;
    linker.func_wrap(HOST, HostCall::Count.name(), |mut ask: Ask<'_>, own: i64| ask.data_mut().count(own))?;
    linker.func_wrap(HOST, HostCall::KeyAt.name(), |mut ask: Ask<'_>, own: i64, place: i64| {
        ask.data_mut().entry(own, place).map(|(key, _)| key as i64)
    })?;
    linker.func_wrap(HOST, HostCall::ValueAt.name(), |mut ask: Ask<'_>, own: i64, place: i64| {
        ask.data_mut().entry(own, place).map(|(_, value)| value as i64)
    })?;
    Ok(())
}
