//! The session hosts of a simulation: the sessions of each, and the reports.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use crate::model::Report;

/// A session host.
#[derive(Debug)]
pub(super) struct SessionHost {
    id: Arc<str>,
    capacity: u64,
    /// The users of the sessions that run here, by reservation.
    sessions: BTreeMap<Arc<str>, String>,
    /// The last report of the host.
    pub(super) reported: Option<Arc<Report>>,
}

impl SessionHost {
    /// Creates a host that takes `capacity` sessions and has none.
    pub(super) fn new(id: Arc<str>, capacity: u64) -> Self {
        Self { id, capacity, sessions: BTreeMap::new(), reported: None }
    }

    /// Starts the session of `reservation`, which is `user`'s.
    pub(super) fn start(&mut self, reservation: &Arc<str>, user: &str) {
        self.sessions.insert(Arc::clone(reservation), user.to_owned());
    }

    /// Ends the session of `reservation`.
    pub(super) fn end(&mut self, reservation: &str) {
        self.sessions.remove(reservation);
    }

    /// Returns the number of sessions above the host's capacity.
    pub(super) fn excess(&self) -> u64 {
        (self.sessions.len() as u64).saturating_sub(self.capacity)
    }

    /// Returns the number of sessions.
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Returns a new report of the host, with a capacity that is `too_many` sessions too high.
    pub(super) fn report(&mut self, too_many: u64) -> Option<Arc<Report>> {
        let session = |(reservation, user): (&Arc<str>, &String)| json!({"id": reservation, "user": user, "reservation": reservation});
        let sessions: Vec<_> = self.sessions.iter().map(session).collect();
        let document =
            json!({"id": self.id, "maxSessions": self.capacity + too_many, "nodeData": {"sessions": sessions}});
        self.reported = Report::from_value(document).ok().map(Arc::new);
        self.reported.clone()
    }
}
