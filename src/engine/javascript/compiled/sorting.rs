//! Sorting for compiled code: by keys that were computed once an element, or by a comparator that is asked about the same
//! pairs as V8's sort asks, so that one that contradicts itself comes to the same order.

use std::convert::Infallible;

use wasmtime::{Caller, Extern, Linker};

use crate::engine::timsort::timsort;

use super::emit::{HOST, ORDER_OF, SORT, SORT_BY};
use super::host::{Surroundings, elements, word_at};
use super::ir::BailCause;
use super::value::{self, LIST_ITEMS, LIST_LENGTH};

/// Offers both.
///
/// # Errors
/// What wasmtime says.
pub(super) fn offer(linker: &mut Linker<Surroundings>) -> wasmtime::Result<()> {
    type Ask<'a> = Caller<'a, Surroundings>;
    linker.func_wrap(HOST, SORT, |mut ask: Ask<'_>, list: i32, table: i32, keys: i32| {
        let Some(Extern::Memory(memory)) = ask.get_export("memory") else {
            return ask.data_mut().give_up(BailCause::Kind);
        };
        match sort(memory.data_mut(&mut ask), list as u32, table as u32, keys as u32) {
            Some(()) => Ok(()),
            None => ask.data_mut().give_up(BailCause::Conversion),
        }
    })?;
    linker.func_wrap(HOST, SORT_BY, |mut ask: Ask<'_>, list: i32, variables: i32, which: i32| {
        let (memory, order) = (ask.get_export("memory"), ask.get_export(&format!("{ORDER_OF}{which}")));
        let (Some(Extern::Memory(memory)), Some(Extern::Func(order))) = (memory, order) else {
            return ask.data_mut().give_up(BailCause::Kind);
        };
        let order = order.typed::<(i64, i64, i32), f64>(&ask)?;
        let items: Option<Vec<u64>> = elements(memory.data(&ask), list as u32).map(Iterator::collect);
        let Some(items) = items.filter(|items| !items.contains(&value::UNKNOWN)) else {
            return ask.data_mut().give_up(BailCause::Kind);
        };
        let count = items.len();
        let (absent, items): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| *item == value::UNDEFINED);
        let less = |left: &u64, right: &u64| {
            order.call(&mut ask, (*left as i64, *right as i64, variables)).map(|order| order < 0.0)
        };
        let sorted: wasmtime::Result<Vec<u64>> = timsort(items, less);
        let sorted = sorted?.into_iter().chain(absent);
        let memory = memory.data_mut(&mut ask);
        // Where a comparator shortened the list, JavaScript makes the list as long as before.
        let is_shorter = word_at(memory, u64::from(list as u32) + LIST_LENGTH).is_none_or(|now| (now as usize) < count);
        match write(memory, list as u32, sorted) {
            Some(()) if !is_shorter => Ok(()),
            _ => ask.data_mut().give_up(BailCause::Changed),
        }
    })?;
    Ok(())
}

/// Replaces the elements of the list at `list`.
fn write(memory: &mut [u8], list: u32, items: impl Iterator<Item = u64>) -> Option<()> {
    let at = word_at(memory, u64::from(list) + LIST_ITEMS)? as usize;
    for (place, item) in items.enumerate() {
        let bytes = memory.get_mut(at + 8 * place..at + 8 * place + 8)?;
        bytes.copy_from_slice(&item.to_le_bytes());
    }
    Some(())
}

/// Sorts the list at `list` by the lists of numbers in the table at `table`, as many as `keys`: the first of them whose
/// difference is a number other than nothing decides.
fn sort(memory: &mut [u8], list: u32, table: u32, keys: u32) -> Option<()> {
    let mut columns = Vec::new();
    for key in 0..u64::from(keys) {
        let (address, reversed) =
            (word_at(memory, u64::from(table) + 8 * key)?, word_at(memory, u64::from(table) + 8 * key + 4)?);
        let numbers: Vec<f64> = elements(memory, address)?.map(f64::from_bits).collect();
        columns.push((numbers, reversed != 0));
    }
    let items: Vec<u64> = elements(memory, list)?.collect();
    // `undefined` comes last, whoever is asked.
    if items.contains(&value::UNDEFINED) || columns.iter().any(|(numbers, _)| numbers.len() != items.len()) {
        return None;
    }
    let is_finite = columns.iter().all(|(numbers, _)| numbers.iter().all(|number| number.is_finite()));
    let order = if is_finite { order_of(&columns, items.len()) } else { contradictory_order(&columns, items.len()) };
    let sorted: Option<Vec<u64>> = order.into_iter().map(|from| items.get(from).copied()).collect();
    write(memory, list, sorted?.into_iter())
}

/// Numbers of elements, and whether their order is the other one.
type KeyColumn = (Vec<f64>, bool);

/// The order of so many elements by finite numbers, elements with the same ones as they stand.
fn order_of(columns: &[KeyColumn], count: usize) -> Vec<usize> {
    if let [(numbers, is_reversed)] = columns {
        let mut keys: Vec<(u64, u32)> =
            (0..).zip(numbers).map(|(place, number)| (ordered(*number, *is_reversed), place)).collect();
        keys.sort_unstable();
        return keys.into_iter().map(|(_, place)| place as usize).collect();
    }
    let keys: Vec<Vec<u64>> = (0..count)
        .map(|place| {
            columns.iter().filter_map(|(numbers, reversed)| Some(ordered(*numbers.get(place)?, *reversed))).collect()
        })
        .collect();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|left, right| keys.get(*left).cmp(&keys.get(*right)));
    order
}

/// A finite number as one without a sign that has the same order, or the other one.
fn ordered(number: f64, is_reversed: bool) -> u64 {
    // Both zeros are the same.
    let bits = (number + 0.0).to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    if is_reversed { !ordered } else { ordered }
}

/// The order by numbers some of which are none, which order nothing: then it matters who is asked about whom.
fn contradictory_order(columns: &[KeyColumn], count: usize) -> Vec<usize> {
    let is_less = |left: &usize, right: &usize| {
        let mut differences = columns.iter().filter_map(|(numbers, reversed)| {
            let (left, right) = (numbers.get(*left)?, numbers.get(*right)?);
            Some(if *reversed { right - left } else { left - right })
        });
        let first = differences.find(|difference| *difference != 0.0 && !difference.is_nan());
        Ok(first.is_some_and(|difference| difference < 0.0))
    };
    let sorted: Result<Vec<usize>, Infallible> = timsort((0..count).collect(), is_less);
    sorted.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_order() {
        let numbers = [-1e300, -2.5, -5e-324, -0.0, 0.0, 1e-9, 3.0, 1e300];
        for (left, place) in numbers.iter().zip(0..) {
            for (right, other) in numbers.iter().zip(0..) {
                let expected = left.partial_cmp(right).unwrap();
                assert_eq!(ordered(*left, false).cmp(&ordered(*right, false)), expected, "{place} {other}");
                assert_eq!(ordered(*left, true).cmp(&ordered(*right, true)), expected.reverse(), "{place} {other}");
            }
        }
        let columns = [(vec![1.0, 0.0, 1.0, 0.0], true), (vec![3.0, 1.0, 2.0, 1.0], false)];
        assert_eq!((order_of(&columns, 4), order_of(&columns[..1], 4)), (vec![2, 0, 1, 3], vec![0, 2, 1, 3]));
        assert_eq!(contradictory_order(&columns, 4), order_of(&columns, 4));
    }
}
