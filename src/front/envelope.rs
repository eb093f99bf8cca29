//! The envelope of a request: what the front reads to route it and to recognise it. The worker reads the rest.

use std::borrow::Cow;

use serde::Deserialize;

use crate::model::Request;
use crate::model::json::{self, JsonLimits};

/// What the front reads of a request: enough to route it and to recognise it. The worker reads the rest.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) action: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) node: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    user: Option<Person<'a>>,
    #[serde(borrow, default)]
    data: Option<Start<'a>>,
    #[serde(borrow, default)]
    params: Option<Params<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct Params<'a> {
    #[serde(borrow, default)]
    me: Option<Person<'a>>,
    #[serde(borrow, default)]
    start: Option<Start<'a>>,
}

#[derive(Debug, Default, Deserialize)]
struct Person<'a> {
    #[serde(borrow, default)]
    login: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    username: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    sub: Option<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
struct Start<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
}

impl Envelope<'_> {
    /// The user's login; empty where there is none.
    pub(super) fn login(&self) -> &str {
        let person = self.user.as_ref().or_else(|| self.params.as_ref().and_then(|params| params.me.as_ref()));
        let names = person.map(|person| [&person.login, &person.username, &person.sub]);
        names.into_iter().flatten().flatten().map(|name| &**name).find(|name| !name.is_empty()).unwrap_or_default()
    }

    /// The name of the session to start; empty where there is none.
    pub(super) fn session_name(&self) -> &str {
        let start = self.data.as_ref().or_else(|| self.params.as_ref().and_then(|params| params.start.as_ref()));
        start.and_then(|start| start.name.as_deref()).unwrap_or_default()
    }
}

/// Reads an envelope of at most `limit` bytes.
///
/// # Errors
/// What is wrong with the request, in the words of its full reading, which the worker would otherwise do.
pub(super) fn read(payload: &[u8], limit: usize) -> Result<Envelope<'_>, String> {
    json::parse_as(payload, JsonLimits::bytes(limit)).map_err(|error| {
        let full = Request::parse(payload, limit, "").err();
        full.map_or_else(|| format!("the request is {error}"), |wrong| wrong.to_string())
    })
}
