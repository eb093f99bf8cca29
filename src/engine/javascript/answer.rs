//! Conversion of a script's return value into the chain's types.

use std::rc::Rc;

use boa_engine::builtins::promise::PromiseState;
use boa_engine::job::JobExecutor;
use boa_engine::object::JsObject;
use boa_engine::object::builtins::{JsPromise, JsProxy};
use boa_engine::value::JsVariant;
use boa_engine::{Context, JsError, JsResult, JsString, JsValue, js_string};
use serde_json::{Map, Value};

use crate::model::Cluster;
use crate::model::json::{self, JsonLimits};
use crate::script::{Element, ReturnedValue, Score};

use super::fault::CallFault;
use super::jobs::Jobs;
use super::overlay::{self, Difference};
use super::tools::{ContextTools, ObjectOwner, length_of};

/// The size of the largest key that results are kept under, as JSON.
const MAX_KEY_BYTES: usize = 64 * 1024;

/// The value of a settled promise, where the value was a promise.
pub(super) enum Settled {
    Value(JsValue),
    Never,
}

/// Runs pending jobs until the promise `value` settles, as far as jobs can settle the promise; other values are
/// returned as they are.
pub(super) fn settle(value: JsValue, jobs: &Rc<Jobs>, context: &mut Context) -> JsResult<Settled> {
    let Some(object) = value.as_object() else { return Ok(Settled::Value(value)) };
    let promise = match JsPromise::from_object(object.clone()) {
        Ok(promise) => promise,
        Err(_) if overlay::view(&object).is_some() || object.is_array() => return Ok(Settled::Value(value)),
        Err(_) if object.get(js_string!("then"), context)?.is_callable() => JsPromise::resolve(value, context)?,
        Err(_) => return Ok(Settled::Value(value)),
    };
    Rc::clone(jobs).run_jobs(context)?;
    match promise.state() {
        PromiseState::Fulfilled(value) => Ok(Settled::Value(value)),
        PromiseState::Rejected(reason) => Err(JsError::from_opaque(reason)),
        PromiseState::Pending => Ok(Settled::Never),
    }
}

const NEVER: &str = "a promise that never settles";

/// The node objects that a whole-list function received, in order.
pub(super) struct GivenObjects<'a> {
    cluster: &'a Cluster,
    objects: Vec<JsObject>,
    /// The place of each slot's node in `objects`, plus 1.
    places: Vec<u32>,
}

impl<'a> GivenObjects<'a> {
    pub(super) fn new(cluster: &'a Cluster, objects: Vec<JsObject>) -> Self {
        Self { cluster, objects, places: Vec::new() }
    }

    fn index(&mut self) {
        for (place, object) in self.objects.iter().enumerate() {
            let Some((view, _)) = overlay::view(object) else { continue };
            let slot = view.slot.index();
            if self.places.len() <= slot {
                self.places.resize(slot + 1, 0);
            }
            if let (Some(entry), Ok(place)) = (self.places.get_mut(slot), u32::try_from(place + 1)) {
                *entry = place;
            }
        }
    }

    fn at(&self, slot: usize) -> Option<(usize, &JsObject)> {
        let place = (*self.places.get(slot)? as usize).checked_sub(1)?;
        self.objects.get(place).map(|object| (place, object))
    }
}

/// Returns the value of a whole-list function.
pub(super) fn returned(
    settled: Settled,
    mut given: GivenObjects<'_>,
    kit: &ContextTools,
    context: &mut Context,
) -> Result<ReturnedValue, CallFault> {
    let value = match settled {
        Settled::Value(value) => value,
        Settled::Never => return Ok(ReturnedValue::Other(NEVER.to_owned())),
    };
    if !value.to_boolean() {
        return Ok(ReturnedValue::Falsy);
    }
    match value.variant() {
        JsVariant::String(id) => Ok(ReturnedValue::Id(cut_id(&id, kit))),
        JsVariant::Object(object) if object.is_array() => {
            given.index();
            list(&object, &given, kit, context).map(ReturnedValue::list)
        }
        // A proxy may pretend to be a list or a node, but is neither.
        JsVariant::Object(object) if is_proxy(&object) => Ok(ReturnedValue::Other(described(&value, kit))),
        JsVariant::Object(object) => match named_id(&object, context)? {
            Some(id) => Ok(ReturnedValue::Node(cut_id(&id, kit))),
            None => Ok(ReturnedValue::Other(described(&value, kit))),
        },
        _ => Ok(ReturnedValue::Other(described(&value, kit))),
    }
}

fn list(
    list: &JsObject,
    given: &GivenObjects<'_>,
    kit: &ContextTools,
    context: &mut Context,
) -> Result<Vec<Element>, CallFault> {
    let length = length_of(list, context)?;
    let limit = kit.stage.limits().returned_elements;
    if length > limit as u64 {
        return Err(CallFault::output(format!(
            "the returned list has {length} elements, at most {limit} are accepted"
        )));
    }
    let mut elements = Vec::new();
    let mut overlaid_bytes = 0;
    for place in 0..length {
        let value = list.get(place, context)?;
        let element = element(&value, given, kit, context)?;
        if let Element::Node(_, fields) = &element {
            overlaid_bytes +=
                fields.iter().map(|(name, value)| name.len() + value.as_str().map_or(8, str::len)).sum::<usize>();
            // Only sizes that would exhaust memory are refused here: exact limits need the cluster's own values.
            if overlaid_bytes > 64 * kit.stage.limits().overlay_request_bytes {
                return Err(CallFault::output("the returned nodes carry too many properties of their own".to_owned()));
            }
        }
        // The elements after a refused element are not read: the list is refused, and a million holes would each become
        // a sentence.
        let is_refused = matches!(element, Element::Other(_));
        elements.push(element);
        if is_refused {
            break;
        }
    }
    Ok(elements)
}

fn element(
    value: &JsValue,
    given: &GivenObjects<'_>,
    kit: &ContextTools,
    context: &mut Context,
) -> Result<Element, CallFault> {
    let object = match value.variant() {
        JsVariant::String(id) => return Ok(Element::Id(cut_id(&id, kit))),
        JsVariant::Object(object) if !object.is_callable() => object,
        _ => return Ok(Element::Other(described(value, kit))),
    };
    // A received, unmodified object needs no reading.
    if let Some((view, ObjectOwner::Shared)) = overlay::view(&object)
        && let Some((place, same)) = given.at(view.slot.index())
        && JsObject::equals(same, &object)
    {
        return Ok(Element::Given(place));
    }
    let Some(id) = named_id(&object, context)? else { return Ok(Element::Other(described(value, kit))) };
    let id = cut_id(&id, kit);
    let slot = given.cluster.find(&id);
    let same = slot.and_then(|slot| given.at(slot.index()));
    match (overlay::difference(&object, same.map(|(_, object)| object), kit, context)?, same) {
        (Difference::None, Some((place, _))) => Ok(Element::Given(place)),
        (Difference::None, None) => Ok(Element::Node(id, Map::new())),
        (Difference::Fields(fields), _) => Ok(Element::Node(id, fields)),
    }
}

fn is_proxy(object: &JsObject) -> bool {
    JsProxy::from_object(object.clone()).is_ok()
}

/// Returns `id`, else `serverId`, where that is a non-empty string.
fn named_id(object: &JsObject, context: &mut Context) -> JsResult<Option<JsString>> {
    for name in [js_string!("id"), js_string!("serverId")] {
        let value = object.get(name, context)?;
        if let Some(id) = value.as_string().filter(|id| !id.is_empty()) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Returns whether a `filter` keeps the node.
pub(super) fn keep(settled: &Settled) -> bool {
    match settled {
        Settled::Value(value) => value.to_boolean(),
        // A promise is truthy.
        Settled::Never => true,
    }
}

/// Returns the score of a `score`.
pub(super) fn score(settled: &Settled, kit: &ContextTools) -> Score {
    let value = match settled {
        Settled::Value(value) => value,
        Settled::Never => return Score::Other(NEVER.to_owned()),
    };
    match (value.as_number(), value.as_boolean()) {
        (Some(number), _) if number.is_nan() => Score::LeftOut,
        (Some(number), _) => Score::Number(number),
        (None, Some(false)) => Score::LeftOut,
        _ if value.is_null_or_undefined() => Score::LeftOut,
        _ => Score::Other(described(value, kit)),
    }
}

/// Returns the key of a `key`.
pub(super) fn key(settled: &Settled, kit: &ContextTools, context: &mut Context) -> Result<Value, CallFault> {
    let Settled::Value(value) = settled else { return Ok(Value::Null) };
    match kit.to_json_text(value, context)? {
        Some(text) => json::parse(text.as_bytes(), JsonLimits::bytes(MAX_KEY_BYTES))
            .map_err(|error| CallFault::output(format!("what `key` returned is no key: {error}"))),
        None => Ok(Value::Null),
    }
}

/// Returns an id as text; the longest id of any node is far shorter than the limit.
fn cut_id(id: &JsString, kit: &ContextTools) -> String {
    kit.stage.limits().cut(&id.to_std_string_lossy())
}

/// Returns a description of `value` in words.
fn described(value: &JsValue, kit: &ContextTools) -> String {
    match value.variant() {
        JsVariant::Undefined => "undefined".to_owned(),
        JsVariant::Null => "null".to_owned(),
        JsVariant::Boolean(flag) => flag.to_string(),
        JsVariant::Integer32(number) => format!("the number {number}"),
        JsVariant::Float64(number) => format!("the number {number}"),
        JsVariant::BigInt(_) => "a BigInt".to_owned(),
        JsVariant::Symbol(_) => "a symbol".to_owned(),
        JsVariant::String(text) => format!("the string `{}`", kit.stage.limits().cut(&text.to_std_string_lossy())),
        JsVariant::Object(object) if object.is_callable() => "a function".to_owned(),
        JsVariant::Object(object) if object.is_array() => "a list".to_owned(),
        JsVariant::Object(object) if is_proxy(&object) => "a proxy".to_owned(),
        JsVariant::Object(_) => "an object".to_owned(),
    }
}
