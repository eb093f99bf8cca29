use std::sync::Arc;

use serde_json::json;
use whither::model::Change;
use whither::model::{Candidate, Report, Reservation};
use whither::script::{Argument, CallAnswer, Element, ReturnedValue};

use super::stand::{Stand, three};

#[test]
fn nodes_are_ordinary_objects() {
    let stand = Stand::new();
    for truth in [
        "i.servers === i.nodes || i.servers[0] === i.nodes[0]",
        "Array.isArray(i.nodes) && Array.isArray(i.nodes[0].nodeData.sessions) && Array.isArray(i.nodes[0].loadavg)",
        "i.nodes[0].id === 'a' && i.nodes[0].serverId === 'a' && i.nodes[0].sessions === 3 && i.nodes[0].freemem === 4000000000",
        "Object.keys(i.nodes[0]).slice(0, 5).join() === 'id,serverId,hostname,urls,nodeData'",
        "({...i.nodes[1]}).metadata.gpu === true && ({...i.nodes[1]}).nodeData.sessions.length === 1",
        "JSON.parse(JSON.stringify(i.nodes[0])).nodeData.sessions[2].user === 'u2'",
        "i.nodes[0].nodeData.health.cpu.cores === 4 && i.nodes[0].nodeData.health.mem.free === 4e9",
        "i.nodes[0].nodeData === i.nodes[0].nodeData && i.nodes[0].metadata === i.nodes[0].metadata",
        "i.nodes[0].nodeData.sessions[0] === i.nodes[0].nodeData.sessions[0]",
        "i.nodes.reduce((m, n) => n.nodeData.sessions.length < m.nodeData.sessions.length ? n : m).id === 'b'",
        "i.servers.sort((x, y) => x.sessions - y.sessions)[0].id === 'b' && i.nodes[0].id === 'b'",
        "(() => { var c = 0; for (var k in i.nodes[0]) c++; return c === Object.keys(i.nodes[0]).length })()",
        "'metadata' in i.nodes[0] && i.nodes[0].hasOwnProperty('metadata') && !('nothing' in i.nodes[0])",
        "Object.entries(i.nodes[0].metadata)[0].join('=') === 'group=cpu'",
        "Object.create(i.nodes[1]).metadata.gpu === true && Object.create(i.nodes[1]).sessions === 1",
        "(({metadata: {gpu}, ...rest}) => gpu && rest.id === 'b' && rest.nodeData.services[0] === 'launcher')(i.nodes[1])",
        "i.nodes[0].nodeData.services.includes('launcher') && i.nodes[0].urls.length === 0 && i.nodes[0].cordoned === false",
        "i.nodes.map(n => n.nodeData.sessions.map(s => s.user).sort().join('')).join() === 'u0u1u2,u0,u0u1'",
        "i.nodes[0].nodeData.sessions.slice().reverse()[0].id === 'a-s2'",
        "structuredClone(i.nodes)[1].metadata.gpu === true && structuredClone(i.nodes[0]).nodeData.sessions.length === 3",
    ] {
        assert_eq!(stand.id(&format!("i => {truth} ? 'b' : 'a'")), "b", "{truth}");
        // The same over objects of the script's own.
        assert_eq!(stand.id(&format!("i => {{ i.own = 1; return {truth} ? 'b' : 'a' }}")), "b", "{truth}");
    }
}

#[test]
fn a_write_works_whichever_way_it_is_made() {
    let stand = Stand::new();
    for (write, seen) in [
        ("n.score = 1", "n.score === 1"),
        ("n.sessions = 9", "n.sessions === 9"),
        ("n.metadata = {x: 1}", "n.metadata.x === 1"),
        // One place in the script, and an object that has been there before.
        ("for (var k = 1; k < 4; k++) n.metadata = {k}", "n.metadata.k === 3"),
        ("for (var k = 0; k < 3; k++) n.nodeData.sessions = [k]", "n.nodeData.sessions[0] === 2"),
        ("for (var k = 0; k < 3; k++) { n.gpu = k; delete n.gpu; n.x = k }", "n.x === 2 && n.gpu === undefined"),
        ("Object.freeze(n); n.metadata = 1", "n.metadata !== 1"),
        (
            "var d = Object.create(n); for (var k = 1; k < 4; k++) d.metadata = k",
            "d.metadata === 3 && n.metadata !== 3",
        ),
        ("n.metadata.weight = n.metadata.weight || 5", "n.metadata.weight === 5"),
        ("n.nodeData.health.cpu.load1 = 7", "n.nodeData.health.cpu.load1 === 7"),
        ("n.nodeData.sessions.reverse()", "n.nodeData.sessions[0].id === 'a-s2'"),
        ("n.nodeData.sessions.sort(() => -1)", "n.nodeData.sessions.length === 3"),
        ("n.nodeData.sessions.push({})", "n.nodeData.sessions.length === 4"),
        ("n.nodeData.sessions.splice(0, 1)", "n.nodeData.sessions.length === 2"),
        ("n.nodeData.sessions.length = 0", "n.nodeData.sessions.length === 0"),
        ("n.loadavg.shift()", "n.loadavg.length === 2"),
        ("delete n.metadata", "!('metadata' in n)"),
        ("delete n.id", "n.id === undefined"),
        ("Object.assign(n, {score: 2, metadata: 3})", "n.score === 2 && n.metadata === 3"),
        ("Object.defineProperty(n, 'p', {value: 4})", "n.p === 4"),
        ("Object.freeze(n)", "Object.isFrozen(n)"),
        ("(function (x) { 'use strict'; x.score = 1 })(n)", "n.score === 1"),
        ("Array.prototype.push.call(n.urls, 'u')", "n.urls[0] === 'u'"),
        ("n['sess' + 'ions']++", "n.sessions === 4"),
        ("[n.a, n.b] = [1, 2]", "n.a + n.b === 3"),
        ("Reflect.set(n, 'score', 1)", "n.score === 1"),
        (
            "input.extra = 1; input.user.extra = 2; input.servers.pop()",
            "input.extra + input.user.extra === 3 && input.nodes.length === 2",
        ),
    ] {
        let text = format!("function balance(input) {{ var n = input.nodes[0]; {write}; return {seen} ? 'b' : 'a' }}");
        assert_eq!(stand.id(&text), "b", "{write}");
        assert_eq!(stand.id(&text), "b", "{write}, again");
        let quiet =
            format!("function score(node) {{ var input = {{user: {{}}, servers: []}}, n = node; {write}; return 1 }}");
        if !write.starts_with("input") {
            assert!(stand.call(&quiet, "score", "a", Argument::Nothing).is_ok(), "{write}");
        }
    }
}

#[test]
fn shared_objects_follow_the_cluster() {
    let mut stand = Stand::new();
    let script = stand.load("i => i.nodes.map(n => n.id + n.sessions + n.nodeData.sessions.length + (n.nodeData.sessions.at(-1) || {}).state + n.cordoned).join()");
    let say = |stand: &Stand| match stand.balance(&*script, &stand.candidates()) {
        Ok(ReturnedValue::Id(text)) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(say(&stand), "a33runningfalse,b11runningfalse,c22runningfalse");
    let reservation = Reservation { id: "r".into(), node: "b".into(), user: "ann".into(), name: "".into() };
    stand.cluster.apply(Change::Reserve(reservation));
    assert_eq!(say(&stand), "a33runningfalse,b22pendingfalse,c22runningfalse");
    stand.cluster.apply(Change::Release("r".into()));
    assert_eq!(say(&stand), "a33runningfalse,b11runningfalse,c22runningfalse");
    stand.cluster.apply(Change::Remove("a".into()));
    stand.cluster.apply(Change::Report(Arc::new(Report::from_value(json!({"id": "d", "cordoned": true})).unwrap())));
    assert_eq!(say(&stand), "b11runningfalse,c22runningfalse,dundefined0undefinedtrue");
    // Another cluster under the same engine, whose revisions count from the start again.
    let other = Stand::with(three(), json!({}));
    stand.cluster = other.cluster;
    assert_eq!(say(&stand), "a33runningfalse,b11runningfalse,c22runningfalse");
}

#[test]
fn overlays_are_seen_and_an_untouched_node_keeps_its_own() {
    let stand = Stand::new();
    let overlaid = |id: &str, overlay: serde_json::Value| Candidate {
        overlay: Some(Arc::new(overlay.as_object().unwrap().clone())),
        ..stand.candidate(id)
    };
    let candidates = [overlaid("a", json!({"rank": 9, "sessions": 0, "metadata": {"x": [1]}})), stand.candidate("b")];
    let script = stand.load("i => i.nodes[0].rank === 9 && i.nodes[0].sessions === 0 && i.nodes[0].metadata.x[0] === 1 && i.nodes[1].rank === undefined && Object.keys(i.nodes[0]).pop() === 'rank' ? i.nodes : 'wrong'");
    let returned = stand.balance(&*script, &candidates).unwrap();
    assert_eq!(returned, ReturnedValue::list(vec![Element::Given(0), Element::Given(1)]));
    let script = stand.load("i => { i.nodes[0].more = 1; return i.nodes }");
    let expected = json!({"rank": 9, "sessions": 0, "metadata": {"x": [1]}, "more": 1});
    let returned = stand.balance(&*script, &candidates).unwrap();
    assert_eq!(
        returned,
        ReturnedValue::list(vec![
            Element::Node("a".to_owned(), expected.as_object().unwrap().clone()),
            Element::Given(1)
        ])
    );
    let script = stand.load("function score(node) { return node.rank }");
    let mut run = script.open(stand.pure_scene()).unwrap();
    let answer = run.call(whither::script::Call::Score(&candidates[0], Argument::Nothing)).unwrap();
    assert_eq!(answer, CallAnswer::Score(whither::script::Score::Number(9.0)));
}
