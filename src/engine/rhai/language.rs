//! Rhai as balancer scripts have it: with nodes and chance, and without what they must not do.

use std::collections::BTreeSet;
use std::rc::Rc;

use rhai::module_resolvers::DummyModuleResolver;
use rhai::packages::{Package, StandardPackage};
use rhai::{Dynamic, Engine, EvalAltResult, Map, NativeCallContext};

use crate::engine::words::USE_AN_EXECUTABLE;
use crate::model::diagnosis::LogLevel;

use super::call_context::RhaiCallContext;
use super::convert::{Excess, ToJson};
use super::fields::OverlayFields;
use super::thrown::REFUSED;
use super::{comparisons, lists, nodes, objects, sorting};

/// How deep calls may nest.
pub(super) const MAX_CALLS: usize = 64;
/// How many variables may be there at once.
pub(super) const MAX_VARIABLES: usize = 256;
/// How many functions a script may have.
const MAX_FUNCTIONS: usize = 256;
/// What Rhai calls the function behind `value[place] = …`. It tells this name to nobody, so a test holds it to it.
pub(super) const INDEX_SET: &str = "index$set$";

/// Sizes that a script's values may reach, proportionate to the nodes there are. Rhai looks through a whole list or map at
/// each operation on it, so they bound time as well as memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) list: usize,
    pub(super) map: usize,
    pub(super) text: usize,
}

impl Sizes {
    /// For a cluster of so many nodes.
    pub(super) fn over(nodes: usize) -> Self {
        let (list, map) = (10_000 + nodes.saturating_mul(4), 10_000 + nodes.saturating_mul(4));
        Self { list, map, text: 256 * 1024 + nodes.saturating_mul(256) }
    }

    pub(super) fn set(self, engine: &mut Engine) {
        engine.set_max_array_size(self.list).set_max_map_size(self.map).set_max_string_size(self.text);
    }
}

/// What Rhai calls the function behind `value.name = …`; see [`INDEX_SET`].
pub(super) fn setter(name: &str) -> String {
    format!("set${name}")
}

/// The language, on `call_context`; sources may nest `depth` deep.
pub(super) fn language(stage: &Rc<RhaiCallContext>, depth: usize) -> Engine {
    let mut engine = Engine::new_raw();
    StandardPackage::new().register_into_engine(&mut engine);
    engine.set_module_resolver(DummyModuleResolver::new());
    engine
        .set_max_call_levels(MAX_CALLS)
        .set_max_expr_depths(depth, depth)
        .set_max_variables(MAX_VARIABLES)
        .set_max_functions(MAX_FUNCTIONS)
        .set_max_modules(0);
    Sizes::over(0).set(&mut engine);
    let watched = Rc::clone(stage);
    engine.on_progress(move |_| watched.progress());
    // Among them `curry`: a function with arguments kept for later is not counted as large as they are.
    for (word, _) in REFUSED {
        engine.disable_symbol(word);
    }
    log(&mut engine, stage);
    let rolled = Rc::clone(stage);
    engine.register_fn("random", move || rolled.random());
    refuse(&mut engine);
    objects::install(&mut engine);
    lists::install(&mut engine);
    nodes::install(&mut engine, stage);
    sorting::install(&mut engine);
    comparisons::install(&mut engine);
    json(&mut engine, stage);
    engine
}

/// Rhai's own `to_json` knows nothing of nodes, and is there for maps alone.
fn json(engine: &mut Engine, stage: &Rc<RhaiCallContext>) {
    let (fields, max_bytes) = (OverlayFields(Rc::clone(stage)), Sizes::over(0).text);
    let text = move |value: Dynamic| -> Result<String, Box<EvalAltResult>> {
        match ToJson::new(&fields, max_bytes).value(&value) {
            Ok(value) => Ok(value.unwrap_or_default().to_string()),
            Err(Excess::Depth) => Err("this nests too deep for JSON".into()),
            Err(Excess::Size) => Err("this is too large as JSON".into()),
        }
    };
    let of_map = text.clone();
    engine.register_fn("to_json", move |map: Map| of_map(map.into()));
    engine.register_fn("to_json", text);
}

fn log(engine: &mut Engine, stage: &Rc<RhaiCallContext>) {
    let printed = Rc::clone(stage);
    engine.on_print(move |text| printed.log(LogLevel::Info, text));
    let debugged = Rc::clone(stage);
    engine.on_debug(move |text, _, position| {
        let text = if position.is_none() { text.to_owned() } else { format!("{position}: {text}") };
        debugged.log(LogLevel::Info, &text);
    });
}

/// Functions that scripts know from elsewhere, and that are not there.
fn refuse(engine: &mut Engine) {
    let refused = |name: &str| -> Result<Dynamic, Box<EvalAltResult>> {
        Err(format!("`{name}` is not available in a balancer script: {USE_AN_EXECUTABLE}").into())
    };
    engine.register_fn("sleep", move |_: i64| refused("sleep"));
    engine.register_fn("sleep", move |_: f64| refused("sleep"));
    engine.register_fn("timestamp", move || -> Result<Dynamic, Box<EvalAltResult>> {
        Err("`timestamp` is not available in a balancer script: the request has `now` and `time`".into())
    });
}

/// Gives nodes and maps the properties `names` as functions of their own, which Rhai finds sooner than an index.
pub(super) fn know(engine: &mut Engine, stage: &Rc<RhaiCallContext>, names: &BTreeSet<String>) {
    for name in names {
        objects::install_property(engine, name);
        if !super::view::KNOWN.contains(&name.as_str()) {
            nodes::install_property(engine, name, stage);
        }
    }
}

/// Calls Rhai's own function `name`.
pub(super) fn native(
    context: &NativeCallContext<'_>,
    name: &str,
    mut args: Vec<Dynamic>,
) -> Result<Dynamic, Box<EvalAltResult>> {
    let mut args: Vec<&mut Dynamic> = args.iter_mut().collect();
    context.call_native_fn_raw(name, false, &mut args)
}

/// Puts `value` in the place of `old`, also where a closure shares that place.
pub(super) fn replace(old: &mut Dynamic, value: Dynamic) {
    if old.is_shared() {
        if let Some(mut shared) = old.write_lock::<Dynamic>() {
            *shared = value;
        }
    } else {
        *old = value;
    }
}
