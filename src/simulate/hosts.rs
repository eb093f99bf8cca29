//! The session hosts of a simulation: what runs on each, and what it reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use crate::model::Report;

/// A session host.
#[derive(Debug)]
pub(super) struct SessionHost {
    id: Arc<str>,
    capacity: u64,
    /// The sessions that run here: whose, by reservation.
    sessions: BTreeMap<Arc<str>, String>,
    /// What the host reported last.
    pub(super) reported: Option<Arc<Report>>,
}

impl SessionHost {
    /// A host that takes `capacity` sessions and has none.
    pub(super) fn new(id: Arc<str>, capacity: u64) -> Self {
        Self { id, capacity, sessions: BTreeMap::new(), reported: None }
    }

    /// The session of `reservation`, `user`'s, starts.
    pub(super) fn start(&mut self, reservation: &Arc<str>, user: &str) {
        self.sessions.insert(Arc::clone(reservation), user.to_owned());
    }

    /// The session of `reservation` ends.
    pub(super) fn end(&mut self, reservation: &str) {
        self.sessions.remove(reservation);
    }

    /// By how many sessions the host has more than it takes.
    pub(super) fn excess(&self) -> u64 {
        (self.sessions.len() as u64).saturating_sub(self.capacity)
    }

    /// How many sessions run here.
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// What the host reports now, with room for so many more sessions than it takes.
    pub(super) fn report(&mut self, too_many: u64) -> Option<Arc<Report>> {
        let session = |(reservation, user): (&Arc<str>, &String)| json!({"id": reservation, "user": user, "reservation": reservation});
        let sessions: Vec<_> = self.sessions.iter().map(session).collect();
        let document =
            json!({"id": self.id, "maxSessions": self.capacity + too_many, "nodeData": {"sessions": sessions}});
        self.reported = Report::from_value(document).ok().map(Arc::new);
        self.reported.clone()
    }
}
