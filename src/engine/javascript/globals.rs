//! The global object, restored after each call that may have changed the object.
//!
//! The properties that a script put there last as long as the script's run: an undeclared variable of the top level
//! exists when the script's functions are called, also when other scripts ran in between.

use boa_engine::object::{JsObject, JsPrototype};
use boa_engine::property::{PropertyDescriptor, PropertyKey};
use boa_engine::{Context, JsResult, JsString, JsValue};

use super::analysis::global_use::GlobalUse;

/// The global object between calls.
pub(super) struct Globals {
    clean: Vec<(PropertyKey, PropertyDescriptor)>,
    prototype: JsPrototype,
}

/// The changes of a run: properties that the run made or overwrote, and properties that the run deleted.
#[derive(Default)]
pub(super) struct Changes(Vec<(PropertyKey, Option<PropertyDescriptor>)>);

/// The error that the global object could not be restored.
pub(super) struct Stuck;

impl Globals {
    pub(super) fn snapshot(context: &mut Context) -> JsResult<Self> {
        let global = context.global_object();
        let clean = properties(&global, context)?;
        Ok(Self { clean, prototype: global.prototype() })
    }

    /// Whether there is a global `name` between calls.
    pub(super) fn has(&self, name: &str) -> bool {
        self.before(&PropertyKey::from(JsString::from(name))).is_some()
    }

    /// Applies `changes` to the clean global object.
    pub(super) fn apply(&self, changes: &Changes, context: &mut Context) -> Result<(), Stuck> {
        let global = context.global_object();
        for (key, property) in &changes.0 {
            write(&global, key, property.as_ref(), context)?;
        }
        Ok(())
    }

    /// Removes the changes of a script with this `usage` from the global object, and returns the changes.
    pub(super) fn take_changes(&self, usage: &GlobalUse, context: &mut Context) -> Result<Changes, Stuck> {
        match usage {
            GlobalUse::None => Ok(Changes::default()),
            GlobalUse::Names(names) => self.take_named(names.iter().map(String::as_str), context),
            GlobalUse::Any => self.take_any(context),
        }
    }

    fn take_named<'a>(&self, names: impl Iterator<Item = &'a str>, context: &mut Context) -> Result<Changes, Stuck> {
        let global = context.global_object();
        let mut changes = Vec::new();
        for key in names.map(|name| PropertyKey::from(JsString::from(name))) {
            let (before, now) = (self.before(&key), global.borrow().properties().get(&key));
            let is_same = match (before, &now) {
                (Some(before), Some(now)) => same(before, now),
                (None, None) => true,
                _ => false,
            };
            if !is_same {
                write(&global, &key, before, context)?;
                changes.push((key, now));
            }
        }
        Ok(Changes(changes))
    }

    fn before(&self, key: &PropertyKey) -> Option<&PropertyDescriptor> {
        self.clean.iter().find(|(own, _)| own == key).map(|(_, property)| property)
    }

    fn take_any(&self, context: &mut Context) -> Result<Changes, Stuck> {
        let global = context.global_object();
        let now = properties(&global, context).map_err(|_error| Stuck)?;
        let in_place = self.clean.iter().zip(&now).take_while(|(before, now)| before.0 == now.0).count();
        let mut changes = Vec::new();
        for ((key, before), (_, property)) in self.clean.iter().zip(&now).take(in_place) {
            if !same(before, property) {
                changes.push((key.clone(), Some(property.clone())));
            }
        }
        // From the first difference in order on, something was deleted or made; the rest is short.
        let (gone, made) = (self.clean.iter().skip(in_place), now.iter().skip(in_place));
        for (key, property) in made.clone() {
            if self.before(key).is_none_or(|before| !same(before, property)) {
                changes.push((key.clone(), Some(property.clone())));
            }
        }
        for (key, _) in gone {
            if !made.clone().any(|(own, _)| own == key) {
                changes.push((key.clone(), None));
            }
        }
        for (key, _) in &changes {
            write(&global, key, self.before(key), context)?;
        }
        if self.is_intact(&global, context) { Ok(Changes(changes)) } else { Err(Stuck) }
    }

    fn is_intact(&self, global: &JsObject, context: &mut Context) -> bool {
        let same_prototype = match (global.prototype(), &self.prototype) {
            (Some(now), Some(before)) => JsObject::equals(&now, before),
            (None, None) => true,
            _ => false,
        };
        same_prototype && global.is_extensible(context).unwrap_or_default()
    }
}

fn properties(global: &JsObject, context: &mut Context) -> JsResult<Vec<(PropertyKey, PropertyDescriptor)>> {
    let keys = global.own_property_keys(context)?;
    let global = global.borrow();
    Ok(keys.into_iter().filter_map(|key| global.properties().get(&key).map(|property| (key, property))).collect())
}

fn write(
    global: &JsObject,
    key: &PropertyKey,
    property: Option<&PropertyDescriptor>,
    context: &mut Context,
) -> Result<(), Stuck> {
    let written = match property {
        Some(property) => global.define_property_or_throw(key.clone(), property.clone(), context),
        None => global.delete_property_or_throw(key.clone(), context),
    };
    written.map(|_| ()).map_err(|_error| Stuck)
}

fn same(left: &PropertyDescriptor, right: &PropertyDescriptor) -> bool {
    let value = |left: Option<&JsValue>, right: Option<&JsValue>| match (left, right) {
        (Some(left), Some(right)) => JsValue::same_value(left, right),
        (None, None) => true,
        _ => false,
    };
    value(left.value(), right.value())
        && value(left.get(), right.get())
        && value(left.set(), right.set())
        && (left.writable(), left.enumerable(), left.configurable())
            == (right.writable(), right.enumerable(), right.configurable())
}
