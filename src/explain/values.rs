//! The values that a search tries for a field, and the nearest number that works.

use serde_json::{Map, Value, json};

use crate::model::SearchEnd;

use super::fields::{SearchedField, at};
use super::supposition::{SupposedPart, Supposition};
use super::trials::Trials;
use super::vocabulary::Vocabulary;

/// The most values that are tried for a field which is no number.
const MAX_VALUES: usize = 96;
/// A whole number this near is found by trying each that is nearer.
const MAX_COUNTED: f64 = 64.0;
/// The precision with which a number with a fraction is found, as a part of the change.
const PRECISION: f64 = 1e-4;
/// The most halvings of the way between a number that works and a number that fails.
const MAX_HALVINGS: usize = 80;
/// The largest number up to which every whole number is represented exactly.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;
/// The size of a change of a value that is no number.
const SIZE_OF_OTHER: f64 = 1.0;

/// A value that works, and the size of the change to that value.
#[derive(Clone, Debug)]
pub(super) struct FoundValue {
    /// The value; `None` where the field would have to be absent.
    pub(super) value: Option<Value>,
    /// The size of the change: of numbers their distance as a part of the spread in the cluster, else 1.
    pub(super) size: f64,
}

/// The values that are tried for a field.
pub(super) struct FieldValues {
    number: Option<NumberScale>,
    others: Vec<Option<Value>>,
}

/// The numbers that are tried for a field.
struct NumberScale {
    now: f64,
    /// Numbers of other nodes and of the sources, ascending, with numbers between and beyond.
    marks: Vec<f64>,
    /// Whether only whole numbers are tried.
    is_whole: bool,
    /// Whether the number is written as text.
    is_text: bool,
    spread: f64,
    /// The values of other nodes, the chosen node's first.
    seen: Vec<f64>,
}

impl FieldValues {
    /// Returns the values to try for `field`: of `peers`, the chosen node first, and of the sources.
    pub(super) fn of(field: &SearchedField, peers: &[Map<String, Value>], vocabulary: &Vocabulary) -> Self {
        let seen: Vec<&Value> = match &field.target {
            SupposedPart::Document(way) => peers.iter().filter_map(|peer| at(peer, way)).collect(),
            SupposedPart::Sessions => peers.iter().filter_map(|peer| peer.get("sessions")).collect(),
            _ => Vec::new(),
        };
        let number = field.now.as_ref().and_then(|now| NumberScale::of(field, now, &seen, vocabulary));
        let others = others(field, &seen, vocabulary);
        Self { number, others }
    }

    /// Returns the smallest change of `field` on top of `supposition` with which the node is chosen, if any is found.
    ///
    /// # Errors
    /// The reason for an early end, where the budget is spent.
    pub(super) fn smallest(
        &self,
        field: &SearchedField,
        supposition: &Supposition,
        trials: &mut Trials<'_>,
    ) -> Result<Option<FoundValue>, SearchEnd> {
        if let Some(scale) = &self.number
            && let Some(found) = scale.nearest(&mut |value| trials.works_with(supposition, field, Some(value)))?
        {
            return Ok(Some(found));
        }
        for value in &self.others {
            if trials.works_with(supposition, field, value.as_ref())? {
                return Ok(Some(FoundValue { value: value.clone(), size: SIZE_OF_OTHER }));
            }
        }
        Ok(None)
    }

    /// Iterates over a few values that are likely to differ in their effect, for trying fields in pairs.
    pub(super) fn telling(&self, most: usize) -> impl Iterator<Item = Option<Value>> {
        let numbers = self.number.iter().flat_map(NumberScale::telling).map(Some);
        numbers.chain(self.others.iter().cloned()).take(most)
    }
}

/// Returns the values of `field` that are tried singly.
fn others(field: &SearchedField, seen: &[&Value], vocabulary: &Vocabulary) -> Vec<Option<Value>> {
    let now = field.now.as_ref();
    let mut values: Vec<Option<Value>> = seen.iter().map(|value| Some((*value).clone())).collect();
    let texts = || vocabulary.texts().iter().map(|text| Some(json!(text)));
    match (&field.target, now) {
        (SupposedPart::Cordoned | SupposedPart::CoolingDown | SupposedPart::Stale, Some(Value::Bool(is_set))) => {
            values.push(Some(json!(!is_set)));
            values.retain(|value| value.as_ref() != now);
            return values;
        }
        (SupposedPart::Sessions | SupposedPart::SessionsOfUser, Some(_)) => return Vec::new(),
        (SupposedPart::Sessions | SupposedPart::SessionsOfUser, None) => values.push(Some(json!(0))),
        (_, Some(Value::Bool(is_set))) => values.push(Some(json!(!is_set))),
        (_, Some(Value::Array(list))) => values.extend(lists(list, seen, vocabulary).map(Some)),
        (_, Some(Value::String(_))) => values.extend(texts()),
        (_, Some(_)) => {}
        (_, None) => {
            values.extend([true, false].map(|flag| Some(json!(flag))));
            values.extend(texts());
            let numbers = vocabulary.numbers().iter().flat_map(|number| [*number, number + 1.0, number - 1.0]);
            values.extend(numbers.chain([0.0, 1.0]).map(|number| Some(written(number))));
        }
    }
    values.push(None);
    let mut distinct: Vec<Option<Value>> = Vec::new();
    for value in values.into_iter().filter(|value| value.as_ref() != now) {
        if !distinct.contains(&value) && distinct.len() < MAX_VALUES {
            distinct.push(value);
        }
    }
    distinct
}

/// Iterates over lists that differ from `list` in a single element: an element more, or an element less.
fn lists(list: &[Value], seen: &[&Value], vocabulary: &Vocabulary) -> impl Iterator<Item = Value> {
    let of_others = seen.iter().filter_map(|value| value.as_array()).flatten().cloned();
    let more: Vec<Value> = of_others.chain(vocabulary.texts().iter().map(|text| json!(text))).collect();
    let longer = more.into_iter().filter(|element| !list.contains(element));
    let longer = longer.map(|element| list.iter().cloned().chain([element]).collect());
    let shorter = (0..list.len()).map(|gone| {
        let left = list.iter().enumerate().filter(|(place, _)| *place != gone);
        left.map(|(_, element)| element.clone()).collect()
    });
    longer.chain(shorter).collect::<Vec<Value>>().into_iter()
}

/// Returns the JSON of `number`: a whole number where there is no fraction.
fn written(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= MAX_WHOLE { json!(number as i64) } else { json!(number) }
}

/// Returns the number that `value` is, or that the text `value` is written as.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    }
    .filter(|number: &f64| number.is_finite())
}

impl NumberScale {
    fn of(field: &SearchedField, now: &Value, seen: &[&Value], vocabulary: &Vocabulary) -> Option<Self> {
        let is_text = now.is_string();
        let now = number(now)?;
        let seen: Vec<f64> = seen.iter().filter_map(|value| number(value)).collect();
        let is_count = matches!(field.target, SupposedPart::Sessions | SupposedPart::SessionsOfUser);
        let is_whole = is_count || seen.iter().chain([&now]).all(|number| number.fract() == 0.0);
        let known = || seen.iter().chain([&now]).copied();
        let (least, most) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
        let spread =
            [most - least, now.abs()].into_iter().fold(if is_whole { 1.0 } else { f64::MIN_POSITIVE }, f64::max);
        let mut marks: Vec<f64> = known().chain(vocabulary.numbers().iter().copied()).chain([0.0, 1.0]).collect();
        let beyond = [1.0, 10.0, 1000.0].map(|times| (most + spread * times, least - spread * times));
        marks.extend(beyond.into_iter().flat_map(|(above, below)| [above, below]));
        marks.sort_by(f64::total_cmp);
        marks.dedup();
        let between: Vec<f64> = marks.windows(2).map(|pair| pair.iter().sum::<f64>() / 2.0).collect();
        let beside: Vec<f64> = marks.iter().flat_map(|mark| [mark - 1.0, mark + 1.0]).collect();
        marks.extend(between);
        marks.extend(beside.into_iter().chain([2.0, -2.0, 3.0, -3.0].map(|step| now + step)).filter(|_| is_whole));
        marks.iter_mut().filter(|_| is_whole).for_each(|mark| *mark = mark.floor());
        marks.retain(|mark| mark.abs() <= MAX_WHOLE && (*mark >= 0.0 || !is_amount(&field.target)));
        marks.sort_by(f64::total_cmp);
        marks.dedup();
        Some(Self { now, marks, is_whole, is_text, spread, seen })
    }

    fn value(&self, number: f64) -> Value {
        match written(number) {
            value if self.is_text => json!(value.to_string()),
            value => value,
        }
    }

    /// Returns the number nearest to the present number for which `works` holds.
    fn nearest(
        &self,
        works: &mut dyn FnMut(&Value) -> Result<bool, SearchEnd>,
    ) -> Result<Option<FoundValue>, SearchEnd> {
        let above = self.marks.iter().copied().filter(|mark| *mark > self.now);
        let below = self.marks.iter().rev().copied().filter(|mark| *mark < self.now);
        let mut best = self.first(&mut above.into_iter(), f64::INFINITY, works)?;
        let within = best.map_or(f64::INFINITY, |found| (found - self.now).abs());
        if let Some(lower) = self.first(&mut below.into_iter(), within, works)? {
            best = Some(lower);
        }
        let found = best
            .map(|found| FoundValue { value: Some(self.value(found)), size: (found - self.now).abs() / self.spread });
        Ok(found)
    }

    /// Returns the first number on the way along `marks` that works, nearer than `within`.
    fn first(
        &self,
        marks: &mut dyn Iterator<Item = f64>,
        within: f64,
        works: &mut dyn FnMut(&Value) -> Result<bool, SearchEnd>,
    ) -> Result<Option<f64>, SearchEnd> {
        let mut before = self.now;
        for mark in marks {
            if works(&self.value(mark))? {
                let found = self.between(before, mark, works)?;
                return Ok(Some(found).filter(|found| (found - self.now).abs() < within));
            }
            before = mark;
            if (mark - self.now).abs() >= within {
                break;
            }
        }
        Ok(None)
    }

    /// Returns the number nearest to `fails` that works, on the way from there to `mark`, which works.
    fn between(
        &self,
        mut fails: f64,
        mut mark: f64,
        works: &mut dyn FnMut(&Value) -> Result<bool, SearchEnd>,
    ) -> Result<f64, SearchEnd> {
        for _ in 0..MAX_HALVINGS {
            let way = (mark - fails).abs();
            if if self.is_whole { way <= 1.0 } else { way <= (mark - self.now).abs() * PRECISION } {
                break;
            }
            let middle = (fails + mark) / 2.0;
            let middle = if self.is_whole { middle.floor() } else { middle };
            if works(&self.value(middle))? { mark = middle } else { fails = middle }
        }
        if self.is_whole && (mark - self.now).abs() <= MAX_COUNTED {
            // Halving finds an edge, and there may be a nearer edge.
            let step = (mark - self.now).signum();
            let mut near = self.now + step;
            while (near - mark).abs() > 0.5 {
                if works(&self.value(near))? {
                    return Ok(near);
                }
                near += step;
            }
        }
        if !self.is_whole
            && let Some(short) = shortest(fails, mark)
            && works(&self.value(short))?
        {
            return Ok(short);
        }
        Ok(mark)
    }

    /// Iterates over a few numbers that are likely to differ in their effect.
    fn telling(&self) -> impl Iterator<Item = Value> {
        let chosen = self.seen.first().copied();
        let of = |pick: fn(f64, f64) -> f64| self.marks.iter().copied().reduce(pick);
        let (least, most) = (self.seen.iter().copied().reduce(f64::min), self.seen.iter().copied().reduce(f64::max));
        let beyond = [least.map(|least| least - 1.0), most.map(|most| most + 1.0)].into_iter().flatten();
        let beyond = beyond.filter(|mark| *mark >= 0.0);
        let ends = [of(f64::min), of(f64::max)].into_iter().flatten();
        let all: Vec<_> = chosen.into_iter().chain(least).chain(most).chain(beyond).chain(ends).collect();
        all.into_iter().filter(|mark| *mark != self.now).map(|mark| self.value(mark))
    }
}

/// Whether a number below zero at `target` means that the figure is unknown.
fn is_amount(target: &SupposedPart) -> bool {
    match target {
        SupposedPart::Document(way) => match way.first().map(String::as_str) {
            Some("nodeData") => way.get(1).is_some_and(|name| name == "health"),
            Some("maxSessions" | "uptime" | "loggedInUsers") => true,
            _ => false,
        },
        _ => true,
    }
}

/// Returns the number with the fewest digits behind the point that is past `fails` and not past `works`.
fn shortest(fails: f64, works: f64) -> Option<f64> {
    let is_up = works > fails;
    (0..16).map(|digits| 10_f64.powi(digits)).find_map(|factor| {
        let first = if is_up { (fails * factor).floor() + 1.0 } else { (fails * factor).ceil() - 1.0 } / factor;
        (if is_up { first > fails && first <= works } else { first < fails && first >= works }).then_some(first)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(now: f64, marks: &[f64], is_whole: bool) -> NumberScale {
        NumberScale { now, marks: marks.to_vec(), is_whole, is_text: false, spread: 10.0, seen: marks.to_vec() }
    }

    fn nearest(scale: &NumberScale, works: impl Fn(f64) -> bool) -> Option<f64> {
        scale.nearest(&mut |value| Ok(works(value.as_f64().unwrap()))).unwrap()?.value?.as_f64()
    }

    #[test]
    fn the_nearest_number_is_found_on_either_side() {
        let whole = scale(5.0, &[0.0, 1.0, 9.0, 1000.0], true);
        assert_eq!(nearest(&whole, |number| number < 4.0), Some(3.0));
        assert_eq!(nearest(&whole, |number| !(4.0..8.0).contains(&number)), Some(3.0));
        assert_eq!(nearest(&whole, |number| !(3.0..6.0).contains(&number)), Some(6.0));
        assert_eq!(nearest(&whole, |number| number == 9.0 || number == 7.0), Some(7.0), "an edge that lies nearer");
        assert_eq!(nearest(&whole, |number| number > 777.0), Some(778.0));
        assert_eq!(nearest(&whole, |_| false), None);
    }

    #[test]
    fn a_fraction_is_found_in_few_digits() {
        let scale = scale(2.0, &[0.0, 1.0, 4.0], false);
        assert_eq!(nearest(&scale, |number| number < 0.5), Some(0.4999));
        assert_eq!(nearest(&scale, |number| number <= 0.5), Some(0.5));
        assert_eq!(nearest(&scale, |number| number > 3.25), Some(3.2501));
        assert_eq!(shortest(0.49, 0.26), Some(0.4));
        assert_eq!(shortest(1.0, 1.0), None);
    }
}
