//! What a returned object says of a node beyond what the script was given.
//!
//! Most objects that come back are the ones that were given, and most properties of a copy are the node's own. Those
//! are told apart here without building JSON: what is left is small.

use std::rc::Rc;

use boa_engine::object::JsObject;
use boa_engine::property::PropertyKey;
use boa_engine::value::JsVariant;
use boa_engine::{Context, JsResult, JsString, JsValue};
use serde_json::{Map, Value};

use crate::model::json::{self, JsonLimits};
use crate::model::node::{DataField, Field};

use super::fault::Fault;
use super::kit::{Hold, Kit, data_property, plain_object};
use super::lazy::{Lazy, View};

/// What names a node; never an overlay.
const IDENTITY: [&str; 2] = ["id", "serverId"];

/// Whether `object`, one that was given, has all its properties as they were.
pub(super) fn is_untouched(object: &JsObject, kit: &Kit, context: &mut Context) -> JsResult<bool> {
    let Some((view, hold)) = view(object) else { return Ok(false) };
    if hold == Hold::Shared {
        return Ok(true);
    }
    if object.own_property_keys(context)?.len() != view.fields().count() {
        return Ok(false);
    }
    Ok(view.fields().all(|(name, field)| is_as_given(object, name, &field, kit, context)))
}

/// The own enumerable properties of `object` that may differ from the node's, as JSON; `given` is what the script was
/// given for the same node.
pub(super) fn differences(
    object: &JsObject,
    given: Option<&JsObject>,
    kit: &Kit,
    context: &mut Context,
) -> Result<Map<String, Value>, Fault> {
    let view = given.and_then(view).map(|(view, _)| view);
    let holder = plain_object(context);
    let mut count = 0_usize;
    for key in object.own_property_keys(context)? {
        let name = match &key {
            PropertyKey::String(name) => name.to_std_string_lossy(),
            PropertyKey::Index(place) => place.get().to_string(),
            PropertyKey::Symbol(_) => continue,
        };
        let property = object.borrow().properties().get(&key);
        if IDENTITY.contains(&name.as_str()) || property.is_some_and(|property| property.enumerable() == Some(false)) {
            continue;
        }
        // What an earlier step overlaid differs from the node's own, and must go on with the object.
        let overlaid = |view: &View| view.overlay.as_ref().is_some_and(|overlay| overlay.contains_key(&name));
        let field = view.as_ref().filter(|view| !overlaid(view)).and_then(|view| view.node.field(&name));
        if let Some(field) = &field
            && is_as_given(object, &name, field, kit, context)
        {
            continue;
        }
        let value = object.get(key.clone(), context)?;
        if field.is_some_and(|field| is_same(&value, &field, kit, context)) {
            continue;
        }
        holder.insert_property(key, data_property(value, Hold::Own));
        count += 1;
    }
    if count == 0 {
        return Ok(Map::new());
    }
    let text = kit.to_json_text(&holder.into(), context)?.unwrap_or_default();
    let max_bytes = kit.stage.limits().overlay_request_bytes;
    match json::parse_as(text.as_bytes(), JsonLimits::bytes(max_bytes)) {
        Ok(fields) => Ok(fields),
        Err(error) => Err(Fault::output(format!("the properties that a node was given back with are {error}"))),
    }
}

/// The node that `object` is, where it is one of ours.
pub(super) fn view(object: &JsObject) -> Option<(Rc<View>, Hold)> {
    let lazy = object.downcast_ref::<Lazy>()?;
    lazy.view().map(|view| (Rc::clone(view), lazy.hold()))
}

/// Whether the own property `name` of `object` still is `field`, seen without running any code.
fn is_as_given(object: &JsObject, name: &str, field: &Field<'_>, kit: &Kit, context: &Context) -> bool {
    let Some(property) = object.borrow().properties().get(&kit.key(name)) else { return false };
    if let Some(value) = property.value() {
        return property.enumerable() == Some(true) && is_same(value, field, kit, context);
    }
    if !kit.accessors(name, context).is_untouched(&property) {
        return false;
    }
    let Some(lazy) = object.downcast_ref::<Lazy>() else { return false };
    lazy.built(&JsString::from(name)).is_none_or(|value| is_same(value, field, kit, context))
}

/// Whether `value` is what a script was given for `field`, or would be.
fn is_same(value: &JsValue, field: &Field<'_>, kit: &Kit, context: &Context) -> bool {
    match field {
        Field::Json(json) => is_same_json(value, json),
        Field::Count(count) => value.as_number() == Some(*count as f64),
        Field::Flag(flag) => value.as_boolean() == Some(*flag),
        Field::Data(node) => {
            let Some(object) = value.as_object() else { return false };
            let view = object.downcast_ref::<Lazy>().and_then(|lazy| lazy.data_of().cloned());
            view.is_some_and(|view| &view.node == *node && is_same_data(&object, &view, kit, context))
        }
    }
}

fn is_same_data(object: &JsObject, view: &View, kit: &Kit, context: &Context) -> bool {
    let mut count = 0;
    for (name, field) in view.node.data_fields() {
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
                                .is_some_and(|item| has_same_fields(&item, session.fields()))
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

/// Whether `value` is made of plain data alone, and of the same as `json`.
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
