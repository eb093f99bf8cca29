//! Globals of other hosts that scripts count on, as far as they have a meaning here.

use boa_engine::native_function::NativeFunctionPointer;
use boa_engine::object::{FunctionObjectBuilder, IntegrityLevel, JsObject};
use boa_engine::property::PropertyDescriptor;
use boa_engine::{Context, JsResult, JsString, JsValue, NativeFunction, js_string};

use super::tools::ContextTools;

/// Defines the native function `name` on `holder`, with the attributes of a built-in.
pub(super) fn define(
    holder: &JsObject,
    name: &str,
    length: usize,
    function: NativeFunction,
    context: &mut Context,
) -> JsResult<()> {
    let function =
        FunctionObjectBuilder::new(context.realm(), function).name(JsString::from(name)).length(length).build();
    let property = PropertyDescriptor::builder().value(function).writable(true).enumerable(false).configurable(true);
    holder.define_property_or_throw(JsString::from(name), property.build(), context)?;
    Ok(())
}

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let error = context.intrinsics().constructors().error().constructor();
    // Error classes call `captureStackTrace` in their constructors; the stack is captured anyway.
    let nothing: NativeFunctionPointer = |_, _, _| Ok(JsValue::undefined());
    define(&error, "captureStackTrace", 2, NativeFunction::from_fn_ptr(nothing), context)?;
    global_objects(context)
}

/// Defines the ways by which libraries find the global object: Node's name, the browsers' name, and `Function('return
/// this')()`, the only text that runs as code here. Node has no `self`, but libraries that look for `self` accept any
/// object.
fn global_objects(context: &mut Context) -> JsResult<()> {
    let global = context.global_object();
    for name in [js_string!("global"), js_string!("self")] {
        let itself = global.clone();
        let property = PropertyDescriptor::builder().value(itself).writable(true).enumerable(false).configurable(true);
        global.define_property_or_throw(name, property.build(), context)?;
    }
    let function = context.intrinsics().constructors().function();
    let (original, prototype) = (function.constructor(), function.prototype());
    let returns_this: NativeFunctionPointer = |this, _, context| match this.is_null_or_undefined() {
        true => Ok(context.global_object().into()),
        false => this.to_object(context).map(Into::into),
    };
    let returns_this = FunctionObjectBuilder::new(context.realm(), NativeFunction::from_fn_ptr(returns_this));
    let returns_this: JsObject = returns_this.name(js_string!("anonymous")).build().into();
    // No script reaches this function through the built-in objects, so the general freezing misses the function.
    returns_this.set_integrity_level(IntegrityLevel::Frozen, context)?;
    let construct = NativeFunction::from_copy_closure_with_captures(
        |new_target, args, (original, returns_this): &(JsObject, JsObject), context| {
            if is_return_this(args) && ContextTools::of(context).is_some_and(|kit| kit.stage.shows_globals()) {
                return Ok(returns_this.clone().into());
            }
            let new_target = new_target.as_object();
            original.construct(args, new_target.as_ref(), context).map(Into::into)
        },
        (original, returns_this),
    );
    let wrapped = FunctionObjectBuilder::new(context.realm(), construct);
    let wrapped: JsObject = wrapped.name(js_string!("Function")).length(1).constructor(true).build().into();
    stand_in(&wrapped, "Function", &prototype, context)
}

/// Whether `args` are the arguments of `Function('return this')`.
fn is_return_this(args: &[JsValue]) -> bool {
    let [body] = args else { return false };
    let Some(body) = body.as_string().map(|body| body.to_std_string_lossy()) else { return false };
    let body = body.trim().trim_end_matches([';', ' ', '\n']);
    body.split_whitespace().eq(["return", "this"])
}

/// Makes `wrapped` the constructor of objects that inherit from `prototype`, and the global `name`.
pub(super) fn stand_in(wrapped: &JsObject, name: &str, prototype: &JsObject, context: &mut Context) -> JsResult<()> {
    let fixed = PropertyDescriptor::builder().value(prototype.clone());
    let fixed = fixed.writable(false).enumerable(false).configurable(false);
    wrapped.define_property_or_throw(js_string!("prototype"), fixed.build(), context)?;
    for (holder, name) in [(prototype, "constructor"), (&context.global_object(), name)] {
        let property = PropertyDescriptor::builder().value(wrapped.clone());
        let property = property.writable(true).enumerable(false).configurable(true);
        holder.define_property_or_throw(JsString::from(name), property.build(), context)?;
    }
    Ok(())
}
