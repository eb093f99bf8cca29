//! `Math.random`, which draws from the request's own stream.

use boa_engine::{Context, JsNativeError, JsResult, JsValue, NativeFunction};

use crate::engine::words::NOT_PURE;

use super::shims::define;
use super::tools::ContextTools;

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let math = context.intrinsics().objects().math();
    define(&math, "random", 0, NativeFunction::from_fn_ptr(random), context)
}

fn random(_this: &JsValue, _args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    match ContextTools::of(context).and_then(|kit| kit.stage.random()) {
        Some(number) => Ok(JsValue::from(number)),
        None => Err(JsNativeError::typ().with_message(format!("`Math.random` {NOT_PURE}")).into()),
    }
}
