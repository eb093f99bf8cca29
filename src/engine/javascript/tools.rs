//! Tools for native functions inside a context: property names, accessors, and JSON from and to objects.

use std::cell::RefCell;
use std::rc::Rc;

use boa_engine::builtins::object::OrdinaryObject;
use boa_engine::object::builtins::JsArray;
use boa_engine::object::{IntegrityLevel, JsObject};
use boa_engine::property::{PropertyDescriptor, PropertyKey};
use boa_engine::{Context, JsResult, JsString, JsValue, js_string};
use serde_json::Value;

use super::call_context::JavaScriptCallContext;
use super::lazy::Accessors;
use super::names::Names;

/// The owner of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectOwner {
    /// A single request: a script may change the object at will.
    Own,
    /// All requests: the object is frozen.
    Shared,
}

/// The tools of a single context; reachable from native functions.
pub(super) struct ContextTools {
    pub(super) stage: Rc<JavaScriptCallContext>,
    pub(super) stringify: JsObject,
    prevent_extensions: JsObject,
    names: RefCell<Names>,
}

impl ContextTools {
    /// Returns the tools for `context`, from the context's own untouched intrinsics.
    pub(super) fn new(stage: Rc<JavaScriptCallContext>, context: &mut Context) -> JsResult<Self> {
        let json = context.intrinsics().objects().json();
        let object = context.intrinsics().constructors().object().constructor();
        Ok(Self {
            stage,
            stringify: function(&json, "stringify", context)?,
            prevent_extensions: function(&object, "preventExtensions", context)?,
            names: RefCell::default(),
        })
    }

    /// Returns the tools of `context`.
    pub(super) fn of(context: &Context) -> Option<Rc<Self>> {
        context.get_data::<Rc<Self>>().cloned()
    }

    /// Returns the property key `name`.
    pub(super) fn key(&self, name: &str) -> PropertyKey {
        self.names.borrow_mut().look_up(name, |name| name.key.clone())
    }

    /// Returns the accessors for the lazy property `name`.
    pub(super) fn accessors(&self, name: &str, context: &Context) -> Accessors {
        self.names
            .borrow_mut()
            .look_up(name, |entry| entry.accessors.get_or_insert_with(|| Accessors::new(name, context)).clone())
    }

    /// Makes `object` refuse new properties.
    pub(super) fn close(&self, object: &JsObject, context: &mut Context) -> JsResult<()> {
        self.prevent_extensions.call(&JsValue::undefined(), &[object.clone().into()], context)?;
        Ok(())
    }

    /// Defines the property `name` on `object`.
    pub(super) fn put(&self, object: &JsObject, name: &str, value: JsValue, hold: ObjectOwner) {
        object.insert_property(self.key(name), data_property(value, hold));
    }

    /// Defines the property `name` on `object`, which is lazy, to be built when a script reads the property.
    pub(super) fn put_lazy(&self, object: &JsObject, name: &str, hold: ObjectOwner, context: &Context) {
        object.insert_property(self.key(name), self.accessors(name, context).property(hold));
    }

    /// Returns `value` as a script sees the value.
    pub(super) fn to_js(&self, value: &Value, hold: ObjectOwner, context: &mut Context) -> JsResult<JsValue> {
        match value {
            Value::Array(list) => {
                let items = list.iter().map(|item| self.to_js(item, hold, context)).collect::<JsResult<Vec<_>>>()?;
                self.list(items, hold, context).map(Into::into)
            }
            Value::Object(fields) => {
                let object = plain_object(context);
                for (name, value) in fields {
                    let value = self.to_js(value, hold, context)?;
                    self.put(&object, name, value, hold);
                }
                if hold == ObjectOwner::Shared {
                    self.close(&object, context)?;
                }
                Ok(object.into())
            }
            scalar => Ok(scalar_to_js(scalar)),
        }
    }

    /// Returns a real array of `items`.
    pub(super) fn list(&self, items: Vec<JsValue>, hold: ObjectOwner, context: &mut Context) -> JsResult<JsObject> {
        let array: JsObject = JsArray::from_iter(items, context).into();
        if hold == ObjectOwner::Shared {
            array.set_integrity_level(IntegrityLevel::Frozen, context)?;
        }
        Ok(array)
    }

    /// Returns `value` as JSON text, by the rules of `JSON.stringify`; `None` where JSON cannot express the value.
    pub(super) fn to_json_text(&self, value: &JsValue, context: &mut Context) -> JsResult<Option<String>> {
        let text = self.stringify.call(&JsValue::undefined(), std::slice::from_ref(value), context)?;
        Ok(text.as_string().map(|text| text.to_std_string_lossy()))
    }
}

/// Returns a property that holds a value.
pub(super) fn data_property(value: JsValue, hold: ObjectOwner) -> PropertyDescriptor {
    let free = hold == ObjectOwner::Own;
    PropertyDescriptor::builder().value(value).writable(free).enumerable(true).configurable(free).build()
}

/// Returns an empty object, the same as `{}`.
pub(super) fn plain_object(context: &Context) -> JsObject {
    let prototype = context.intrinsics().constructors().object().prototype();
    JsObject::new(context.root_shape(), prototype, OrdinaryObject).upcast()
}

/// Returns a value that is neither list nor object, as a script sees the value; those two become `undefined`.
pub(super) fn scalar_to_js(value: &Value) -> JsValue {
    match value {
        Value::Null => JsValue::null(),
        Value::Bool(flag) => JsValue::from(*flag),
        Value::Number(number) => match number.as_i64().and_then(|number| i32::try_from(number).ok()) {
            Some(small) => JsValue::from(small),
            None => JsValue::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => JsValue::from(JsString::from(text.as_str())),
        Value::Array(_) | Value::Object(_) => JsValue::undefined(),
    }
}

/// Returns the function `name` of `object`.
pub(super) fn function(object: &JsObject, name: &str, context: &mut Context) -> JsResult<JsObject> {
    let value = object.get(JsString::from(name), context)?;
    value.as_callable().ok_or_else(|| {
        boa_engine::JsNativeError::typ().with_message(format!("the engine has no function `{name}`")).into()
    })
}

/// Returns the `length` of any object.
pub(super) fn length_of(object: &JsObject, context: &mut Context) -> JsResult<u64> {
    object.get(js_string!("length"), context)?.to_length(context)
}
