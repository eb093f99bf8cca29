//! The built-in objects, made immutable, so that no script can change them for the next script.
//!
//! Freezing is not enough: outside of strict mode, an assignment to a property that the object's prototype holds frozen
//! is lost (`counts['toString'] = 1`), and in classes such an assignment throws (`this.name = …` in a subclass of
//! Error). So the properties of a prototype become accessors first, with a setter that defines the property on the
//! assigned object.

use std::collections::{BTreeMap, BTreeSet};

use boa_engine::object::builtins::JsFunction;
use boa_engine::object::{IntegrityLevel, JsObject};
use boa_engine::property::{PropertyDescriptor, PropertyKey};
use boa_engine::{
    Context, Finalize, JsArgs, JsNativeError, JsResult, JsString, JsValue, NativeFunction, Source, Trace, js_string,
};

/// The source that makes every object that a script can reach without a global: hidden prototypes have no name.
const HIDDEN: &str = "[
    function () {}, () => {}, async function () {}, function* () {}, async function* () {}, class {},
    (function* () {})(), (async function* () {})(),
    [][Symbol.iterator](), new Map()[Symbol.iterator](), new Set()[Symbol.iterator](), ''[Symbol.iterator](),
    'a'.matchAll(/a/g), /a/, Promise.resolve(), Symbol(), 1n, true, 1, '',
    typeof Iterator === 'undefined' ? 0 : Iterator.from({ next() {} }),
    typeof Iterator === 'undefined' ? 0 : [].values().map(x => x),
    (function () { 'use strict'; return arguments })(),
    new Proxy({}, {}), new Date(0), new DataView(new ArrayBuffer(1)), new Uint8Array(1), Proxy.revocable({}, {}).revoke
]";

/// Globals with results that depend on the machine and the moment, and not on the request.
const UNREPEATABLE: [&str; 5] = ["WeakRef", "FinalizationRegistry", "Atomics", "SharedArrayBuffer", "Temporal"];

/// Deletes the globals that would make a decision unrepeatable.
pub(super) fn remove_unrepeatable(context: &mut Context) -> JsResult<()> {
    let global = context.global_object();
    for name in UNREPEATABLE {
        global.delete_property_or_throw(JsString::from(name), context)?;
    }
    Ok(())
}

/// Freezes every intrinsic of `context`; the global object itself stays open.
pub(super) fn harden(context: &mut Context) -> JsResult<()> {
    let mut walk = HeapWalk::default();
    let global = context.global_object();
    walk.seen.insert(address(&global));
    walk.properties(&global, context)?;
    let hidden = context.eval(Source::from_bytes(HIDDEN))?;
    let Some(hidden) = hidden.as_object() else { return Ok(()) };
    let count = super::tools::length_of(&hidden, context)?;
    for place in 0..count {
        // The objects themselves are the scripts' own; their prototypes are not.
        let thing = hidden.get(place, context)?.to_object(context)?;
        for key in thing.own_property_keys(context)? {
            let property = thing.borrow().properties().get(&key);
            for accessor in property.iter().flat_map(|property| [property.get(), property.set()]).flatten() {
                walk.meet(accessor);
            }
        }
        walk.prototype(&thing);
    }
    while let Some(object) = walk.open.pop() {
        walk.properties(&object, context)?;
        walk.prototype(&object);
        walk.found.push(object);
    }
    let mut setters = BTreeMap::new();
    for object in &walk.found {
        if walk.prototypes.contains(&address(object)) {
            shadowable(object, &mut setters, context)?;
        }
    }
    for object in &walk.found {
        object.set_integrity_level(IntegrityLevel::Frozen, context)?;
    }
    Ok(())
}

/// A walk over all reachable objects.
#[derive(Default)]
struct HeapWalk {
    seen: BTreeSet<usize>,
    open: Vec<JsObject>,
    found: Vec<JsObject>,
    /// The objects that others inherit from.
    prototypes: BTreeSet<usize>,
}

impl HeapWalk {
    fn meet(&mut self, value: &JsValue) {
        if let Some(object) = value.as_object()
            && self.seen.insert(address(&object))
        {
            self.open.push(object);
        }
    }

    fn prototype(&mut self, object: &JsObject) {
        if let Some(prototype) = object.prototype() {
            self.prototypes.insert(address(&prototype));
            self.meet(&prototype.into());
        }
    }

    fn properties(&mut self, object: &JsObject, context: &mut Context) -> JsResult<()> {
        for key in object.own_property_keys(context)? {
            let Some(property) = object.borrow().properties().get(&key) else { continue };
            for value in [property.value(), property.get(), property.set()].into_iter().flatten() {
                self.meet(value);
            }
            if let (true, Some(value)) = (is_named(&key, "prototype"), property.value().and_then(JsValue::as_object)) {
                self.prototypes.insert(address(&value));
            }
        }
        Ok(())
    }
}

/// Turns the data properties of `prototype` into accessors that objects below `prototype` can assign over.
fn shadowable(prototype: &JsObject, setters: &mut BTreeMap<String, JsFunction>, context: &mut Context) -> JsResult<()> {
    for key in prototype.own_property_keys(context)? {
        let Some(property) = prototype.borrow().properties().get(&key) else { continue };
        let Some(value) = property.value() else { continue };
        if property.configurable() != Some(true) || property.writable() != Some(true) {
            continue;
        }
        let getter =
            NativeFunction::from_copy_closure_with_captures(|_, _, held: &JsValue, _| Ok(held.clone()), value.clone());
        let getter = getter.to_js_function(context.realm());
        let setter = match setters.get(&key.to_string()) {
            Some(setter) if matches!(key, PropertyKey::String(_)) => setter.clone(),
            _ => {
                let setter =
                    NativeFunction::from_copy_closure_with_captures(define_on_receiver, SetterKey(key.clone()));
                let setter = setter.to_js_function(context.realm());
                setter.set_integrity_level(IntegrityLevel::Frozen, context)?;
                setters.insert(key.to_string(), setter.clone());
                setter
            }
        };
        getter.set_integrity_level(IntegrityLevel::Frozen, context)?;
        let enumerable = property.enumerable().unwrap_or_default();
        let accessor = PropertyDescriptor::builder().get(getter).set(setter).enumerable(enumerable).configurable(true);
        prototype.define_property_or_throw(key, accessor.build(), context)?;
    }
    Ok(())
}

/// The property that a setter defines.
#[derive(Clone, Trace, Finalize)]
struct SetterKey(#[unsafe_ignore_trace] PropertyKey);

fn define_on_receiver(this: &JsValue, args: &[JsValue], key: &SetterKey, context: &mut Context) -> JsResult<JsValue> {
    let Some(object) = this.as_object() else { return Ok(JsValue::undefined()) };
    if !object.create_data_property(key.0.clone(), args.get_or_undefined(0).clone(), context)? {
        let message = format!("cannot set non-writable property: {}", key.0);
        return Err(JsNativeError::typ().with_message(message).into());
    }
    Ok(JsValue::undefined())
}

fn is_named(key: &PropertyKey, name: &str) -> bool {
    matches!(key, PropertyKey::String(own) if *own == js_string!(name))
}

/// Returns an object's identity.
pub(super) fn address(object: &JsObject) -> usize {
    std::ptr::from_ref(object.as_ref()).addr()
}
