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
        Stand::new(),
        &[
            ("function score(n) { throw JSON.stringify([1]) }", NodeParts::NONE),
            ("function score(n) { throw JSON.stringify(n.metadata) }", R),
            ("const score = n => { throw JSON.stringify([n.metadata, n.staticData, n.gpu, n.zone, n.x]) }", R),
            ("const score = n => { throw JSON.stringify([n.cordoned, n.hostname, n.urls, n.id, n.serverPool]) }", R),
            ("const score = n => { throw JSON.stringify([n.health, n.weight, n.then, n.maxSessions]) }", R),
            ("const score = n => { throw JSON.stringify([n.nodeData.services, n.nodeData.x, n.nodeData?.y]) }", R),
            ("const score = n => { throw JSON.stringify([n.sessions, n.loggedInUsers]) }", S),
            ("const score = n => { throw JSON.stringify(n?.nodeData?.sessions) }", S),
            ("const score = n => { const d = n.nodeData || {}; throw JSON.stringify(d.sessions) }", S),
            ("score = ({sessions, nodeData: {sessions: list}}) => { throw JSON.stringify([sessions, list]) }", S),
            ("const score = n => { throw JSON.stringify((n && n.nodeData && n.nodeData.health)) }", H),
            ("const score = n => { throw JSON.stringify([n.cpu, n.freemem, n.totalmem, n.loadavg, n.uptime]) }", H),
            ("const score = n => { throw JSON.stringify([n.metrics, n.nodeData.health]) }", H),
            ("const score = n => { const {cpu, metrics = cpu} = n; throw JSON.stringify([cpu, metrics]) }", H),
            ("const score = n => { const f = () => n.sessions + n.cpu; n.cpu++; throw '' + f() }", S.and(H)),
            ("const score = n => { if (!n.nodeData) return 1; n.x = n.gpu; delete n.gpu; throw '' + [n.x, n.gpu] }", R),
            ("const score = n => n.nodeData.sessions.filter(s => s.user === 'u1').length", S),
            ("const score = (n, key) => { throw JSON.stringify([key, n.metadata]) }; const key = r => 1", R),
            ("const score = n => { throw JSON.stringify(n) }", NodeParts::ALL),
            ("const score = n => { throw Object.keys(n).join() + Object.keys(n.nodeData) }", NodeParts::ALL),
            ("const score = n => { throw '' + n.toString + n.valueOf }", NodeParts::ALL),
            (
                "function score() { throw JSON.stringify(arguments[0].sessions) }; function key(r) { return 1 }",
                NodeParts::ALL,
            ),
            ("const score = n => { n.f = function () { return this.sessions }; throw '' + n.f() }", NodeParts::ALL),
            (
                "function me() { return this } const score = n => { n.f = me; throw JSON.stringify(n.f()) }",
                NodeParts::ALL,
            ),
        ],
    );
}
