//! Tests of Rhai sources, and of the paths on which their functions look into the request.

use rhai::Engine;

use super::super::comments::without_comments;
use super::super::shape;
use super::*;

/// Returns the paths of the script, in words.
fn told_of(source: &str) -> Option<String> {
    let mut engine = Engine::new();
    let ast = engine.set_max_expr_depths(0, 0).compile(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let shape = shape::read(&ast).unwrap_or_else(|error| panic!("{source}: {error:?}")).shape;
    let code = without_comments(source)?;
    let paths = depends(&Definitions::of(&ast, &code)?, shape)?;
    Some(paths.iter().map(|path| path.0.join(".")).collect::<Vec<_>>().join(" "))
}

/// Returns the paths of a `filter` with this body.
fn told(body: &str) -> Option<String> {
    told_of(&format!("fn filter(node, request) {{ {body} }}"))
}

#[test]
fn what_is_read_is_told() {
    for (body, expected) in [
        ("true", ""),
        ("node.metadata.pool == request.data.pool", "data.pool"),
        ("request . data\n?. pool // of it\n . name", "data.pool.name"),
        ("request /* a */ . /* b */ data.pool", "data.pool"),
        ("request?.data?.pool ?? 1", "data.pool"),
        ("request.userGroups.contains(node.metadata.group)", "userGroups"),
        ("request.userGroups.contains /* a */ (1)", "userGroups"),
        ("request.userGroups?.some(|group| group == node.id)", "userGroups"),
        ("node.metadata.group in request.userGroups", "userGroups"),
        ("request.isAdmin || request.user.login == node.metadata.owner", "isAdmin user.login"),
        ("!request.isAdmin && -request.data.n!=1", "data.n isAdmin"),
        ("request.data.tags[0].x == request.data.tags[0]", "data.tags"),
        ("request.data.tags?[0]", "data.tags"),
        ("request.data[node.metadata.key]", "data"),
        ("request.data[request.data.name].x", "data data.name"),
        ("let data = request.data; data.pool", "data"),
        ("let f = || request.data.pool; f.call()", "data.pool"),
        ("request.data.some(|one| one.x == request.local.y)", "data local.y"),
        ("switch request.data.pool { `a` if request.data.x => true, _ => request.data.y }", "data.pool data.x data.y"),
        ("if request.params.start.gpu { throw `none for ${request.user.login}`; }", "params.start.gpu user.login"),
        ("`${`${request.data.x}`} }` == \"}\" && '}' == request.data.y", "data.x data.y"),
        ("`\\${request.data.x}`", "data.x"),
        ("\"of request.data.x\" == 1", "data.x"),
        ("request.data.request.data", "data.request.data"),
        ("#{x: request.data.x}.x == [request.data.y][0]", "data.x data.y"),
        ("for n in 0..request.data.n { if request.data.low..5 == n { return true; } }", "data.low data.n"),
        ("help(request.data) == request.data.pool.len()", "data data.pool"),
        ("node.x = request.data.x; node.x >= request.data.y", "data.x data.y"),
        ("while request.data.x <= 1 { }", "data.x"),
        ("// request\n request.data.x /* with request */", "data.x"),
        ("print(`${request.data.x}`); request.data.now", "data.now data.x"),
        ("if !(request.data.x) { return !(true); } request.data.x == ()", "data.x"),
        ("let requested = 1; requested + request.data.x", "data.x"),
        ("request.data.x << 1 == request.data.y & 3 && request.data.z ** 2", "data.x data.y data.z"),
    ] {
        assert_eq!(told(body).as_deref(), Some(expected), "{body}");
    }
}

#[test]
fn what_is_used_in_another_way_is_not_told() {
    for body in [
        "request",
        "help(request)",
        "let r = request; r.data",
        "let request = #{data: 1}; request.data",
        "for request in [1] { request.data }",
        "[1].map(|request| request.data)",
        "try { 1 } catch (request) { request.data }",
        "request = 1; request.data",
        "request[\"data\"]",
        "request?[`data`]",
        "request.len()",
        "request /* a */ .keys()",
        "request.keys /* a */ ()",
        "request?.get(\"data\")",
        "request.user",
        "request.user.len()",
        "request.user[\"login\"]",
        "request.user.sessions.len()",
        "request.params",
        "request.params.me.sessions",
        "request.params.jwt",
        "request.time.hour",
        "request.now",
        "request.sequence",
        "request.nodes.len()",
        "`${request}`",
        "`a // ${request} b`",
        "\"//\" + request",
        "'\"' + request // '\"'\n",
        "\"\\\"\" + request // \"\n",
        "#\"// \"# + request",
        "switch request { _ => 1 }",
        "\"data\" in request",
        "request == 1",
        "1..request",
        "request..1",
        "node.request",
        "#{request: 1}",
        "|| request",
        "request.data.x = 1; true",
        "request.data.x += 1; true",
        "request.data.x **= 2; true",
        "request.data.x >>= 2; true",
        "request.data . x /* a */ = 1; true",
        "let request = 1; request.data.x",
        "random() < 0.5 && request.data.x",
        "`${random()}` == request.data.x",
        "Fn(`ran` + `dom`).call() < request.data.x",
        "let f = random; f.call()",
        "timestamp() == request.data.x",
        "help!() == request.data.x",
        "\"no request\"",
        "`fn ${request.data.x}`",
    ] {
        assert_eq!(told(body), None, "{body}");
    }
}

#[test]
fn each_function_is_looked_at() {
    for (source, expected) in [
        (
            "fn filter(node, r) { r.data.x } fn score(n, request) { request.data.y } fn help(request) { request }",
            Some("data.x data.y"),
        ),
        ("fn filter(node, request) { request.data.x } fn score(node) { request() } fn request() { 1 }", Some("data.x")),
        ("fn filter(node) { 1 } fn score(node, /* a */ data , // b\n ) { data.data.data }", Some("data.data")),
        ("const LOW = 3; fn filter(node, request) { request.data.x > global::LOW }", Some("data.x")),
        ("fn map.filter(request) { this } fn filter(node, request) { request.data.x }", Some("data.x")),
        ("fn filter(node, request) { request.data.x } // random, fn", Some("data.x")),
        // Text behind the last function is not told from the function.
        ("fn filter(node, request) { request.data.x } let request = 1;", None),
        ("fn filter(node, request) { 1 } fn score(node, request) { request }", None),
        ("fn key(request) { request.data.x } fn filter(node, key) { key }", None),
        ("fn filter(node) { node.id }", None),
        ("const LATE = random() < 0.5; fn filter(node, request) { global::LATE }", None),
        ("fn filter(node, request) { help() } fn help() { random() < 0.5 }", None),
        ("fn filter(node, request) { help!() } fn help() { request.now }", None),
        ("fn balance(input) { input.data.x }", None),
    ] {
        assert_eq!(told_of(source).as_deref(), expected, "{source}");
    }
}
