//! What a script sees of nodes and of the request, and that it is the script's own.

use serde_json::json;

use super::stand::{Stand, three};

/// Checks that each expression over `a`, `b` and `c` (the nodes) and `input` is true.
#[track_caller]
fn holds(stand: &Stand, expressions: &[&str]) {
    for expression in expressions {
        let script = format!(
            "fn balance(input) {{ let a = input.nodes[0]; let b = input.nodes[1]; let c = input.nodes[2]; \
             let holds = {expression}; if holds {{ \"yes\" }} else {{ \"no\" }} }}"
        );
        assert_eq!(stand.id(&script), "yes", "{expression}");
    }
}

#[test]
fn every_field_is_there() {
    holds(
        &Stand::speaking("rhai"),
        &[
            "a.id == `a` && a.serverId == `a`",
            "a.nodeData.health.cpu.cores == 4 && a.nodeData.health.cpu.load1 == 0.5",
            "a.nodeData.health.mem.free == a.freemem && a.totalmem == 16000000000",
            "a.nodeData.sessions.len() == 3 && a.sessions == 3",
            "a.nodeData.sessions[0].user == `u0` && a.nodeData.sessions[-1].login == `u2`",
            "a.nodeData.services == [`launcher`]",
            "a.loadavg == [0.5, 0.5, 0.5] && a.cpu == 12",
            "a.cordoned == false && a.maxSessions == () && a.nope == ()",
            "a.urls == [] && a.staticData == #{} && a.metrics == #{}",
            "b.metadata.users == [`ann`, `bob`] && b.metadata.gpu == true",
            r#"b["metadata"]["group"] == "gpu" && b["free" + "mem"] == 2000000000"#,
            "b.metadata.nope == () && b.metadata?.nope?.deeper == ()",
            "a.loggedInUsers == 3",
            "type_of(a) == `node` && type_of(a.metadata) == `map` && type_of(a.urls) == `array`",
            "type_of(input.nodes) == `array` && type_of(input) == `map`",
        ],
    );
}

#[test]
fn static_data_stands_at_the_top_where_the_name_is_free() {
    let nodes = vec![
        json!({"id": "a", "staticData": {"gpu": "L40", "cpu": "x", "rack": {"row": 3}}, "extra": [1]}),
        json!({"id": "b"}),
        json!({"id": "c"}),
    ];
    let stand = Stand::with(nodes, json!({})).in_rhai();
    holds(
        &stand,
        &[
            "a.gpu == `L40` && a.staticData.cpu == `x` && a.cpu == () && a.rack.row == 3 && a.extra == [1]",
            "b.gpu == () && b.sessions == () && b.freemem == () && b.nodeData.sessions == []",
            "a.staticData.gpu == a[`gpu`]",
        ],
    );
}

#[test]
fn the_request_is_there_in_both_generations_words() {
    holds(
        &Stand::speaking("rhai"),
        &[
            "input.user.login == `u0` && input.params.me.login == `u0`",
            "input.user.sessions.len() == 3 && input.user.sessions.all(|s| s.user == `u0`)",
            "`cad` in input.userGroups && input.data.group == `gpu` && input.params.start.group == `gpu`",
            "input.isAdmin == false && input.isManager == false && input.action == `session/start`",
            "input.local.serverId == `here` && input.params.jwt == ()",
            "input.now == 1795195800000 && input.time.hour == 11 && input.time.minute == 30 && input.time.weekday == 5",
            "input.time.offset_min == -360 && input.time.ms == input.now && input.sequence == 5",
            "input.servers == input.nodes && input.servers[0] == a && a != b",
            r#"input["us" + "er"].login == "u0""#,
            "`user` in input && input.keys().len() > 10",
        ],
    );
}

#[test]
fn lists_and_maps_do_what_arrays_and_maps_do() {
    holds(
        &Stand::speaking("rhai"),
        &[
            "input.nodes.map(|n| n.id) == [`a`, `b`, `c`]",
            "input.nodes.filter(|n| n.metadata.gpu == true).len() == 2",
            "input.nodes.find(|n| n.id == `b`).id == `b`",
            "input.nodes.reduce(|sum, n| sum + n.sessions, 0) == 6",
            "input.nodes.some(|n| n.sessions == 1) && !input.nodes.all(|n| n.sessions == 1)",
            "{ let l = input.nodes; l.sort(|x, y| x.sessions - y.sessions); l.map(|n| n.id) == [`b`, `c`, `a`] }",
            "{ let l = input.nodes; l.sort(|x, y| y.freemem <= x.freemem); l[0].id == `c` }",
            "input.nodes.order_by(|x, y| x.freemem - y.freemem)[0].id == `b`",
            "{ let n = 0; for s in a.nodeData.sessions { n += 1; } n == 3 }",
            "a.nodeData.sessions.filter(|s| s.user == `u1`).len() == 1",
            "a.nodeData.sessions.map(|s| s.user) == [`u0`, `u1`, `u2`]",
            "a.nodeData.sessions.find(|s| s.user == `u9`) == ()",
            "a.nodeData.sessions.reduce(|n, s| n + 1, 0) == 3 && a.nodeData.sessions.some(|s| s.state == `running`)",
            "b.metadata.users.contains(`ann`) && `bob` in b.metadata.users && !(`eve` in b.metadata.users)",
            "b.metadata.users.index_of(`bob`) == 1 && b.metadata.users.reduce(|x, y| `${x ?? \"\"}${y}`) == `annbob`",
            "b.metadata.users.index_of(`eve`) == -1 && b.metadata.users.index_of(`ann`, 1) == -1",
            "b.metadata.users != () && !(b.metadata.users == ()) && a.metadata.users == () && () != b.metadata.users",
            "!(`u1` in a.nodeData.sessions) && !a.loadavg.contains(true) && a.loadavg.contains(0.5)",
            "{ let u = b.metadata.users; u.push(`eve`); u.len() == 3 && b.metadata.users.len() == 2 }",
            "{ let u = b.metadata.users; u.sort_desc(); u[0] == `bob` }",
            "{ let u = b.metadata.users; u[0] = `x`; u == [`x`, `bob`] }",
            "{ let u = [`x`]; u.append(b.metadata.users); u + b.metadata.users == [`x`, `ann`, `bob`, `ann`, `bob`] }",
            "{ let m = c.metadata; m.x = 1; m.len() == 4 && c.metadata.len() == 3 && m[`x`] == 1 }",
            "{ let m = c.metadata; m.remove(`gpu`); !m.contains(`gpu`) && c.metadata.contains(`gpu`) }",
            "c.metadata.keys() == [`gpu`, `group`, `login`] && c.metadata.values()[1] == `gpu` && !c.metadata.is_empty()",
            "c.metadata + #{x: 1} == #{group: `gpu`, gpu: true, login: true, x: 1}",
            "{ let m = #{x: 1}; m += a.metadata; m == #{group: `cpu`, x: 1} }",
            "b.metadata.to_json() == `{\"gpu\":true,\"group\":\"gpu\",\"users\":[\"ann\",\"bob\"]}`",
            "b.urls.to_json() == `[]` && [b.loadavg, b.nope].to_json() == `[[0.5,0.5,0.5],null]` && b.id.to_json() == `\"b\"`",
            "#{n: b}.to_json().len() > 200 && b.to_json().len() > 200",
            "a.keys().contains(`metadata`) && a.values().len() == a.len() && a.get(`id`) == `a`",
            "`${b.metadata.users}` == `[\"ann\", \"bob\"]` && `${a.loadavg}` == `[0.5, 0.5, 0.5]`",
        ],
    );
}

#[test]
fn nothing_of_one_request_reaches_another() {
    let stand = Stand::speaking("rhai");
    let script = stand.load(
        "let count = 0;
         fn balance(input) {
           let n = input.nodes[0];
           if n.mark != () { throw `seen`; }
           n.mark = 1; n.metadata.group = `mine`; n.urls.push(`x`); input.user.login = `me`; input.nodes.clear();
           throw `${n.mark} ${n.metadata.group} ${n.urls.len()} ${input.user.login} ${input.nodes.len()}`;
         }",
    );
    for _ in 0..3 {
        let error = stand.balance(&*script, &stand.candidates()).unwrap_err();
        assert_eq!(error.message(), "1 mine 1 me 0");
    }
}

#[test]
fn a_node_that_changed_is_seen_as_it_is_now() {
    use std::sync::Arc;
    use whither::model::Change;
    use whither::model::{Report, Reservation};
    let mut stand = Stand::speaking("rhai");
    let script = stand.load("fn balance(input) { `${input.nodes[0].sessions} ${input.nodes[0].nodeData.sessions.len()} ${input.nodes[0].freemem}` }");
    let said = |stand: &Stand| match stand.balance(&*script, &stand.candidates()) {
        Ok(whither::script::ReturnedValue::Id(id)) => id,
        other => panic!("{other:?}"),
    };
    assert_eq!(said(&stand), "3 3 4000000000");
    let reservation = Reservation { id: "r".into(), node: "a".into(), user: "ann".into(), name: "".into() };
    stand.cluster.apply(Change::Reserve(reservation));
    assert_eq!(said(&stand), "4 4 4000000000");
    let mut node = three().remove(0);
    node["nodeData"]["health"]["mem"]["free"] = json!(7);
    stand.cluster.apply(Change::Report(Arc::new(Report::from_value(node).unwrap())));
    assert_eq!(said(&stand), "4 4 7");
}

impl Stand {
    fn in_rhai(self) -> Self {
        self.in_language("rhai", std::rc::Rc::new(whither::clock::Silent))
    }
}
