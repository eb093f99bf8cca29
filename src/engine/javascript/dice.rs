//! `Math.random`, which draws from the request's own stream.

use boa_engine::object::FunctionObjectBuilder;
use boa_engine::property::PropertyDescriptor;
use boa_engine::{Context, JsNativeError, JsResult, JsValue, NativeFunction, js_string};

use super::kit::Kit;
use super::stage::NOT_PURE;

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let random = FunctionObjectBuilder::new(context.realm(), NativeFunction::from_fn_ptr(random))
        .name(js_string!("random"))
        .build();
    let property =
        PropertyDescriptor::builder().value(random).writable(true).enumerable(false).configurable(true).build();
    context.intrinsics().objects().math().define_property_or_throw(js_string!("random"), property, context)?;
    Ok(())
}

fn random(_this: &JsValue, _args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    match Kit::of(context).and_then(|kit| kit.stage.roll()) {
        Some(number) => Ok(JsValue::from(number)),
        None => Err(JsNativeError::typ().with_message(format!("`Math.random` {NOT_PURE}")).into()),
    }
}
