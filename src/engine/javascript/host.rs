//! The globals that Node.js gives scripts beside the language and without a host: `URL`, `atob`, `structuredClone` and
//! the like.
//!
//! Their classes are written in JavaScript (`prelude.js`), where checks of types, iteration and getters are a line
//! each; functions that take a table or a parser are native. The file is evaluated once for each context, and the
//! resulting objects are frozen with the other built-in objects, so that no script can change them for the next script.

mod encodings;
mod kinds;
mod urls;

use boa_engine::native_function::NativeFunctionPointer;
use boa_engine::object::JsObject;
use boa_engine::property::PropertyDescriptor;
use boa_engine::{Context, JsNativeError, JsResult, JsValue, NativeFunction, Source};

use super::shims::define;
use super::tools::plain_object;

/// The native helpers of the prelude, with the number of their parameters.
const HELPERS: [(&str, usize, NativeFunctionPointer); 10] = [
    ("kind", 1, kinds::kind),
    ("enqueue", 1, kinds::enqueue),
    ("fromBase64", 1, encodings::from_base64),
    ("toBase64", 1, encodings::to_base64),
    ("encode", 1, encodings::encode),
    ("decode", 3, encodings::decode),
    ("parseQuery", 1, urls::parse_query),
    ("writeQuery", 1, urls::write_query),
    ("parseUrl", 2, urls::parse),
    ("changeUrl", 3, urls::change),
];

/// Defines the prelude's globals on the global object of `context`.
pub(super) fn install(context: &mut Context) -> JsResult<()> {
    install_body(include_str!("host/prelude.js"), &HELPERS, context)
}

/// Defines the globals that `body` returns on the global object of `context`; `body` is the body of a function that
/// receives `helpers`.
pub(super) fn install_body(
    body: &str,
    helpers: &[(&str, usize, NativeFunctionPointer)],
    context: &mut Context,
) -> JsResult<()> {
    let native = plain_object(context);
    for (name, length, function) in helpers {
        define(&native, name, *length, NativeFunction::from_fn_ptr(*function), context)?;
    }
    let made = run(body, &native, context)?;
    let global = context.global_object();
    for key in made.own_property_keys(context)? {
        let value = made.get(key.clone(), context)?;
        let property = PropertyDescriptor::builder().value(value).writable(true).enumerable(false).configurable(true);
        global.define_property_or_throw(key, property.build(), context)?;
    }
    Ok(())
}

/// Returns the object that `body`, the body of a function of `native`, returns.
fn run(body: &str, native: &JsObject, context: &mut Context) -> JsResult<JsObject> {
    let text = format!("(function (native) {{{body}\n}})");
    let function = context.eval(Source::from_bytes(&text))?;
    let function = function.as_callable().ok_or_else(|| broken("is no function"))?;
    let made = function.call(&JsValue::undefined(), &[native.clone().into()], context)?;
    Ok(made.as_object().ok_or_else(|| broken("returns no object"))?)
}

fn broken(how: &str) -> JsNativeError {
    JsNativeError::typ().with_message(format!("the engine's own prelude {how}"))
}
