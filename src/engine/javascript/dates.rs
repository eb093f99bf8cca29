//! `Date`, where Boa's differs from other hosts': texts are read as in V8, and local times at changes of the clocks are
//! found by ECMA-262.
//!
//! Boa turns local time into UTC with the offset that holds at that time *read as UTC*, which is a different offset for
//! as many hours around each change of the clocks as the zone is east of Greenwich. Boa asks the host for offsets
//! without giving the direction; so callers announce a local time beforehand (`JavaScriptCallContext::expect_wall`).

mod text;

use boa_engine::native_function::NativeFunctionPointer;
use boa_engine::object::builtins::JsDate;
use boa_engine::object::{FunctionObjectBuilder, JsObject};
use boa_engine::property::PropertyDescriptor;
use boa_engine::value::PreferredType;
use boa_engine::{Context, JsArgs, JsResult, JsString, JsValue, NativeFunction, js_string};

use crate::clock::wall_offset_s;

use super::shims::{define, stand_in};
use super::tools::{ContextTools, function};
use text::{Offset, ParsedTime};

/// The methods that set a part of a local time.
const SETTERS: [(&str, usize); 8] = [
    ("setMilliseconds", 1),
    ("setSeconds", 2),
    ("setMinutes", 3),
    ("setHours", 4),
    ("setDate", 1),
    ("setMonth", 2),
    ("setFullYear", 3),
    ("setYear", 1),
];
/// The furthest time from 1970 that a date can be, in milliseconds.
const MAX_TIME_MS: f64 = 8.64e15;

/// Wraps the constructor and the methods that go from local time to UTC. Their treatment of arguments cannot be reached
/// otherwise.
pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let date = context.intrinsics().constructors().date();
    let (original, prototype) = (date.constructor(), date.prototype());
    for (name, length) in SETTERS {
        let setter = function(&prototype, name, context)?;
        let wrapped = NativeFunction::from_copy_closure_with_captures(set, setter);
        define(&prototype, name, length, wrapped, context)?;
    }
    let construct = NativeFunction::from_copy_closure_with_captures(construct, original.clone());
    let wrapped = FunctionObjectBuilder::new(context.realm(), construct);
    let wrapped: JsObject = wrapped.name(js_string!("Date")).length(7).constructor(true).build().into();
    for name in ["now", "UTC"] {
        let function = original.get(JsString::from(name), context)?;
        let property = PropertyDescriptor::builder().value(function);
        let property = property.writable(true).enumerable(false).configurable(true);
        wrapped.define_property_or_throw(JsString::from(name), property.build(), context)?;
    }
    let parse: NativeFunctionPointer = |_, args, context| {
        let text = args.get_or_undefined(0).to_string(context)?;
        Ok(JsValue::from(parsed(&text, context)))
    };
    define(&wrapped, "parse", 1, NativeFunction::from_fn_ptr(parse), context)?;
    stand_in(&wrapped, "Date", &prototype, context)
}

fn construct(new_target: &JsValue, args: &[JsValue], original: &JsObject, context: &mut Context) -> JsResult<JsValue> {
    let Some(new_target) = new_target.as_object() else {
        return original.call(&JsValue::undefined(), args, context);
    };
    let args = match args {
        [only] if only.as_object().is_some_and(|object| JsDate::from_object(object).is_ok()) => vec![only.clone()],
        [only] => {
            let value = only.to_primitive(context, PreferredType::Default)?;
            vec![value.as_string().map_or_else(|| value.clone(), |text| JsValue::from(parsed(&text, context)))]
        }
        _ => numbers(args, context)?,
    };
    let made = with_wall(0, context, |context| original.construct(&args, Some(&new_target), context));
    made.map(Into::into)
}

/// Calls `setter`, which first converts the present time of the date into local time, unless the date is invalid.
fn set(this: &JsValue, args: &[JsValue], setter: &JsObject, context: &mut Context) -> JsResult<JsValue> {
    let date = this.as_object().and_then(|object| JsDate::from_object(object).ok());
    let Some(date) = date else { return setter.call(this, args, context) };
    let args = numbers(args, context)?;
    let is_valid = !date.get_time(context)?.to_number(context)?.is_nan();
    with_wall(u8::from(is_valid), context, |context| setter.call(this, &args, context))
}

/// Returns `args` as numbers, so that no code of a script runs where the numbers are needed.
fn numbers(args: &[JsValue], context: &mut Context) -> JsResult<Vec<JsValue>> {
    args.iter().map(|arg| arg.to_number(context).map(JsValue::from)).collect()
}

/// Runs `act`, which asks for the offset of a local time after asking for `others` offsets of UTC times.
fn with_wall<T>(others: u8, context: &mut Context, act: impl FnOnce(&mut Context) -> T) -> T {
    let kit = ContextTools::of(context);
    kit.iter().for_each(|kit| kit.stage.expect_wall(Some(others)));
    let done = act(context);
    kit.iter().for_each(|kit| kit.stage.expect_wall(None));
    done
}

/// Returns the time that `text` names, in milliseconds; NaN where the text names no time.
fn parsed(text: &JsString, context: &Context) -> f64 {
    let units: Vec<u16> = text.iter().collect();
    let (Some(read), Some(kit)) = (text::read(&units), ContextTools::of(context)) else { return f64::NAN };
    let ParsedTime { day_ms, time_ms, offset } = read;
    let local = day_ms + time_ms;
    let offset_s = match offset {
        Offset::Seconds(seconds) => seconds as f64,
        #[expect(clippy::cast_possible_truncation, reason = "a time beyond all dates, which is refused below")]
        Offset::Local => f64::from(wall_offset_s((local / 1_000.0).floor() as i64, kit.stage.zone())),
    };
    let time = local - offset_s * 1_000.0;
    if time.abs() <= MAX_TIME_MS { time } else { f64::NAN }
}
