//! Conversion of a script's return value into the chain's types.

use std::cell::OnceCell;
use std::rc::Rc;

use rhai::{Array, Dynamic, FnPtr};
use serde_json::{Map, Value};

use crate::model::{Cluster, LimitKind};
use crate::script::{Element, ReturnedValue, Score, ScriptError};

use super::call_context::RhaiCallContext;
use super::convert::{Excess, ToJson};
use super::fields::OverlayFields;
use super::lists::List;
use super::nodes::NodeRef;
use super::view::RhaiNode;

/// The size of the largest key that results are kept under, as JSON.
const MAX_KEY_BYTES: usize = 64 * 1024;
/// The properties that identify a node; never part of an overlay.
const IDENTITY: [&str; 2] = ["id", "serverId"];

/// The nodes that a whole-list function received, in order.
pub(super) struct GivenViews<'a> {
    cluster: &'a Cluster,
    views: &'a [Rc<RhaiNode>],
    /// The place of each slot's node, plus 1; computed when a list is read.
    places: OnceCell<Vec<u32>>,
}

impl<'a> GivenViews<'a> {
    pub(super) fn new(cluster: &'a Cluster, views: &'a [Rc<RhaiNode>]) -> Self {
        Self { cluster, views, places: OnceCell::new() }
    }

    fn places(&self) -> Vec<u32> {
        let mut places = Vec::new();
        for (place, view) in self.views.iter().enumerate() {
            let slot = view.slot.index();
            if places.len() <= slot {
                places.resize(slot + 1, 0);
            }
            if let (Some(entry), Ok(place)) = (places.get_mut(slot), u32::try_from(place + 1)) {
                *entry = place;
            }
        }
        places
    }

    fn at(&self, view: &RhaiNode) -> Option<usize> {
        (*self.places.get_or_init(|| self.places()).get(view.slot.index())? as usize).checked_sub(1)
    }
}

/// Reads a returned value, before the properties that the script set on nodes are dropped.
pub(super) struct AnswerReader {
    fields: OverlayFields,
}

impl AnswerReader {
    pub(super) fn new(context: &Rc<RhaiCallContext>) -> Self {
        Self { fields: OverlayFields(Rc::clone(context)) }
    }

    /// Returns the value of a whole-list function.
    pub(super) fn returned(&self, value: &Dynamic, given: &GivenViews<'_>) -> Result<ReturnedValue, ScriptError> {
        if !Self::is_truthy(value) {
            return Ok(ReturnedValue::Falsy);
        }
        if let Ok(id) = value.as_immutable_string_ref() {
            return Ok(ReturnedValue::Id(self.cut(&id)));
        }
        if let Ok(list) = value.as_array_ref() {
            return self.list(&list, given).map(ReturnedValue::list);
        }
        if let Some(list) = value.read_lock::<List>() {
            return self.list(list.items(), given).map(ReturnedValue::list);
        }
        Ok(match self.fields.named_id(value) {
            Some(id) => ReturnedValue::Node(self.cut(&id)),
            None => ReturnedValue::Other(self.described(value)),
        })
    }

    fn list(&self, list: &Array, given: &GivenViews<'_>) -> Result<Vec<Element>, ScriptError> {
        let limits = self.fields.0.limits();
        if list.len() > limits.returned_elements {
            let (length, max) = (list.len(), limits.returned_elements);
            return Err(output(format!("the script returned a list of {length} elements, at most {max} are accepted")));
        }
        let mut json = ToJson::new(&self.fields, limits.overlay_request_bytes);
        let mut elements = Vec::with_capacity(list.len());
        for value in list {
            let element = self.element(value, given, &mut json)?;
            // The elements after a refused element are not read: the list is refused.
            let is_refused = matches!(element, Element::Other(_));
            elements.push(element);
            if is_refused {
                break;
            }
        }
        Ok(elements)
    }

    fn element(&self, value: &Dynamic, given: &GivenViews<'_>, json: &mut ToJson<'_>) -> Result<Element, ScriptError> {
        if let Ok(id) = value.as_immutable_string_ref() {
            return Ok(Element::Id(self.cut(&id)));
        }
        if let Some(node) = value.read_lock::<NodeRef>() {
            return self.node(node.view(), given, json);
        }
        let Some(id) = self.fields.named_id(value) else { return Ok(Element::Other(self.described(value))) };
        let mut properties = Map::new();
        let is_node = given.cluster.find(&id).is_some();
        for (name, value) in self.fields.of(value).into_iter().flatten().filter(|_| is_node) {
            self.add(&mut properties, &name, &value, json)?;
        }
        Ok(Element::Node(self.cut(&id), properties))
    }

    /// Returns a received node, with the properties that the script and earlier steps set on the node.
    fn node(&self, view: &RhaiNode, given: &GivenViews<'_>, json: &mut ToJson<'_>) -> Result<Element, ScriptError> {
        let id = view.node.id().to_string();
        let Some(written) = self.fields.0.all_written(view.slot) else {
            return Ok(given.at(view).map_or(Element::Id(id), Element::Given));
        };
        let mut properties = view.overlay.as_deref().cloned().unwrap_or_default();
        for (name, value) in &written {
            self.add(&mut properties, name, value, json)?;
        }
        Ok(Element::Node(id, properties))
    }

    fn add(
        &self,
        properties: &mut Map<String, Value>,
        name: &str,
        value: &Dynamic,
        json: &mut ToJson<'_>,
    ) -> Result<(), ScriptError> {
        if IDENTITY.contains(&name) {
            return Ok(());
        }
        let what = "the properties that nodes were given back with";
        match json.value(value) {
            Ok(Some(value)) => drop(properties.insert(name.to_owned(), value)),
            // As in JSON: a function is left out, and so is the former value of the property.
            Ok(None) => drop(properties.shift_remove(name)),
            Err(excess) => return Err(too_much(what, &excess)),
        }
        Ok(())
    }

    /// Whether `value` is truthy.
    pub(super) fn is_truthy(value: &Dynamic) -> bool {
        if value.is_unit() {
            return false;
        }
        if let Ok(flag) = value.as_bool() {
            return flag;
        }
        if let Ok(number) = value.as_int() {
            return number != 0;
        }
        if let Ok(number) = value.as_float() {
            return number != 0.0 && !number.is_nan();
        }
        value.as_immutable_string_ref().map_or(true, |text| !text.is_empty())
    }

    /// Returns the score of a `score`.
    pub(super) fn score(&self, value: &Dynamic) -> Score {
        let number = value.as_float().or_else(|_| value.as_int().map(|whole| whole as f64));
        match (number, value.as_bool()) {
            (Ok(number), _) if number.is_nan() => Score::LeftOut,
            (Ok(number), _) => Score::Number(number),
            (_, Ok(false)) => Score::LeftOut,
            _ if value.is_unit() => Score::LeftOut,
            _ => Score::Other(self.described(value)),
        }
    }

    /// Returns the key of a `key`.
    pub(super) fn key(&self, value: &Dynamic) -> Result<Value, ScriptError> {
        let key = ToJson::new(&self.fields, MAX_KEY_BYTES).value(value);
        key.map(Option::unwrap_or_default).map_err(|excess| too_much("what `key` returned", &excess))
    }

    /// Returns an id as text; the longest id of any node is far shorter than the limit.
    fn cut(&self, id: &str) -> String {
        self.fields.0.limits().cut(id)
    }

    /// Returns a description of `value` in words.
    fn described(&self, value: &Dynamic) -> String {
        if let Ok(flag) = value.as_bool() {
            flag.to_string()
        } else if let Ok(number) = value.as_int() {
            format!("the number {number}")
        } else if let Ok(number) = value.as_float() {
            format!("the number {number}")
        } else if let Ok(text) = value.as_immutable_string_ref() {
            format!("the string `{}`", self.cut(&text))
        } else if let Ok(one) = value.as_char() {
            format!("the character `{one}`")
        } else if value.is_unit() {
            "()".to_owned()
        } else if value.is::<FnPtr>() {
            "a function".to_owned()
        } else if value.is_array() || value.is::<List>() {
            "a list".to_owned()
        } else if self.fields.of(value).is_some() {
            "a map".to_owned()
        } else {
            format!("a value of the type `{}`", value.type_name())
        }
    }
}

fn output(message: String) -> ScriptError {
    ScriptError::Limit(LimitKind::Output, message)
}

fn too_much(what: &str, excess: &Excess) -> ScriptError {
    output(match excess {
        Excess::Depth => format!("{what} nest too deep"),
        Excess::Size => format!("{what} are too large; return fewer of them"),
    })
}
