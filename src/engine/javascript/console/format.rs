//! The formatting of `console.log`: fills in `%s` and similar, and appends the other arguments.

use boa_engine::builtins::error::Error;
use boa_engine::object::JsObject;
use boa_engine::value::JsVariant;
use boa_engine::{Context, JsError, JsResult, JsValue, js_string};

use super::super::tools::ContextTools;

/// Returns the line for `args`, cut at about the length of a log line.
pub(super) fn formatted(args: &[JsValue], kit: &ContextTools, context: &mut Context) -> JsResult<String> {
    let limit = kit.stage.limits().text_bytes;
    let mut line = String::new();
    let mut rest = args.iter();
    if let Some(first) = args.first().filter(|_| args.len() > 1).and_then(JsValue::as_string) {
        rest.next();
        let first = first.to_std_string_lossy();
        let mut template = first.as_str();
        while let Some((before, after)) = template.split_once('%') {
            line.push_str(before);
            let Some(kind) = after.chars().next() else {
                line.push('%');
                template = after;
                break;
            };
            let is_known = "sdifjoOc".contains(kind);
            match (kind, rest.clone().next()) {
                ('%', _) => line.push('%'),
                (_, Some(value)) if is_known => {
                    rest.next();
                    line.push_str(&filled(kind, value, kit, context)?);
                }
                _ => {
                    line.push('%');
                    template = after;
                    continue;
                }
            }
            template = after.get(kind.len_utf8()..).unwrap_or_default();
            if line.len() > limit {
                return Ok(line);
            }
        }
        line.push_str(template);
        if rest.len() > 0 {
            line.push(' ');
        }
    }
    for (place, value) in rest.enumerate() {
        if place > 0 {
            line.push(' ');
        }
        line.push_str(&shown(value, kit, context)?);
        if line.len() > limit {
            break;
        }
    }
    Ok(line)
}

/// Returns the replacement of `%kind` by `value`.
fn filled(kind: char, value: &JsValue, kit: &ContextTools, context: &mut Context) -> JsResult<String> {
    let number = |value: &JsValue, context: &mut Context| match value.variant() {
        JsVariant::Object(_) | JsVariant::Symbol(_) => Ok(f64::NAN),
        JsVariant::BigInt(number) => Ok(number.to_f64()),
        _ => value.to_number(context),
    };
    let told = match kind {
        'd' | 'f' => number(value, context).map(JsValue::from),
        'i' => number(value, context).map(|number| JsValue::from(number.trunc())),
        'c' => return Ok(String::new()),
        _ => return shown(value, kit, context),
    };
    shown(&told?, kit, context)
}

/// Returns `value` as a person wants to read the value; a value that cannot be shown is named. Only an error that stops
/// the engine is returned.
pub(in super::super) fn shown(value: &JsValue, kit: &ContextTools, context: &mut Context) -> JsResult<String> {
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
                Err(error) if stops(&error) => Err(error),
                Err(_) => Ok("[object]".to_owned()),
            }
        }
        JsVariant::Null | JsVariant::Boolean(_) | JsVariant::Float64(_) | JsVariant::Integer32(_) => {
            Ok(value.to_string(context)?.to_std_string_lossy())
        }
    }
}

fn stops(error: &JsError) -> bool {
    error.as_engine().is_some()
}

fn error_text(error: &JsObject, context: &mut Context) -> JsResult<Option<String>> {
    let name = error.get(js_string!("name"), context)?.to_string(context)?.to_std_string_lossy();
    let message = error.get(js_string!("message"), context)?.to_string(context)?.to_std_string_lossy();
    Ok(Some(format!("{name}: {message}")))
}
