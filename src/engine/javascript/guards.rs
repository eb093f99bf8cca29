//! Limits for built-ins that could end the process in a single call.
//!
//! Boa cannot be interrupted inside a native function, and does not survive a failed allocation. Time and memory are
//! limited around the worker; sizes that a typing mistake can ask for (`'x'.repeat(n)` with a wrong `n`) are refused
//! here, with an error that a script can catch.

use boa_engine::object::JsObject;
use boa_engine::{Context, Finalize, JsArgs, JsNativeError, JsResult, JsValue, NativeFunction, Trace, js_string};

use super::shims::define;
use super::tools::length_of;

/// The length of the longest string that a call may make, in UTF-16 units.
const MAX_STRING: f64 = 64.0 * 1024.0 * 1024.0;
/// The length of the longest list that a call may go through or make.
pub(super) const MAX_LIST: u64 = 16 * 1024 * 1024;

/// The check that decides whether a call is allowed.
type Check = fn(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<()>;

/// A built-in with the check before each call.
#[derive(Clone, Trace, Finalize)]
struct GuardedFunction {
    original: JsObject,
    #[unsafe_ignore_trace]
    check: Check,
}

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let constructors = context.intrinsics().constructors();
    let (string, function) = (constructors.string().prototype(), constructors.function().prototype());
    let (array, list) = (constructors.array().constructor(), constructors.array().prototype());
    let reflect = context.intrinsics().objects().reflect();
    guard(&string, "repeat", repeat, context)?;
    guard(&string, "padStart", pad, context)?;
    guard(&string, "padEnd", pad, context)?;
    for name in ["fill", "join", "toReversed", "toSpliced", "with", "reverse", "lastIndexOf", "copyWithin"] {
        guard(&list, name, this_length, context)?;
    }
    guard(&array, "from", first_length, context)?;
    guard(&function, "apply", second_length, context)?;
    guard(&reflect, "apply", third_length, context)?;
    guard(&reflect, "construct", second_length, context)?;
    Ok(())
}

fn guard(holder: &JsObject, name: &str, check: Check, context: &mut Context) -> JsResult<()> {
    let original = super::tools::function(holder, name, context)?;
    let length = usize::try_from(length_of(&original, context)?).unwrap_or_default();
    let guarded = NativeFunction::from_copy_closure_with_captures(
        |this, args, guarded: &GuardedFunction, context| {
            (guarded.check)(this, args, context)?;
            guarded.original.call(this, args, context)
        },
        GuardedFunction { original, check },
    );
    define(holder, name, length, guarded, context)
}

fn repeat(this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<()> {
    let length = this.to_string(context)?.len() as f64;
    let count = args.get_or_undefined(0).to_number(context)?;
    refuse_if(length * count > MAX_STRING && count.is_finite(), "the string would be too long")
}

fn pad(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<()> {
    let length = args.get_or_undefined(0).to_number(context)?;
    refuse_if(length > MAX_STRING, "the string would be too long")
}

fn this_length(this: &JsValue, _args: &[JsValue], context: &mut Context) -> JsResult<()> {
    list_length(this, context)
}

fn first_length(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<()> {
    list_length(args.get_or_undefined(0), context)
}

fn second_length(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<()> {
    list_length(args.get_or_undefined(1), context)
}

fn third_length(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<()> {
    list_length(args.get_or_undefined(2), context)
}

fn list_length(list: &JsValue, context: &mut Context) -> JsResult<()> {
    let Some(object) = list.as_object() else { return Ok(()) };
    let length = object.get(js_string!("length"), context)?;
    let length = if length.is_number() { length.to_length(context)? } else { 0 };
    refuse_if(length > MAX_LIST, "the list is too long")
}

fn refuse_if(too_much: bool, message: &'static str) -> JsResult<()> {
    if too_much { Err(JsNativeError::range().with_message(message).into()) } else { Ok(()) }
}
