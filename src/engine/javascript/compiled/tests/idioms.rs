//! More parts of random scripts: functions kept in tables, borrowed methods, loops with labels, and other idioms of
//! scripts that were written over the years.

use super::generator::Generator;

impl Generator<'_> {
    /// Returns the body of a function of the list.
    pub(super) fn idioms(&mut self, list: &str) -> String {
        match self.dice.below(14) {
            which @ 0..=3 => self.kept_functions(which, list),
            which @ 4..=7 => self.walks(which, list),
            which @ 8..=11 => self.methods(which, list),
            _ => self.changing_list(list),
        }
    }

    /// Functions in tables.
    fn kept_functions(&mut self, which: usize, list: &str) -> String {
        let (kept, number) = (self.in_node("n", |own| own.truth(2)), self.in_node("n", |own| own.number(2)));
        match which {
            0 => {
                let call = self.dice.pick(&["ok(n)", "none(n)", "rest(n, 2)", "sum(n)"]);
                format!(
                    "var u = {{ ok: function (n) {{ return {kept} }}, none: n => !u.ok(n), rest(n, k) {{ return {number} > k }} }}; \
                     return {list}.filter(n => u.{call});"
                )
            }
            1 => {
                let mode = self.value(1);
                format!(
                    "const by = {{ load: n => {number}, cad: n => n.sessions, 'node-1'(n) {{ return -n.cores }} }}; \
                     const m = {mode}; return {list}.map(n => by[m](n)).join();"
                )
            }
            2 => {
                let other = self.in_node("n", |own| own.truth(1));
                format!(
                    "const rules = [{{ name: 'a', when: n => {kept}, w: 2 }}, {{ name: 'b', when: n => {other}, w: 1 }}]; \
                     let t = 0; for (const r of rules) {{ t += {list}.filter(n => r.when(n)).length * r.w }} return r_name(rules, t); \
                     function r_name(all, t) {{ return all.map(r => r.name).join() + t }}"
                )
            }
            _ => {
                let change = self.dice.pick(&["", "u.seen = 7; ", "u.less = 1; ", "limit = 3; "]);
                format!(
                    "let limit = 1; const u = {{ seen: 0, less: n => n.sessions < limit }}; {change}\
                     const l = {list}.filter(n => {kept} && u.less(n)); return l.length ? l : '' + u.seen;"
                )
            }
        }
    }

    /// Loops with names, and walks of texts and tables.
    fn walks(&mut self, which: usize, list: &str) -> String {
        let kept = self.in_node("n", |own| own.truth(1));
        match which {
            4 => {
                let jump = self.dice.pick(&["continue outer", "break outer", "break", "continue"]);
                let other = self.in_node("m", |own| own.truth(1));
                format!(
                    "const l = []; outer: for (const n of {list}) {{ for (let i = 0; i < 3; i++) {{ const m = {list}[i]; \
                     if (m && {kept} && {other}) {jump}; l.push(n.id + i) }} }} return l.length > 2 ? l.join() : l;"
                )
            }
            5 => {
                let value = self.value(1);
                let walk = self.dice.pick(&[
                    "for (const c of t) o = c + o",
                    "o = [...t].reverse().join('')",
                    "o = Array.from(t).length",
                ]);
                format!("const t = {value}; let o = ''; {walk}; return '' + o;")
            }
            6 => format!(
                "var w = {{ sessions: 2, cores: 1 }}, t = []; for (const n of {list}) {{ var s = 0; \
                 for (var k in w) s += w[k] * n.sessions; if ({kept}) t.push(s) }} return t.join();"
            ),
            _ => {
                let count = self.dice.pick(&["3", "input.userGroups.length", "{list}.length"]).replace("{list}", list);
                let make = self
                    .dice
                    .pick(&["Array.from({ length: N }, () => [])", "Array.from({ length: N }, (_, i) => [i])"]);
                let make = make.replace('N', &count);
                format!(
                    "const all = {make}; {list}.forEach((n, i) => {{ const l = all[i % 3]; if (l && {kept}) l.push(n.id) }}); \
                     return all.map(l => l.join('/')).join(' ') + new Array({count}).fill(0).length;"
                )
            }
        }
    }

    /// Walks of a list that a function of the walk writes to.
    pub(super) fn changing_list(&mut self, list: &str) -> String {
        let kept = self.in_node("n", |own| own.truth(1));
        let write = self.dice.pick(&[
            "l.length = 0",
            "l.push(n)",
            "l.push(l[0])",
            "l.pop()",
            "l.shift()",
            "l.unshift(n)",
            "l.splice(0, 1)",
            "l[1] = n",
            "l.reverse()",
            "t.push('w')",
            "l.sort((x, y) => y.cores - x.cores)",
        ]);
        let walk = self.dice.pick(&[
            "l.forEach(n => { W; t.push(n.id) });",
            "for (const n of l) { W; t.push(n.id); if (t.length > 30) break }",
            "for (let i = 0; i < l.length && i < 30; i++) { const n = l[i]; W; t.push(n && n.id) }",
            "t.push(l.map(n => { W; return n.id }).join());",
            "t.push(l.filter(n => { W; return K }).length);",
            "t.push(l.reduce((sum, n) => { W; return sum + n.sessions }, 0));",
            "const x = l.find(n => { W; return n && n.sessions > 3 }); t.push(x && x.id);",
            "t.push(l.some(n => { W; return n.sessions > 3 }), l.every(n => { W; return n.sessions < 3 }));",
            "l.sort((n, m) => { W; return n.sessions - m.sessions });",
            "l.sort((n, m) => { W; return 1 });",
        ]);
        let write = if self.dice.one_in(2) { format!("if (K) {write}") } else { write.to_owned() };
        let walk = walk.replace('W', &write).replace('K', &kept);
        format!("const l = {list}.slice(), t = []; {walk} return l.map(n => n.id).join() + ' ' + t.join();")
    }

    /// Methods of lists, numbers and texts.
    fn methods(&mut self, which: usize, list: &str) -> String {
        let (kept, number) = (self.in_node("n", |own| own.truth(1)), self.in_node("n", |own| own.number(2)));
        match which {
            8 => {
                let call = self.dice.pick(&[
                    "[].slice.call(@, 1)",
                    "Array.prototype.filter.call(@, n => K)",
                    "Array.prototype.map.call(@, function (n) { return n.id })",
                    "@.findLast(n => K)",
                    "@.findLastIndex((n, i, all) => K && all[i] === n) + ''",
                    "pick.call(null, @)",
                    "@.filter(n => Date.parse('2026-0' + n.cores + '-01') < Date.parse('2026-03-01T00:00Z'))",
                    "JSON.parse(input.data.app ? '{\"a\":{\"b\":1.5},\"c\":null}' : '7').a?.b + ''",
                    "'' + Math.max.apply(null, @.map(n => n.sessions))",
                ]);
                let call = call.replace('@', list).replace('K', &kept);
                format!("function pick(l) {{ return l[0] }} return {call};")
            }
            9 => {
                let radix = self.dice.pick(&["2", "16", "36", "10", "1.5", "undefined"]);
                format!(
                    "return {list}.map(n => {{ const x = {number}; return typeof x === 'number' ? x.toString({radix}) : Math.imul(x, 31) }}).join(' ');"
                )
            }
            10 => {
                let write = self.dice.pick(&["", "", "", "o.max = 1; ", "l.push(1); ", "l.length = 0; "]);
                format!(
                    "const o = Object.freeze({{ max: 2, pools: Object.freeze(['a', 'b']) }}); const l = []; \
                     {write}for (const n of {list}) if (n.sessions > o.max || o.pools.includes(n.serverPool)) l.push(n); \
                     if (l.length > 3) l.length = 0; return l;"
                )
            }
            _ => {
                let value = self.in_node("n", |own| own.value(1));
                let result = self.dice.pick(&[
                    "o.cad",
                    "Object.keys(o).join()",
                    "o.hasOwnProperty('cad')",
                    "has.call(o, 'north')",
                ]);
                format!(
                    "const has = Object.prototype.hasOwnProperty; const o = Object.fromEntries({list}.map(n => [{value}, n.id])); \
                     return '' + Object.prototype.hasOwnProperty.call(o, 'a') + ({result});"
                )
            }
        }
    }
}
