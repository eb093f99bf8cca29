//! Tests of assignments that may hit a node.

use super::super::tree::parse;
use super::*;

fn read(source: &str) -> bool {
    may_write_nodes(&parse(source).unwrap())
}

#[test]
fn writes_to_what_the_script_made_are_no_writes_to_nodes() {
    for harmless in [
        "var counts = {}; counts[x] = (counts[x] || 0) + 1; counts.a++",
        "const m = new Map(); m.size = 1",
        "let best; for (const n of nodes) { if (!best || n.a < best.a) best = n; }",
        "class E extends Error { constructor(m) { super(m); this.name = 'E'; } }",
        "var out = out || []; out[0] = 1; delete out[0]",
        "function F() {} F.prototype.go = function () {}; F.count = 1",
        "function E() {} E.prototype = Object.create(Error.prototype); E.prototype.name = 'E'",
        "var copy = Object.assign({}, node); copy.rank = 1",
        "var list = nodes.map(n => ({...n})); list[0] = 1",
        "nodes.sort((a, b) => a.x - b.x)",
        "s.nodeData.sessions.reverse()",
        "try { input.servers.sort(f); var out = []; out.push(1); [1].reverse(); out.map(f).sort() } catch (e) { }",
        "try { Object.assign({}, s) } catch (e) { }",
    ] {
        assert!(!read(harmless), "{harmless}");
    }
    for write in [
        "nodes.forEach(n => { n.score = 1; })",
        "for (const n of nodes) n.score++",
        "var x = {}; x = nodes[0]; x.a = 1",
        "var x = {}; x.a.b = 1",
        "var x = nodes[0]; delete x.a",
        "[nodes[0].a] = [1]",
        "({a: nodes[0].a} = {a: 1})",
        "for (nodes[0].a of [1]) ;",
        "for (nodes[0].a in {}) ;",
        "function f() { this.x = 1; } f.call(nodes[0])",
        "const {a} = nodes[0]; a.b = 1",
        "try {} catch (e) { e.a = 1 }",
        "Reflect.set(nodes[0], 'a', 1)",
        "with (nodes[0]) { a = 1 }",
        "class Map { constructor(n) { return n; } } var m = new Map(node); m.x = 1",
        "function f(...x) { x.a = 1 }",
        "var o = {}; o.__proto__ = nodes[0]; o.sessions = 1",
        "var x = {}; function f(x) { x.a = 1 }",
        "undeclared.x = 1",
        "nodes[0].a ||= 1",
        "nodes[0]['a'] += 1",
        "delete nodes[0]?.a",
        "function F() {} F.prototype = nodes[0]; F.prototype.sessions = 1",
        "try { s.nodeData.sessions.reverse() } catch (e) { }",
        "try { var l = s.urls; l.push(1) } catch (e) { }",
        "try { Object.assign(s, {}) } finally { }",
        "Promise.resolve().then(() => s.urls.sort()).catch(() => 1)",
    ] {
        assert!(read(write), "{write}");
    }
}
