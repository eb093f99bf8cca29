//! Rhai for balancer scripts: with nodes and random numbers, and without everything that such scripts must not do.

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

/// The depth to which calls may nest.
pub(super) const MAX_CALLS: usize = 64;
/// The number of variables that may exist at the same time.
pub(super) const MAX_VARIABLES: usize = 256;
/// The number of functions that a script may have.
const MAX_FUNCTIONS: usize = 256;
/// Rhai's name of the function behind `value[place] = …`. The name is undocumented, so a test checks the name.
pub(super) const INDEX_SET: &str = "index$set$";

/// The sizes that a script's values may reach, proportionate to the number of nodes. Rhai walks a whole list or map at
/// each operation on the value, so these sizes bound time as well as memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) list: usize,
    pub(super) map: usize,
    pub(super) text: usize,
}

impl Sizes {
    /// Returns the sizes for a cluster of this many nodes.
    pub(super) fn over(nodes: usize) -> Self {
        let (list, map) = (10_000 + nodes.saturating_mul(4), 10_000 + nodes.saturating_mul(4));
        Self { list, map, text: 256 * 1024 + nodes.saturating_mul(256) }
    }

    pub(super) fn set(self, engine: &mut Engine) {
        engine.set_max_array_size(self.list).set_max_map_size(self.map).set_max_string_size(self.text);
    }
}

/// Returns Rhai's name of the function behind `value.name = …`; see [`INDEX_SET`].
pub(super) fn setter(name: &str) -> String {
    format!("set${name}")
}

/// Returns the language with the given call context; sources may nest `depth` levels.
pub(super) fn language(context: &Rc<RhaiCallContext>, depth: usize) -> Engine {
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
    let watched = Rc::clone(context);
    engine.on_progress(move |_| watched.progress());
    // `curry` is among these words: a function with bound arguments does not count with the size of the arguments.
    for (word, _) in REFUSED {
        engine.disable_symbol(word);
    }
    log(&mut engine, context);
    let rolled = Rc::clone(context);
    engine.register_fn("random", move || rolled.random());
    refuse(&mut engine);
    objects::install(&mut engine);
    lists::install(&mut engine);
    nodes::install(&mut engine, context);
    sorting::install(&mut engine);
    comparisons::install(&mut engine);
    json(&mut engine, context);
    engine
}

/// Registers `to_json` for all values: Rhai's own `to_json` does not know nodes, and exists for maps alone.
fn json(engine: &mut Engine, context: &Rc<RhaiCallContext>) {
    let (fields, max_bytes) = (OverlayFields(Rc::clone(context)), Sizes::over(0).text);
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

fn log(engine: &mut Engine, context: &Rc<RhaiCallContext>) {
    let printed = Rc::clone(context);
    engine.on_print(move |text| printed.log(LogLevel::Info, text));
    let debugged = Rc::clone(context);
    engine.on_debug(move |text, _, position| {
        let text = if position.is_none() { text.to_owned() } else { format!("{position}: {text}") };
        debugged.log(LogLevel::Info, &text);
    });
}

/// Registers functions that scripts know from elsewhere, and that do not exist here, as errors.
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

/// Registers the properties `names` of nodes and maps as functions of their own, which Rhai finds sooner than an index.
pub(super) fn know(engine: &mut Engine, context: &Rc<RhaiCallContext>, names: &BTreeSet<String>) {
    for name in names {
        objects::install_property(engine, name);
        if !super::view::KNOWN.contains(&name.as_str()) {
            nodes::install_property(engine, name, context);
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

/// Replaces `old` by `value`, also where a closure shares the variable.
pub(super) fn replace(old: &mut Dynamic, value: Dynamic) {
    if old.is_shared() {
        if let Some(mut shared) = old.write_lock::<Dynamic>() {
            *shared = value;
        }
    } else {
        *old = value;
    }
}
