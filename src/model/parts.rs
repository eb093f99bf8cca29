//! The parts of a node that change independently: results that depend on some parts survive a change of the others.

/// A set of parts of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeParts(u8);

impl NodeParts {
    /// No part.
    pub const NONE: Self = Self(0);
    /// The sessions, reported and pending, and the counts made of sessions.
    pub const SESSIONS: Self = Self(1);
    /// The measurements: health, and the metrics of executables.
    pub const HEALTH: Self = Self(2);
    /// Everything else, which changes seldom: names, services, metadata, static data, marks.
    pub const REST: Self = Self(4);
    /// The whole node.
    pub const ALL: Self = Self(7);
    /// Each single part, in the order of places.
    pub(super) const EACH: [Self; Self::COUNT] = [Self::SESSIONS, Self::HEALTH, Self::REST];
    /// The number of parts.
    pub(super) const COUNT: usize = 3;

    /// Returns the part that holds the top-level field `name`; `nodeData` is in all parts.
    #[must_use]
    pub fn of_field(name: &str) -> Self {
        match name {
            "nodeData" => Self::ALL,
            "sessions" | "loggedInUsers" => Self::SESSIONS,
            "freemem" | "totalmem" | "loadavg" | "cpu" | "uptime" | "metrics" | "metricsStale" => Self::HEALTH,
            _ => Self::REST,
        }
    }

    /// Returns the part that holds the field `name` of `nodeData`.
    #[must_use]
    pub fn of_data_field(name: &str) -> Self {
        match name {
            "sessions" => Self::SESSIONS,
            "health" => Self::HEALTH,
            _ => Self::REST,
        }
    }

    /// Returns the union of both sets.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether the set includes all of `others`.
    #[must_use]
    pub const fn includes(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Returns the place of each part in the set, below [`NodeParts::COUNT`].
    pub(super) fn places(self) -> impl Iterator<Item = usize> {
        (0..Self::COUNT).filter(move |place| self.0 & (1 << place) != 0)
    }
}

impl FromIterator<Self> for NodeParts {
    fn from_iter<I: IntoIterator<Item = Self>>(parts: I) -> Self {
        parts.into_iter().fold(Self::NONE, Self::and)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Arrangement, Change, Cluster, Marks, Report, Reservation};
    use serde_json::{Value, json};
    use std::sync::Arc;

    /// Each change revises the parts that scripts see changed, and no other.
    #[test]
    fn a_change_revises_the_parts_that_it_changes() {
        let mut cluster = Cluster::new(Arrangement::ById);
        let report = |document: Value| Change::Report(Arc::new(Report::from_value(document).unwrap()));
        let node = |load: u64, sessions: Value, pool: &str| {
            let health = json!({"cpu": {"load1": load}, "os": {"uptime": load}});
            report(json!({"id": "a", "serverPool": pool, "staticData": {"gpu": 1},
                          "nodeData": {"health": health, "sessions": sessions}}))
        };
        let reservation = || Reservation { id: "r".into(), node: "a".into(), user: "u".into(), name: "".into() };
        let parts = [NodeParts::SESSIONS, NodeParts::HEALTH, NodeParts::REST];
        let expected = [
            (node(1, json!(["s"]), "p"), NodeParts::ALL),
            (node(1, json!(["s"]), "p"), NodeParts::NONE),
            (node(2, json!(["s"]), "p"), NodeParts::HEALTH),
            (node(2, json!(["s", "t"]), "p"), NodeParts::SESSIONS),
            (node(2, json!(["s", "t"]), "q"), NodeParts::REST),
            (node(3, json!([]), "q"), NodeParts::HEALTH.and(NodeParts::SESSIONS)),
            (Change::Reserve(reservation()), NodeParts::SESSIONS),
            (Change::Release("r".into()), NodeParts::SESSIONS),
            (Change::Mark("a".into(), Marks { cordoned: true, cooling_down: false }), NodeParts::REST),
            (Change::Stale("a".into()), NodeParts::NONE),
            (report(json!({"id": "a", "nodeData": {"services": ["x"]}})), NodeParts::ALL),
            (report(json!({"id": "a", "nodeData": {"services": []}})), NodeParts::REST),
            (report(json!({"id": "a", "nodeData": {"services": []}, "freemem": 1})), NodeParts::HEALTH),
            (
                report(json!({"id": "a", "nodeData": {}, "metadata": {"b": 1, "c": 2}})),
                NodeParts::HEALTH.and(NodeParts::REST),
            ),
            // The order of members is something that scripts see.
            (report(json!({"id": "a", "nodeData": {}, "metadata": {"c": 2, "b": 1}})), NodeParts::REST),
            (
                report(json!({"id": "a", "nodeData": {"sessions": [{"x": 1, "y": 2}]}})),
                NodeParts::REST.and(NodeParts::SESSIONS),
            ),
            (report(json!({"id": "a", "nodeData": {"sessions": [{"y": 2, "x": 1}]}})), NodeParts::SESSIONS),
            (report(json!({"id": "a", "nodeData": {"sessions": [{"y": 2, "x": 1}]}, "p": 1, "q": 2})), NodeParts::REST),
            (report(json!({"id": "a", "nodeData": {"sessions": [{"y": 2, "x": 1}]}, "q": 2, "p": 1})), NodeParts::REST),
        ];
        for (change, expected) in expected {
            cluster.apply(change.clone());
            let node = cluster.get("a").unwrap();
            let revised = parts.into_iter().filter(|part| node.revised(*part) == cluster.generation());
            assert_eq!(revised.collect::<NodeParts>(), expected, "{change:?}");
        }
    }
}
