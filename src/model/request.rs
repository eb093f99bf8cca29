//! A request for a placement, in the fields of both FastX generations.
//!
//! Fields of a generation that a request lacks are taken from the other generation (`user` and `params.me`, `data` and
//! `params.start`), so that scripts of both run unmodified on requests of both.

use std::borrow::Cow;
use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};

use super::head::{
    self, DEFAULT_ACTION, Head, MAX_CARRIED_BYTES, MAX_NAME_BYTES, MAX_RESERVATION_S, MAX_WAIT_MS, RequestSummary,
};
use super::json::{self, JsonError, JsonLimits};
use super::json_path::{look_up, value_at};
use super::needs;

/// The reason why a request was refused.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Not acceptable JSON.
    #[error("the request is {0}")]
    Json(#[from] JsonError),
    /// Not an object.
    #[error("the request must be a JSON object, this is {0}")]
    NotAnObject(&'static str),
    /// A number outside of the allowed range.
    #[error("{}", range_words(field, found, (*least, *most), unit))]
    Range {
        /// The field, as a path.
        field: String,
        /// The value in the request.
        found: String,
        /// The least allowed value.
        least: u32,
        /// The largest allowed value.
        most: u32,
        /// The unit of the number.
        unit: &'static str,
    },
    /// A field of the wrong type.
    #[error("`{field}` must be {expected}, not {found}")]
    Field {
        /// The field, as a path.
        field: String,
        /// The value in the request.
        found: String,
        /// The expected value.
        expected: &'static str,
    },
}

/// A request for a placement or another decision of a chain.
#[derive(Clone, Debug)]
pub struct Request {
    head: Head,
    source: BodySource,
    body: OnceLock<Body>,
}

/// The source from which the body is built, where the body is not built yet.
#[derive(Clone, Debug)]
enum BodySource {
    Built,
    Text { text: Arc<str>, server_id: Arc<str> },
}

/// The fields that scripts see of a request, with the token.
#[derive(Clone, Debug, Default)]
struct Body {
    /// The token of the request; only chains with `pass_jwt` show the token to scripts.
    jwt: Value,
    fields: Map<String, Value>,
}

impl Request {
    /// Reads a request from JSON text of at most `max_bytes`; an empty text is the empty request.
    /// `server_id` becomes `local.serverId` where the request has none.
    ///
    /// # Errors
    /// [`RequestError`] names the field and the expected value.
    pub fn parse(text: &[u8], max_bytes: usize, server_id: &str) -> Result<Self, RequestError> {
        if text.trim_ascii().is_empty() {
            return Self::from_value(json!({}), server_id);
        }
        Self::from_value(json::parse(text, JsonLimits::bytes(max_bytes))?, server_id)
    }

    /// Reads the summary of `text` of at most `max_bytes`, and makes sure that the whole request would be accepted too.
    ///
    /// # Errors
    /// As [`Request::parse`].
    pub fn summarize(text: &[u8], max_bytes: usize) -> Result<RequestSummary, RequestError> {
        if let Some(summary) = head::summary(text, max_bytes) {
            return Ok(summary);
        }
        let request = Self::parse(text, max_bytes, "")?;
        let node = json::text(request.fields(), "node").map(Arc::from);
        let needs = needs::read(request.fields())?;
        let facts = request.fields().get("facts").and_then(Value::as_object);
        let has_facts = facts.is_some_and(|facts| !facts.is_empty());
        let summary = RequestSummary { head: request.head.clone(), node, needs, has_facts, strange: Vec::new() };
        Ok(summary.named(request.fields().keys().map(String::as_str)))
    }

    /// Returns a request with a `head` that was read before, when `text` was checked; the rest is read when first
    /// needed.
    #[must_use]
    pub fn deferred(head: Head, text: Arc<str>, server_id: Arc<str>) -> Self {
        Self { head, source: BodySource::Text { text, server_id }, body: OnceLock::new() }
    }

    /// Returns the fields by which the request is routed and recognised.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Returns the action of the request, which names the chain.
    #[must_use]
    pub fn action(&self) -> &Arc<str> {
        &self.head.action
    }

    /// Returns the login of the user; empty where the request has none.
    #[must_use]
    pub fn login(&self) -> &Arc<str> {
        &self.head.login
    }

    /// Returns the name of the session to start; empty where the request has none.
    #[must_use]
    pub fn session_name(&self) -> &Arc<str> {
        &self.head.session_name
    }

    /// Reads a request that was parsed already.
    ///
    /// # Errors
    /// As [`Request::parse`].
    pub fn from_value(request: Value, server_id: &str) -> Result<Self, RequestError> {
        match request {
            Value::Object(own) => normalise(own, server_id),
            other => Err(RequestError::NotAnObject(json::kind(&other))),
        }
    }

    /// Returns the request's own fields for scripts, in order. Nodes, time and the user's sessions come from elsewhere;
    /// `params` holds no token here, see [`Request::jwt`].
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.body().fields
    }

    /// Returns the value for scripts on the path of these `names`, from the outside in, with the number of names that
    /// are fields of nested objects. Where the path ends early in a value that is no object, that value is returned;
    /// where an object lacks the field, `None`. To scripts, reading a field of a missing value is an error and reading
    /// a missing field is none: so the number too tells requests apart. The whole body is built only where the text
    /// does not show the value.
    #[must_use]
    pub fn find(&self, names: &[String]) -> (usize, Option<Cow<'_, Value>>) {
        let look_up = || {
            let (names, value) = look_up(self.fields(), names);
            (names, value.map(Cow::Borrowed))
        };
        let (BodySource::Text { text, .. }, None) = (&self.source, self.body.get()) else { return look_up() };
        if let [user, login, ..] = names
            && (user.as_str(), login.as_str()) == ("user", "login")
        {
            // The login always exists, and a longer path ends at that text.
            return (2, Some(Cow::Owned(Value::from(&*self.head.login))));
        }
        let is_plain = match names.first().map(String::as_str) {
            // These fields are made from other fields where the text lacks them.
            None | Some("id" | "action" | "params" | "local") => false,
            Some("user") if names.get(1).is_none_or(|field| field == "login") => false,
            Some(_) => true,
        };
        let seen = if is_plain { value_at(text, names) } else { None };
        match seen {
            Some((names, value)) if !value.is_null() => (names, Some(Cow::Owned(value))),
            _ => look_up(),
        }
    }

    /// Returns the request's token, `null` where the request has none.
    #[must_use]
    pub fn jwt(&self) -> &Value {
        &self.body().jwt
    }

    fn body(&self) -> &Body {
        self.body.get_or_init(|| match &self.source {
            BodySource::Built => Body::default(),
            // The text was checked when its head was read; an unchecked, invalid text gives an empty body.
            BodySource::Text { text, server_id } => Self::parse(text.as_bytes(), text.len(), server_id)
                .ok()
                .and_then(|request| request.body.into_inner())
                .unwrap_or_default(),
        })
    }
}

fn normalise(mut own: Map<String, Value>, server_id: &str) -> Result<Request, RequestError> {
    let id = name(&own, "id")?;
    let action = name(&own, "action")?.unwrap_or_else(|| DEFAULT_ACTION.into());
    let mut params = object(&mut own, "params", "params")?.unwrap_or_default();
    let jwt = params.shift_remove("jwt").unwrap_or(Value::Null);

    let user = object(&mut own, "user", "user")?;
    let me = object(&mut params, "me", "params.me")?;
    let (user, me) = twins(user, me);
    let (user, me) = (with_login(user), with_login(me));
    let login = carried(&user, "login", "user.login")?;

    let data = object(&mut own, "data", "data")?;
    let start = object(&mut params, "start", "params.start")?;
    let (data, start) = twins(data, start);
    let session_name = carried(&data, "name", "data.name")?;

    let mut local = object(&mut own, "local", "local")?.unwrap_or_default();
    local.entry("serverId").or_insert_with(|| json!(server_id));
    let groups = list(&mut own, "userGroups")?;
    let is_manager = flag(&mut own, "isManager")?;
    let is_admin = flag(&mut own, "isAdmin")?;
    let claims = object(&mut own, "claims", "claims")?.unwrap_or_default();
    let explain = is_set(&own, "explain")?;
    let wait_ms = whole(&own, "wait_ms", 0..=MAX_WAIT_MS, "milliseconds")?;
    let reservation_s = whole(&own, "reservation_s", 1..=MAX_RESERVATION_S, "seconds")?;
    let facts = object(&mut own, "facts", "facts")?.unwrap_or_default();
    needs::read(&own)?;
    params.insert("me".to_owned(), me.into());
    params.insert("start".to_owned(), start.into());

    let mut fields = Map::new();
    let known = [
        ("action", json!(&*action)),
        ("user", user.into()),
        ("userGroups", groups.into()),
        ("isManager", is_manager.into()),
        ("isAdmin", is_admin.into()),
        ("claims", claims.into()),
        ("local", local.into()),
        ("data", data.into()),
        ("params", params.into()),
        ("facts", facts.into()),
    ];
    for (name, value) in known.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(own) {
        fields.entry(name).or_insert(value);
    }
    let head = Head { id, action, login, session_name, wait_ms, reservation_s, explain };
    Ok(Request { head, source: BodySource::Built, body: OnceLock::from(Body { jwt, fields }) })
}

/// Returns both objects; an absent object is replaced by a copy of the other.
fn twins(
    left: Option<Map<String, Value>>,
    right: Option<Map<String, Value>>,
) -> (Map<String, Value>, Map<String, Value>) {
    match (left, right) {
        (Some(left), Some(right)) => (left, right),
        (Some(one), None) | (None, Some(one)) => (one.clone(), one),
        (None, None) => (Map::new(), Map::new()),
    }
}

fn with_login(mut user: Map<String, Value>) -> Map<String, Value> {
    if json::text(&user, "login").is_none() {
        let login = ["username", "sub"].iter().find_map(|name| json::text(&user, name)).unwrap_or_default().to_owned();
        user.insert("login".to_owned(), login.into());
    }
    user
}

fn name(own: &Map<String, Value>, field: &str) -> Result<Option<Arc<str>>, RequestError> {
    match own.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if (1..=MAX_NAME_BYTES).contains(&text.len()) => Ok(Some(text.as_str().into())),
        Some(other) => Err(wrong(field, other, "a string of 1 to 256 bytes")),
    }
}

/// Returns the text `field` of `own`, which reservations carry; empty where the field is absent.
fn carried(own: &Map<String, Value>, field: &str, path: &str) -> Result<Arc<str>, RequestError> {
    match own.get(field) {
        Some(text @ Value::String(name)) if name.len() > MAX_CARRIED_BYTES => {
            Err(wrong(path, text, "a string of at most 1024 bytes"))
        }
        _ => Ok(json::text(own, field).unwrap_or_default().into()),
    }
}

/// Returns the whole number `field` of `own`, 0 where the field is absent. The field stays in place, as with
/// [`is_set`].
fn whole(
    own: &Map<String, Value>,
    field: &str,
    range: RangeInclusive<u32>,
    unit: &'static str,
) -> Result<u32, RequestError> {
    let Some(stated) = own.get(field).filter(|stated| !stated.is_null()) else { return Ok(0) };
    let number = stated.as_u64().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| range.contains(number)).ok_or_else(|| {
        let found = if stated.is_number() { stated.to_string() } else { json::kind(stated).to_owned() };
        let field = field.to_owned();
        RequestError::Range { field, found, least: *range.start(), most: *range.end(), unit }
    })
}

fn object(own: &mut Map<String, Value>, field: &str, path: &str) -> Result<Option<Map<String, Value>>, RequestError> {
    match own.shift_remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(other) => {
            let is_person = matches!(field, "user" | "me");
            Err(wrong(path, &other, if is_person { "an object such as {\"login\": \"kim\"}" } else { "an object" }))
        }
    }
}

fn list(own: &mut Map<String, Value>, field: &str) -> Result<Vec<Value>, RequestError> {
    match own.shift_remove(field) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => Ok(list),
        Some(other) => Err(wrong(field, &other, "a list")),
    }
}

fn flag(own: &mut Map<String, Value>, field: &str) -> Result<bool, RequestError> {
    let is_set = is_set(own, field)?;
    own.shift_remove(field);
    Ok(is_set)
}

/// Returns the flag `field` of `own`. The field stays in place, because scripts see the field like any other.
fn is_set(own: &Map<String, Value>, field: &str) -> Result<bool, RequestError> {
    match own.get(field) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(other) => Err(wrong(field, other, "true or false")),
    }
}

fn range_words(field: &str, found: &str, (least, most): (u32, u32), unit: &str) -> String {
    match found.parse::<f64>() {
        Ok(number) if number > f64::from(most) => format!("`{field}` is {found}; the most is {most}"),
        Ok(number) if number < f64::from(least) => format!("`{field}` is {found}; the least is {least}"),
        _ => format!("`{field}` must be a whole number of {unit} from {least} to {most}, not {found}"),
    }
}

fn wrong(field: &str, value: &Value, expected: &'static str) -> RequestError {
    let found = match value {
        Value::String(text) if text.is_empty() => "an empty string".to_owned(),
        Value::String(text) if text.len() > MAX_NAME_BYTES => format!("a string of {} bytes", text.len()),
        other => json::kind(other).to_owned(),
    };
    RequestError::Field { field: field.to_owned(), found, expected }
}

#[cfg(test)]
mod tests;
