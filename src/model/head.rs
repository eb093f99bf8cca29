//! The head of a request: the fields by which a request is routed and recognised, read without building the rest.
//!
//! Most requests of a busy service are looked at by built-ins, or by functions that use two fields of a request. So a
//! request is checked whole on arrival, and built only when a script asks for the fields.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::value::{CowStrDeserializer, MapAccessDeserializer};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

pub use super::bounds::{MAX_NAME_BYTES, MAX_RESERVATION_S, MAX_WAIT_MS};
use super::dictionary::REQUEST_FIELDS;
use super::json::{self, JsonLimits};
use super::members::Sound;
use super::needs::{self, Needs};
use super::shared;

/// The action of a request that names no action.
pub const DEFAULT_ACTION: &str = "session/start";
/// The length of the longest login and session name in bytes: each reservation carries both to every process.
pub const MAX_CARRIED_BYTES: usize = 1024;

/// A number of digits that is in the range of a number, whatever the digits: the largest number has 309.
const MOST_DIGITS: usize = 300;

/// The fields by which a request is routed and recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The requester's own id of the request.
    pub id: Option<Arc<str>>,
    /// The action that the request is for.
    #[serde(deserialize_with = "shared::string")]
    pub action: Arc<str>,
    /// The login of the user; empty where the request has none.
    #[serde(deserialize_with = "shared::string")]
    pub login: Arc<str>,
    /// The name of the session to start; empty where the request has none.
    #[serde(deserialize_with = "shared::string")]
    pub session_name: Arc<str>,
    /// The time that the request may wait for a free node, in milliseconds; 0: no wait.
    pub wait_ms: u32,
    /// The lifetime of the reservation, in seconds; 0: the service's default.
    pub reservation_s: u32,
    /// Whether the reply is to explain the decision.
    pub explain: bool,
}

/// The fields of a request that the service or the scripts' API knows. Scripts see other fields too.
pub const KNOWN_FIELDS: [&str; 16] = REQUEST_FIELDS;
/// The largest number of unknown fields of a request that are warned of.
pub const MAX_STRANGE: usize = 8;

/// The head of a request, the node that an explanation is asked about, and unknown fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestSummary {
    /// The fields by which the request is routed and recognised.
    pub head: Head,
    /// The node that the request asks about.
    pub node: Option<Arc<str>>,
    /// The countable facts that the request needs.
    pub needs: Needs,
    /// Whether the request may have a field `facts`, which is the service's to fill.
    pub has_facts: bool,
    /// The first fields that are not in [`KNOWN_FIELDS`], at most [`MAX_STRANGE`]: these may be misspelt.
    pub strange: Vec<String>,
}

impl RequestSummary {
    /// Returns the same summary of a request with fields of these names.
    pub(super) fn named<'a>(self, names: impl Iterator<Item = &'a str>) -> Self {
        let strange = names.filter(|name| is_strange(name)).take(MAX_STRANGE).map(str::to_owned).collect();
        Self { strange, ..self }
    }
}

/// Returns the summary of `text`; `None` where the text is unusual, which only a reading of the whole can judge: an
/// error, a duplicate field, a name too long.
pub(super) fn summary(text: &[u8], max_bytes: usize) -> Option<RequestSummary> {
    let limits = JsonLimits::bytes(max_bytes);
    let Noted { outline, strange } = json::parse_as(text, limits).ok()?;
    // The outline skips some values without checking that their escapes are characters and their numbers are in range.
    let is_sound = !may_be_unsound(text) || json::parse_as::<Sound>(text, limits).is_ok();
    let summary = outline.summary().filter(|_| is_sound)?;
    Some(summary.named(strange.iter().map(|name| &**name)))
}

/// An outline, with the names of the fields that the outline skips.
struct Noted<'a> {
    outline: RequestOutline<'a>,
    strange: Vec<Cow<'a, str>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Noted<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Noted<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let mut strange = Vec::new();
                let noting = Noting { map, strange: &mut strange };
                let outline = RequestOutline::deserialize(MapAccessDeserializer::new(noting))?;
                Ok(Noted { outline, strange })
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

/// Whether a request has no field of this name: `facts` is one that the service fills.
fn is_strange(name: &str) -> bool {
    !KNOWN_FIELDS.contains(&name) && name != "facts"
}

/// A map access that passes every field on to another reader, and notes the unknown fields.
struct Noting<'n, 'de, A> {
    map: A,
    strange: &'n mut Vec<Cow<'de, str>>,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Noting<'_, 'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        let Some(Borrowed(name)) = self.map.next_key()? else { return Ok(None) };
        let key = seed.deserialize(CowStrDeserializer::new(Cow::Borrowed(&*name)))?;
        let is_new = is_strange(&name) && !self.strange.contains(&name);
        if is_new && self.strange.len() < MAX_STRANGE {
            self.strange.push(name);
        }
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// A text that is borrowed where it has no escapes.
#[derive(Deserialize)]
struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);

/// Whether the JSON `text` may hold half a surrogate pair, raw or as an escape, or a number out of range. Few requests
/// do, and a look at each byte costs less than a reading of the whole.
fn may_be_unsound(text: &[u8]) -> bool {
    let (mut before, mut digits) = (0, 0);
    let is_strange = |byte: &u8| {
        digits = if byte.is_ascii_digit() { digits + 1 } else { 0 };
        let found = match byte {
            b'u' => before == b'\\',
            b'e' | b'E' => before.is_ascii_digit(),
            _ => digits > MOST_DIGITS,
        };
        before = *byte;
        found
    };
    text.iter().any(is_strange) || str::from_utf8(text).is_err()
}

/// The fields of a request as far as their types matter.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestOutline<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    action: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    node: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    user: Option<ObjectOf<Person<'a>>>,
    #[serde(borrow, default)]
    data: Option<ObjectOf<Start<'a>>>,
    #[serde(borrow, default)]
    params: Option<ObjectOf<Params<'a>>>,
    #[serde(default, rename = "local")]
    _local: Option<ObjectOf<Anything>>,
    #[serde(default, rename = "claims")]
    _claims: Option<ObjectOf<Anything>>,
    #[serde(default, rename = "userGroups")]
    _user_groups: Option<Vec<IgnoredAny>>,
    #[serde(default, rename = "isManager")]
    _is_manager: Option<bool>,
    #[serde(default, rename = "isAdmin")]
    _is_admin: Option<bool>,
    #[serde(default, rename = "wait_ms")]
    wait_ms: Option<u32>,
    #[serde(default, rename = "reservation_s")]
    reservation_s: Option<u32>,
    #[serde(default)]
    explain: Option<bool>,
    #[serde(default)]
    needs: Option<BTreeMap<String, u32>>,
    #[serde(default)]
    facts: Option<ObjectOf<Anything>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, default)]
    me: Option<ObjectOf<Person<'a>>>,
    #[serde(borrow, default)]
    start: Option<ObjectOf<Start<'a>>>,
}

#[derive(Deserialize)]
struct Person<'a> {
    #[serde(borrow, default)]
    login: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    username: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    sub: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Start<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Anything {}

impl RequestOutline<'_> {
    /// Returns the summary without the names of unknown fields; `None` where a value is too long or out of range.
    fn summary(self) -> Option<RequestSummary> {
        let is_name =
            |name: &Option<Cow<'_, str>>| name.as_ref().is_none_or(|name| (1..=MAX_NAME_BYTES).contains(&name.len()));
        let wait_ms = self.wait_ms.unwrap_or_default();
        if !is_name(&self.id) || !is_name(&self.action) || wait_ms > MAX_WAIT_MS {
            return None;
        }
        if self.reservation_s.is_some_and(|seconds| !(1..=MAX_RESERVATION_S).contains(&seconds)) {
            return None;
        }
        let (me, start) = self.params.map_or((None, None), |params| (params.0.me, params.0.start));
        let login = self.user.or(me).map(|person| person.0).and_then(|Person { login, username, sub }| {
            [login, username, sub].into_iter().flatten().find(|name| !name.is_empty())
        });
        let session_name = self.data.or(start).and_then(|start| start.0.name);
        if [&login, &session_name].into_iter().flatten().any(|name| name.len() > MAX_CARRIED_BYTES) {
            return None;
        }
        let head = Head {
            id: self.id.map(|id| (*id).into()),
            action: self.action.as_deref().unwrap_or(DEFAULT_ACTION).into(),
            login: login.as_deref().unwrap_or_default().into(),
            session_name: session_name.as_deref().unwrap_or_default().into(),
            wait_ms,
            reservation_s: self.reservation_s.unwrap_or_default(),
            explain: self.explain.unwrap_or_default(),
        };
        let node = self.node.filter(|node| !node.is_empty()).map(|node| (*node).into());
        let needs = needs::sound(self.needs.unwrap_or_default())?;
        Some(RequestSummary { head, node, needs, has_facts: self.facts.is_some(), strange: Vec::new() })
    }
}

/// A `T` that must be an object. Derived readers also accept a list of the fields, which a request may not use.
struct ObjectOf<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ObjectOf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = ObjectOf<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(ObjectOf)
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}
