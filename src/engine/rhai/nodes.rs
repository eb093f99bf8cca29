//! Nodes as values for a script: handles on data that all requests share.
//!
//! A node is the same node wherever a script meets the node in a request: a property that the script sets is visible
//! through all handles of the node, and travels with a returned array. Nothing of that outlives the call.

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

    /// Returns the node in words.
    pub(super) fn shown(&self) -> String {
        format!("node `{}`", self.0.node.id())
    }

    fn get(&self, name: &str, call_context: &RhaiCallContext) -> Dynamic {
        call_context.written(self.0.slot, name).unwrap_or_else(|| self.0.field(name))
    }

    fn set(&self, name: &str, value: Dynamic, call_context: &RhaiCallContext) {
        call_context.write(self.0.slot, name, value);
    }
}

pub(super) fn install(engine: &mut Engine, call_context: &Rc<RhaiCallContext>) {
    engine.register_type_with_name::<NodeRef>("node");
    for (place, name) in KNOWN.into_iter().enumerate() {
        let known = Rc::clone(call_context);
        engine.register_get(name, move |node: &mut NodeRef| {
            known.written(node.0.slot, name).unwrap_or_else(|| node.0.known(place))
        });
        install_setter(engine, name, call_context);
    }
    let context = Rc::clone(call_context);
    engine.register_indexer_get(move |node: &mut NodeRef, name: ImmutableString| node.get(&name, &context));
    let context = Rc::clone(call_context);
    engine.register_indexer_set(move |node: &mut NodeRef, name: ImmutableString, value: Dynamic| {
        node.set(&name, value, &context);
    });
    let is_same = |left: NodeRef, right: NodeRef| left.0.slot == right.0.slot;
    engine.register_fn("==", is_same);
    engine.register_fn("!=", move |left: NodeRef, right: NodeRef| !is_same(left, right));
    for name in ["to_string", "to_debug"] {
        engine.register_fn(name, |node: NodeRef| node.shown());
    }
    whole(engine, &OverlayFields(Rc::clone(call_context)));
}

/// Registers the functions that concern all fields together.
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

/// Lets scripts read and write the field `name` directly, without an index.
pub(super) fn install_property(engine: &mut Engine, name: &str, call_context: &Rc<RhaiCallContext>) {
    let (field, context): (ImmutableString, _) = (name.into(), Rc::clone(call_context));
    engine.register_get(name, move |node: &mut NodeRef| node.get(&field, &context));
    install_setter(engine, name, call_context);
}

fn install_setter(engine: &mut Engine, name: &str, call_context: &Rc<RhaiCallContext>) {
    let (field, call_context): (ImmutableString, _) = (name.into(), Rc::clone(call_context));
    engine.register_set(name, move |node: &mut NodeRef, value: Dynamic| {
        if !is_same_part(&node.get(&field, &call_context), &value) {
            node.set(&field, value, &call_context);
        }
    });
}
