//! What other hosts have and scripts count on, as far as it means something here.

use boa_engine::native_function::NativeFunctionPointer;
use boa_engine::object::{FunctionObjectBuilder, JsObject};
use boa_engine::property::PropertyDescriptor;
use boa_engine::{Context, JsArgs, JsResult, JsString, JsValue, NativeFunction, js_string};

/// Gives `holder` the native function `name`, as built-ins are.
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
    // Classes of errors call it in their constructors; the stack is captured anyway.
    let nothing: NativeFunctionPointer = |_, _, _| Ok(JsValue::undefined());
    define(&error, "captureStackTrace", 2, NativeFunction::from_fn_ptr(nothing), context)?;
    lenient_dates(context)
}

/// `2025-11-20 23:00` with a blank is a date everywhere but in the standard, and so in Boa it is none. The constructor
/// is wrapped, because what it does to its argument cannot be reached otherwise.
fn lenient_dates(context: &mut Context) -> JsResult<()> {
    let date = context.intrinsics().constructors().date();
    let (original, prototype) = (date.constructor(), date.prototype());
    let parse = super::kit::function(&original, "parse", context)?;
    let lenient_parse = NativeFunction::from_copy_closure_with_captures(
        |this, args, parse: &JsObject, context| {
            let text = args.get_or_undefined(0).to_string(context)?;
            parse.call(this, &[with_t(&text.into())], context)
        },
        parse,
    );
    let construct = NativeFunction::from_copy_closure_with_captures(
        |new_target, args, original: &JsObject, context| match new_target.as_object() {
            None => original.call(&JsValue::undefined(), args, context),
            Some(new_target) => match args {
                [only] => original.construct(&[with_t(only)], Some(&new_target), context).map(Into::into),
                _ => original.construct(args, Some(&new_target), context).map(Into::into),
            },
        },
        original.clone(),
    );
    let wrapped: JsObject = FunctionObjectBuilder::new(context.realm(), construct)
        .name(js_string!("Date"))
        .length(7)
        .constructor(true)
        .build()
        .into();
    for name in ["now", "UTC"] {
        let function = original.get(JsString::from(name), context)?;
        let property =
            PropertyDescriptor::builder().value(function).writable(true).enumerable(false).configurable(true);
        wrapped.define_property_or_throw(JsString::from(name), property.build(), context)?;
    }
    define(&wrapped, "parse", 1, lenient_parse, context)?;
    let fixed =
        PropertyDescriptor::builder().value(prototype.clone()).writable(false).enumerable(false).configurable(false);
    wrapped.define_property_or_throw(js_string!("prototype"), fixed.build(), context)?;
    for (holder, name) in [(&prototype, js_string!("constructor")), (&context.global_object(), js_string!("Date"))] {
        let property =
            PropertyDescriptor::builder().value(wrapped.clone()).writable(true).enumerable(false).configurable(true);
        holder.define_property_or_throw(name, property.build(), context)?;
    }
    Ok(())
}

/// A text of the form `2025-11-20 23:00` with `T` in place of the blank; anything else as it is.
fn with_t(value: &JsValue) -> JsValue {
    let Some(text) = value.as_string().map(|text| text.to_std_string_lossy()) else { return value.clone() };
    let form: String = text.chars().take(14).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    match (form.as_str(), text.split_once(' ')) {
        ("0000-00-00 00:", Some((day, time))) => JsString::from(format!("{day}T{time}")).into(),
        _ => value.clone(),
    }
}
