//! More parts of random scripts: functions as values. They are returned, chosen, kept in lists and tables, and called as
//! methods.

use super::generator::Generator;

impl Generator<'_> {
    /// Returns the body of a function of the list that passes functions around.
    pub(super) fn callables(&mut self, list: &str) -> String {
        match self.dice.below(9) {
            which @ 0..=2 => self.factories(which, list),
            which @ 3..=4 => self.choices(which, list),
            which @ 5..=6 => self.lists_of_functions(which, list),
            _ => self.receivers(list),
        }
    }

    /// Functions that return functions.
    fn factories(&mut self, which: usize, list: &str) -> String {
        let kept = self.in_node("n", |own| own.truth(1));
        match which {
            0 => {
                let key = self.dice.pick(&["'sessions'", "'freemem'", "'id'", "input.data.app", "'cores'"]);
                let order =
                    self.dice.pick(&["a[k] - b[k]", "(a[k] - b[k]) * s", "a[k] < b[k] ? -s : s", "s * (b[k] > a[k])"]);
                let sign = self.dice.pick(&["", ", -1", ", 1"]);
                format!(
                    "const by = (k, s = 1) => (a, b) => {order}; const l = {list}.slice().sort(by({key}{sign})); \
                     return l.map(n => n.id).join();"
                )
            }
            1 => {
                let number = self.number(1);
                let make = self.dice.pick(&[
                    "function more(k) { return function (n) { return n.sessions >= k && K } }",
                    "const more = k => n => n.sessions > k || K;",
                    "function more(k) { const m = k * 2; calls += 1; return n => K && n.sessions < m }",
                    "function more(k) { if (k > 2) return n => n.sessions > 2; return n => K }",
                    "function more(k) { switch (k) { case 1: return n => K; case 2: return n => !K } }",
                    "function more(k) { let seen = 0; const f = n => { seen++; return seen > k || K }; return n => f(n) }",
                    "const more = k => (k > 1 ? n => n.sessions > k : n => K);",
                ]);
                let use_of = self.dice.pick(&[
                    "return @.filter(more(V));",
                    "const f = more(V); return @.filter(f).length + '/' + calls;",
                    "const f = more(V), g = more(1); return @.filter(n => f(n) !== g(n));",
                    "let t = ''; for (const k of [1, 2, 3]) { const f = more(k); t += @.filter(f).length } return t + calls;",
                    "const n = @[0]; return n ? '' + more(V)(n) : 'none';",
                    "calls = 5; return @.find(more(calls));",
                ]);
                let body = use_of.replace('@', list).replace('V', &number);
                format!("let calls = 0; {} {body}", make.replace('K', &kept))
            }
            _ => {
                let other = self.in_node("n", |own| own.truth(1));
                let rule = self.dice.pick(&[
                    "and(f, g)",
                    "or(f, not(g))",
                    "not(and(f, f))",
                    "and(not(f), or(f, g))",
                    "all(f, g, n => n.sessions)",
                ]);
                format!(
                    "const and = (p, q) => n => p(n) && q(n), or = (p, q) => n => p(n) || q(n), not = p => n => !p(n); \
                     const all = (...rules) => n => rules.every(rule => rule(n)); \
                     const f = n => {kept}, g = n => {other}; return {list}.filter({rule});"
                )
            }
        }
    }

    /// Functions that are chosen.
    fn choices(&mut self, which: usize, list: &str) -> String {
        let (kept, truth) = (self.in_node("n", |own| own.truth(1)), self.truth(1));
        match which {
            3 => {
                let choice = self.dice.pick(&[
                    "T ? f : g",
                    "T ? f : null",
                    "T ? undefined : g",
                    "(T ? f : null) || g",
                    "(T ? undefined : f) ?? g",
                    "T ? (input.sequence % 2 ? f : g) : n => !n.sessions",
                ]);
                let use_of = self.dice.pick(&[
                    "return h ? @.filter(h) : 'none';",
                    "return @.filter(n => h(n));",
                    "if (!h) return @.length + 'none'; return @.find(h);",
                    "return h && @.length ? @.findIndex(h) : 7;",
                    "return @.some(n => h(n) > 1) ? @[0] : @.length;",
                ]);
                let declared = match self.dice.below(6) {
                    0 => "let h = f; if (T) h = g;".to_owned(),
                    1 => "let h; if (T) h = g; else if (input.sequence % 2) h = f;".to_owned(),
                    2 => "let h = null; for (const n of @) if (n.sessions > 1) h = h ? g : f;".to_owned(),
                    _ => format!("const h = {choice};"),
                };
                let (declared, body) = (declared.replace('T', &truth), use_of.replace('@', list));
                let declared = declared.replace('@', list);
                format!("const f = n => {kept}, g = n => n.sessions > 2; {declared} {body}")
            }
            _ => {
                let mode = self.value(1);
                let table = self.dice.pick(&[
                    "{ cad: l => l.filter(n => K), any: l => l, 'node-1': l => l.slice(1) }",
                    "{ cad: l => l.filter(n => K), any: l => l, size: 3 }",
                    "{ any(l) { return l.length ? l[0] : null }, north: l => l.reverse() }",
                ]);
                let choose = self.dice.pick(&[
                    "t[M] || t.any",
                    "t[M] ?? t.any",
                    "t[M] || (l => l.length)",
                    "t[M]",
                    "T ? t[M] : t.any",
                ]);
                let (table, choose) = (table.replace('K', &kept), choose.replace('M', &mode).replace('T', &truth));
                let end = self
                    .dice
                    .pick(&["return run(@.slice());", "return run ? run(@.slice()) : 'none';"])
                    .replace('@', list);
                format!("const t = {table}; const run = {choose}; {end}")
            }
        }
    }

    /// Lists of functions.
    fn lists_of_functions(&mut self, which: usize, list: &str) -> String {
        let (kept, number) = (self.in_node("n", |own| own.truth(1)), self.in_node("n", |own| own.number(1)));
        let rules = format!("const rules = [n => {kept}, n => n.sessions < 4, function (n) {{ return {number} }}];");
        if which == 5 {
            let use_of = self.dice.pick(&[
                "return @.filter(n => rules.every(r => r(n)));",
                "return @.filter(n => rules.some((r, i) => i && r(n)));",
                "return @.map(n => rules.map(r => r(n)).join()).join(' ');",
                "return @.map(n => rules.findIndex(r => !r(n))).join();",
                "let t = ''; rules.forEach((r, i) => { t += i + ':' + @.filter(r).length }); return t + rules.length;",
                "return @.map(n => rules.reduce((t, r) => t + (r(n) ? 1 : 0), 0)).join();",
                "const k = input.sequence % 4; return @.filter(n => rules[k](n));",
                "const r = rules[input.userGroups.length] || rules[0]; return @.filter(r);",
                "const pass = (n, all) => all.every(r => r(n)); return @.filter(n => pass(n, rules));",
            ]);
            return format!("{rules} {}", use_of.replace('@', list));
        }
        let jump = self.dice.pick(&["continue outer", "break outer", "break", "continue", "return n"]);
        let use_of = self.dice.pick(&[
            "const l = []; outer: for (const n of @) { for (const r of rules) { if (!r(n)) JUMP; l.push(n.id) } l.push('-') } return l.join();",
            "const terms = [[rules[0], 2], [n => n.cores, -1]]; return @.map(n => terms.reduce((t, [f, w]) => t + f(n) * w, 0)).join();",
            "let t = 0; for (const [f, w] of [[rules[1], 3], [rules[2], 5]]) for (const n of @) t += f(n) ? w : 0; return '' + t;",
            "const run = (...fs) => x => fs.reduce((v, f) => f(v), x); return run(l => l.filter(rules[0]), l => l.slice(0, 2))(@);",
        ]);
        format!("{rules} {}", use_of.replace('@', list).replace("JUMP", jump))
    }

    /// Methods that ask their own object.
    fn receivers(&mut self, list: &str) -> String {
        let kept = self.in_node("n", |own| own.truth(1));
        let use_of = self.dice.pick(&[
            "return p.pick(@);",
            "return @.filter(n => p.ok(n));",
            "p.limit = input.userGroups.length; return p.pick(@) + '';",
            "const q = { limit: 0, ok: p.limit > 1 ? n => n.sessions : n => K }; return @.filter(n => q.ok(n) && p.ok(n));",
            "return p.count(@) + p.seen;",
        ]);
        let body = use_of.replace('@', list).replace('K', &kept);
        format!(
            "const p = {{ limit: 3, seen: 0, ok(n) {{ return n.sessions < this.limit && {kept} }}, \
             pick(l) {{ return l.filter(n => this.ok(n)) }}, \
             count: function (l) {{ for (const n of l) {{ this.seen += 1; if (this.ok(n)) this.limit -= 1 }} return this.limit }} }}; {body}"
        )
    }
}
