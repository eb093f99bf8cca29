//! What functions read by their own account holds while a node changes.

use whither::model::NodeParts;

use super::changes::check;
use super::stand::Stand;

const S: NodeParts = NodeParts::SESSIONS;
const H: NodeParts = NodeParts::HEALTH;
const R: NodeParts = NodeParts::REST;

#[test]
fn an_answer_holds_until_a_part_changes_that_the_function_reads() {
    check(
        Stand::speaking("rhai"),
        &[
            ("fn score(n) { throw `1` }", NodeParts::NONE),
            ("fn score(n) { throw to_json(n.metadata) }", R),
            ("fn score(n) { throw to_json([n.metadata, n.staticData, n.gpu, n.zone, n.toString]) }", R),
            ("fn score(n) { throw to_json([n.cordoned, n.hostname, n.urls, n.id, n.serverPool, n.maxSessions]) }", R),
            ("fn score(n) { throw to_json([n.nodeData.services, n.nodeData.x, n.nodeData?.y]) }", R),
            ("fn score(n) { throw to_json([n.sessions, n.loggedInUsers]) }", S),
            ("fn score(n) { throw to_json(n.nodeData.sessions) } // of n", S),
            ("fn score(n) { throw to_json(n?.nodeData?.health) }", H),
            ("fn score(n) { throw to_json([n.cpu, n.freemem, n.totalmem, n.loadavg, n.uptime, n.metrics]) }", H),
            ("fn score(n) { let f = || [n.sessions, n.cpu]; throw to_json(f.call()) }", S.and(H)),
            ("fn score(n) { n.x = n.gpu; n.nodeData.services.push(1); throw to_json([n.x, n.nodeData.services]) }", R),
            ("fn score(n) { n.nodeData.sessions.filter(|s| s.user == `u1`).len() }", S),
            ("fn score(n, key) { throw to_json([key, n.metadata]) } fn key(request) { 1 }", R),
            ("fn score(n) { throw to_json(n) }", NodeParts::ALL),
            ("fn score(n) { throw to_json([n.keys(), n.nodeData.keys()]) }", NodeParts::ALL),
            ("fn score(n) { throw to_json(n[`sessions`]) }", NodeParts::ALL),
        ],
    );
}
