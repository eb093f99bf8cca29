//! A node: a machine that can run sessions, as the cluster holds the node and as a script sees the node.
//!
//! The report never changes once read; reservations and marks, which change between reports, lie beside the report, so
//! that a placement touches a few machine words and not the document.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::fields::{self, Wanted};
use super::node_view::{self, NodeView};
use super::parts::NodeParts;
use super::report::Report;
use super::session::Session;

/// The usual size of a node's JSON text in bytes.
const USUAL_TEXT_BYTES: usize = 1200;

/// The state that the service keeps for a node, beside the node's own report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Whether an administrator took the node out of service for new sessions.
    pub cordoned: bool,
    /// Whether a start failed on the node a short while ago.
    pub cooling_down: bool,
}

/// The reservations on a node, by the order in which they were made, so that a reservation among thousands is removed
/// without a search. Copies share their common parts: engines hold former states of nodes, and thousands of
/// reservations must not be copied for that.
pub(super) type Pending = OrdMap<u64, Arc<Session>>;

/// A node of the cluster. A copy costs a few machine words, for any number of sessions.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    report: Arc<Report>,
    pending: Pending,
    /// The number of users with a reservation here and no listed session: these count as logged in.
    new_users: u64,
    marks: Marks,
    stale: bool,
    revision: u64,
    /// The revision of the last change of each part.
    revised: [u64; NodeParts::COUNT],
    arrival: u64,
}

impl Node {
    /// Returns a node that has just reported.
    #[must_use]
    pub fn new(report: Arc<Report>, revision: u64) -> Self {
        Self {
            report,
            pending: Pending::default(),
            new_users: 0,
            marks: Marks::default(),
            stale: false,
            revision,
            revised: [revision; NodeParts::COUNT],
            arrival: revision,
        }
    }

    /// Returns the id of the node.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.report.id
    }

    /// Returns the last report of the node.
    #[must_use]
    pub fn report(&self) -> &Arc<Report> {
        &self.report
    }

    /// Returns a number that no earlier state of any node in this cluster had: results cached under this number are of
    /// this very state.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns the revision of the last change of these `parts`.
    #[must_use]
    pub fn revised(&self, parts: NodeParts) -> u64 {
        parts.places().filter_map(|place| self.revised.get(place)).copied().max().unwrap_or_default()
    }

    /// Returns the revision at which the node came: nodes that come later have greater numbers.
    #[must_use]
    pub fn arrival(&self) -> u64 {
        self.arrival
    }

    /// Whether the node has not reported within the liveness limit, or reports itself unavailable.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale || !self.report.is_available()
    }

    /// Whether the node takes no new sessions, by a mark or by the node's own report.
    #[must_use]
    pub fn is_cordoned(&self) -> bool {
        self.marks.cordoned || self.report.is_cordoned()
    }

    /// Returns the marks of the service on the node.
    #[must_use]
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Whether sessions and reservations reach the number that the node states.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.report.figures().max_sessions.is_some_and(|max| self.load() >= max)
    }

    /// Whether the node states how many sessions the node takes, and not how many run there.
    #[must_use]
    pub fn is_uncounted(&self) -> bool {
        self.report.figures().max_sessions.is_some() && self.session_count().is_none()
    }

    /// Returns the number of sessions and reservations together; `None` where the node never reported sessions.
    #[must_use]
    pub fn session_count(&self) -> Option<u64> {
        self.report.sessions.count().map(|count| count.saturating_add(self.pending.len() as u64))
    }

    /// Returns the sessions that the node listed, then the pending sessions.
    pub fn sessions(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.report.sessions.listed().iter().chain(self.pending.values())
    }

    /// Returns the number of listed and pending sessions.
    #[must_use]
    pub fn session_len(&self) -> usize {
        self.report.sessions.listed().len() + self.pending.len()
    }

    /// Returns the sessions that are reserved here and not reported yet.
    #[must_use]
    pub fn pending(&self) -> impl ExactSizeIterator<Item = &Arc<Session>> {
        self.pending.values()
    }

    /// Returns a view of all top-level fields.
    #[must_use]
    pub fn look(&self) -> NodeView<'_> {
        self.look_at(None)
    }

    /// Returns a view of the top-level fields in `wanted`; others may be present too.
    #[must_use]
    pub fn look_at(&self, wanted: Wanted<'_>) -> NodeView<'_> {
        NodeView::through(self, self.report.fields(wanted))
    }

    /// Returns the present value of the top-level field `name`, where the field need not be read from the document's
    /// text; `None` for any other field, `Some(None)` where the node lacks the value.
    #[must_use]
    pub fn typed(&self, name: &str) -> Option<Option<Value>> {
        let typed = fields::typed(&self.report, name)?;
        Some(typed.map(|value| node_view::current(self, name, &value).to_value()))
    }

    /// Returns the top-level field `name`, built for this call alone.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Value> {
        self.look_at(Some(&[name])).field(name).map(|field| field.to_value())
    }

    /// Returns the whole object that a script sees, as JSON.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        self.look().fields().map(|(name, field)| (name.to_owned(), field.to_value())).collect()
    }

    /// Returns the same object as JSON text, with `overlay` on top.
    #[must_use]
    pub fn to_text(&self, overlay: Option<&Map<String, Value>>) -> Vec<u8> {
        let mut text = Vec::with_capacity(USUAL_TEXT_BYTES);
        let mut serializer = serde_json::Serializer::new(&mut text);
        // Serializing strings, numbers and JSON values cannot fail.
        drop(serializer.collect_map(self.look().fields_with(overlay)));
        text
    }

    /// Replaces the report; the reservations and marks stay.
    pub(super) fn set_report(&mut self, report: Arc<Report>) {
        self.report = report;
        self.stale = false;
    }

    /// Records that these `parts` of the node have just changed.
    pub(super) fn revise(&mut self, parts: NodeParts, revision: u64) {
        self.revision = revision;
        for place in parts.places() {
            if let Some(revised) = self.revised.get_mut(place) {
                *revised = revision;
            }
        }
    }

    pub(super) fn set_stale(&mut self, stale: bool) {
        self.stale = stale;
    }

    pub(super) fn set_marks(&mut self, marks: Marks) {
        self.marks = marks;
    }

    pub(super) fn add_pending(&mut self, number: u64, session: Arc<Session>) {
        self.pending.insert(number, session);
    }

    pub(super) fn remove_pending(&mut self, number: u64) {
        self.pending.remove(&number);
    }

    /// Returns the reservations with their numbers on this node, ascending.
    pub fn numbered(&self) -> impl Iterator<Item = (&u64, &Arc<Session>)> {
        self.pending.iter()
    }

    /// Sets the reservations that were made before the node came.
    pub(super) fn set_pending(&mut self, pending: Pending) {
        self.pending = pending;
    }

    /// Returns the reservations alone.
    pub(super) fn into_pending(self) -> Pending {
        self.pending
    }

    /// Returns the number of users with a reservation here and no listed session.
    pub(super) fn new_users(&self) -> u64 {
        self.new_users
    }

    /// Changes that number by `more`, which may be negative.
    pub(super) fn add_new_users(&mut self, more: i64) {
        self.new_users = self.new_users.saturating_add_signed(more);
    }

    /// Resets that number, before users are counted again.
    pub(super) fn forget_new_users(&mut self) {
        self.new_users = 0;
    }

    fn load(&self) -> u64 {
        self.session_count().unwrap_or(self.pending.len() as u64)
    }
}
