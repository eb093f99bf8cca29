//! The nodes of a storm: the document that each reports, the sessions that run on each, and when each reports next.
//!
//! A document is drawn anew for each report from the node's number, so that a hundred thousand of them take no memory
//! but for the sessions that the storm itself has started. From one report to the next changes what changes on a real
//! node: the load, and the list of sessions.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt::Write;
use std::time::{Duration, Instant};

use crate::clock::Dice;

use super::users;

/// The most sessions of a node before the storm: a document ends at 256 KiB.
pub(super) const MOST_SESSIONS: u32 = 500;
/// The bytes that the sessions of a document may take of that limit, and the most bytes of a session. Where a node is
/// full, the oldest session of the storm ends for each further session.
const LIST_BYTES: u32 = 60_000;
const OWN_BYTES: u32 = 105;
const STARTED_BYTES: u32 = 180;
/// The most sessions that run on a node before the storm, where `--sessions` is not given.
const OWN_SESSIONS: u32 = 30;
/// By how much the number of own sessions differs from node to node where a mean is given.
const SPREAD: f64 = 0.1;
/// The share of nodes with a GPU: every third.
const GPU_EVERY: usize = 3;
/// The share of nodes that are for some users alone: every sixteenth.
const RESERVED_EVERY: usize = 16;
/// The number of users of such a node.
const RESERVED_FOR: usize = 4;
/// The largest deviation of a report from the period, as a part of the period.
const JITTER: f64 = 0.1;
const GIB: u64 = 1 << 30;

/// The properties of the nodes.
#[derive(Clone, Copy, Debug)]
pub(super) struct StormNodes {
    /// The mean number of sessions of a node before the storm; absent for 0 to 30.
    pub(super) sessions: Option<u32>,
    /// Whether all of those sessions belong to the single user of the storm.
    pub(super) one_login: bool,
    /// The number of users.
    pub(super) users: u32,
    /// The time for which a session of the storm runs.
    pub(super) life: Duration,
}

/// The nodes of a cell.
#[derive(Debug)]
pub(super) struct Nodes {
    kind: StormNodes,
    list: Vec<StormNode>,
}

/// The state of a node.
#[derive(Debug)]
struct StormNode {
    own: u32,
    started: VecDeque<StormSession>,
    beat: u32,
}

/// A session that the storm has started.
#[derive(Debug)]
struct StormSession {
    ends: Instant,
    text: String,
}

/// The times of the nodes' next reports.
#[derive(Debug)]
pub(super) struct Rounds {
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    period: Duration,
    dice: Dice,
}

impl Nodes {
    /// So many nodes, on which nothing of the storm runs yet.
    pub(super) fn new(count: usize, kind: StormNodes) -> Self {
        let node =
            |place| StormNode { own: kind.own_sessions(&mut fixed(&id(place))), started: VecDeque::new(), beat: 0 };
        Self { kind, list: (0..count).map(node).collect() }
    }

    /// Returns the number of nodes.
    pub(super) fn count(&self) -> usize {
        self.list.len()
    }

    /// Returns the most sessions of the storm that all nodes together report.
    pub(super) fn most_started(&self) -> usize {
        self.list.iter().map(|node| most_started(node.own)).sum()
    }

    /// A session of `login` runs on the node `id` from `now` on, under `reservation`.
    pub(super) fn start(&mut self, id: &str, login: &str, reservation: &str, now: Instant) {
        let Some(node) = place(id).and_then(|place| self.list.get_mut(place)) else { return };
        if node.started.len() >= most_started(node.own) {
            node.started.pop_front();
        }
        let text = format!(
            "{{\"id\":\"s-{reservation}\",\"user\":\"{login}\",\"name\":\"xterm\",\"state\":\"running\",\
             \"reservation\":\"{reservation}\"}}"
        );
        node.started.push_back(StormSession { ends: now + self.kind.life, text });
    }

    /// Returns the report of node number `place` at `now`; sessions that are over are removed for good.
    pub(super) fn report(&mut self, place: usize, now: Instant) -> String {
        let Some(node) = self.list.get_mut(place) else { return String::new() };
        while node.started.front().is_some_and(|session| session.ends <= now) {
            node.started.pop_front();
        }
        node.beat = node.beat.wrapping_add(1);
        self.list.get(place).map(|node| self.document(place, node)).unwrap_or_default()
    }

    fn document(&self, place: usize, node: &StormNode) -> String {
        let id = id(place);
        let StormNode { own, started, beat } = node;
        // The properties of a node stay as they are; the load is drawn for each report.
        let (mut fixed, mut now) = (fixed(&id), Dice::new(u64::from(*beat), 1, &id));
        let sessions = *own as usize + started.len();
        let cores = 8 << (fixed.bits() % 3);
        let (load, total) = (sessions as f64 * (0.2 + 0.4 * now.unit()), cores * 4 * GIB);
        let free = (total as f64 * (0.2 + 0.6 * now.unit())) as u64;
        let mut text = String::with_capacity(1024 + sessions * 128);
        // Writing into a string cannot fail.
        let _written = write!(
            text,
            "{{\"id\":\"{id}\",\"hostname\":\"{id}.example.org\",\"urls\":[\"https://{id}.example.org:3300\"],\
             \"nodeData\":{{\"health\":{{\"cpu\":{{\"load1\":{load:.2},\"load5\":{:.2},\"load15\":{:.2},\
             \"cores\":{cores},\"utilization\":{:.0}}},\
             \"mem\":{{\"free\":{free},\"total\":{total},\"percent\":{:.1}}},\"os\":{{\"uptime\":{},\
             \"type\":\"Linux\",\"hostname\":\"{id}.example.org\",\"arch\":\"x64\",\"platform\":\"linux\"}},\
             \"net\":{{\"ip\":[\"10.{}.{}.{}\"]}}}},\"services\":[\"launcher\",\"webserver\"],\"sessions\":[",
            load * 0.9,
            load * 0.8,
            (load / cores as f64 * 100.0).min(100.0),
            free as f64 / total as f64 * 100.0,
            86_400 + u64::from(*beat) * 15,
            place / 62_500,
            place / 250 % 250,
            place % 250 + 1,
        );
        for number in 0..*own {
            let comma = if number > 0 { "," } else { "" };
            let login = match self.kind.one_login {
                true => users::login(0),
                false => format!("own-{place}-{}", number % 5),
            };
            let _written = write!(
                text,
                "{comma}{{\"id\":\"{id}-s{number}\",\"user\":\"{login}\",\"name\":\"Firefox\",\"state\":\"running\",\
                 \"started\":17952{:05}}}",
                fixed.bits() % 100_000
            );
        }
        for (number, session) in started.iter().enumerate() {
            text.push_str(if number > 0 || *own > 0 { "," } else { "" });
            text.push_str(&session.text);
        }
        let _written = write!(text, "]}},\"metadata\":{{\"rack\":\"r{}\"", place / 10 + 1);
        if place.is_multiple_of(GPU_EVERY) {
            text.push_str(",\"gpu\":\"1\"");
        }
        if place % RESERVED_EVERY == RESERVED_EVERY - 1 {
            text.push_str(",\"users\":[");
            for number in 0..RESERVED_FOR {
                let user = (place * RESERVED_FOR + number) % (self.kind.users.max(1) as usize);
                let _written = write!(text, "{}\"{}\"", if number > 0 { "," } else { "" }, users::login(user as u64));
            }
            text.push(']');
        }
        let gpu = if place.is_multiple_of(GPU_EVERY) { ",\"gpu\":true" } else { "" };
        let _written = write!(text, "}},\"staticData\":{{\"group\":\"office\",\"weight\":{}{gpu}}}}}", cores / 4);
        text
    }
}

impl StormNodes {
    fn own_sessions(&self, dice: &mut Dice) -> u32 {
        match self.sessions {
            None => (dice.unit() * f64::from(OWN_SESSIONS + 1)) as u32,
            Some(mean) => (f64::from(mean) * (1.0 - SPREAD + 2.0 * SPREAD * dice.unit())).round() as u32,
        }
        .min(MOST_SESSIONS)
    }
}

impl Rounds {
    /// Returns a report of each of `count` nodes in every `period`; the first period begins at `start`.
    pub(super) fn new(count: usize, period: Duration, start: Instant) -> Self {
        let mut dice = Dice::new(1, 2, "rounds");
        let due = (0..count).map(|place| Reverse((start + period.mul_f64(dice.unit()), place))).collect();
        Self { due, period, dice }
    }

    /// Returns the next node that is due at `now`; the node is due again a period later, give or take the jitter.
    pub(super) fn next(&mut self, now: Instant) -> Option<usize> {
        let Reverse((moment, place)) = *self.due.peek()?;
        if moment > now {
            return None;
        }
        self.due.pop();
        let after = self.period.mul_f64(1.0 - JITTER + 2.0 * JITTER * self.dice.unit());
        self.due.push(Reverse((moment + after, place)));
        Some(place)
    }
}

/// Returns the id of node number `place`.
pub(super) fn id(place: usize) -> String {
    format!("n{place:06}")
}

/// Returns the most sessions of the storm that a node reports beside `own` other sessions.
fn most_started(own: u32) -> usize {
    (LIST_BYTES.saturating_sub(own * OWN_BYTES) / STARTED_BYTES) as usize
}

/// Returns the dice for the properties of a node, which are drawn the same each time.
fn fixed(id: &str) -> Dice {
    Dice::new(1, 0, id)
}

fn place(id: &str) -> Option<usize> {
    id.strip_prefix('n')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::Report;
    use crate::model::report::MAX_DOCUMENT_BYTES;

    fn kind(sessions: Option<u32>) -> StormNodes {
        StormNodes { sessions, one_login: false, users: 1000, life: Duration::from_secs(30) }
    }

    /// Returns the `nodeData` of a document, which must be a valid report within the size limit.
    fn read(text: &str) -> Value {
        assert!(text.len() <= MAX_DOCUMENT_BYTES, "{} bytes", text.len());
        let document: Value = serde_json::from_str(text).unwrap();
        Report::from_value(document.clone()).unwrap();
        document["nodeData"].clone()
    }

    #[test]
    fn every_document_is_a_report_and_its_load_changes() {
        let (mut nodes, now) = (Nodes::new(100, kind(None)), Instant::now());
        let mut bytes = 0;
        for place in 0..nodes.count() {
            let (first, second) = (nodes.report(place, now), nodes.report(place, now));
            bytes += first.len();
            let (first, second) = (read(&first), read(&second));
            assert_eq!(first["sessions"], second["sessions"]);
            assert_ne!(first["health"]["mem"], second["health"]["mem"]);
        }
        assert!((1500..3500).contains(&(bytes / 100)), "{} bytes a document", bytes / 100);
    }

    #[test]
    fn a_session_is_reported_until_it_is_over_and_the_oldest_end_first() {
        let (mut nodes, now) = (Nodes::new(2, kind(Some(0))), Instant::now());
        nodes.start("n000001", "user-0000007", "r1", now);
        nodes.start("n000009", "user-0000007", "r2", now);
        let sessions = |text: String| read(&text)["sessions"].as_array().unwrap().clone();
        let listed = sessions(nodes.report(1, now));
        assert_eq!((&listed[0]["reservation"], listed.len()), (&"r1".into(), 1));
        assert_eq!(sessions(nodes.report(1, now + Duration::from_secs(30))).len(), 0);
        for own in [None, Some(0), Some(100), Some(MOST_SESSIONS)] {
            let mut nodes = Nodes::new(1, kind(own));
            (0..1000).for_each(|n| nodes.start("n000000", "user-0000007", &format!("{n:040}"), now));
            let listed = sessions(nodes.report(0, now));
            assert_eq!(listed.last().unwrap()["reservation"], format!("{:040}", 999));
        }
    }

    #[test]
    fn every_node_reports_once_a_period() {
        let (start, period) = (Instant::now(), Duration::from_secs(15));
        let mut rounds = Rounds::new(50, period, start);
        let mut seen = vec![0; 50];
        for second in 0..=150 {
            while let Some(place) = rounds.next(start + Duration::from_secs(second)) {
                seen[place] += 1;
            }
        }
        assert!(seen.iter().all(|count| (9..=12).contains(count)), "{seen:?}");
    }
}
