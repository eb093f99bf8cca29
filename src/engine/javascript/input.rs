//! The request as a script's object: new for each request, and the script's own.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use boa_engine::object::JsObject;
use boa_engine::{Context, JsResult, JsString, JsValue};
use serde_json::{Map, Value};

use crate::model::{Cluster, Session};
use crate::script::Asked;

use super::kit::{Hold, Kit, plain_object};
use super::lazy::{Lazy, Origin};

/// What of the request a script is given at once. What is left out and read all the same stops the script.
pub(super) struct Wanted<F> {
    /// Whether a field that is a list or an object is built.
    pub(super) field: F,
    /// Whether the user's sessions are at hand.
    pub(super) user_sessions: bool,
}

/// The sessions of the request's user; absent where they are left out.
type UserSessions = Option<Rc<[Arc<Session>]>>;

/// The request with its time and the user's sessions; `nodes` are added where the function is one of the list.
///
/// Objects in it that are not `wanted` are left out: most scripts read a field or two, and building the others would be
/// half the cost of a call over few nodes. A script that reads one all the same is stopped, and called again with all.
pub(super) fn input(
    asked: &Asked<'_>,
    cluster: &Cluster,
    nodes: Option<Vec<JsValue>>,
    wanted: Wanted<impl Fn(&str) -> bool>,
    kit: &Kit,
    context: &mut Context,
) -> JsResult<JsObject> {
    let sessions = sessions(asked, cluster, &wanted);
    let wanted = wanted.field;
    let prototype = context.intrinsics().constructors().object().prototype();
    let input = JsObject::new(context.root_shape(), prototype, Lazy::new(Origin::Input, Hold::Own)).upcast();
    for (name, value) in asked.request.fields() {
        if matches!(value, Value::Object(_) | Value::Array(_)) && !wanted(name) {
            kit.put_lazy(&input, name, Hold::Own, context);
            continue;
        }
        let value = field(asked, name, value, &sessions, kit, context)?;
        kit.put(&input, name, value, Hold::Own);
    }
    if let Some(nodes) = nodes {
        let list: JsValue = kit.list(nodes, Hold::Own, context)?.into();
        kit.put(&input, "servers", list.clone(), Hold::Own);
        kit.put(&input, "nodes", list, Hold::Own);
    }
    kit.put(&input, "now", JsValue::from(asked.moment.ms), Hold::Own);
    if wanted("time") {
        let time = time(asked, kit, context).into();
        kit.put(&input, "time", time, Hold::Own);
    } else {
        kit.put_lazy(&input, "time", Hold::Own, context);
    }
    kit.put(&input, "sequence", JsValue::from(asked.sequence), Hold::Own);
    Ok(input)
}

/// The request without nodes for a function that can look at no other `fields` of it.
pub(super) fn part(
    asked: &Asked<'_>,
    cluster: &Cluster,
    fields: &BTreeSet<String>,
    user_sessions: bool,
    kit: &Kit,
    context: &mut Context,
) -> JsResult<JsObject> {
    let sessions = sessions(asked, cluster, &Wanted { field: |name: &str| fields.contains(name), user_sessions });
    let request = plain_object(context);
    for name in fields {
        let value = match (name.as_str(), asked.request.fields().get(name)) {
            ("now", _) => JsValue::from(asked.moment.ms),
            ("sequence", _) => JsValue::from(asked.sequence),
            ("time", _) => time(asked, kit, context).into(),
            (_, Some(value)) => field(asked, name, value, &sessions, kit, context)?,
            (_, None) => continue,
        };
        kit.put(&request, name, value, Hold::Own);
    }
    Ok(request)
}

/// The request for a function that sees nothing of it but the login of its user: the rest need not be read.
pub(super) fn login_alone(asked: &Asked<'_>, kit: &Kit, context: &Context) -> JsObject {
    let (request, user) = (plain_object(context), plain_object(context));
    kit.put(&user, "login", JsString::from(&**asked.request.login()).into(), Hold::Own);
    kit.put(&request, "user", user.into(), Hold::Own);
    request
}

/// The sessions of the request's user, where one of the fields is wanted that hold them.
fn sessions(asked: &Asked<'_>, cluster: &Cluster, wanted: &Wanted<impl Fn(&str) -> bool>) -> UserSessions {
    match &**asked.request.login() {
        login if login.is_empty() || !((wanted.field)("user") || (wanted.field)("params")) => Some(Rc::default()),
        login => wanted.user_sessions.then(|| cluster.sessions_of(login).map(Arc::clone).collect()),
    }
}

/// The field `name` of the request, which holds `value`.
fn field(
    asked: &Asked<'_>,
    name: &str,
    value: &Value,
    sessions: &UserSessions,
    kit: &Kit,
    context: &mut Context,
) -> JsResult<JsValue> {
    match (name, value) {
        ("user", Value::Object(fields)) => user(fields, sessions, kit, context).map(Into::into),
        ("params", Value::Object(fields)) => params(asked, fields, sessions, kit, context).map(Into::into),
        _ => kit.to_js(value, Hold::Own, context),
    }
}

fn time(asked: &Asked<'_>, kit: &Kit, context: &Context) -> JsObject {
    let time = plain_object(context);
    for (name, value) in asked.time() {
        kit.put(&time, name, JsValue::from(value), Hold::Own);
    }
    time
}

fn params(
    asked: &Asked<'_>,
    fields: &Map<String, Value>,
    sessions: &UserSessions,
    kit: &Kit,
    context: &mut Context,
) -> JsResult<JsObject> {
    let params = plain_object(context);
    for (name, value) in fields {
        let value = match (name.as_str(), value) {
            ("me", Value::Object(fields)) => user(fields, sessions, kit, context)?.into(),
            _ => kit.to_js(value, Hold::Own, context)?,
        };
        kit.put(&params, name, value, Hold::Own);
    }
    let jwt = kit.to_js(asked.jwt(), Hold::Own, context)?;
    kit.put(&params, "jwt", jwt, Hold::Own);
    Ok(params)
}

/// A user, whose sessions are listed when they are read.
fn user(fields: &Map<String, Value>, sessions: &UserSessions, kit: &Kit, context: &mut Context) -> JsResult<JsObject> {
    let prototype = context.intrinsics().constructors().object().prototype();
    let lazy = Lazy::new(Origin::User(sessions.clone()), Hold::Own);
    let user = JsObject::new(context.root_shape(), prototype, lazy).upcast();
    for (name, value) in fields.iter().filter(|(name, _)| *name != "sessions") {
        let value = kit.to_js(value, Hold::Own, context)?;
        kit.put(&user, name, value, Hold::Own);
    }
    kit.put_lazy(&user, "sessions", Hold::Own, context);
    Ok(user)
}
