//! Sorting that no comparator can break. Rhai's own sort passes the comparator to Rust's and takes the comparator's
//! errors for an answer; this sort uses `merge`, and an error in a comparator is the script's error.

use std::cmp::Ordering;

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, NativeCallContext};

use crate::engine::merge::merge_sort;

type Sorted<T> = Result<T, Box<EvalAltResult>>;

pub(super) fn install(engine: &mut Engine) {
    for name in ["sort", "sort_by"] {
        engine.register_fn(name, |context: NativeCallContext, array: &mut Array, comparator: FnPtr| -> Sorted<()> {
            *array = sort_by_comparator(&context, std::mem::take(array), &comparator)?;
            Ok(())
        });
    }
    for name in ["order", "order_by"] {
        engine.register_fn(name, |context: NativeCallContext, array: Array, comparator: FnPtr| {
            sort_by_comparator(&context, array, &comparator)
        });
    }
    engine.register_fn("sort", |array: &mut Array| -> Sorted<()> {
        *array = natural(std::mem::take(array), Ordering::Greater)?;
        Ok(())
    });
    engine.register_fn("sort_desc", |array: &mut Array| -> Sorted<()> {
        *array = natural(std::mem::take(array), Ordering::Less)?;
        Ok(())
    });
    engine.register_fn("order", |array: Array| natural(array, Ordering::Greater));
    engine.register_fn("order_desc", |array: Array| natural(array, Ordering::Less));
}

/// Returns `array` in the order of `comparator`: a number above zero, or `false`, puts the first of two items behind
/// the second.
fn sort_by_comparator(context: &NativeCallContext<'_>, array: Array, comparator: &FnPtr) -> Sorted<Array> {
    merge_sort(array, |left, right| {
        let answer = comparator.call_raw(context, None, [left.clone(), right.clone()])?;
        match (answer.as_int(), answer.as_float(), answer.as_bool()) {
            (Ok(number), ..) => Ok(number > 0),
            (_, Ok(number), _) => Ok(number > 0.0),
            (.., Ok(comes_first)) => Ok(!comes_first),
            _ => {
                Err(format!("a comparator returns a number or a truth value, this one `{}`", answer.type_name()).into())
            }
        }
    })
}

fn natural(array: Array, behind: Ordering) -> Sorted<Array> {
    merge_sort(array, |left, right| Ok(compare(left, right)? == behind))
}

fn compare(left: &Dynamic, right: &Dynamic) -> Sorted<Ordering> {
    let number = |value: &Dynamic| value.as_float().or_else(|_| value.as_int().map(|whole| whole as f64));
    if let (Ok(left), Ok(right)) = (left.as_int(), right.as_int()) {
        return Ok(left.cmp(&right));
    }
    if let (Ok(left), Ok(right)) = (number(left), number(right)) {
        // NaN comes last.
        return Ok(left.partial_cmp(&right).unwrap_or_else(|| left.is_nan().cmp(&right.is_nan())));
    }
    if let (Ok(left), Ok(right)) = (left.as_immutable_string_ref(), right.as_immutable_string_ref()) {
        return Ok(left.as_str().cmp(right.as_str()));
    }
    if let (Ok(left), Ok(right)) = (left.as_char(), right.as_char()) {
        return Ok(left.cmp(&right));
    }
    if let (Ok(left), Ok(right)) = (left.as_bool(), right.as_bool()) {
        return Ok(left.cmp(&right));
    }
    if left.is_unit() && right.is_unit() {
        return Ok(Ordering::Equal);
    }
    let (left, right) = (left.type_name(), right.type_name());
    Err(format!("`{left}` and `{right}` have no order of their own: give `sort` a comparator").into())
}
