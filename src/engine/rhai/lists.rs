//! Lists that all requests share. To a script they are arrays; a list that a script writes to becomes an array of the
//! script's own first.

use std::any::TypeId;
use std::cell::OnceCell;
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, ImmutableString, NativeCallContext};
use serde_json::Value;

use crate::engine::residents::follow_sessions;
use crate::model::{Node, Session};

use super::convert::shared;
use super::language::{INDEX_SET, native, replace};

/// A list that nobody writes to.
#[derive(Clone)]
pub(super) struct List(Rc<Items>);

struct Items {
    /// The node of the sessions in this list; `None` where the items were built at once.
    node: Option<Node>,
    built: OnceCell<Array>,
}

impl List {
    pub(super) fn new(items: Array) -> Self {
        Self(Rc::new(Items { node: None, built: OnceCell::from(items) }))
    }

    /// Returns the sessions of `node`, not built yet: most scripts count sessions and read none.
    pub(super) fn of_sessions(node: &Node) -> Self {
        Self(Rc::new(Items { node: Some(node.clone()), built: OnceCell::new() }))
    }

    /// Returns the sessions of `node`, a later state of this list's node with the same report, reusing the items of
    /// sessions that are still there.
    pub(super) fn following(&self, node: &Node) -> Self {
        let built = match (&self.0.node, self.0.built.get()) {
            (Some(before), Some(items)) => OnceCell::from(follow_sessions(before, items, node, session)),
            _ => OnceCell::new(),
        };
        Self(Rc::new(Items { node: Some(node.clone()), built }))
    }

    pub(super) fn items(&self) -> &Array {
        self.0.built.get_or_init(|| {
            let sessions = self.0.node.iter().flat_map(Node::sessions);
            sessions.map(|one| session(one)).collect()
        })
    }

    fn len(&self) -> usize {
        match (&self.0.node, self.0.built.get()) {
            (Some(node), None) => node.session_len(),
            _ => self.items().len(),
        }
    }

    /// Returns the item at `place`, counted from the end where `place` is negative.
    fn at(&self, place: i64) -> Result<Dynamic, Box<EvalAltResult>> {
        let items = self.items();
        let from_start = if place < 0 { place.checked_add_unsigned(items.len() as u64) } else { Some(place) };
        let item = from_start.and_then(|place| items.get(usize::try_from(place).ok()?));
        item.cloned().ok_or_else(|| EvalAltResult::ErrorArrayBounds(items.len(), place, rhai::Position::NONE).into())
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    fn to_array(&self) -> Dynamic {
        Dynamic::from_array(self.items().clone())
    }
}

fn session(session: &Session) -> Dynamic {
    shared(&Value::Object(session.fields()))
}

impl IntoIterator for List {
    type Item = Dynamic;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter { list: self, next: 0 }
    }
}

/// The iterator over the items of a list.
pub(super) struct IntoIter {
    list: List,
    next: usize,
}

impl Iterator for IntoIter {
    type Item = Dynamic;

    fn next(&mut self) -> Option<Dynamic> {
        let item = self.list.items().get(self.next)?.clone();
        self.next += 1;
        Some(item)
    }
}

/// Functions that read an array, with the number of their arguments.
const READS: [(&str, usize); 30] = [
    ("get", 1),
    ("contains", 1),
    ("index_of", 1),
    ("index_of", 2),
    ("for_each", 1),
    ("map", 1),
    ("filter", 1),
    ("find", 1),
    ("find", 2),
    ("find_map", 1),
    ("find_map", 2),
    ("some", 1),
    ("all", 1),
    ("reduce", 1),
    ("reduce", 2),
    ("reduce_rev", 1),
    ("reduce_rev", 2),
    ("zip", 2),
    ("extract", 1),
    ("extract", 2),
    ("order", 0),
    ("order", 1),
    ("order_by", 1),
    ("order_desc", 0),
    ("concat", 1),
    ("+", 1),
    ("==", 1),
    ("!=", 1),
    ("to_string", 0),
    ("to_debug", 0),
];

/// Functions that change an array, with the number of their arguments.
const CHANGES: [(&str, usize); 26] = [
    ("push", 1),
    ("append", 1),
    ("+=", 1),
    ("insert", 2),
    ("pad", 2),
    ("pop", 0),
    ("shift", 0),
    ("remove", 1),
    ("clear", 0),
    ("truncate", 1),
    ("chop", 1),
    ("reverse", 0),
    ("splice", 2),
    ("splice", 3),
    ("split", 1),
    ("dedup", 0),
    ("dedup", 1),
    ("sort", 0),
    ("sort", 1),
    ("sort_by", 1),
    ("sort_desc", 0),
    ("drain", 1),
    ("drain", 2),
    ("retain", 1),
    ("retain", 2),
    ("set", 2),
];

/// Functions of an array that accept a list as an argument.
const WITH_ANOTHER: [&str; 7] = ["append", "concat", "+", "+=", "==", "!=", "zip"];

pub(super) fn install(engine: &mut Engine) {
    engine.register_type_with_name::<List>("array");
    engine.register_iterator::<List>();
    engine.register_indexer_get(|list: &mut List, place: i64| list.at(place));
    engine.register_fn("len", |list: List| list.len() as i64);
    engine.register_fn("is_empty", |list: List| list.len() == 0);
    for (name, count) in READS {
        install_read(engine, name, count);
    }
    for (name, count) in CHANGES.into_iter().chain([(INDEX_SET, 2)]) {
        let types = [TypeId::of::<List>()].into_iter().chain(std::iter::repeat_n(TypeId::of::<Dynamic>(), count));
        engine.register_raw_fn(name, types.collect::<Vec<_>>(), move |context, args| change(&context, name, args));
    }
    for name in WITH_ANOTHER {
        let types = [TypeId::of::<Array>(), TypeId::of::<List>(), TypeId::of::<Dynamic>()];
        let count = if name == "zip" { 3 } else { 2 };
        engine.register_raw_fn(name, types.get(..count).unwrap_or_default(), move |context, args| {
            args.iter_mut().skip(1).for_each(|arg| to_array(arg));
            context.call_native_fn_raw(name, true, args)
        });
    }
}

/// Registers a function that receives a copy of the list, and leaves the list unchanged.
fn install_read(engine: &mut Engine, name: &'static str, count: usize) {
    let call = move |context: &NativeCallContext<'_>, list: &List, mut args: Vec<Dynamic>| {
        if let [value] = args.as_slice()
            && let Some(known) = without_rhai(name, list, value)
        {
            return Ok(known);
        }
        args.iter_mut().for_each(to_array);
        args.insert(0, list.to_array());
        native(context, name, args)
    };
    match count {
        0 => engine.register_fn(name, move |context: NativeCallContext, list: List| call(&context, &list, vec![])),
        1 => engine.register_fn(name, move |context: NativeCallContext, list: List, one: Dynamic| {
            call(&context, &list, vec![one])
        }),
        _ => engine.register_fn(name, move |context: NativeCallContext, list: List, one: Dynamic, two: Dynamic| {
            call(&context, &list, vec![one, two])
        }),
    };
}

/// Returns what Rhai's function `name` returns for `list` and `value`, where that is known at once: a text that is looked
/// for among texts, and a list beside `()`. `None` for anything else. Rhai's functions need a copy of the list, and look
/// up `==` anew for each item.
fn without_rhai(name: &str, list: &List, value: &Dynamic) -> Option<Dynamic> {
    match name {
        "contains" => Some(place_of_text(list, value)?.is_some().into()),
        "index_of" => Some(place_of_text(list, value)?.map_or(-1, |place| place as i64).into()),
        "==" if value.is_unit() => Some(false.into()),
        "!=" if value.is_unit() => Some(true.into()),
        _ => None,
    }
}

/// Returns the place of the text `value` in `list`, if there is any; `None` where `value` or an item up to that place is
/// not a text.
fn place_of_text(list: &List, value: &Dynamic) -> Option<Option<usize>> {
    let value = value.read_lock::<ImmutableString>()?;
    for (place, item) in list.items().iter().enumerate() {
        if *item.read_lock::<ImmutableString>()? == *value {
            return Some(Some(place));
        }
    }
    Some(None)
}

/// Turns the list into an array of the script's own and calls Rhai's function, which changes the array.
fn change(
    context: &NativeCallContext<'_>,
    name: &str,
    args: &mut [&mut Dynamic],
) -> Result<Dynamic, Box<EvalAltResult>> {
    args.iter_mut().for_each(|arg| to_array(arg));
    if name == INDEX_SET {
        let [list, place, value] = args else { return Ok(Dynamic::UNIT) };
        return set(list, place, value.take());
    }
    context.call_native_fn_raw(name, true, args)
}

/// Carries out `list[place] = value` on an array.
fn set(list: &mut Dynamic, place: &Dynamic, value: Dynamic) -> Result<Dynamic, Box<EvalAltResult>> {
    let place = place.as_int().map_err(|found| format!("a list is indexed by a whole number, this is `{found}`"))?;
    let mut array = list.as_array_mut().map_err(|found| format!("a list was expected, this is `{found}`"))?;
    let length = array.len();
    let from_start = if place < 0 { place.checked_add_unsigned(length as u64) } else { Some(place) };
    let item = from_start.and_then(|place| array.get_mut(usize::try_from(place).ok()?));
    match item {
        Some(item) => *item = value,
        None => return Err(EvalAltResult::ErrorArrayBounds(length, place, rhai::Position::NONE).into()),
    }
    Ok(Dynamic::UNIT)
}

fn to_array(value: &mut Dynamic) {
    let array = value.read_lock::<List>().map(|list| list.to_array());
    if let Some(array) = array {
        replace(value, array);
    }
}
