//! Patterns for compiled code: the matches in a text, found by the regex engine that Boa uses, in UTF-16 code units.

use super::dictionary::DictionaryKind;
use super::host::Surroundings;
use super::host_calls::HostCall;
use super::host_texts::{Answer, Given};
use super::ir::BailCause;
use super::value::{self, Kind, kind};

/// A match: the whole match, then the groups, each with begin and end; `None` for a group that took no part.
type MatchGroups = Vec<Option<(usize, usize)>>;

/// The number of matches at which a call gives up.
const MAX_MATCHES: usize = 10_000;

impl Surroundings {
    /// Returns the UTF-16 code units of a text.
    fn units(&mut self, text: i64) -> Answer<Vec<u16>> {
        Ok(self.text(text)?.encode_utf16().collect())
    }

    /// Returns at most `most` matches of the pattern with the number `pattern`, with the groups of each match.
    fn found(&mut self, units: &[u16], pattern: i64, most: usize) -> Answer<Vec<MatchGroups>> {
        let Kind::Number(pattern) = kind(pattern as u64) else { return self.give_up(BailCause::Kind) };
        let matches = self.patterns.get(pattern as usize).map(|pattern| {
            let found = pattern.find_from_ucs2(units, 0).take(most);
            found.map(|found| found.groups().map(|group| group.map(|range| (range.start, range.end))).collect())
        });
        match matches.map(Iterator::collect::<Vec<_>>) {
            Some(matches) if matches.len() < MAX_MATCHES => Ok(matches),
            _ => self.give_up(BailCause::Memory),
        }
    }

    pub(super) fn match_parts(&mut self, call: HostCall, text: i64, pattern: i64) -> Answer<i64> {
        let text = self.units(text)?;
        let most = if call == HostCall::Match { 1 } else { MAX_MATCHES };
        let matches = self.found(&text, pattern, most)?;
        let parts: Vec<Option<(usize, usize)>> = match call {
            HostCall::Match => matches.into_iter().next().unwrap_or_default(),
            _ => matches.into_iter().filter_map(|groups| groups.first().copied()).collect(),
        };
        if parts.is_empty() {
            return Ok(value::NULL as i64);
        }
        self.list_of(parts.into_iter().map(|part| part.and_then(|(start, end)| text.get(start..end))))
    }

    pub(super) fn replace_matches(&mut self, call: HostCall, [text, pattern, by]: Given) -> Answer<i64> {
        let (text, by) = (self.units(text)?, self.replacement(by)?);
        let most = if call == HostCall::ReplaceMatch { 1 } else { MAX_MATCHES };
        let (mut made, mut last) = (Vec::new(), 0);
        for groups in self.found(&text, pattern, most)? {
            let Some(Some((start, end))) = groups.first().copied() else { continue };
            made.extend_from_slice(text.get(last..start).unwrap_or_default());
            made.extend(by.encode_utf16());
            last = end;
        }
        made.extend_from_slice(text.get(last..).unwrap_or_default());
        self.intern_units(&made)
    }

    pub(super) fn split_matches(&mut self, text: i64, pattern: i64) -> Answer<i64> {
        let text = self.units(text)?;
        let (mut parts, mut last) = (Vec::new(), 0);
        for groups in self.found(&text, pattern, MAX_MATCHES)? {
            match groups.as_slice() {
                [Some((start, end))] if start < end => {
                    parts.push(text.get(last..*start));
                    last = *end;
                }
                // Groups become parts, and what matches nothing cuts between letters.
                _ => return self.give_up(BailCause::Conversion),
            }
        }
        parts.push(text.get(last..));
        self.list_of(parts.into_iter())
    }

    /// Returns a map from places to these texts; `undefined` for an absent text.
    fn list_of<'a>(&mut self, parts: impl Iterator<Item = Option<&'a [u16]>>) -> Answer<i64> {
        let map = self.make(DictionaryKind::Map);
        for (place, part) in parts.enumerate() {
            let part = part.map_or(Ok(value::UNDEFINED as i64), |part| self.intern_units(part))?;
            self.put(map, DictionaryKind::Map, (value::number(place as f64), part))?;
        }
        Ok(map)
    }

    /// Interns the text of these units; gives up where the units have an unpaired surrogate.
    fn intern_units(&mut self, units: &[u16]) -> Answer<i64> {
        match String::from_utf16(units) {
            Ok(text) => self.intern(&text),
            Err(_) => self.give_up(BailCause::Conversion),
        }
    }
}
