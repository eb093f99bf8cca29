//! A supposition: a node and a request as they might be.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::chain::Ask;
use crate::chain::eligibility::CoolingPolicy;
use crate::evaluator::Rehearsal;
use crate::model::{Change, Marks, Node, Report, Request, Reservation};

use super::trials::whole_request;

/// A part of a supposition that can be set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum SupposedPart {
    /// The value in the node's document on the path of these names.
    Document(Vec<String>),
    /// The number of sessions on the node, reservations included.
    Sessions,
    /// The number of the user's sessions on the node.
    SessionsOfUser,
    /// Whether the node is out of service for new sessions.
    Cordoned,
    /// Whether a start failed on the node a short while ago.
    CoolingDown,
    /// Whether the node has not reported for too long.
    Stale,
    /// The value in the request on the path of these names.
    Request(Vec<String>),
}

/// A node and a request as they might be.
#[derive(Clone, Debug)]
pub(super) struct Supposition {
    document: Value,
    marks: Marks,
    is_stale: bool,
    /// The reservations that still count.
    reserved: Vec<Reservation>,
    /// The request, where the request differs.
    request: Option<Value>,
    login: Arc<str>,
}

impl Supposition {
    /// Returns the supposition that changes nothing of `node` in the cluster of `rehearsal`, nor of `ask`.
    pub(super) fn actual(node: &Node, ask: &Ask, rehearsal: &Rehearsal<'_>) -> Option<Self> {
        let held = rehearsal.cluster().reservations().filter(|held| held.node == *node.id());
        let mut reserved: Vec<_> = held.cloned().collect();
        reserved.sort_by(|left, right| left.id.cmp(&right.id));
        Some(Self {
            document: serde_json::from_str(&node.report().text).ok()?,
            marks: Marks { cooling_down: is_cooling(node, ask), ..node.marks().clone() },
            is_stale: node.is_stale(),
            reserved,
            request: None,
            login: Arc::clone(ask.request.login()),
        })
    }

    /// Returns this supposition with the marks of `node` in the cluster: a failed start of the user is known to the
    /// question alone.
    pub(super) fn in_cluster(&self, node: &Node) -> Self {
        Self { marks: node.marks().clone(), ..self.clone() }
    }

    /// Returns the same with `target` set to `value`, or `None` if the target cannot have that value.
    pub(super) fn with(&self, target: &SupposedPart, value: Option<&Value>, ask: &Ask) -> Option<Self> {
        let mut changed = self.clone();
        match target {
            SupposedPart::Document(path) => put(&mut changed.document, path, value),
            SupposedPart::Sessions => changed.set_sessions(value?.as_u64()?)?,
            SupposedPart::SessionsOfUser => changed.set_sessions_of_user(value?.as_u64()?)?,
            SupposedPart::Cordoned => {
                changed.marks.cordoned = value?.as_bool()?;
                put(&mut changed.document, &["cordoned".to_owned()], None);
            }
            SupposedPart::CoolingDown => changed.marks.cooling_down = value?.as_bool()?,
            SupposedPart::Stale => {
                changed.is_stale = value?.as_bool()?;
                put(&mut changed.document, &["available".to_owned()], None);
            }
            SupposedPart::Request(path) => {
                let mut request = changed.request.take().unwrap_or_else(|| whole_request(ask));
                put(&mut request, path, value);
                // FastX 4 has the same under another name.
                if let Some((_, rest)) = path.split_first().filter(|(first, _)| *first == "data") {
                    let twin: Vec<_> =
                        ["params", "start"].map(str::to_owned).into_iter().chain(rest.iter().cloned()).collect();
                    put(&mut request, &twin, value);
                }
                changed.request = Some(request);
            }
        }
        Some(changed)
    }

    /// Applies the supposition to `rehearsal`, and returns the question to ask there; `None` if the node or the request
    /// could not be read. `before` is the supposition that was applied last.
    pub(super) fn make(&self, before: &Self, rehearsal: &mut Rehearsal<'_>, ask: &Ask) -> Option<Ask> {
        let report = Arc::new(Report::from_value(self.document.clone()).ok()?);
        let request = match &self.request {
            None => Arc::clone(&ask.request),
            Some(request) => Arc::new(Request::from_value(request.clone(), "").ok()?),
        };
        let id = Arc::clone(&report.id);
        // A report ends that a node is stale.
        rehearsal.apply(Change::Report(report));
        if self.is_stale {
            rehearsal.apply(Change::Stale(Arc::clone(&id)));
        }
        if self.marks != before.marks {
            rehearsal.apply(Change::Mark(Arc::clone(&id), self.marks.clone()));
        }
        for gone in before.reserved.iter().filter(|held| !self.reserved.contains(held)) {
            rehearsal.apply(Change::Release(Arc::clone(&gone.id)));
        }
        for new in self.reserved.iter().filter(|held| !before.reserved.contains(held)) {
            rehearsal.apply(Change::Reserve(new.clone()));
        }
        let cooling = match &ask.cooling {
            // The node's own mark says the same for the supposition.
            CoolingPolicy::Out(nodes) => {
                CoolingPolicy::Out(nodes.iter().filter(|other| **other != id).cloned().collect())
            }
            CoolingPolicy::LastResort => CoolingPolicy::LastResort,
        };
        Some(Ask { request, cooling, ..ask.clone() })
    }

    /// Returns the number of the user's sessions on the node, as far as the node lists sessions.
    pub(super) fn sessions_of_user(&self) -> u64 {
        let listed = self.listed().map_or(0, |list| list.iter().filter(|session| self.is_of_user(session)).count());
        (listed + self.reserved.iter().filter(|held| held.user == self.login).count()) as u64
    }

    fn listed(&self) -> Option<&Vec<Value>> {
        let nested = self.document.get("nodeData").and_then(|data| data.get("sessions"));
        nested.or_else(|| self.document.get("sessions")).and_then(Value::as_array)
    }

    fn is_of_user(&self, session: &Value) -> bool {
        let named = ["user", "login", "username"].iter().find_map(|name| session.get(*name).and_then(Value::as_str));
        !self.login.is_empty() && named == Some(&self.login)
    }

    /// Ends the newest sessions, those of other users first, or adds sessions without a user.
    fn set_sessions(&mut self, count: u64) -> Option<()> {
        let count = usize::try_from(count).ok()?;
        self.reserved.truncate(count);
        let listed = count - self.reserved.len();
        let Some(mut list) = self.listed().cloned() else {
            self.put_sessions(json!(listed));
            return Some(());
        };
        if listed > list.len().max(MAX_ADDED) {
            return None;
        }
        while list.len() > listed {
            let others = list.iter().rposition(|session| !self.is_of_user(session));
            list.remove(others.unwrap_or(list.len() - 1));
        }
        list.extend((list.len()..listed).map(|number| json!({"id": format!("supposed-{number}")})));
        self.put_sessions(list.into());
        Some(())
    }

    /// Ends the user's newest sessions, or adds some.
    fn set_sessions_of_user(&mut self, count: u64) -> Option<()> {
        let mut list = self.listed().cloned().unwrap_or_default();
        let login = Arc::clone(&self.login);
        let mut own = self.sessions_of_user();
        if count > own.saturating_add(MAX_ADDED as u64) {
            return None;
        }
        while own > count {
            match self.reserved.iter().rposition(|held| held.user == login) {
                Some(place) => drop(self.reserved.remove(place)),
                None => drop(list.remove(list.iter().rposition(|session| self.is_of_user(session))?)),
            }
            own -= 1;
        }
        list.extend((own..count).map(|number| json!({"id": format!("supposed-{login}-{number}"), "user": &*login})));
        self.put_sessions(list.into());
        Some(())
    }

    fn put_sessions(&mut self, sessions: Value) {
        let is_nested = self.document.get("nodeData").is_some_and(|data| data.get("sessions").is_some());
        let names: &[&str] = match is_nested || self.document.get("sessions").is_none() {
            true => &["nodeData", "sessions"],
            false => &["sessions"],
        };
        let path: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        put(&mut self.document, &path, Some(&sessions));
    }
}

/// The most sessions that are supposed on top of those that a node lists.
const MAX_ADDED: usize = 512;

/// Whether `node` cools down for the question `ask`: by a mark, or after a failed start of the same user.
pub(super) fn is_cooling(node: &Node, ask: &Ask) -> bool {
    let of_user = matches!(&ask.cooling, CoolingPolicy::Out(nodes) if nodes.contains(node.id()));
    node.marks().cooling_down || of_user
}

/// Sets the value in `document` on the path of the names `path` to `value`, or removes the value.
fn put(document: &mut Value, path: &[String], value: Option<&Value>) {
    let Some((last, way)) = path.split_last() else { return };
    let mut inner = document;
    for name in way {
        let Some(object) = inner.as_object_mut() else { return };
        let next = object.entry(name.clone()).or_insert_with(|| json!({}));
        if !next.is_object() {
            *next = Value::Object(Map::new());
        }
        inner = next;
    }
    let Some(object) = inner.as_object_mut() else { return };
    match value {
        Some(value) => drop(object.insert(last.clone(), value.clone())),
        None => drop(object.shift_remove(last)),
    }
}
