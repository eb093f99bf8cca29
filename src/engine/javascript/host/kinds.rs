//! The class of an object by internal slots, which no script can fake, and jobs that a script enqueues.

use boa_engine::builtins::error::Error;
use boa_engine::builtins::typed_array::TypedArrayKind;
use boa_engine::job::PromiseJob;
use boa_engine::object::JsObject;
use boa_engine::object::builtins::{
    JsArrayBuffer, JsDataView, JsDate, JsMap, JsPromise, JsProxy, JsRegExp, JsSet, JsTypedArray, JsWeakMap, JsWeakSet,
};
use boa_engine::{Context, JsArgs, JsBigInt, JsResult, JsString, JsSymbol, JsValue, js_string};

/// Returns the name of the class with the internal slots of the first argument; `Object` where the object has none of
/// them.
pub(super) fn kind(_this: &JsValue, args: &[JsValue], _context: &mut Context) -> JsResult<JsValue> {
    let name = args.get_or_undefined(0).as_object().map_or("undefined", |object| kind_of(&object));
    Ok(JsString::from(name).into())
}

fn kind_of(object: &JsObject) -> &'static str {
    let is_a = [
        ("Array", object.is_array()),
        ("Date", JsDate::from_object(object.clone()).is_ok()),
        ("Map", JsMap::from_object(object.clone()).is_ok()),
        ("Set", JsSet::from_object(object.clone()).is_ok()),
        ("RegExp", JsRegExp::from_object(object.clone()).is_ok()),
        ("Error", object.is::<Error>()),
        ("Boolean", object.is::<bool>()),
        ("Number", object.is::<f64>()),
        ("String", object.is::<JsString>()),
        ("BigInt", object.is::<JsBigInt>()),
        ("Symbol", object.is::<JsSymbol>()),
        ("ArrayBuffer", JsArrayBuffer::from_object(object.clone()).is_ok()),
        ("DataView", JsDataView::from_object(object.clone()).is_ok()),
        ("Promise", JsPromise::from_object(object.clone()).is_ok()),
        ("WeakMap", JsWeakMap::from_object(object.clone()).is_ok()),
        ("WeakSet", JsWeakSet::from_object(object.clone()).is_ok()),
        ("Proxy", JsProxy::from_object(object.clone()).is_ok()),
    ];
    let found = is_a.into_iter().find(|(_, is)| *is).map(|(name, _)| name);
    found.unwrap_or_else(|| {
        let typed = JsTypedArray::from_object(object.clone()).ok().and_then(|list| list.kind());
        typed.map_or("Object", kind_of_numbers)
    })
}

fn kind_of_numbers(kind: TypedArrayKind) -> &'static str {
    match kind {
        TypedArrayKind::Int8 => "Int8Array",
        TypedArrayKind::Uint8 => "Uint8Array",
        TypedArrayKind::Uint8Clamped => "Uint8ClampedArray",
        TypedArrayKind::Int16 => "Int16Array",
        TypedArrayKind::Uint16 => "Uint16Array",
        TypedArrayKind::Int32 => "Int32Array",
        TypedArrayKind::Uint32 => "Uint32Array",
        TypedArrayKind::BigInt64 => "BigInt64Array",
        TypedArrayKind::BigUint64 => "BigUint64Array",
        TypedArrayKind::Float32 => "Float32Array",
        TypedArrayKind::Float64 => "Float64Array",
    }
}

/// Enqueues a call of the first argument, which runs with the script's promises.
pub(super) fn enqueue(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    if let Some(callback) = args.get_or_undefined(0).as_callable() {
        let job = PromiseJob::new(move |context| callback.call(&JsValue::undefined(), &[], context));
        context.enqueue_job(job.into());
    }
    Ok(JsValue::undefined())
}

/// Returns the text of the argument in `place`, with halves of surrogate pairs replaced.
pub(super) fn text(args: &[JsValue], place: usize) -> String {
    args.get_or_undefined(place).as_string().unwrap_or_else(|| js_string!()).to_std_string_lossy()
}
