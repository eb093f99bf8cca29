//! Maps that all requests share. To a script they are maps; a map that a script writes to becomes a map of the script's
//! own first.

use std::any::TypeId;
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, EvalAltResult, FnPtr, ImmutableString, Map, NativeCallContext};

use super::language::{INDEX_SET, native, replace, setter};
use super::lists::List;

/// A map that nobody writes to.
#[derive(Clone)]
pub(super) struct ReadOnlyMap(Rc<Map>);

impl ReadOnlyMap {
    pub(super) fn new(fields: Map) -> Self {
        Self(Rc::new(fields))
    }

    pub(super) fn fields(&self) -> &Map {
        &self.0
    }

    /// Returns the field `name`, or `()` where the map lacks the field.
    pub(super) fn get(&self, name: &str) -> Dynamic {
        self.0.get(name).cloned().unwrap_or_default()
    }

    /// Returns the same map with another value for the field `name`.
    pub(super) fn with(&self, name: &str, value: Dynamic) -> Self {
        let mut fields = (*self.0).clone();
        fields.insert(name.into(), value);
        Self::new(fields)
    }

    fn to_map(&self) -> Dynamic {
        Dynamic::from_map((*self.0).clone())
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// Functions that change a map, with the number of their arguments.
const CHANGES: [(&str, usize); 8] =
    [("clear", 0), ("remove", 1), ("mixin", 1), ("+=", 1), ("fill_with", 1), ("drain", 1), ("retain", 1), ("set", 2)];

pub(super) fn install(engine: &mut Engine) {
    engine.register_type_with_name::<ReadOnlyMap>("map");
    engine.register_indexer_get(|object: &mut ReadOnlyMap, name: ImmutableString| object.get(&name));
    engine.register_raw_fn(
        INDEX_SET,
        [TypeId::of::<ReadOnlyMap>(), TypeId::of::<ImmutableString>(), dynamic()],
        |_, args| {
            let [object, name, value] = args else { return Ok(()) };
            let name = name.take().into_immutable_string().unwrap_or_default();
            set(object, &name, value.take());
            Ok(())
        },
    );
    read(engine);
    compare(engine);
    for (name, count) in CHANGES {
        let types = [TypeId::of::<ReadOnlyMap>()].into_iter().chain(std::iter::repeat_n(dynamic(), count));
        engine.register_raw_fn(name, types.collect::<Vec<_>>(), move |context, args| change(&context, name, args));
    }
}

fn dynamic() -> TypeId {
    TypeId::of::<Dynamic>()
}

fn read(engine: &mut Engine) {
    engine.register_fn("len", |object: ReadOnlyMap| object.0.len() as i64);
    engine.register_fn("is_empty", |object: ReadOnlyMap| object.0.is_empty());
    engine.register_fn("contains", |object: ReadOnlyMap, name: ImmutableString| object.0.contains_key(name.as_str()));
    engine.register_fn("get", |object: ReadOnlyMap, name: ImmutableString| object.get(&name));
    engine
        .register_fn("keys", |object: ReadOnlyMap| object.0.keys().map(|name| name.as_str().into()).collect::<Array>());
    engine.register_fn("values", |object: ReadOnlyMap| object.0.values().cloned().collect::<Array>());
    for name in ["to_string", "to_debug"] {
        engine.register_fn(name, move |context: NativeCallContext, object: ReadOnlyMap| {
            native(&context, name, vec![object.to_map()])
        });
    }
    for name in ["filter", "map"] {
        engine.register_fn(name, move |context: NativeCallContext, object: ReadOnlyMap, function: FnPtr| {
            native(&context, name, vec![object.to_map(), function.into()])
        });
    }
}

fn compare(engine: &mut Engine) {
    for name in ["+", "==", "!="] {
        engine.register_fn(name, move |context: NativeCallContext, left: ReadOnlyMap, right: ReadOnlyMap| {
            native(&context, name, vec![left.to_map(), right.to_map()])
        });
        engine.register_fn(name, move |context: NativeCallContext, left: ReadOnlyMap, right: Map| {
            native(&context, name, vec![left.to_map(), right.into()])
        });
        engine.register_fn(name, move |context: NativeCallContext, left: Map, right: ReadOnlyMap| {
            native(&context, name, vec![left.into(), right.to_map()])
        });
    }
    for name in ["mixin", "+=", "fill_with"] {
        engine.register_raw_fn(name, [TypeId::of::<Map>(), TypeId::of::<ReadOnlyMap>()], move |context, args| {
            let [_, right] = args else { return Ok(Dynamic::UNIT) };
            if let Some(map) = right.clone().try_cast::<ReadOnlyMap>().map(|object| object.to_map()) {
                replace(right, map);
            }
            context.call_native_fn_raw(name, true, args)
        });
    }
}

/// Lets scripts read and write the field `name` directly, without an index.
pub(super) fn install_property(engine: &mut Engine, name: &str) {
    let field: ImmutableString = name.into();
    engine.register_get(name, move |object: &mut ReadOnlyMap| object.get(&field));
    let field: ImmutableString = name.into();
    engine.register_raw_fn(setter(name), [TypeId::of::<ReadOnlyMap>(), dynamic()], move |_, args| {
        let [object, value] = args else { return Ok(()) };
        set(object, &field, value.take());
        Ok(())
    });
}

fn set(object: &mut Dynamic, name: &str, value: Dynamic) {
    let Some(shared) = object.read_lock::<ReadOnlyMap>().map(|object| object.clone()) else { return };
    if shared.0.get(name).is_some_and(|before| is_same_part(before, &value)) {
        return;
    }
    let mut map = (*shared.0).clone();
    map.insert(name.into(), value);
    replace(object, Dynamic::from_map(map));
}

/// Whether both are the very same shared part. After each call that could have changed a part, Rhai assigns the part
/// back to the owner; a part that comes back unchanged is no write.
pub(super) fn is_same_part(left: &Dynamic, right: &Dynamic) -> bool {
    if let (Some(left), Some(right)) = (left.read_lock::<ReadOnlyMap>(), right.read_lock::<ReadOnlyMap>()) {
        return left.is(&right);
    }
    match (left.read_lock::<List>(), right.read_lock::<List>()) {
        (Some(left), Some(right)) => left.is(&right),
        _ => false,
    }
}

/// Turns the map into a map of the script's own and calls Rhai's function, which changes the map.
fn change(
    context: &NativeCallContext<'_>,
    name: &str,
    args: &mut [&mut Dynamic],
) -> Result<Dynamic, Box<EvalAltResult>> {
    if let Some(object) = args.first_mut() {
        let map = object.read_lock::<ReadOnlyMap>().map(|object| object.to_map());
        if let Some(map) = map {
            replace(object, map);
        }
    }
    context.call_native_fn_raw(name, true, args)
}
