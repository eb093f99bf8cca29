//! Nodes as a script's values: handles on what all requests share.
//!
//! A node is the same node wherever a script meets it in one request: what it sets on one shows on all handles of it, and
//! travels with a returned array. Nothing of that outlives the call.

use std::any::TypeId;
use std::rc::Rc;

use rhai::{Array, Dynamic, Engine, ImmutableString, Map, NativeCallContext};

use super::call_context::RhaiCallContext;
use super::fields::OverlayFields;
use super::language::native;
use super::objects::is_same_part;
use super::view::{KNOWN, RhaiNode};

/// A node.
#[derive(Clone)]
pub(super) struct NodeRef(Rc<RhaiNode>);

impl NodeRef {
    pub(super) fn new(view: Rc<RhaiNode>) -> Self {
        Self(view)
    }

    pub(super) fn view(&self) -> &Rc<RhaiNode> {
        &self.0
    }

    /// The node in words.
    pub(super) fn shown(&self) -> String {
        format!("node `{}`", self.0.node.id())
    }

    fn get(&self, name: &str, stage: &RhaiCallContext) -> Dynamic {
        stage.written(self.0.slot, name).unwrap_or_else(|| self.0.field(name))
    }

    fn set(&self, name: &str, value: Dynamic, stage: &RhaiCallContext) {
        stage.write(self.0.slot, name, value);
    }
}

pub(super) fn install(engine: &mut Engine, stage: &Rc<RhaiCallContext>) {
    engine.register_type_with_name::<NodeRef>("node");
    for (place, name) in KNOWN.into_iter().enumerate() {
        let known = Rc::clone(stage);
        engine.register_get(name, move |node: &mut NodeRef| {
            known.written(node.0.slot, name).unwrap_or_else(|| node.0.known(place))
        });
        install_setter(engine, name, stage);
    }
    let on_stage = Rc::clone(stage);
    engine.register_indexer_get(move |node: &mut NodeRef, name: ImmutableString| node.get(&name, &on_stage));
    let on_stage = Rc::clone(stage);
    engine.register_indexer_set(move |node: &mut NodeRef, name: ImmutableString, value: Dynamic| {
        node.set(&name, value, &on_stage);
    });
    let is_same = |left: NodeRef, right: NodeRef| left.0.slot == right.0.slot;
    engine.register_fn("==", is_same);
    engine.register_fn("!=", move |left: NodeRef, right: NodeRef| !is_same(left, right));
    for name in ["to_string", "to_debug"] {
        engine.register_fn(name, |node: NodeRef| node.shown());
    }
    whole(engine, &OverlayFields(Rc::clone(stage)));
}

/// Functions of all fields together.
fn whole(engine: &mut Engine, fields: &OverlayFields) {
    let of = fields.clone();
    engine.register_fn("len", move |node: NodeRef| of.of_node(&node).len() as i64);
    let of = fields.clone();
    engine.register_fn("keys", move |node: NodeRef| {
        of.of_node(&node).keys().map(|name| name.as_str().into()).collect::<Array>()
    });
    let of = fields.clone();
    engine.register_fn("values", move |node: NodeRef| of.of_node(&node).into_values().collect::<Array>());
    let of = fields.clone();
    engine.register_fn("contains", move |node: NodeRef, name: ImmutableString| {
        of.of_node(&node).contains_key(name.as_str())
    });
    let of = fields.clone();
    engine.register_fn("get", move |node: NodeRef, name: ImmutableString| node.get(&name, &of.0));
    let of = fields.clone();
    engine.register_fn("to_map", move |node: NodeRef| of.of_node(&node));
    let of = fields.clone();
    engine.register_fn("set", move |node: &mut NodeRef, name: ImmutableString, value: Dynamic| {
        node.set(&name, value, &of.0);
    });
    let of = fields.clone();
    engine.register_fn("+", move |context: NativeCallContext, node: NodeRef, more: Map| {
        native(&context, "+", vec![of.of_node(&node).into(), more.into()])
    });
    for name in ["mixin", "+="] {
        let of = fields.clone();
        engine.register_fn(name, move |node: &mut NodeRef, more: Map| {
            more.into_iter().for_each(|(name, value)| node.set(&name, value, &of.0));
        });
    }
    for (name, count) in [("remove", 1), ("clear", 0), ("fill_with", 1), ("retain", 1), ("drain", 1)] {
        let types = [TypeId::of::<NodeRef>()].into_iter().chain(std::iter::repeat_n(TypeId::of::<Dynamic>(), count));
        engine.register_raw_fn(name, types.collect::<Vec<_>>(), move |_, _| -> Result<(), _> {
            Err(format!("`{name}` cannot change a node: copy it first, `node.to_map()`").into())
        });
    }
}

/// Lets scripts read and write the field `name` without the detour over an index.
pub(super) fn install_property(engine: &mut Engine, name: &str, stage: &Rc<RhaiCallContext>) {
    let (field, on_stage): (ImmutableString, _) = (name.into(), Rc::clone(stage));
    engine.register_get(name, move |node: &mut NodeRef| node.get(&field, &on_stage));
    install_setter(engine, name, stage);
}

fn install_setter(engine: &mut Engine, name: &str, stage: &Rc<RhaiCallContext>) {
    let (field, on_stage): (ImmutableString, _) = (name.into(), Rc::clone(stage));
    engine.register_set(name, move |node: &mut NodeRef, value: Dynamic| {
        if !is_same_part(&node.get(&field, &on_stage), &value) {
            node.set(&field, value, &on_stage);
        }
    });
}
