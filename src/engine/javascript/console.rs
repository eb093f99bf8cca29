//! `console`, which writes into the log of the decision and nowhere else.

use boa_engine::builtins::error::Error;
use boa_engine::object::{FunctionObjectBuilder, JsObject};
use boa_engine::property::PropertyDescriptor;
use boa_engine::value::JsVariant;
use boa_engine::{
    Context, JsResult, JsString, JsValue, NativeFunction, js_string, native_function::NativeFunctionPointer,
};

use crate::model::diagnosis::LogLevel;

use super::kit::{Kit, plain_object};

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let console = plain_object(context);
    let functions: [(&str, NativeFunctionPointer); 8] = [
        ("log", |_, args, context| write(LogLevel::Info, args, context)),
        ("info", |_, args, context| write(LogLevel::Info, args, context)),
        ("debug", |_, args, context| write(LogLevel::Info, args, context)),
        ("dir", |_, args, context| write(LogLevel::Info, args, context)),
        ("table", |_, args, context| write(LogLevel::Info, args, context)),
        ("warn", |_, args, context| write(LogLevel::Warn, args, context)),
        ("error", |_, args, context| write(LogLevel::Error, args, context)),
        ("trace", |_, args, context| write(LogLevel::Error, args, context)),
    ];
    for (name, function) in functions {
        let function = FunctionObjectBuilder::new(context.realm(), NativeFunction::from_fn_ptr(function));
        let function = function.name(JsString::from(name)).build();
        console.insert_property(js_string!(name), hidden(function.into()));
    }
    context.global_object().insert_property(js_string!("console"), hidden(console.into()));
    Ok(())
}

fn hidden(value: JsValue) -> PropertyDescriptor {
    PropertyDescriptor::builder().value(value).writable(true).enumerable(false).configurable(true).build()
}

fn write(level: LogLevel, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let Some(kit) = Kit::of(context) else { return Ok(JsValue::undefined()) };
    if kit.stage.log_is_full() {
        return Ok(JsValue::undefined());
    }
    let limit = kit.stage.limits().text_bytes;
    let mut line = String::new();
    for (place, value) in args.iter().enumerate() {
        if place > 0 {
            line.push(' ');
        }
        line.push_str(&shown(value, &kit, context)?);
        if line.len() > limit {
            break;
        }
    }
    kit.stage.log(level, &line);
    Ok(JsValue::undefined())
}

/// `value` as a person wants to read it; what cannot be shown is named. Only what stops the engine is an error.
pub(super) fn shown(value: &JsValue, kit: &Kit, context: &mut Context) -> JsResult<String> {
    match value.variant() {
        JsVariant::Undefined => Ok("undefined".to_owned()),
        JsVariant::String(text) => Ok(text.to_std_string_lossy()),
        JsVariant::Symbol(symbol) => Ok(symbol.descriptive_string().to_std_string_lossy()),
        JsVariant::BigInt(number) => Ok(format!("{number}n")),
        JsVariant::Object(object) if object.is_callable() => Ok("[function]".to_owned()),
        JsVariant::Object(object) => {
            let is_error = object.is::<Error>();
            let shown = if is_error { error_text(&object, context) } else { kit.to_json_text(value, context) };
            match shown {
                Ok(text) => Ok(text.unwrap_or_else(|| "[object]".to_owned())),
                Err(error) if error.as_engine().is_some() => Err(error),
                Err(_) => Ok("[object]".to_owned()),
            }
        }
        JsVariant::Null | JsVariant::Boolean(_) | JsVariant::Float64(_) | JsVariant::Integer32(_) => {
            Ok(value.to_string(context)?.to_std_string_lossy())
        }
    }
}

fn error_text(error: &JsObject, context: &mut Context) -> JsResult<Option<String>> {
    let name = error.get(js_string!("name"), context)?.to_string(context)?.to_std_string_lossy();
    let message = error.get(js_string!("message"), context)?.to_string(context)?.to_std_string_lossy();
    Ok(Some(format!("{name}: {message}")))
}
