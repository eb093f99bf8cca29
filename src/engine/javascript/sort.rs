//! Sorting that no comparator can break.
//!
//! Boa's own sort hands the comparator to Rust's, which panics when it finds the order inconsistent: above 20 elements,
//! with comparators as plausible as `(a, b) => b.freemem - a.freemem` where one node lacks the figure. This is a stable
//! merge sort, which asks whatever it is told and always ends.

use std::cmp::Ordering;

use boa_engine::object::JsObject;
use boa_engine::object::builtins::{JsArray, JsTypedArray};
use boa_engine::{
    Context, JsArgs, JsNativeError, JsResult, JsValue, NativeFunction, native_function::NativeFunctionPointer,
};

use super::guards::MAX_LIST;
use super::kit::length_of;
use super::shims::define;

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let constructors = context.intrinsics().constructors();
    let (list, typed) = (constructors.array().prototype(), constructors.typed_array().prototype());
    replace(&list, "sort", sort, context)?;
    replace(&list, "toSorted", to_sorted, context)?;
    replace(&typed, "sort", sort_typed, context)?;
    replace(&typed, "toSorted", to_sorted_typed, context)
}

fn replace(holder: &JsObject, name: &str, by: NativeFunctionPointer, context: &mut Context) -> JsResult<()> {
    define(holder, name, 1, NativeFunction::from_fn_ptr(by), context)
}

/// `Array.prototype.sort`
fn sort(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let order = Order::of_values(args.get_or_undefined(0))?;
    let object = this.to_object(context)?;
    let length = bounded_length(&object, context)?;
    let mut items = Vec::new();
    for place in 0..length {
        let item = object.get(place, context)?;
        if !item.is_undefined() || object.has_property(place, context)? {
            items.push(item);
        }
    }
    let sorted = order.sort(items, context)?;
    let filled = sorted.len() as u64;
    for (place, item) in sorted.into_iter().enumerate() {
        object.set(place as u64, item, true, context)?;
    }
    for hole in filled..length {
        if object.has_property(hole, context)? {
            object.delete_property_or_throw(hole, context)?;
        }
    }
    Ok(object.into())
}

/// `Array.prototype.toSorted`
fn to_sorted(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let order = Order::of_values(args.get_or_undefined(0))?;
    let object = this.to_object(context)?;
    let sorted = order.sort(all_items(&object, context)?, context)?;
    Ok(JsArray::from_iter(sorted, context).into())
}

/// `%TypedArray%.prototype.sort`
fn sort_typed(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let order = Order::of_numbers(args.get_or_undefined(0))?;
    let object = typed_array(this)?;
    let sorted = order.sort(all_items(&object, context)?, context)?;
    for (place, item) in sorted.into_iter().enumerate() {
        object.set(place as u64, item, true, context)?;
    }
    Ok(object.into())
}

/// `%TypedArray%.prototype.toSorted`
fn to_sorted_typed(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    Order::of_numbers(args.get_or_undefined(0))?;
    let object = typed_array(this)?;
    let copy = super::kit::function(&object, "slice", context)?.call(this, &[], context)?;
    sort_typed(&copy, args, context)
}

fn typed_array(this: &JsValue) -> JsResult<JsObject> {
    let object = this.as_object().ok_or_else(|| JsNativeError::typ().with_message("this is no typed array"))?;
    Ok(JsTypedArray::from_object(object)?.into())
}

fn bounded_length(object: &JsObject, context: &mut Context) -> JsResult<u64> {
    let length = length_of(object, context)?;
    if length > MAX_LIST {
        return Err(JsNativeError::range().with_message("the list is too long to be sorted").into());
    }
    Ok(length)
}

fn all_items(object: &JsObject, context: &mut Context) -> JsResult<Vec<JsValue>> {
    (0..bounded_length(object, context)?).map(|place| object.get(place, context)).collect()
}

/// What decides which of two values comes first.
enum Order {
    Told(JsObject),
    Text,
    Number,
}

impl Order {
    fn of_values(comparator: &JsValue) -> JsResult<Self> {
        Self::told(comparator, Self::Text)
    }

    fn of_numbers(comparator: &JsValue) -> JsResult<Self> {
        Self::told(comparator, Self::Number)
    }

    fn told(comparator: &JsValue, default: Self) -> JsResult<Self> {
        if comparator.is_undefined() {
            return Ok(default);
        }
        let function = comparator.as_callable();
        function
            .map(Self::Told)
            .ok_or_else(|| JsNativeError::typ().with_message("the comparator must be a function").into())
    }

    /// `items` in order; `undefined` comes last, and no comparator sees it.
    fn sort(&self, items: Vec<JsValue>, context: &mut Context) -> JsResult<Vec<JsValue>> {
        let (undefined, items): (Vec<_>, Vec<_>) = items.into_iter().partition(JsValue::is_undefined);
        let mut sorted = match self {
            Self::Told(comparator) => merge_sort(items, |left, right| is_after(comparator, left, right, context))?,
            Self::Text => {
                let texts =
                    items.into_iter().map(|item| Ok((item.to_string(context)?, item))).collect::<JsResult<Vec<_>>>()?;
                merge_sort(texts, |left, right| Ok(left.0 > right.0))?.into_iter().map(|(_, item)| item).collect()
            }
            Self::Number => merge_sort(items, |left, right| Ok(by_number(left, right) == Ordering::Greater))?,
        };
        sorted.extend(undefined);
        Ok(sorted)
    }
}

fn is_after(comparator: &JsObject, left: &JsValue, right: &JsValue, context: &mut Context) -> JsResult<bool> {
    let told = comparator.call(&JsValue::undefined(), &[left.clone(), right.clone()], context)?;
    // A comparator that says NaN says that the two are equal.
    Ok(told.to_number(context)? > 0.0)
}

fn by_number(left: &JsValue, right: &JsValue) -> Ordering {
    match (left.as_number(), right.as_number()) {
        // NaN comes last and -0 before 0, as the standard has it.
        (Some(left), Some(right)) if left.is_nan() || right.is_nan() => left.is_nan().cmp(&right.is_nan()),
        (Some(left), Some(right)) => left.total_cmp(&right),
        _ => left.as_bigint().cmp(&right.as_bigint()),
    }
}

/// Sorts bottom up, so that it takes no stack; equal ones keep their order.
fn merge_sort<T>(mut items: Vec<T>, mut is_after: impl FnMut(&T, &T) -> JsResult<bool>) -> JsResult<Vec<T>> {
    let mut width = 1;
    while width < items.len() {
        let mut merged = Vec::with_capacity(items.len());
        let mut rest = items.into_iter();
        loop {
            let left: Vec<T> = rest.by_ref().take(width).collect();
            if left.is_empty() {
                break;
            }
            let right: Vec<T> = rest.by_ref().take(width).collect();
            merge(left, right, &mut merged, &mut is_after)?;
        }
        items = merged;
        width *= 2;
    }
    Ok(items)
}

fn merge<T>(
    left: Vec<T>,
    right: Vec<T>,
    merged: &mut Vec<T>,
    is_after: &mut impl FnMut(&T, &T) -> JsResult<bool>,
) -> JsResult<()> {
    // Lists that are in order already, or all equal, cost one question per merge.
    if let (Some(last), Some(first)) = (left.last(), right.first())
        && !is_after(last, first)?
    {
        merged.extend(left);
        merged.extend(right);
        return Ok(());
    }
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
        let next = if is_after(first, second)? { right.next() } else { left.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_comparator_ends_and_a_sound_one_sorts_stably() {
        let mut state = 1_u64;
        let mut coin = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 63 == 0
        };
        for length in [0, 1, 2, 3, 31, 64, 1_000] {
            let items: Vec<usize> = (0..length).rev().collect();
            let mut shuffled = merge_sort(items, |_, _| Ok(coin())).unwrap();
            shuffled.sort_unstable();
            assert_eq!(shuffled, (0..length).collect::<Vec<_>>());
        }
        let pairs = vec![(2, 'a'), (1, 'a'), (2, 'b'), (1, 'b'), (0, 'a')];
        let sorted = merge_sort(pairs, |left, right| Ok(left.0 > right.0)).unwrap();
        assert_eq!(sorted, [(0, 'a'), (1, 'a'), (1, 'b'), (2, 'a'), (2, 'b')]);
        assert!(merge_sort(vec![1, 2], |_, _| Err(JsNativeError::typ().into())).is_err());
    }
}
