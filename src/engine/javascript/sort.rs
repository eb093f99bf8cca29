//! Sorting that no comparator can break, in the same order as V8. Boa's own sort passes the comparator to Rust's.

use std::cmp::Ordering;

use boa_engine::object::JsObject;
use boa_engine::object::builtins::{JsArray, JsTypedArray};
use boa_engine::{
    Context, JsArgs, JsError, JsNativeError, JsResult, JsValue, NativeFunction, native_function::NativeFunctionPointer,
};

use crate::engine::merge::merge_sort;
use crate::engine::timsort::timsort;

use super::guards::MAX_LIST;
use super::shims::define;
use super::tools::length_of;

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
    let order = SortBy::of_values(args.get_or_undefined(0))?;
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
    let order = SortBy::of_values(args.get_or_undefined(0))?;
    let object = this.to_object(context)?;
    let sorted = order.sort(all_items(&object, context)?, context)?;
    Ok(JsArray::from_iter(sorted, context).into())
}

/// `%TypedArray%.prototype.sort`
fn sort_typed(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let order = SortBy::of_numbers(args.get_or_undefined(0))?;
    let object = typed_array(this)?;
    let sorted = order.sort(all_items(&object, context)?, context)?;
    for (place, item) in sorted.into_iter().enumerate() {
        object.set(place as u64, item, true, context)?;
    }
    Ok(object.into())
}

/// `%TypedArray%.prototype.toSorted`
fn to_sorted_typed(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    SortBy::of_numbers(args.get_or_undefined(0))?;
    let object = typed_array(this)?;
    let copy = super::tools::function(&object, "slice", context)?.call(this, &[], context)?;
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

/// The order by which values are sorted: a comparator, text or number.
enum SortBy {
    Told(JsObject),
    Text,
    Number,
}

impl SortBy {
    fn of_values(comparator: &JsValue) -> JsResult<Self> {
        Self::from_comparator(comparator, Self::Text)
    }

    fn of_numbers(comparator: &JsValue) -> JsResult<Self> {
        Self::from_comparator(comparator, Self::Number)
    }

    fn from_comparator(comparator: &JsValue, default: Self) -> JsResult<Self> {
        if comparator.is_undefined() {
            return Ok(default);
        }
        let function = comparator.as_callable();
        function
            .map(Self::Told)
            .ok_or_else(|| JsNativeError::typ().with_message("the comparator must be a function").into())
    }

    /// Returns `items` in order; `undefined` comes last, and no comparator sees `undefined`.
    fn sort(&self, items: Vec<JsValue>, context: &mut Context) -> JsResult<Vec<JsValue>> {
        let (undefined, items): (Vec<_>, Vec<_>) = items.into_iter().partition(JsValue::is_undefined);
        let mut sorted = match self {
            Self::Told(comparator) => timsort(items, |left, right| is_before(comparator, left, right, context))?,
            Self::Text => {
                let texts =
                    items.into_iter().map(|item| Ok((item.to_string(context)?, item))).collect::<JsResult<Vec<_>>>()?;
                merge_sort::<_, JsError>(texts, |left, right| Ok(left.0 > right.0))?
                    .into_iter()
                    .map(|(_, item)| item)
                    .collect()
            }
            Self::Number => {
                merge_sort::<_, JsError>(items, |left, right| Ok(by_number(left, right) == Ordering::Greater))?
            }
        };
        sorted.extend(undefined);
        Ok(sorted)
    }
}

fn is_before(comparator: &JsObject, left: &JsValue, right: &JsValue, context: &mut Context) -> JsResult<bool> {
    let told = comparator.call(&JsValue::undefined(), &[left.clone(), right.clone()], context)?;
    // NaN from a comparator means that the two are equal.
    Ok(told.to_number(context)? < 0.0)
}

fn by_number(left: &JsValue, right: &JsValue) -> Ordering {
    match (left.as_number(), right.as_number()) {
        // NaN comes last and -0 before 0, as in the standard.
        (Some(left), Some(right)) if left.is_nan() || right.is_nan() => left.is_nan().cmp(&right.is_nan()),
        (Some(left), Some(right)) => left.total_cmp(&right),
        _ => left.as_bigint().cmp(&right.as_bigint()),
    }
}
