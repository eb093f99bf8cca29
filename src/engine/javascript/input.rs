//! The request as a script's object: new for each request, and the script's own.

use std::rc::Rc;
use std::sync::Arc;

use boa_engine::object::JsObject;
use boa_engine::{Context, JsResult, JsValue};
use serde_json::{Map, Value};

use crate::model::{Cluster, Session};
use crate::script::Asked;

use super::kit::{Hold, Kit, plain_object};
use super::lazy::{Lazy, Origin};

/// The request with its time and the user's sessions; `nodes` are added where the function is one of the list.
pub(super) fn input(
    asked: &Asked<'_>,
    cluster: &Cluster,
    nodes: Option<Vec<JsValue>>,
    kit: &Kit,
    context: &mut Context,
) -> JsResult<JsObject> {
    let login = &*asked.request.login;
    let sessions = match login {
        "" => Rc::default(),
        login => cluster.sessions_of(login).map(Arc::clone).collect::<Rc<[Arc<Session>]>>(),
    };
    let input = plain_object(context);
    let put = |name: &str, value: JsValue| kit.put(&input, name, value, Hold::Own);
    for (name, value) in asked.request.fields() {
        let value = match (name.as_str(), value) {
            ("user", Value::Object(fields)) => user(fields, &sessions, kit, context)?.into(),
            ("params", Value::Object(fields)) => params(asked, fields, &sessions, kit, context)?.into(),
            _ => kit.to_js(value, Hold::Own, context)?,
        };
        put(name, value);
    }
    if let Some(nodes) = nodes {
        let list: JsValue = kit.list(nodes, Hold::Own, context)?.into();
        put("servers", list.clone());
        put("nodes", list);
    }
    let moment = asked.moment;
    let time = plain_object(context);
    kit.put(&time, "ms", JsValue::from(moment.ms), Hold::Own);
    kit.put(&time, "hour", JsValue::from(moment.hour), Hold::Own);
    kit.put(&time, "minute", JsValue::from(moment.minute), Hold::Own);
    kit.put(&time, "weekday", JsValue::from(moment.weekday), Hold::Own);
    kit.put(&time, "offset_min", JsValue::from(moment.offset_min), Hold::Own);
    put("now", JsValue::from(moment.ms));
    put("time", time.into());
    put("sequence", JsValue::from(asked.sequence));
    Ok(input)
}

fn params(
    asked: &Asked<'_>,
    fields: &Map<String, Value>,
    sessions: &Rc<[Arc<Session>]>,
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
fn user(
    fields: &Map<String, Value>,
    sessions: &Rc<[Arc<Session>]>,
    kit: &Kit,
    context: &mut Context,
) -> JsResult<JsObject> {
    let prototype = context.intrinsics().constructors().object().prototype();
    let lazy = Lazy::new(Origin::User(Rc::clone(sessions)), Hold::Own);
    let user = JsObject::new(context.root_shape(), prototype, lazy).upcast();
    for (name, value) in fields.iter().filter(|(name, _)| *name != "sessions") {
        let value = kit.to_js(value, Hold::Own, context)?;
        kit.put(&user, name, value, Hold::Own);
    }
    kit.put_lazy(&user, "sessions", Hold::Own, context);
    Ok(user)
}
