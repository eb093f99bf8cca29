//! Tests of sources, and of the paths on which their functions look into the request.

use super::super::tree::parse;
use super::*;

/// Returns the paths of a `filter` with these parameters and this body, in words.
fn told(parameters: &str, body: &str) -> Option<String> {
    told_of(&format!("function filter({parameters}) {{ {body} }}"))
}

fn told_of(source: &str) -> Option<String> {
    let tree = parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let shape = PerNode { filter: Some(Arity::NodeAndRequest), score: None, key: false };
    let depends = Depends::of(&tree, ScriptShape::PerNode(shape), &GlobalUse::of(&tree));
    Some(depends.paths?.iter().map(|path| path.0.join(".")).collect::<Vec<_>>().join(" "))
}

#[test]
fn what_is_read_is_told() {
    for (body, expected) in [
        ("return true", ""),
        ("return node.metadata.pool === request.data.pool", "data.pool"),
        ("return node.metadata.pool === request['data']['pool']", "data.pool"),
        ("return request.data?.pool?.length > 1", "data.pool.length"),
        ("return request?.data.pool", "data.pool"),
        ("return request.userGroups.includes(node.metadata.group)", "userGroups"),
        ("return request.userGroups?.some(group => group === node.id)", "userGroups"),
        ("return request.userGroups.map(x => x).length", "userGroups"),
        ("return request.isAdmin || request.user.login === node.metadata.owner", "isAdmin user.login"),
        ("return request.data[node.metadata.key]", "data"),
        ("return request.data[request.data.name].x", "data data.name"),
        ("return (request).data.pool", "data.pool"),
        ("const { pool, tier = 1 } = request.data; return pool", "data.pool data.tier"),
        ("const { data: { pool }, isAdmin } = request; return pool", "data.pool isAdmin"),
        ("const data = request.data; return data.pool", "data"),
        ("const f = () => request.data.pool; return f()", "data.pool"),
        ("return Math.max(1, request.data.n) > node.cpu", "data.n"),
        ("return JSON.stringify(request.data) === '{}'", "data"),
        ("return typeof request.data.pool === 'string' && !request.data.any", "data.any data.pool"),
        (
            "if (request.params.start.gpu) throw new Error(`none for ${request.user.login}`)",
            "params.start.gpu user.login",
        ),
        ("return request.params.me.groups.has.x", "params.me.groups.has.x"),
        ("return new Set(request.userGroups).size", "userGroups"),
        ("node.x = request.data.x; return node.x", "data.x"),
    ] {
        assert_eq!(told("node, request", body).as_deref(), Some(expected), "{body}");
    }
    assert_eq!(told("node, {data, userGroups}", "return data.x").as_deref(), Some("data userGroups"));
    assert_eq!(told("node, {data: {pool}}", "return pool").as_deref(), Some("data.pool"));
    assert_eq!(told("{metadata}, request", "return metadata.a === request.data.a").as_deref(), Some("data.a"));
    let source = "class GpuError extends Error { constructor(m) { super(m); this.name = 'GpuError' } }\n\
        const wanted = pool => pool || 'any';\n\
        const filter = (node, request) => node.metadata.pool === wanted(request.data.pool)";
    assert_eq!(told_of(source).as_deref(), Some("data.pool"));
}

#[test]
fn what_is_used_in_another_way_is_not_told() {
    for body in [
        "return helper(request)",
        "return {...request}.data",
        "const r = request; return r.data",
        "return request",
        "return request.user",
        "return request.user.sessions.length",
        "return request.params",
        "return request.params.me.sessions",
        "return request.params.jwt",
        "return request.time.hour",
        "return request.now",
        "return request.sequence",
        "return request['da' + 'ta']",
        "return request[node.id]",
        "return request.hasOwnProperty('x')",
        "return request?.toString()",
        "request.data.n = 1; return true",
        "request.n++; return true",
        "delete request.data.x; return true",
        "request = {}; return request.data.x",
        "({x: request.data.y} = node); return true",
        "[request.data.y] = [1]; return true",
        "for (request.data.y of [1]); return true",
        "const {...all} = request; return all.x",
        "const {['da' + 'ta']: x} = request; return x",
        "const {user} = request; return user.login",
        "return Math.random() < request.data.x",
        "return Math['ran' + 'dom']() < 1",
        "const m = Math; return m['ran' + 'dom']() < 1",
        "return new Date().getHours() > request.data.x",
        "return Date.now() > 0",
        "return arguments[1].data.x",
        "return eval('1')",
        "return globalThis['Da' + 'te'].now() > 0",
        "return this['Da' + 'te'].now() > 0",
        "with (request) { return data.x }",
        "return `${request}`",
        "return request + ''",
        "return f`${1}` && request.data.f`x` && request`y`",
    ] {
        assert_eq!(told("node, request", body), None, "{body}");
    }
    for parameters in ["node, request = {}", "node, ...rest", "...all", "node, [a]", "node, {...all}"] {
        assert_eq!(told(parameters, "return true"), None, "{parameters}");
    }
    for source in [
        "const late = new Date().getHours() > 17; function filter(node, request) { return late }",
        "function filter(node, request) { return true } function filter(node, request) { return false }",
        "count = 0; function filter(node, request) { return count++ < 3 }",
        "const roll = Math.random; function filter(node, request) { return roll() < 1 }",
    ] {
        assert_eq!(told_of(source), None, "{source}");
    }
}

/// Where other inputs decide as well, the fields may be known all the same.
#[test]
fn fields_are_known_where_the_request_shows_itself_by_no_other_way() {
    let fields = |source: &str, key: bool| {
        let tree = parse(source).unwrap();
        let shape = PerNode { filter: Some(Arity::NodeAndRequest), score: None, key };
        let Depends { fields, paths } = Depends::of(&tree, ScriptShape::PerNode(shape), &GlobalUse::of(&tree));
        (fields.map(|fields| fields.into_iter().collect::<Vec<_>>().join(" ")), paths.is_some())
    };
    for (source, expected, decides) in [
        ("function filter(n, r) { return r.sequence > 0 && r.data.x }", Some("data sequence"), false),
        ("function filter(n, r) { return Math.random() < r.data.x }", Some("data"), false),
        ("function filter(n, r) { return r.user.sessions.length }", Some("user"), false),
        ("function filter(n, r) { return helper(r) }", None, false),
        ("function filter(n, r) { return arguments[1].data }", None, false),
    ] {
        assert_eq!(fields(source, false), (expected.map(str::to_owned), decides), "{source}");
    }
    let keyed = "function key(r) { return r.data.pool } function filter(n, k) { return k.whole && f(k) }";
    assert_eq!(fields(keyed, true), (Some("data".to_owned()), true));
}
