//! A request: one question, in the words of both FastX generations.
//!
//! What one generation's request lacks is taken from the other (`user` and `params.me`, `data` and `params.start`), so
//! that scripts of both run unmodified on requests of both.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};

use super::glimpse::{glimpse, look_up};
use super::head::{self, DEFAULT_ACTION, Head, MAX_CARRIED_BYTES, MAX_NAME_BYTES, MAX_WAIT_MS};
use super::json::{self, JsonError, JsonLimits};

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// Not acceptable JSON.
    #[error("the request is {0}")]
    Json(#[from] JsonError),
    /// Not an object.
    #[error("the request must be a JSON object, this is {0}")]
    NotAnObject(&'static str),
    /// A field of the wrong type.
    #[error("the request's `{field}` is {found}, expected {expected}")]
    Field {
        /// The field, as a path.
        field: String,
        /// What stands there.
        found: String,
        /// What should.
        expected: &'static str,
    },
}

/// One question for a placement.
#[derive(Clone, Debug)]
pub struct Request {
    head: Head,
    source: Source,
    body: OnceLock<Body>,
}

/// What the body is built from, where it is not built yet.
#[derive(Clone, Debug)]
enum Source {
    Built,
    Text { text: Arc<str>, server_id: Arc<str> },
}

/// All that scripts see of a request.
#[derive(Clone, Debug, Default)]
struct Body {
    /// The token of the request; only chains that are configured for it see it.
    jwt: Value,
    fields: Map<String, Value>,
}

impl Request {
    /// Reads a request from JSON text of at most `max_bytes`; an empty text is the empty request.
    /// `server_id` is `local.serverId` where the request has none.
    ///
    /// # Errors
    /// [`RequestError`] names the field and what was expected there.
    pub fn parse(text: &[u8], max_bytes: usize, server_id: &str) -> Result<Self, RequestError> {
        if text.trim_ascii().is_empty() {
            return Self::from_value(json!({}), server_id);
        }
        Self::from_value(json::parse(text, JsonLimits::bytes(max_bytes))?, server_id)
    }

    /// Reads the head of `text` of at most `max_bytes`, and makes sure that the whole would be accepted too. Returns the
    /// node that it asks about beside it.
    ///
    /// # Errors
    /// As [`Request::parse`].
    pub fn read_head(text: &[u8], max_bytes: usize) -> Result<(Head, Option<Arc<str>>), RequestError> {
        match head::outline(text, max_bytes) {
            Some(read) => Ok(read),
            None => Self::parse(text, max_bytes, "").map(|request| {
                let node = json::text(request.fields(), "node").map(Arc::from);
                (request.head, node)
            }),
        }
    }

    /// A request whose `head` was read before, when `text` was checked; the rest is read when somebody asks for it.
    #[must_use]
    pub fn deferred(head: Head, text: Arc<str>, server_id: Arc<str>) -> Self {
        Self { head, source: Source::Text { text, server_id }, body: OnceLock::new() }
    }

    /// What it is routed and recognised by.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// What the question is for; names the chain.
    #[must_use]
    pub fn action(&self) -> &Arc<str> {
        &self.head.action
    }

    /// The login of the user; empty where the request has none.
    #[must_use]
    pub fn login(&self) -> &Arc<str> {
        &self.head.login
    }

    /// The name of the session to start; empty where the request has none.
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

    /// The fields that a script sees of the request itself, in order. Nodes, time and the user's sessions come from
    /// elsewhere; `params` holds no token here, see [`Request::jwt`].
    #[must_use]
    pub fn fields(&self) -> &Map<String, Value> {
        &self.body().fields
    }

    /// What scripts find in it on the way of these `names`, from the outside in: how many of them are fields one in the
    /// other, and the value at the end, or the one in which the way ends early, because that is no object; no value where
    /// an object has no such field. To look into nothing is an error, and to look for it is none: so the number tells
    /// requests apart as well. The whole is built only where the text does not show it.
    #[must_use]
    pub fn find(&self, names: &[String]) -> (usize, Option<Cow<'_, Value>>) {
        let look_up = || {
            let (names, value) = look_up(self.fields(), names);
            (names, value.map(Cow::Borrowed))
        };
        let (Source::Text { text, .. }, None) = (&self.source, self.body.get()) else { return look_up() };
        let is_plain = match names.first().map(String::as_str) {
            // These are made from other fields where the text has none.
            None | Some("id" | "action" | "params" | "local") => false,
            Some("user") if names.get(1).is_none_or(|field| field == "login") => false,
            Some(_) => true,
        };
        let seen = if is_plain { glimpse(text, names) } else { None };
        match seen {
            Some((names, value)) if !value.is_null() => (names, Some(Cow::Owned(value))),
            _ => look_up(),
        }
    }

    /// The request's token, `null` where it has none.
    #[must_use]
    pub fn jwt(&self) -> &Value {
        &self.body().jwt
    }

    fn body(&self) -> &Body {
        self.body.get_or_init(|| match &self.source {
            Source::Built => Body::default(),
            // The text was checked when its head was read; where it was not, there is nothing to see in it.
            Source::Text { text, server_id } => Self::parse(text.as_bytes(), text.len(), server_id)
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
    let jwt = params.remove("jwt").unwrap_or(Value::Null);

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
    let wait_ms = wait(&own)?;
    params.insert("me".to_owned(), me.into());
    params.insert("start".to_owned(), start.into());

    let mut fields = Map::new();
    let known = [
        ("action", json!(&*action)),
        ("user", user.into()),
        ("userGroups", groups.into()),
        ("isManager", is_manager.into()),
        ("isAdmin", is_admin.into()),
        ("local", local.into()),
        ("data", data.into()),
        ("params", params.into()),
    ];
    for (name, value) in known.map(|(name, value)| (name.to_owned(), value)).into_iter().chain(own) {
        fields.entry(name).or_insert(value);
    }
    let head = Head { id, action, login, session_name, wait_ms };
    Ok(Request { head, source: Source::Built, body: OnceLock::from(Body { jwt, fields }) })
}

/// Each of the two where it is there, else the other.
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

/// The text `field` of `own`, which reservations carry; empty where there is none.
fn carried(own: &Map<String, Value>, field: &str, path: &str) -> Result<Arc<str>, RequestError> {
    match own.get(field) {
        Some(text @ Value::String(name)) if name.len() > MAX_CARRIED_BYTES => {
            Err(wrong(path, text, "a string of at most 1024 bytes"))
        }
        _ => Ok(json::text(own, field).unwrap_or_default().into()),
    }
}

/// Left in its place: it is a field like any other for scripts.
fn wait(own: &Map<String, Value>) -> Result<u32, RequestError> {
    match own.get("wait_ms") {
        None | Some(Value::Null) => Ok(0),
        Some(stated) => {
            let whole = stated.as_u64().and_then(|ms| u32::try_from(ms).ok()).filter(|ms| *ms <= MAX_WAIT_MS);
            whole.ok_or_else(|| wrong("wait_ms", stated, "a whole number of milliseconds, at most 600000"))
        }
    }
}

fn object(own: &mut Map<String, Value>, field: &str, path: &str) -> Result<Option<Map<String, Value>>, RequestError> {
    match own.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(other) => Err(wrong(path, &other, "an object")),
    }
}

fn list(own: &mut Map<String, Value>, field: &str) -> Result<Vec<Value>, RequestError> {
    match own.remove(field) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(list)) => Ok(list),
        Some(other) => Err(wrong(field, &other, "a list")),
    }
}

fn flag(own: &mut Map<String, Value>, field: &str) -> Result<bool, RequestError> {
    match own.remove(field) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(other) => Err(wrong(field, &other, "true or false")),
    }
}

fn wrong(field: &str, value: &Value, expected: &'static str) -> RequestError {
    let found = match value {
        Value::String(text) if text.is_empty() => "an empty string".to_owned(),
        Value::String(text) => format!("a string of {} bytes", text.len()),
        other => json::kind(other).to_owned(),
    };
    RequestError::Field { field: field.to_owned(), found, expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_generations_names_are_filled_from_the_others() {
        let new = json!({"params": {"me": {"username": "bob"}, "start": {"command": "xterm"}, "jwt": "secret"}});
        let new = Request::from_value(new, "").unwrap();
        assert_eq!(&**new.login(), "bob");
        assert_eq!(new.fields()["user"]["login"], "bob");
        assert_eq!(new.fields()["data"]["command"], "xterm");
        assert_eq!(new.jwt(), "secret");
        assert!(!Value::Object(new.fields().clone()).to_string().contains("secret"));

        let old =
            Request::from_value(json!({"user": {"login": "ann"}, "data": {"a": 1}, "extra": [1]}), "here").unwrap();
        assert_eq!(old.fields()["params"]["me"]["login"], "ann");
        assert_eq!(old.fields()["params"]["start"]["a"], 1);
        assert_eq!(old.fields()["local"]["serverId"], "here");
        assert_eq!(old.fields()["extra"][0], 1);
        assert_eq!(&**old.action(), DEFAULT_ACTION);
    }

    #[test]
    fn wrong_types_are_named() {
        for (request, words) in [
            (json!([]), "must be a JSON object, this is a list"),
            (json!({"user": "ann"}), "`user` is a string of 3 bytes, expected an object"),
            (json!({"isAdmin": 1}), "`isAdmin` is a number, expected true or false"),
            (json!({"params": {"me": []}}), "`params.me` is a list"),
            (json!({"id": ""}), "`id` is an empty string"),
            (json!({"user": {"login": "x".repeat(1025)}}), "`user.login` is a string of 1025 bytes, expected"),
            (json!({"data": {"name": "x".repeat(1025)}}), "`data.name` is a string of 1025 bytes, expected"),
        ] {
            let message = Request::from_value(request, "").unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
        assert!(Request::parse(b"  ", 10, "").is_ok());
    }

    /// Whatever stands in a request, its head is that of the whole, and it is refused where the whole is.
    #[test]
    fn the_head_is_that_of_the_whole() {
        let people = [
            "null",
            "{}",
            "[]",
            "7",
            r#"{"login":"ann"}"#,
            r#"{"login":"","username":"bob"}"#,
            r#"{"login":7,"sub":"s"}"#,
        ];
        let starts = ["null", "{}", r#"["x"]"#, r#"{"name":"xterm"}"#, r#"{"name":["x"]}"#];
        let mut texts: Vec<String> = Vec::new();
        for user in people {
            for me in people {
                texts.push(format!(r#"{{"user":{user},"params":{{"me":{me}}}}}"#));
            }
            texts.push(format!(r#"{{"params":{{"me":{user}}}}}"#));
        }
        for data in starts {
            for start in starts {
                texts.push(format!(r#"{{"data":{data},"params":{{"start":{start}}}}}"#));
            }
        }
        for field in
            ["id", "action", "node", "user", "params", "data", "local", "userGroups", "isManager", "isAdmin", "x"]
        {
            let long = format!("\"{}\"", "x".repeat(300));
            for value in ["null", "1", "true", "[]", "{}", "\"\"", "\"a\\n\"", "[[1],{}]", &long] {
                texts.push(format!(r#"{{"{field}":{value}}}"#));
                texts.push(format!(r#"{{"{field}":{value},"{field}":{value}}}"#));
            }
        }
        texts.extend(["", "[]", "7", "{", "{}", "{\"a\":}", "nul"].map(str::to_owned));
        for text in texts {
            let whole = Request::parse(text.as_bytes(), 1000, "").map(|request| request.head().clone());
            let head = Request::read_head(text.as_bytes(), 1000).map(|(head, _)| head);
            assert_eq!(head.map_err(|error| error.to_string()), whole.map_err(|error| error.to_string()), "{text}");
        }
    }

    /// Whatever is looked for, the text shows what is found in the whole.
    #[test]
    fn what_is_found_in_the_text_is_what_is_found_in_the_whole() {
        let texts = [
            r#"{"data":{"pool":"a","n":null,"x":{"y":[1,{"z":2}]},"pool":"b"},"user":{"login":"ann","site":"x"}}"#,
            r#"{"data":null,"params":{"start":{"pool":"c"},"me":{"site":"m"}},"userGroups":["g"],"isAdmin":true}"#,
            r#"{"params":{"start":{"pool":7}},"extra":{"a":1.5},"extra":{"a":-2},"data":{"pool":{}}}"#,
            r#"{"data":{"p\u006fol":"escaped"},"userGroups":null,"local":{"serverId":"s"},"action":"a"}"#,
            r#"{"data":{"pool":[]},"data":{"other":1},"user":null,"text":"x","isManager":null}"#,
            "{}",
            "",
        ];
        let ways = [
            "data",
            "data.pool",
            "data.pool.deeper",
            "data.n",
            "data.n.x",
            "data.x.y",
            "data.x.y.z",
            "data.other",
            "user.login",
            "user.site",
            "user",
            "params.start.pool",
            "params.me.site",
            "userGroups",
            "userGroups.0",
            "isAdmin",
            "isManager",
            "extra.a",
            "extra.a.b",
            "local.serverId",
            "action",
            "text.length",
            "missing",
            "missing.x",
            "id",
        ];
        for text in texts {
            let whole = Request::parse(text.as_bytes(), 1000, "here").unwrap();
            for way in ways {
                let names: Vec<_> = way.split('.').map(str::to_owned).collect();
                let deferred = Request::deferred(whole.head().clone(), text.into(), "here".into());
                assert_eq!(deferred.find(&names), whole.find(&names), "{way} of {text}");
            }
        }
    }

    #[test]
    fn the_node_that_is_asked_about_stands_beside_it() {
        let node = |text: &str| Request::read_head(text.as_bytes(), 1000).unwrap().1;
        assert_eq!(node(r#"{"node":"n1"}"#).as_deref(), Some("n1"));
        assert_eq!((node(r#"{"node":""}"#), node("{}")), (None, None));
    }
}
