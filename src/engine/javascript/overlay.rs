//! The properties of a returned object that differ from the node that the script received.
//!
//! Most returned objects are the received objects, and most properties of a copy are the node's own. These are
//! recognised here without building JSON: the rest is small.

use std::rc::Rc;

use boa_engine::object::JsObject;
use boa_engine::property::{PropertyDescriptor, PropertyKey};
use boa_engine::value::JsVariant;
use boa_engine::{Context, JsResult, JsString, JsValue};
use serde_json::{Map, Value};

use crate::engine::residents::is_same_state;
use crate::model::NodeField;
use crate::model::json::{self, JsonLimits};
use crate::model::node_view::DataField;

use super::fault::CallFault;
use super::lazy::{Lazy, LazyNode};
use super::tools::{ContextTools, ObjectOwner, data_property, plain_object};

/// The properties that identify a node; never part of an overlay.
const IDENTITY: [&str; 2] = ["id", "serverId"];

/// The result of comparing a returned object with the node that the object names.
pub(super) enum Difference {
    /// The received object itself, with all properties unchanged.
    None,
    /// These properties may differ from the node's own.
    Fields(Map<String, Value>),
}

/// Returns the properties of `object` that differ from the node's own; `given` is the object that the script received
/// for the same node.
pub(super) fn difference(
    object: &JsObject,
    given: Option<&JsObject>,
    kit: &ContextTools,
    context: &mut Context,
) -> Result<Difference, CallFault> {
    let is_given = given.is_some_and(|given| JsObject::equals(given, object));
    let view = given.and_then(view);
    if is_given && view.as_ref().is_some_and(|(_, hold)| *hold == ObjectOwner::Shared) {
        return Ok(Difference::None);
    }
    let keys = object.own_property_keys(context)?;
    let mut seen = OverlayWalk { is_touched: !is_given, differing: Vec::new() };
    match (&view, given) {
        (Some((view, _)), Some(given)) => {
            let has_lost_some = view.overlay.is_some()
                && keys.len() < view.look(&view.node()).fields_with(view.overlay.as_deref()).count();
            seen.is_touched |= has_lost_some;
            let comparison = Comparison { object, given, view, kit };
            comparison.run(keys, &mut seen, context)?;
        }
        _ => {
            for key in keys {
                if is_enumerable(object, &key) && !names_a_node(&key) {
                    let value = object.get(key.clone(), context)?;
                    seen.differing.push((key, value));
                }
            }
        }
    }
    if !seen.is_touched {
        return Ok(Difference::None);
    }
    to_json(seen.differing, kit, context).map(Difference::Fields)
}

/// The findings of a walk over an object's properties.
struct OverlayWalk {
    /// Whether the object is another than the received object, or has another property.
    is_touched: bool,
    differing: Vec<(PropertyKey, JsValue)>,
}

/// A returned object beside the node that the object names.
struct Comparison<'a> {
    object: &'a JsObject,
    given: &'a JsObject,
    view: &'a LazyNode,
    kit: &'a ContextTools,
}

impl Comparison<'_> {
    fn run(&self, keys: Vec<PropertyKey>, seen: &mut OverlayWalk, context: &mut Context) -> JsResult<()> {
        // Received objects, and copies of them, have their properties in the node's order.
        let node = self.view.node();
        let (look, overlay) = (self.view.look(&node), self.view.overlay.as_deref());
        let mut fields = look.fields_with(overlay).peekable();
        for key in keys {
            let field = match fields.next_if(|(name, _)| is_named(&key, name)) {
                Some((_, field)) => Some(field),
                None => text_of(&key).and_then(|name| look.field_with(&name, overlay)),
            };
            if names_a_node(&key) {
                continue;
            }
            let value = match self.read(&key, context)? {
                PropertyRead::Value(value) => value,
                PropertyRead::Unbuilt if self.is_overlaid(&key) => self.object.get(key.clone(), context)?,
                PropertyRead::Unbuilt | PropertyRead::Hidden => continue,
            };
            let is_as_given = field.is_some_and(|field| self.is_as_given(&key, &value, &field, context));
            seen.is_touched |= !is_as_given;
            // A property that an earlier step overlaid differs from the node's own, and must stay with the object.
            if !is_as_given || self.is_overlaid(&key) {
                seen.differing.push((key, value));
            }
        }
        Ok(())
    }

    fn is_overlaid(&self, key: &PropertyKey) -> bool {
        let Some(overlay) = &self.view.overlay else { return false };
        text_of(key).is_some_and(|name| overlay.contains_key(&name))
    }

    /// Reads the property `key`, running the script's own code only where the script defined an accessor.
    fn read(&self, key: &PropertyKey, context: &mut Context) -> JsResult<PropertyRead> {
        let property = self.object.borrow().properties().get(key);
        if let Some(property) = &property {
            if property.enumerable() == Some(false) {
                return Ok(PropertyRead::Hidden);
            }
            if let Some(value) = property.value() {
                return Ok(PropertyRead::Value(value.clone()));
            }
            if self.is_unbuilt(key, property, context) {
                return Ok(PropertyRead::Unbuilt);
            }
        }
        self.object.get(key.clone(), context).map(PropertyRead::Value)
    }

    /// Whether `property` is a lazy accessor of the engine that no script read yet.
    fn is_unbuilt(&self, key: &PropertyKey, property: &PropertyDescriptor, context: &Context) -> bool {
        let PropertyKey::String(name) = key else { return false };
        let Some(lazy) = self.object.downcast_ref::<Lazy>() else { return false };
        lazy.view().is_some_and(|view| view.slot == self.view.slot)
            && lazy.built(name).is_none()
            && self.kit.accessors(&name.to_std_string_lossy(), context).is_untouched(property)
    }

    fn is_as_given(&self, key: &PropertyKey, value: &JsValue, field: &NodeField<'_>, context: &Context) -> bool {
        // The parts of the shared object are frozen: an identical part is unchanged.
        if value.is_object()
            && let PropertyKey::String(name) = key
            && let Some(lazy) = self.given.downcast_ref::<Lazy>()
            && lazy.hold() == ObjectOwner::Shared
            && lazy.built(name).is_some_and(|built| built.strict_equals(value))
        {
            return true;
        }
        is_same(value, field, self.kit, context)
    }
}

/// The result of reading a property.
enum PropertyRead {
    Value(JsValue),
    /// The property is unchanged, and was never built.
    Unbuilt,
    /// The property is not enumerable.
    Hidden,
}

fn is_named(key: &PropertyKey, name: &str) -> bool {
    matches!(key, PropertyKey::String(own) if own == name)
}

fn names_a_node(key: &PropertyKey) -> bool {
    matches!(key, PropertyKey::Symbol(_)) || IDENTITY.iter().any(|name| is_named(key, name))
}

fn is_enumerable(object: &JsObject, key: &PropertyKey) -> bool {
    let property = object.borrow().properties().get(key);
    property.is_none_or(|property| property.enumerable() != Some(false))
}

fn text_of(key: &PropertyKey) -> Option<String> {
    match key {
        PropertyKey::String(name) => Some(name.to_std_string_lossy()),
        PropertyKey::Index(place) => Some(place.get().to_string()),
        PropertyKey::Symbol(_) => None,
    }
}

/// Returns `properties` as JSON, by the rules of `JSON.stringify`.
fn to_json(
    properties: Vec<(PropertyKey, JsValue)>,
    kit: &ContextTools,
    context: &mut Context,
) -> Result<Map<String, Value>, CallFault> {
    let plain: Option<Map<_, _>> =
        properties.iter().map(|(key, value)| Some((text_of(key)?, scalar(value)?))).collect();
    if let Some(plain) = plain {
        return Ok(plain);
    }
    let holder = plain_object(context);
    for (key, value) in properties {
        holder.insert_property(key, data_property(value, ObjectOwner::Own));
    }
    let text = kit.to_json_text(&holder.into(), context)?.unwrap_or_default();
    let max_bytes = kit.stage.limits().overlay_request_bytes;
    json::parse_as(text.as_bytes(), JsonLimits::bytes(max_bytes))
        .map_err(|error| CallFault::output(format!("the properties that a node was given back with are {error}")))
}

/// Returns `value` as JSON, where no call of the engine is needed.
fn scalar(value: &JsValue) -> Option<Value> {
    /// The limit above which not every whole number is exact.
    const MAX_EXACT: f64 = 9e15;
    match value.variant() {
        JsVariant::Null => Some(Value::Null),
        JsVariant::Boolean(flag) => Some(flag.into()),
        JsVariant::Integer32(number) => Some(number.into()),
        JsVariant::Float64(number) if number.fract() == 0.0 && number.abs() < MAX_EXACT => Some((number as i64).into()),
        JsVariant::Float64(number) if number.is_finite() => Some(number.into()),
        JsVariant::String(text) => text.to_std_string().ok().map(Value::String),
        _ => None,
    }
}

/// Returns the node of `object`, where the object is a lazy node object.
pub(super) fn view(object: &JsObject) -> Option<(Rc<LazyNode>, ObjectOwner)> {
    let lazy = object.downcast_ref::<Lazy>()?;
    lazy.view().map(|view| (Rc::clone(view), lazy.hold()))
}

/// Whether `value` equals the value that a script received for `field`, or would receive.
fn is_same(value: &JsValue, field: &NodeField<'_>, kit: &ContextTools, context: &Context) -> bool {
    match field {
        NodeField::Json(json) => is_same_json(value, json),
        NodeField::Count(count) => value.as_number() == Some(*count as f64),
        NodeField::Flag(flag) => value.as_boolean() == Some(*flag),
        NodeField::Data(look) => {
            let Some(object) = value.as_object() else { return false };
            let view = object.downcast_ref::<Lazy>().and_then(|lazy| lazy.data_of().cloned());
            view.is_some_and(|view| {
                is_same_state(&view.node(), look.node()) && is_same_data(&object, &view, kit, context)
            })
        }
    }
}

fn is_same_data(object: &JsObject, view: &LazyNode, kit: &ContextTools, context: &Context) -> bool {
    let mut count = 0;
    let node = view.node();
    for (name, field) in view.look_at(&node, "nodeData").data_fields() {
        count += 1;
        let Some(property) = object.borrow().properties().get(&kit.key(name)) else { return false };
        let value = match property.value() {
            Some(value) => value.clone(),
            None if !kit.accessors(name, context).is_untouched(&property) => return false,
            None => {
                let Some(lazy) = object.downcast_ref::<Lazy>() else { return false };
                match lazy.built(&JsString::from(name)) {
                    Some(value) => value.clone(),
                    None => continue,
                }
            }
        };
        let same = match field {
            DataField::Json(json) => is_same_json(&value, json),
            DataField::Sessions(node) => {
                let sessions: Vec<_> = node.sessions().collect();
                value.as_object().is_some_and(|list| {
                    list.is_array()
                        && list_length(&list) == Some(sessions.len())
                        && sessions.iter().enumerate().all(|(place, session)| {
                            item(&list, place)
                                .and_then(|item| item.as_object())
                                .is_some_and(|item| has_same_fields(&item, &session.fields()))
                        })
                })
            }
        };
        if !same {
            return false;
        }
    }
    object.borrow().shape().keys().len() == count
}

/// Whether `value` consists of plain data alone, equal to `json`.
fn is_same_json(value: &JsValue, json: &Value) -> bool {
    match (value.variant(), json) {
        (JsVariant::Null, Value::Null) => true,
        (JsVariant::Boolean(left), Value::Bool(right)) => left == *right,
        (JsVariant::Integer32(left), Value::Number(right)) => right.as_f64() == Some(f64::from(left)),
        (JsVariant::Float64(left), Value::Number(right)) => right.as_f64() == Some(left),
        (JsVariant::String(left), Value::String(right)) => left == right.as_str(),
        (JsVariant::Object(object), Value::Array(list)) => {
            object.is_array()
                && list_length(&object) == Some(list.len())
                && list
                    .iter()
                    .enumerate()
                    .all(|(place, json)| item(&object, place).is_some_and(|item| is_same_json(&item, json)))
        }
        (JsVariant::Object(object), Value::Object(fields)) => object.is_ordinary() && has_same_fields(&object, fields),
        _ => false,
    }
}

fn has_same_fields(object: &JsObject, fields: &Map<String, Value>) -> bool {
    let borrowed = object.borrow();
    let properties = borrowed.properties();
    let named = borrowed.shape().keys().len() + properties.index_property_keys().count();
    named == fields.len()
        && fields.iter().all(|(name, json)| {
            let property = properties.get(&PropertyKey::from(JsString::from(name.as_str())));
            property.is_some_and(|property| property.value().is_some_and(|value| is_same_json(value, json)))
        })
}

fn list_length(list: &JsObject) -> Option<usize> {
    let length = list.borrow().properties().get(&PropertyKey::from(boa_engine::js_string!("length")))?;
    length.value()?.as_number().map(|length| length as usize)
}

fn item(list: &JsObject, place: usize) -> Option<JsValue> {
    list.borrow().properties().get(&PropertyKey::from(place)).and_then(|property| property.value().cloned())
}
