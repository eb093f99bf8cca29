//! A session host of a simulated day.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::model::Report;

use super::{CapacityScenario, SessionLoad};

/// A session host of the day.
pub(super) struct CapacityHost {
    pub(super) id: Arc<str>,
    document: Value,
    /// The arrivals that have a session here, by reservation.
    pub(super) sessions: BTreeMap<Arc<str>, usize>,
    pub(super) is_down: bool,
    is_cordoned: bool,
    pub(super) capacity: Option<u64>,
}

impl CapacityHost {
    /// Creates an empty host of a node document; returns `None` where `document` is no node document.
    pub(super) fn of(document: &Value) -> Option<Self> {
        let report = Report::from_value(document.clone()).ok()?;
        let (is_cordoned, capacity) = (report.is_cordoned(), report.figures().max_sessions);
        let (id, document, sessions) = (report.id, document.clone(), BTreeMap::new());
        Some(Self { id, document, sessions, is_down: false, is_cordoned, capacity })
    }

    /// Returns the number of sessions, or `None` where the host is no part of the cluster's capacity at the moment.
    pub(super) fn count(&self) -> Option<u64> {
        (!self.is_down && !self.is_cordoned).then_some(self.sessions.len() as u64)
    }

    /// Returns the present report of the host.
    pub(super) fn report(&self, scenario: &CapacityScenario) -> Value {
        let login =
            |number: &usize| scenario.arrivals.get(*number).and_then(|arrival| arrival.request.pointer("/user/login"));
        let session = |(reservation, number): (&Arc<str>, &usize)| json!({"id": reservation, "user": login(number), "reservation": reservation});
        let mut document = self.document.clone();
        let Some(data) = member(&mut document, "nodeData") else { return document };
        data.insert("sessions".to_owned(), self.sessions.iter().map(session).collect());
        let (count, SessionLoad { cpu_percent, memory_bytes }) = (self.sessions.len() as u64, scenario.load);
        let Some(health) = data.get_mut("health") else { return document };
        if let Some(cpu) = member(health, "cpu").filter(|_| cpu_percent > 0.0) {
            cpu.insert("utilization".to_owned(), json!((cpu_percent * count as f64).min(100.0)));
        }
        if let Some(memory) = member(health, "mem").filter(|_| memory_bytes > 0) {
            let total = memory.get("total").and_then(Value::as_u64).unwrap_or_default();
            memory.insert("free".to_owned(), json!(total.saturating_sub(memory_bytes.saturating_mul(count))));
        }
        document
    }
}

/// Returns the object `name` in `object`, and creates an empty object where there is none.
fn member<'a>(object: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    object.as_object_mut()?.entry(name).or_insert_with(|| json!({})).as_object_mut()
}
