//! A node: a machine that can run sessions, as the cluster knows it and as a script sees it.
//!
//! The report never changes once read; what changes between reports (reservations, marks) lies beside it, so that a
//! placement touches a few words and not the document.

use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

use super::fields::{self, Wanted};
use super::node_view::{self, NodeView};
use super::parts::NodeParts;
use super::report::Report;
use super::session::Session;

/// What a node's text usually takes.
const USUAL_TEXT_BYTES: usize = 1200;

/// What the service itself holds against or for a node, beside the node's own report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Somebody took the node out of service for new sessions.
    pub cordoned: bool,
    /// A start failed there a short while ago.
    pub cooling_down: bool,
}

/// The reservations on a node, by the order in which they were made, so that one of thousands ends without a search.
/// Copies share all that they have in common: engines hold nodes as they were, and thousands of reservations must not be
/// copied for that.
pub(super) type Pending = OrdMap<u64, Arc<Session>>;

/// A node of the cluster. A copy costs a few words, whatever the node holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    report: Arc<Report>,
    pending: Pending,
    /// How many users have a reservation here and no listed session: they count as logged in.
    new_users: u64,
    marks: Marks,
    stale: bool,
    revision: u64,
    /// The revision at which each of its parts became what it is.
    revised: [u64; NodeParts::COUNT],
    arrival: u64,
}

impl Node {
    /// A node that has just reported.
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

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.report.id
    }

    /// What it last said of itself.
    #[must_use]
    pub fn report(&self) -> &Arc<Report> {
        &self.report
    }

    /// A number that no earlier state of any node in this cluster had: results kept under it are of this very state.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The revision since which these `parts` of it are what they are.
    #[must_use]
    pub fn revised(&self, parts: NodeParts) -> u64 {
        parts.places().filter_map(|place| self.revised.get(place)).copied().max().unwrap_or_default()
    }

    /// The revision at which it came: nodes that come later have greater ones.
    #[must_use]
    pub fn arrival(&self) -> u64 {
        self.arrival
    }

    /// Whether it has not reported within the liveness limit, or says itself that it is gone.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.stale || !self.report.is_available()
    }

    /// Whether it takes no new sessions, by a mark or by its own word.
    #[must_use]
    pub fn is_cordoned(&self) -> bool {
        self.marks.cordoned || self.report.is_cordoned()
    }

    /// What the service holds against it.
    #[must_use]
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Whether sessions and reservations reach the number that the node states.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.report.figures().max_sessions.is_some_and(|max| self.load() >= max)
    }

    /// Whether the node states how many sessions it takes, and not how many it has.
    #[must_use]
    pub fn is_uncounted(&self) -> bool {
        self.report.figures().max_sessions.is_some() && self.session_count().is_none()
    }

    /// Sessions and reservations together; absent where the node never reported sessions.
    #[must_use]
    pub fn session_count(&self) -> Option<u64> {
        self.report.sessions.count().map(|count| count.saturating_add(self.pending.len() as u64))
    }

    /// The sessions that the node listed, then those that are pending.
    pub fn sessions(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.report.sessions.listed().iter().chain(self.pending.values())
    }

    /// How many those are.
    #[must_use]
    pub fn session_len(&self) -> usize {
        self.report.sessions.listed().len() + self.pending.len()
    }

    /// The sessions that are reserved here and not reported yet.
    #[must_use]
    pub fn pending(&self) -> impl ExactSizeIterator<Item = &Arc<Session>> {
        self.pending.values()
    }

    /// A look at all of its top-level fields.
    #[must_use]
    pub fn look(&self) -> NodeView<'_> {
        self.look_at(None)
    }

    /// A look at those of its top-level fields that are `wanted`; others may be there too.
    #[must_use]
    pub fn look_at(&self, wanted: Wanted<'_>) -> NodeView<'_> {
        NodeView::through(self, self.report.fields(wanted))
    }

    /// The top-level field `name` as it is now, where it need not be read from the document's text; absent where it is no
    /// such field, and no value where the node has none.
    #[must_use]
    pub fn typed(&self, name: &str) -> Option<Option<Value>> {
        let typed = fields::typed(&self.report, name)?;
        Some(typed.map(|value| node_view::current(self, name, &value).to_value()))
    }

    /// The top-level field `name`, built for this once.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Value> {
        self.look_at(Some(&[name])).field(name).map(|field| field.to_value())
    }

    /// The whole object that a script sees, as JSON.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        self.look().fields().map(|(name, field)| (name.to_owned(), field.to_value())).collect()
    }

    /// The same as text, with `overlay` on top.
    #[must_use]
    pub fn to_text(&self, overlay: Option<&Map<String, Value>>) -> Vec<u8> {
        let mut text = Vec::with_capacity(USUAL_TEXT_BYTES);
        let mut serializer = serde_json::Serializer::new(&mut text);
        // Strings, numbers and JSON values can always be written.
        drop(serializer.collect_map(self.look().fields_with(overlay)));
        text
    }

    /// The node has reported again; its reservations and marks stay.
    pub(super) fn set_report(&mut self, report: Arc<Report>) {
        self.report = report;
        self.stale = false;
    }

    /// These `parts` of it have just changed.
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

    /// The reservations with the numbers under which they stand here, ascending.
    pub fn numbered(&self) -> impl Iterator<Item = (&u64, &Arc<Session>)> {
        self.pending.iter()
    }

    /// These reservations were made on it before it was there.
    pub(super) fn set_pending(&mut self, pending: Pending) {
        self.pending = pending;
    }

    /// The reservations alone.
    pub(super) fn into_pending(self) -> Pending {
        self.pending
    }

    /// How many users have a reservation here and no listed session.
    pub(super) fn new_users(&self) -> u64 {
        self.new_users
    }

    /// So many more do, or fewer where the number is negative.
    pub(super) fn add_new_users(&mut self, more: i64) {
        self.new_users = self.new_users.saturating_add_signed(more);
    }

    /// Users are counted anew.
    pub(super) fn forget_new_users(&mut self) {
        self.new_users = 0;
    }

    fn load(&self) -> u64 {
        self.session_count().unwrap_or(self.pending.len() as u64)
    }
}
