//! The request as an object for a script: new for each request, and owned by the script.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use boa_engine::object::JsObject;
use boa_engine::{Context, JsResult, JsString, JsValue};
use serde_json::{Map, Value};

use crate::model::{Cluster, Session};
use crate::script::ScriptRequest;

use super::lazy::{Lazy, LazyOrigin};
use super::tools::{ContextTools, ObjectOwner, plain_object};

/// The parts of the request that a script receives at once. A script that reads a part left out is stopped.
pub(super) struct RequestFields<F> {
    /// Whether a field with a list or an object as value is built.
    pub(super) field: F,
    /// Whether the user's sessions are included.
    pub(super) user_sessions: bool,
}

/// The sessions of the request's user; `None` where the sessions are left out.
type UserSessions = Option<Rc<[Arc<Session>]>>;

/// Returns the request with time and the user's sessions; `nodes` are added for a whole-list function.
///
/// Objects in the request that are not `wanted` are left out: most scripts read a field or two, and building the others
/// would be half the cost of a call over few nodes. A script that reads an omitted object is stopped, and called again
/// with all objects.
pub(super) fn input(
    asked: &ScriptRequest<'_>,
    cluster: &Cluster,
    nodes: Option<Vec<JsValue>>,
    wanted: RequestFields<impl Fn(&str) -> bool>,
    kit: &ContextTools,
    context: &mut Context,
) -> JsResult<JsObject> {
    let sessions = sessions(asked, cluster, &wanted);
    let wanted = wanted.field;
    let prototype = context.intrinsics().constructors().object().prototype();
    let input = JsObject::new(context.root_shape(), prototype, Lazy::new(LazyOrigin::Input, ObjectOwner::Own)).upcast();
    for (name, value) in asked.request.fields() {
        if matches!(value, Value::Object(_) | Value::Array(_)) && !wanted(name) {
            kit.put_lazy(&input, name, ObjectOwner::Own, context);
            continue;
        }
        let value = field(asked, name, value, &sessions, kit, context)?;
        kit.put(&input, name, value, ObjectOwner::Own);
    }
    if let Some(nodes) = nodes {
        let list: JsValue = kit.list(nodes, ObjectOwner::Own, context)?.into();
        kit.put(&input, "servers", list.clone(), ObjectOwner::Own);
        kit.put(&input, "nodes", list, ObjectOwner::Own);
    }
    kit.put(&input, "now", JsValue::from(asked.moment.ms), ObjectOwner::Own);
    if wanted("time") {
        let time = time(asked, kit, context).into();
        kit.put(&input, "time", time, ObjectOwner::Own);
    } else {
        kit.put_lazy(&input, "time", ObjectOwner::Own, context);
    }
    kit.put(&input, "sequence", JsValue::from(asked.sequence), ObjectOwner::Own);
    Ok(input)
}

/// Returns the request without nodes for a function that can look only at these `fields`.
pub(super) fn part(
    asked: &ScriptRequest<'_>,
    cluster: &Cluster,
    fields: &BTreeSet<String>,
    user_sessions: bool,
    kit: &ContextTools,
    context: &mut Context,
) -> JsResult<JsObject> {
    let sessions =
        sessions(asked, cluster, &RequestFields { field: |name: &str| fields.contains(name), user_sessions });
    let request = plain_object(context);
    for name in fields {
        let value = match (name.as_str(), asked.request.fields().get(name)) {
            ("now", _) => JsValue::from(asked.moment.ms),
            ("sequence", _) => JsValue::from(asked.sequence),
            ("time", _) => time(asked, kit, context).into(),
            (_, Some(value)) => field(asked, name, value, &sessions, kit, context)?,
            (_, None) => continue,
        };
        kit.put(&request, name, value, ObjectOwner::Own);
    }
    Ok(request)
}

/// Returns the request for a function that sees nothing of the request but the login of the user: the rest need not be
/// read.
pub(super) fn login_alone(asked: &ScriptRequest<'_>, kit: &ContextTools, context: &Context) -> JsObject {
    let (request, user) = (plain_object(context), plain_object(context));
    kit.put(&user, "login", JsString::from(&**asked.request.login()).into(), ObjectOwner::Own);
    kit.put(&request, "user", user.into(), ObjectOwner::Own);
    request
}

/// Returns the sessions of the request's user, where a field that holds the sessions is wanted.
fn sessions(
    asked: &ScriptRequest<'_>,
    cluster: &Cluster,
    wanted: &RequestFields<impl Fn(&str) -> bool>,
) -> UserSessions {
    match &**asked.request.login() {
        login if login.is_empty() || !((wanted.field)("user") || (wanted.field)("params")) => Some(Rc::default()),
        login => wanted.user_sessions.then(|| cluster.sessions_of(login).map(Arc::clone).collect()),
    }
}

/// Returns the field `name` of the request, with this `value`.
fn field(
    asked: &ScriptRequest<'_>,
    name: &str,
    value: &Value,
    sessions: &UserSessions,
    kit: &ContextTools,
    context: &mut Context,
) -> JsResult<JsValue> {
    match (name, value) {
        ("user", Value::Object(fields)) => user(fields, sessions, kit, context).map(Into::into),
        ("params", Value::Object(fields)) => params(asked, fields, sessions, kit, context).map(Into::into),
        _ => kit.to_js(value, ObjectOwner::Own, context),
    }
}

fn time(asked: &ScriptRequest<'_>, kit: &ContextTools, context: &Context) -> JsObject {
    let time = plain_object(context);
    for (name, value) in asked.time() {
        kit.put(&time, name, JsValue::from(value), ObjectOwner::Own);
    }
    time
}

fn params(
    asked: &ScriptRequest<'_>,
    fields: &Map<String, Value>,
    sessions: &UserSessions,
    kit: &ContextTools,
    context: &mut Context,
) -> JsResult<JsObject> {
    let params = plain_object(context);
    for (name, value) in fields {
        let value = match (name.as_str(), value) {
            ("me", Value::Object(fields)) => user(fields, sessions, kit, context)?.into(),
            _ => kit.to_js(value, ObjectOwner::Own, context)?,
        };
        kit.put(&params, name, value, ObjectOwner::Own);
    }
    let jwt = kit.to_js(asked.jwt(), ObjectOwner::Own, context)?;
    kit.put(&params, "jwt", jwt, ObjectOwner::Own);
    Ok(params)
}

/// Returns a user with sessions that are listed when a script reads the list.
fn user(
    fields: &Map<String, Value>,
    sessions: &UserSessions,
    kit: &ContextTools,
    context: &mut Context,
) -> JsResult<JsObject> {
    let prototype = context.intrinsics().constructors().object().prototype();
    let lazy = Lazy::new(LazyOrigin::User(sessions.clone()), ObjectOwner::Own);
    let user = JsObject::new(context.root_shape(), prototype, lazy).upcast();
    for (name, value) in fields.iter().filter(|(name, _)| *name != "sessions") {
        let value = kit.to_js(value, ObjectOwner::Own, context)?;
        kit.put(&user, name, value, ObjectOwner::Own);
    }
    kit.put_lazy(&user, "sessions", ObjectOwner::Own, context);
    Ok(user)
}
