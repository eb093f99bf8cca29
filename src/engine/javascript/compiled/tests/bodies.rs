//! The bodies of random scripts that get the whole list.

use super::generator::{Generator, replace};

impl Generator<'_> {
    /// Statements that end with a result about `list`.
    pub(super) fn body(&mut self, list: &str) -> String {
        match self.dice.below(19) {
            _ if self.dice.one_in(2) => self.further(list),
            0 => format!("return {list};"),
            1 => self.loop_for_best(list),
            kind @ (2 | 3 | 4 | 8) => self.in_order(kind, list),
            kind @ (5 | 6 | 7 | 10) => self.each_looked_at(kind, list),
            kind @ 11..=14 => self.counts(kind, list),
            kind @ (9 | 15 | 16 | 17) => self.groups(kind, list),
            _ => {
                let result = self.result("x");
                format!(
                    "const l = {list}; if (l.length === 0) throw new Error('no ' + input.user.login); \
                     const x = l[Math.floor(Math.random() * l.length)]; {result}"
                )
            }
        }
    }

    /// Lists in an order, and the first node of them or all.
    fn in_order(&mut self, kind: usize, list: &str) -> String {
        match kind {
            2 => {
                let key = self.in_node("a", |own| own.number(2));
                let other = replace(&key, "a", "b");
                let result = self.result("x[0]");
                format!("var x = {list}.sort((a, b) => {key} - {other}); {result}")
            }
            3 => {
                let (first, second) = (self.in_node("a", |own| own.number(1)), self.in_node("b", |own| own.number(1)));
                format!(
                    "return {list}.sort(function (a, b) {{ return {} - {first} || {second} - {} }});",
                    replace(&first, "a", "b"),
                    replace(&second, "b", "a")
                )
            }
            4 => {
                let (less, start) = (self.comparison_of("a", "b"), self.dice.pick(&["", ", undefined", ", null"]));
                let guard = if start.is_empty() { "" } else { "!a || " };
                let result = self.result("x");
                format!("const x = {list}.reduce((a, b) => {guard}{less} ? b : a{start}); {result}")
            }
            _ => {
                let number = self.in_node("n", |own| own.number(2));
                format!(
                    "const scored = {list}.map(n => ({{node: n, s: {number}}})).filter(x => x.s >= 0); \
                     scored.sort((a, b) => b.s - a.s); return scored.length > 0 ? scored[0].node.id : undefined;"
                )
            }
        }
    }

    /// Loops and methods that look at each node.
    fn each_looked_at(&mut self, kind: usize, list: &str) -> String {
        match kind {
            5 => {
                let (keep, method) =
                    (self.in_node("n", |own| own.truth(3)), self.dice.pick(&["find", "some", "every"]));
                let result = if method == "find" { self.result("x") } else { format!("return x ? {list} : false;") };
                format!("const x = {list}.{method}(n => {keep}); {result}")
            }
            6 => {
                let (keep, way) = (self.in_node("n", |own| own.truth(2)), self.dice.below(3));
                let walk = match way {
                    0 => format!("{list}.forEach(function (n) {{ if ({keep}) x.push(n) }});"),
                    1 => format!(
                        "for (const n of {list}) {{ if (!({keep})) continue; x.push(n); if (x.length > 3) break }}"
                    ),
                    _ => format!(
                        "const l = {list}; for (let i = 0; i < l.length; i++) {{ const n = l[i]; if ({keep}) x.push(n) }}"
                    ),
                };
                format!(
                    "const x = []; {walk} return x.length ? x : {};",
                    self.dice.pick(&["null", "input.nodes", "''"])
                )
            }
            7 => {
                let number = self.in_node("n", |own| own.number(2));
                let (least, result) = (self.number(1), self.result("best"));
                format!(
                    "let best, low = {least}; {list}.forEach((n, i) => {{ const s = {number} + i * 0; \
                     if (best === undefined || s < low) {{ low = s; best = n }} }}); {result}"
                )
            }
            _ => {
                let keep = self.in_node("n", |own| own.truth(2));
                format!(
                    "const ids = {list}.map(n => n.id); const i = ids.indexOf('node-3'); if (i > 0) return ids[i]; \
                     const x = {list}.findIndex(n => {keep}); return x < 0 ? ids : ids[x];"
                )
            }
        }
    }

    /// Dictionaries, maps and sets that count or remember.
    fn counts(&mut self, kind: usize, list: &str) -> String {
        match kind {
            11 => {
                let (key, other) = (self.in_node("n", |own| own.value(1)), self.value(1));
                let result = self.dice.pick(&[
                    "return Object.keys(c);",
                    "return Object.values(c).some(v => v > 1) ? input.nodes : null;",
                    "let s = ''; for (const k in c) { s += k + c[k] } return s;",
                    "return Object.entries(c).filter(([k, v]) => v > 1).map(([k]) => k).join('-');",
                    "const k = Object.keys(c); k.sort((a, b) => c[a] - c[b]); return k[0];",
                ]);
                format!(
                    "const c = {{}}; for (const n of {list}) {{ const z = {key}; c[z] = (c[z] || 0) + 1 }} \
                     if (c.cad > 5) return; if (c[{other}] === undefined) c.more = 1; {result}"
                )
            }
            12 => {
                let (key, other) = (self.in_node("n", |own| own.value(2)), self.value(2));
                format!(
                    "const m = new Map(); {list}.forEach(n => {{ m.set({key}, (m.get({key}) || 0) + 1) }}); \
                     return m.size > 2 || m.has({other}) ? '' + m.size : m.get({other}) === 1 ? input.nodes : false;"
                )
            }
            13 => {
                let value = self.in_node("n", |own| own.value(2));
                let of = self.dice.pick(&["input.userGroups", "['cad', 1, NaN, -0]", "input.data.list"]);
                format!("const s = new Set({of}); s.add('north'); return {list}.filter(n => s.has({value}));")
            }
            _ => {
                let key = self.in_node("n", |own| own.value(1));
                format!(
                    "const first = {{}}; for (const n of {list}) if (!first[{key}]) first[{key}] = n; \
                     const x = first['north'] || first.cad || first.true; {}",
                    self.result("x")
                )
            }
        }
    }

    /// Nodes by group, and other ways to say something of a list.
    fn groups(&mut self, kind: usize, list: &str) -> String {
        match kind {
            9 => {
                let (yes, no) = (self.value(1), self.truth(2));
                format!(
                    "switch (input.action) {{ case 'user/login': return {list}; case {yes}: break; \
                     default: if ({no}) return; }} return {list}.slice(0, 2);"
                )
            }
            15 => {
                let value = self.value(1);
                format!(
                    "const parts = String({value} ?? 'a,b').split(',').map(p => p.trim()).filter(p => p !== ''); \
                     return parts.includes('cad') ? {list} : parts.join(' ');"
                )
            }
            16 => {
                let (yes, no) = (self.truth(1), self.number(1));
                format!(
                    "const d = new Date(), late = d.getHours() >= 12 || d.getDay() === 0; \
                     if (late && {yes}) return {list}; return Date.now() % 3 > {no} ? null : `${{d.getMinutes()}}`;"
                )
            }
            _ => {
                let number = self.in_node("n", |own| own.number(1));
                format!(
                    "const groups = {{}}; {list}.forEach(n => {{ const p = n.serverPool; \
                     (groups[p] = groups[p] || []).push(n); }}); const a = groups['a'] || []; \
                     let total = 0; a.forEach(n => {{ total += {number} }}); return total > 1 ? a : groups.b;"
                )
            }
        }
    }
}
