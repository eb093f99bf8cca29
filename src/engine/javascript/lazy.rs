//! Objects with larger properties that are built when a script first reads them.
//!
//! Lazy properties are own enumerable accessors, so that `{...node}`, `Object.keys` and `JSON.stringify` see them;
//! accessors on a prototype were rejected, because those three would not see them. A pair of native functions per
//! property *name* serves every object: the getter finds the Rust side in the object itself.

use std::borrow::Cow;
use std::cell::{Ref, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use boa_engine::object::builtins::JsFunction;
use boa_engine::object::{FunctionObjectBuilder, JsObject};
use boa_engine::property::PropertyDescriptor;
use boa_engine::{
    Context, Finalize, JsArgs, JsData, JsNativeError, JsResult, JsString, JsValue, NativeFunction, Trace,
};
use serde_json::{Map, Value};

use crate::engine::residents::follow_sessions;
use crate::model::node_view::DataField;
use crate::model::{Node, NodeField, NodeView, Overlay, Session, SlotIndex};

use super::call_context::Omission;
use super::tools::{ContextTools, ObjectOwner};

/// The number of prototypes in which a getter looks for the lazy object.
const MAX_PROTOTYPES: usize = 64;

/// The size of a node's report in bytes, and the number of a user's sessions, from which building a property stops the
/// script's clock meanwhile, which takes two system calls.
const LARGE_REPORT_BYTES: usize = 1 << 10;
const LARGE_LIST: usize = 16;

/// The source of a lazy object.
#[derive(Clone)]
pub(super) enum LazyOrigin {
    /// A node.
    Node(Rc<LazyNode>),
    /// The `nodeData` of a node.
    Data(Rc<LazyNode>),
    /// A user with these sessions, where the script receives sessions.
    User(Option<Rc<[Arc<Session>]>>),
    /// The input, without the parts that the script does not name.
    Input,
}

/// A node with the overlay of earlier steps.
pub(super) struct LazyNode {
    pub(super) slot: SlotIndex,
    /// The present state of the node, where the object is shared by all requests; else the state when the object was
    /// made.
    node: RefCell<Node>,
    pub(super) overlay: Option<Overlay>,
    /// The fields that the script can look at; `None` where the fields are built again at each read, or kept with the
    /// report.
    pub(super) built: Option<Map<String, Value>>,
    /// The objects of the node's sessions, once a script has read the sessions: unchanged sessions keep their objects
    /// when others come.
    sessions: RefCell<Option<Vec<JsValue>>>,
}

/// The Rust side of a lazy object.
#[derive(Trace, Finalize, JsData)]
pub(super) struct Lazy {
    #[unsafe_ignore_trace]
    origin: LazyOrigin,
    #[unsafe_ignore_trace]
    hold: ObjectOwner,
    /// The values built so far, by name; a node has a handful of these.
    built: Vec<(JsString, JsValue)>,
}

impl Lazy {
    pub(super) fn new(origin: LazyOrigin, hold: ObjectOwner) -> Self {
        Self { origin, hold, built: Vec::new() }
    }

    /// Returns the node, where the object is a node.
    pub(super) fn view(&self) -> Option<&Rc<LazyNode>> {
        match &self.origin {
            LazyOrigin::Node(view) => Some(view),
            LazyOrigin::Data(_) | LazyOrigin::User(_) | LazyOrigin::Input => None,
        }
    }

    /// Returns the node of the `nodeData`, where the object is a `nodeData`.
    pub(super) fn data_of(&self) -> Option<&Rc<LazyNode>> {
        match &self.origin {
            LazyOrigin::Data(view) => Some(view),
            LazyOrigin::Node(_) | LazyOrigin::User(_) | LazyOrigin::Input => None,
        }
    }

    pub(super) fn hold(&self) -> ObjectOwner {
        self.hold
    }

    /// Sets the value of the lazy property `name`.
    fn put(&mut self, name: JsString, value: JsValue) {
        self.built.retain(|(own, _)| *own != name);
        self.built.push((name, value));
    }

    /// Drops the value of the property `name`: the next read builds the value again.
    pub(super) fn forget(&mut self, name: &str) {
        self.built.retain(|(own, _)| own != name);
    }

    /// Returns the value of the lazy property `name`, where the value was built.
    pub(super) fn built(&self, name: &JsString) -> Option<&JsValue> {
        self.built.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }
}

/// The getter and the setter of a lazy property.
#[derive(Clone)]
pub(super) struct Accessors {
    get: JsFunction,
    set: JsFunction,
}

/// The name that a pair of accessors serves.
#[derive(Clone, Trace, Finalize)]
struct Served(JsString);

impl Accessors {
    pub(super) fn new(name: &str, context: &Context) -> Self {
        let served = Served(JsString::from(name));
        let get = NativeFunction::from_copy_closure_with_captures(get, served.clone());
        let set = NativeFunction::from_copy_closure_with_captures(set, served);
        Self {
            get: FunctionObjectBuilder::new(context.realm(), get).name(JsString::from(name)).build(),
            set: FunctionObjectBuilder::new(context.realm(), set).name(JsString::from(name)).length(1).build(),
        }
    }

    /// Returns the property with these accessors.
    pub(super) fn property(&self, hold: ObjectOwner) -> PropertyDescriptor {
        let property = PropertyDescriptor::builder().get(self.get.clone()).enumerable(true);
        match hold {
            ObjectOwner::Own => property.set(self.set.clone()).configurable(true).build(),
            ObjectOwner::Shared => property.configurable(false).build(),
        }
    }

    /// Whether `property` still has this getter.
    pub(super) fn is_untouched(&self, property: &PropertyDescriptor) -> bool {
        property.get().and_then(JsValue::as_object).is_some_and(|get| JsObject::equals(&get, &self.get))
    }
}

fn get(this: &JsValue, _: &[JsValue], served: &Served, context: &mut Context) -> JsResult<JsValue> {
    let owner = owner(this)?;
    let (origin, hold) = {
        let Some(lazy) = owner.downcast_ref::<Lazy>() else { return Ok(JsValue::undefined()) };
        if let Some(value) = lazy.built(&served.0) {
            return Ok(value.clone());
        }
        (lazy.origin.clone(), lazy.hold)
    };
    let kit = ContextTools::of(context);
    let mut build = || origin.build(&served.0, hold, context);
    let value = match kit.filter(|_| origin.is_large()) {
        // No script is put in quarantine for the time of showing a long list.
        Some(kit) => kit.stage.own_work(build)?,
        None => build()?,
    };
    if let Some(mut lazy) = owner.downcast_mut::<Lazy>() {
        lazy.built.push((served.0.clone(), value.clone()));
    }
    Ok(value)
}

/// Replaces the value of the property, where a script assigns to the property. The property stays an accessor: for a
/// place in the script, the engine caches the slot of the setter with the shape that the object has *after* the
/// assignment, and takes any value there for the setter the next time.
fn set(this: &JsValue, args: &[JsValue], served: &Served, context: &mut Context) -> JsResult<JsValue> {
    let Some(object) = this.as_object() else { return Ok(JsValue::undefined()) };
    let value = args.get_or_undefined(0).clone();
    let own = object.borrow().properties().get(&served.0.clone().into());
    let lazy = own.as_ref().and_then(|_| object.downcast_mut::<Lazy>());
    match (lazy, own.and_then(|own| own.configurable())) {
        // The object was frozen, and stays unchanged.
        (Some(_), Some(false)) => {}
        (Some(mut lazy), _) => lazy.put(served.0.clone(), value),
        (None, _) => drop(object.create_data_property_or_throw(served.0.clone(), value, context)?),
    }
    Ok(JsValue::undefined())
}

/// Returns the lazy object that `this` is, or that `this` was derived from.
fn owner(this: &JsValue) -> JsResult<JsObject> {
    let mut object = this.as_object();
    for _ in 0..MAX_PROTOTYPES {
        match object {
            Some(lazy) if lazy.is::<Lazy>() => return Ok(lazy),
            Some(other) => object = other.prototype(),
            None => break,
        }
    }
    Err(JsNativeError::typ()
        .with_message("this property of a node needs the node: copy it first, with {...node}")
        .into())
}

impl LazyOrigin {
    /// Whether the source of a property is large because of the nodes' reports, and not because of the script.
    fn is_large(&self) -> bool {
        match self {
            Self::Node(view) | Self::Data(view) => view.node().report().text.len() >= LARGE_REPORT_BYTES,
            Self::User(sessions) => sessions.as_ref().is_some_and(|sessions| sessions.len() >= LARGE_LIST),
            Self::Input => false,
        }
    }

    fn build(&self, name: &JsString, hold: ObjectOwner, context: &mut Context) -> JsResult<JsValue> {
        let Some(kit) = ContextTools::of(context) else { return Ok(JsValue::undefined()) };
        let name = name.to_std_string_lossy();
        match self {
            Self::Node(view) => {
                let node = view.node();
                match view.look_at(&node, &name).field_with(&name, view.overlay.as_deref()) {
                    Some(NodeField::Data(_)) => data_object(view, hold, &kit, context).map(Into::into),
                    Some(NodeField::Json(value)) => kit.to_js(value, hold, context),
                    Some(NodeField::Count(_) | NodeField::Flag(_)) | None => Ok(JsValue::undefined()),
                }
            }
            Self::Data(view) if name == "sessions" => {
                let items = view.session_items(hold, &kit, context)?;
                kit.list(items, hold, context).map(Into::into)
            }
            Self::Data(view) => {
                let node = view.node();
                match view.look_at(&node, "nodeData").data_fields().find(|(own, _)| *own == name) {
                    Some((_, DataField::Json(value))) => kit.to_js(value, hold, context),
                    Some((_, DataField::Sessions(_))) | None => Ok(JsValue::undefined()),
                }
            }
            Self::User(None) => Err(kit.stage.stop_at_omission(Omission::UserSessions)),
            Self::User(Some(sessions)) => {
                let items =
                    sessions.iter().map(|one| session(one, hold, &kit, context)).collect::<JsResult<Vec<_>>>()?;
                kit.list(items, hold, context).map(Into::into)
            }
            Self::Input => Err(kit.stage.stop_at_omission(Omission::Field)),
        }
    }
}

impl LazyNode {
    /// Returns `node`, which is in `slot`, under `overlay`; `built` are the fields that the script can look at.
    pub(super) fn new(
        slot: SlotIndex,
        node: Node,
        overlay: Option<Overlay>,
        built: Option<Map<String, Value>>,
    ) -> Rc<Self> {
        Rc::new(Self { slot, node: RefCell::new(node), overlay, built, sessions: RefCell::default() })
    }

    /// Returns the node.
    pub(super) fn node(&self) -> Ref<'_, Node> {
        self.node.borrow()
    }

    /// Replaces the node by `node`, a later state with the same report.
    ///
    /// # Errors
    /// The error of the engine.
    pub(super) fn follow(&self, node: &Node, kit: &ContextTools, context: &mut Context) -> JsResult<()> {
        let before = self.node.replace(node.clone());
        let Some(built) = self.sessions.take() else { return Ok(()) };
        let mut failed = None;
        let items = follow_sessions(&before, &built, node, |one| {
            session(one, ObjectOwner::Shared, kit, context).unwrap_or_else(|error| {
                failed = Some(error);
                JsValue::undefined()
            })
        });
        match failed {
            None => drop(self.sessions.replace(Some(items))),
            Some(error) => return Err(error),
        }
        Ok(())
    }

    /// Returns a view of `node`, which is this object's node, with all fields that the script can look at.
    pub(super) fn look<'a>(&'a self, node: &'a Node) -> NodeView<'a> {
        self.through(node).unwrap_or_else(|| node.look())
    }

    /// Returns a view of `node`, which is this object's node, with at least the field `name`.
    pub(super) fn look_at<'a>(&'a self, node: &'a Node, name: &str) -> NodeView<'a> {
        self.through(node).unwrap_or_else(|| node.look_at(Some(&[name])))
    }

    fn through<'a>(&'a self, node: &'a Node) -> Option<NodeView<'a>> {
        self.built.as_ref().map(|built| NodeView::through(node, Cow::Borrowed(built)))
    }

    /// Returns the objects of the node's sessions.
    fn session_items(&self, hold: ObjectOwner, kit: &ContextTools, context: &mut Context) -> JsResult<Vec<JsValue>> {
        if let Some(items) = &*self.sessions.borrow() {
            return Ok(items.clone());
        }
        let node = self.node();
        let items = node.sessions().map(|one| session(one, hold, kit, context)).collect::<JsResult<Vec<_>>>()?;
        if hold == ObjectOwner::Shared {
            self.sessions.replace(Some(items.clone()));
        }
        Ok(items)
    }
}

fn data_object(
    view: &Rc<LazyNode>,
    hold: ObjectOwner,
    kit: &ContextTools,
    context: &mut Context,
) -> JsResult<JsObject> {
    let prototype = context.intrinsics().constructors().object().prototype();
    let object =
        JsObject::new(context.root_shape(), prototype, Lazy::new(LazyOrigin::Data(Rc::clone(view)), hold)).upcast();
    let node = view.node();
    for (name, field) in view.look_at(&node, "nodeData").data_fields() {
        match field {
            DataField::Json(value) if !matches!(value, Value::Array(_) | Value::Object(_)) => {
                kit.put(&object, name, super::tools::scalar_to_js(value), hold);
            }
            DataField::Json(_) | DataField::Sessions(_) => {
                kit.put_lazy(&object, name, hold, context);
            }
        }
    }
    if hold == ObjectOwner::Shared {
        kit.close(&object, context)?;
    }
    Ok(object)
}

/// Returns a session as a script sees the session.
fn session(session: &Session, hold: ObjectOwner, kit: &ContextTools, context: &mut Context) -> JsResult<JsValue> {
    let object = super::tools::plain_object(context);
    for (name, value) in &session.fields() {
        let value = kit.to_js(value, hold, context)?;
        kit.put(&object, name, value, hold);
    }
    if hold == ObjectOwner::Shared {
        kit.close(&object, context)?;
    }
    Ok(object.into())
}
