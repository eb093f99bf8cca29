//! More of what random scripts are made of: sorts by any comparator, maps and sets walked, copies, tables, written members,
//! methods of texts.

use super::generator::{Generator, replace};

impl Generator<'_> {
    /// The body of a function of the list.
    pub(super) fn further(&mut self, list: &str) -> String {
        match self.dice.below(40) {
            which @ (0 | 1 | 11 | 13 | 20 | 21) => self.orders(which, list),
            which @ (2 | 3 | 8 | 19) => self.collections(which, list),
            which @ (4..=7 | 12) => self.objects(which, list),
            which @ (14 | 17 | 18 | 22) => self.ways_out(which, list),
            24..=33 => self.idioms(list),
            34.. => self.callables(list),
            which => self.texts_and_times(which, list),
        }
    }

    /// Lists in another order, or in parts.
    fn orders(&mut self, which: usize, list: &str) -> String {
        match which {
            0 => {
                let key = self.in_node("a", |own| own.value(1));
                let other = replace(&key, "a", "b");
                let order = self.dice.pick(&[
                    "x < y ? -1 : x > y ? 1 : 0",
                    "x > y ? 1 : -1",
                    "x < y ? -1 : 1",
                    "String(x).localeCompare(String(y))",
                    "x - y || a.id.localeCompare(b.id)",
                    "x === y ? (a.id < b.id ? -1 : 1) : x < y",
                    "(y - x) * scale",
                ]);
                let result = self.result("l[0]");
                format!(
                    "const scale = input.userGroups.length; const l = {list}.slice(); l.sort(function (a, b) {{ \
                     const x = {key}, y = {other}; return {order}; }}); {result}"
                )
            }
            1 => {
                let less = self.comparison_of("a", "b");
                let result = self.dice.pick(&["return l;", "return l.reverse();", "return l.slice(-3);"]);
                format!("var l = {list}.concat(); l.sort((a, b) => {{ if ({less}) return 1; return -1 }}); {result}")
            }
            11 => {
                let kept = self.in_node("n", |own| own.truth(2));
                format!(
                    "const queue = [...{list}], seen = []; while (queue.length) {{ const n = queue.shift(); \
                     if ({kept}) seen.unshift(n); else seen.push(n); if (seen.length > 4) break }} return seen;"
                )
            }
            13 => {
                let (first, result) = (
                    self.dice.pick(&["[first, ...rest]", "[, second, ...rest]"]),
                    self.dice.pick(&["rest", "[...rest, ...rest]", "rest.at(-1)?.id"]),
                );
                format!("const {first} = {list}; return {result};")
            }
            20 => {
                let (start, count) = (self.number(1), self.dice.pick(&["", ", 1", ", 2", ", -1", ", undefined"]));
                format!("const l = [...{list}], x = l.splice({start}{count}); return l.length > x.length ? l : x;")
            }
            _ => {
                let number = self.number(0);
                format!(
                    "const a = {list}.slice(); for (let i = a.length - 1; i > 0; i--) {{ \
                     const j = Math.floor(Math.random() * (i + 1)); [a[i], a[j]] = [a[j], a[i]] }} \
                     return a.length > {number} ? a : a[0];"
                )
            }
        }
    }

    /// Maps, sets and dictionaries.
    fn collections(&mut self, which: usize, list: &str) -> String {
        match which {
            2 => {
                let key = self.in_node("n", |own| own.value(1));
                let walk = self.dice.pick(&[
                    "for (const [k, v] of m) { if (v > most) { most = v; which = k } }",
                    "m.forEach((v, k) => { if (v > most) { most = v; which = k } });",
                    "for (const k of m.keys()) if (m.get(k) >= most) { most = m.get(k); which = k }",
                    "for (const v of m.values()) { most = Math.max(most, v) }",
                    "[...m.entries()].forEach(([k, v]) => { if (v > most) { most = v; which = k } });",
                    "which = Array.from(m.keys()).map(k => k + '!').join();",
                    "for (const [k] of m) { m.set(k, 0); if (most > 9) m.set('more', 1); most += 1 }",
                ]);
                format!(
                    "const m = new Map(); for (const n of {list}) m.set({key}, (m.get({key}) || 0) + 1); \
                     let most = 0, which; {walk} return which === undefined ? most > 2 && {list} : '' + which;"
                )
            }
            3 => {
                let key = self.in_node("n", |own| own.value(1));
                let result = self.dice.pick(&[
                    "return [...s].join('/');",
                    "let t = ''; for (const x of s) t += x; return t;",
                    "return Array.from(s, (x, i) => `${i}${x}`).join(' ');",
                    "let t = ''; s.forEach(x => { t = `${x};${t}` }); return t;",
                    "const l = Array.from(s); return s.size > 1 ? '' + l[Math.floor(Math.random() * l.length)] : null;",
                ]);
                format!("const s = new Set({list}.map(n => {key})); {result}")
            }
            8 => {
                let key = self.in_node("n", |own| own.value(1));
                format!(
                    "const c = {{ all: 0, cad: 1 }}; {list}.forEach(n => {{ c.all++; const k = {key}; \
                     c[k] = (c[k] || 0) + 1 }}); if ('north' in c && c.hasOwnProperty('cad')) return c.all + '-' + c.north; \
                     return Object.entries(c).map(([k, v]) => k + v).join();"
                )
            }
            _ => {
                let value = self.in_node("n", |own| own.value(1));
                format!(
                    "const by = new Map({list}.map(n => [n.id, {value}])); let t = ''; \
                     for (const [i, n] of {list}.entries()) {{ if (by.has(n.id)) t += i + ':' + by.get(n.id) + ' ' }} return t;"
                )
            }
        }
    }

    /// Nodes that are copied or written into, and tables.
    fn objects(&mut self, which: usize, list: &str) -> String {
        match which {
            4 => {
                let number = self.in_node("n", |own| own.number(2));
                let result = self.result("l[0]");
                let copy =
                    self.dice.pick(&["{ ...n, s }", "{ ...n, s, id: n.id + '' }", "Object.assign({}, n, { s: s })"]);
                format!(
                    "const l = {list}.map(n => {{ const s = {number}; return {copy} }}).filter(x => x.s === x.s); \
                     l.sort((a, b) => a.s - b.s || a.sessions - b.sessions); {result}"
                )
            }
            5 => {
                let (number, field) =
                    (self.in_node("n", |own| own.number(2)), self.dice.pick(&["load", "sessions", "nope"]));
                let result = self.dice.pick(&["return l.length ? l[0].id : null;", "return l;", "return l[0];"]);
                format!(
                    "{list}.forEach(n => {{ n.{field} = {number}; }}); {list}.forEach(n => {{ n.{field} += 1 }}); \
                     const l = {list}.filter(n => n.{field} > 1).sort((a, b) => a.{field} - b.{field}); {result}"
                )
            }
            6 => {
                let (wanted, kept) = (self.value(1), self.in_node("n", |own| own.truth(1)));
                format!(
                    "const table = {{ cad: ['node-1', 'node-2'], staff: ['node-3'], north: [] }}; const w = {wanted}; \
                     for (const g of input.userGroups) {{ if (g in table) return {list}.filter(n => table[g].includes(n.id)) }} \
                     for (const k in table) {{ if (k === w) return {list}.filter(n => {kept}) }} \
                     return Object.keys(table).length + Object.values(table).flat().join() + typeof table[w];"
                )
            }
            7 => {
                let kept = self.in_node("n", |own| own.truth(1));
                format!(
                    "const limits = {{ a: 3, b: 1 }}; for (const [pool, limit] of Object.entries(limits)) {{ \
                     const x = {list}.filter(n => n.serverPool === pool && n.sessions < limit && {kept}); \
                     if (x.length) return x }} throw new Error(`nothing free of ${{{list}.length}}`);"
                )
            }
            _ => {
                let number = self.in_node("n", |own| own.number(1));
                let call = self.dice.pick(&["min", "max"]);
                format!(
                    "const best = Math.{call}(...{list}.map(n => {number})); \
                     return {list}.filter(n => {number} === best);"
                )
            }
        }
    }

    /// Ways to end: a choice, an error, JSON.
    fn ways_out(&mut self, which: usize, list: &str) -> String {
        match which {
            14 => {
                let value = self.value(1);
                format!(
                    "switch ({value}) {{ case 'cad': {{ const x = {list}; return x }} case 1: const y = {list}.slice(0, 1); \
                     return y; case true: let z = 'yes'; return z; default: return {list}.flatMap(n => n.metadata.users || []).join() }}"
                )
            }
            17 => {
                let value = self.value(1);
                format!(
                    "try {{ if ({value}) throw new Error('inner') ; return {list} }} catch (e) {{ return e.message }}"
                )
            }
            18 => {
                let kept = self.in_node("n", |own| own.truth(1));
                let kind = self.dice.pick(&[
                    "new Error('none of ' + l.length)",
                    "TypeError()",
                    "new RangeError(l[0])",
                    "new Error(undefined)",
                    "'words'",
                    "{ name: 'Full', message: l.length ? 'only ' + l.length : '' }",
                ]);
                format!("const l = {list}.filter(n => {kept}); if (l.length < 3) throw {kind}; return l;")
            }
            _ => {
                let value = self.in_node("n", |own| own.value(1));
                format!(
                    "const l = {list}.map(n => {value}).sort(); \
                     return JSON.stringify({{ l, first: l[0] }}) + isFinite(l[1]) + JSON.stringify(l);"
                )
            }
        }
    }

    /// Texts, times, numbers and lines that are logged.
    fn texts_and_times(&mut self, which: usize, list: &str) -> String {
        match which {
            9 => {
                let value = self.value(2);
                let result = self.dice.pick(&[
                    "m ? m[1] : m",
                    "m && m.length + m[0]",
                    "(m || []).join('+')",
                    "t.replace(/[aeiou]/g, '_')",
                    "t.replace('a', 'o').split(/,\\s*/).length + t",
                ]);
                let pattern = self.dice.pick(&["/^([a-z]+)(\\d*)$/", "/\\d+/g", "/(a)|(b)/i", "/-(?:1|2)/"]);
                format!("const t = String({value}); const m = t.match({pattern}); return {result} || {list};")
            }
            10 => {
                let number = self.number(1);
                format!(
                    "const name = String(input.user.login); let h = {number}; for (let i = 0; i < name.length; i++) {{ \
                     h = ((h << 5) - h + name.charCodeAt(i)) | 0 }} const l = {list}; if (!l.length) return; \
                     const at = (h >>> 1) % l.length; return l[at] && l[at].id;"
                )
            }
            15 => {
                let part = self.dice.pick(&[
                    "getDate",
                    "getMonth",
                    "getFullYear",
                    "getUTCDay",
                    "getUTCHours",
                    "getSeconds",
                    "getTimezoneOffset",
                ]);
                let made = self.dice.pick(&["new Date()", "new Date(input.now)", "new Date(Date.now())"]);
                format!(
                    "const d = {made}; const at = d.{part}() + d.getHours(); return at % 2 ? {list} : '' + at + d.getTime();"
                )
            }
            16 => {
                let (truth, line) = (self.truth(1), self.value(2));
                format!(
                    "{list}.forEach((n, i) => {truth} && console.log(n.id, i, n.sessions)); console.error('%', {line}); console.log('%d of %s%', {line}, {line}); console.log('%s: %d', {line}, {line}); \
                     console.info({line}); console.log('o', {{ a: {line}, g: input.userGroups, b: {{ c: {truth} }} }}, [1, 'x', {line}]); return {list};"
                )
            }
            _ => {
                let (number, digits) = (self.number(2), self.dice.pick(&["0", "1", "2", "7"]));
                format!("const x = {number}; return typeof x === 'number' ? x.toFixed({digits}) : {list};")
            }
        }
    }

    /// A number by what is rarer.
    pub(super) fn odd_number(&mut self, left: &str, right: &str, depth: usize) -> String {
        match self.dice.below(9) {
            0 => format!("({left} {} {right})", self.dice.pick(&["|", "&", "^", "<<", ">>", ">>>"])),
            1 => format!("~({left})"),
            2 => format!("({left}) ** {}", self.dice.pick(&["2", "0.5", "3", "-1"])),
            3 => format!("Math.pow({left}, {right})"),
            4 => format!("Math.{}({left})", self.dice.pick(&["sign", "log2", "sqrt", "log10", "cbrt"])),
            5 => format!("parseInt({}, 10)", self.value(depth - 1)),
            6 => format!("parseFloat({})", self.value(depth - 1)),
            7 => format!("String({}).localeCompare({})", self.value(depth - 1), self.text(0)),
            _ => format!("String({}).lastIndexOf('a')", self.value(depth - 1)),
        }
    }

    /// A text by what is rarer.
    pub(super) fn odd_text(&mut self, of: &str) -> String {
        let call = self.dice.pick(&[
            "charAt(1)",
            "substring(1, 3)",
            "substr(-2, 1)",
            "slice(-2)",
            "padStart(6, '0')",
            "padEnd(4)",
            "repeat(2)",
            "replace('a', '-')",
            "replaceAll('n', 'm')",
            "trimEnd()",
            "split('')[0]",
            "split(',').reverse().join('')",
            "toString()",
        ]);
        if self.dice.one_in(6) { format!("String({of})[1]") } else { format!("String({of}).{call}") }
    }

    /// A truth value by what is rarer.
    pub(super) fn odd_truth(&mut self, of: &str) -> String {
        match self.dice.below(3) {
            0 => format!("Number.isInteger({of})"),
            1 => format!("Number.isFinite({of})"),
            _ => format!("String({of}).match(/a/) !== null"),
        }
    }
}
