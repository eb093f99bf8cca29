//! Random scripts over all that is compiled.

use super::world::TestDice;

/// Writes scripts.
pub(super) struct Generator<'d> {
    pub(super) dice: &'d mut TestDice,
    /// Names of variables that hold a node, anything, and a list of nodes.
    nodes: Vec<String>,
    values: Vec<String>,
    has_request: bool,
    names: usize,
}

impl<'d> Generator<'d> {
    pub(super) fn new(dice: &'d mut TestDice) -> Self {
        Self { dice, nodes: Vec::new(), values: Vec::new(), has_request: true, names: 0 }
    }

    /// A script of either shape.
    pub(super) fn script(&mut self) -> String {
        if self.dice.one_in(4) { self.per_node() } else { self.whole() }
    }

    pub(super) fn name(&mut self) -> String {
        self.names += 1;
        format!("v{}", self.names)
    }

    fn per_node(&mut self) -> String {
        self.nodes = vec!["n".to_owned()];
        self.has_request = self.dice.one_in(2);
        let parameters = if self.has_request { "n, input" } else { "n" };
        let (top, keep, number) = (self.top_level(), self.truth(3), self.number(3));
        match self.dice.below(3) {
            0 => format!("{top}function filter({parameters}) {{ return {keep} }}"),
            1 => format!("{top}const score = ({parameters}) => {number};"),
            _ => format!(
                "{top}function filter({parameters}) {{ if ({keep}) return {number}; return {} }}\n\
                 function score({parameters}) {{ return {number} }}",
                self.value(2)
            ),
        }
    }

    fn top_level(&mut self) -> String {
        match self.dice.below(4) {
            0 => "const LIMIT = 3, NAMES = ['cad', 'north'];\nfunction twice(x) { return x * 2 }\n".to_owned(),
            1 => "var table = {cad: 1, north: 'x', staff: null};\n".to_owned(),
            _ => String::new(),
        }
    }

    fn whole(&mut self) -> String {
        let list = self.dice.pick(&["input.nodes", "input.servers"]);
        let before = self.declarations();
        let list = self.list(list, 2);
        let body = self.body(&list);
        let top = self.top_level();
        let head = self.dice.pick(&["function (input)", "function balance(input)", "input =>"]);
        format!("{top}{head} {{ {before}{body} }}")
    }

    fn declarations(&mut self) -> String {
        let mut text = String::new();
        for _ in 0..self.dice.below(3) {
            let (name, value) = (self.name(), self.value(2));
            let keyword = self.dice.pick(&["var", "let", "const"]);
            text.push_str(&format!("{keyword} {name} = {value}; "));
            self.values.push(name);
        }
        match self.dice.below(12) {
            0 => text.push_str("const { user: { login }, userGroups = [] } = input; "),
            1 => text.push_str("if (input.isAdmin) console.log('admin', input.user.login); "),
            2 => text.push_str("let count = 0; const add = by => { count += by; return count }; add(2); add(input.userGroups.length); "),
            3 => text.push_str("const isStaff = /^s.*f$/; if (input.userGroups.some(g => isStaff.test(g))) console.warn(`staff ${input.user.login}`, input.time.hour); "),
            4 => text.push_str("function pick(first, ...rest) { return rest.length ? rest[0] : first } pick(1, input.user.login); "),
            5 => text.push_str("if (input.data.n === 7) throw new RangeError('seven for ' + input.user.login); "),
            _ => {}
        }
        text
    }

    pub(super) fn loop_for_best(&mut self, list: &str) -> String {
        let less = self.comparison_of("n", "best");
        let result = self.result("best");
        let keep = self.in_node("n", |own| own.truth(2));
        match self.dice.below(3) {
            0 => format!(
                "var best = null, l = {list}; for (var i = 0; i < l.length; i++) {{ var n = l[i]; \
                 if (best === null || {less}) best = n }} {result}"
            ),
            1 => format!(
                "let best; for (const n of {list}) {{ if ({keep}) continue; if (!best || {less}) best = n }} {result}"
            ),
            _ => format!(
                "var best; for (i in {list}) {{ n = {list}[i]; if (!best) best = n; else if ({less}) {{ best = n }} }} {result}"
            ),
        }
    }

    pub(super) fn comparison_of(&mut self, left: &str, right: &str) -> String {
        let key = self.in_node("q", |own| own.number(2));
        let op = self.dice.pick(&["<", ">", "<=", ">="]);
        format!("{} {op} {}", replace(&key, "q", left), replace(&key, "q", right))
    }

    pub(super) fn result(&mut self, of: &str) -> String {
        match self.dice.below(6) {
            0 => format!("return {of};"),
            1 => format!("return {of} ? [{of}] : [];"),
            2 => format!("return {of} && {of}.serverId;"),
            3 => format!("return {of}?.id;"),
            4 => format!("if ({of}) {{ return {of}.id }}"),
            _ => format!("return {of} ? {of}.id : null;"),
        }
    }

    pub(super) fn in_node<T>(&mut self, name: &str, write: impl FnOnce(&mut Self) -> T) -> T {
        self.nodes.push(name.to_owned());
        let result = write(self);
        self.nodes.pop();
        result
    }

    fn list(&mut self, base: &str, depth: usize) -> String {
        if depth == 0 || self.dice.one_in(2) {
            return base.to_owned();
        }
        let inner = self.list(base, depth - 1);
        match self.dice.below(6) {
            0 => {
                format!("{inner}.slice({}, {})", self.dice.pick(&["0", "1", "-2"]), self.dice.pick(&["5", "-1", "99"]))
            }
            1 => format!("[...{inner}]"),
            2 => format!("{inner}.concat({inner}.filter(n => {}))", self.in_node("n", |own| own.truth(1))),
            _ => {
                let keep = self.in_node("n", |own| own.truth(2));
                if self.dice.one_in(2) {
                    format!("{inner}.filter(n => {keep})")
                } else {
                    format!("{inner}.filter(function (n, at) {{ return {keep} && at >= 0 }})")
                }
            }
        }
    }

    /// A field of a node, with what may stand in it.
    fn field(&mut self) -> String {
        let fields = [
            "sessions",
            "cpu",
            "freemem",
            "serverPool",
            "cordoned",
            "gpu",
            "group",
            "weight",
            "metadata.zone",
            "metadata.w",
            "metadata.users",
            "staticData.group",
            "staticData.users",
            "staticData.weight",
            "loadavg[0]",
            "nodeData.sessions.length",
            "nodeData.health.mem.free",
            "nodeData.health.cpu.load1",
            "id",
            "maxSessions",
            "nope",
            "metadata.nope",
        ];
        let (field, node) = (self.dice.pick(&fields), self.nodes.clone());
        format!("{}.{field}", self.dice.pick(&node))
    }

    pub(super) fn request_field(&mut self) -> &'static str {
        self.dice.pick(&[
            "input.user.login",
            "input.data.pool",
            "input.data.n",
            "input.data.nope",
            "input.action",
            "input.userGroups.length",
            "input.isAdmin",
            "input.time.hour",
            "input.now % 5",
        ])
    }

    /// Anything.
    pub(super) fn value(&mut self, depth: usize) -> String {
        let (has_node, has_value) = (!self.nodes.is_empty(), !self.values.is_empty());
        match self.dice.below(if depth == 0 { 5 } else { 12 }) {
            0 | 1 if has_node => self.field(),
            2 if self.has_request => self.request_field().to_owned(),
            3 if has_value => {
                let values = self.values.clone();
                self.dice.pick(&values)
            }
            0..=4 => self
                .dice
                .pick(&["null", "undefined", "true", "false", "0", "1", "-1", "2.5", "''", "'cad'", "'12'", "NaN"])
                .to_owned(),
            5 => format!("({} || {})", self.value(depth - 1), self.value(depth - 1)),
            6 => format!("({} && {})", self.value(depth - 1), self.value(depth - 1)),
            7 => format!("({} ?? {})", self.value(depth - 1), self.value(depth - 1)),
            8 => format!("({} ? {} : {})", self.truth(depth - 1), self.value(depth - 1), self.value(depth - 1)),
            9 => self.number(depth - 1),
            10 => self.text(depth - 1),
            _ => self.truth(depth - 1),
        }
    }

    /// Mostly a number.
    pub(super) fn number(&mut self, depth: usize) -> String {
        if depth == 0 {
            return match self.dice.below(3) {
                0 if !self.nodes.is_empty() => {
                    let nodes = self.nodes.clone();
                    let field = self.dice.pick(&[
                        "sessions",
                        "cpu",
                        "freemem",
                        "metadata.w",
                        "staticData.weight",
                        "loadavg[0]",
                    ]);
                    format!("{}.{field}", self.dice.pick(&nodes))
                }
                1 => self.value(0),
                _ => self.dice.pick(&["0", "1", "2", "0.5", "-3", "100"]).to_owned(),
            };
        }
        let (left, right) = (self.number(depth - 1), self.number(depth - 1));
        match self.dice.below(13) {
            0 | 1 => format!("({left} + {right})"),
            2 => format!("({left} - {right})"),
            3 => format!("{left} * {right}"),
            4 => format!("({left} / {right})"),
            5 => format!("({left} % {right})"),
            6 => format!("Math.{}({left}, {right})", self.dice.pick(&["min", "max"])),
            7 => format!("Math.{}({left})", self.dice.pick(&["floor", "ceil", "round", "abs", "trunc"])),
            8 => format!("({} ? {left} : {right})", self.truth(depth - 1)),
            9 => format!("({} || {right})", self.value(depth - 1)),
            10 => format!("Number({})", self.value(depth - 1)),
            11 => self.odd_number(&left, &right, depth),
            _ => self.dice.pick(&[format!("-({left})"), format!("+({left})"), left]),
        }
    }

    /// Mostly a text.
    pub(super) fn text(&mut self, depth: usize) -> String {
        let (left, right) = (self.value(depth.min(1)), self.value(depth.min(1)));
        match self.dice.below(6) {
            0 => format!("('' + {left})"),
            1 => format!("`${{{left}}}-${{{right}}}`"),
            2 => format!("String({left}).{}()", self.dice.pick(&["toLowerCase", "toUpperCase", "trim"])),
            3 => {
                let is_name = left.chars().all(|letter| letter.is_ascii_alphanumeric() || ".[]'".contains(letter));
                format!("typeof {}", if is_name { &left } else { "1" })
            }
            4 => self.odd_text(&left),
            _ => "'north'".to_owned(),
        }
    }

    /// Mostly a truth value.
    pub(super) fn truth(&mut self, depth: usize) -> String {
        if depth == 0 {
            return self.value(0);
        }
        let (left, right) = (self.value(depth - 1), self.value(depth - 1));
        match self.dice.below(16) {
            0..=2 => {
                let op = self.dice.pick(&["<", "<=", ">", ">="]);
                format!("{} {op} {}", self.number(depth - 1), self.number(depth - 1))
            }
            3 => format!("{left} === {right}"),
            4 => format!("{left} !== {right}"),
            5 => format!("{left} == {right}"),
            6 => format!("{left} != {right}"),
            7 => format!("({} && {})", self.truth(depth - 1), self.truth(depth - 1)),
            8 => format!("({} || {})", self.truth(depth - 1), self.truth(depth - 1)),
            9 => format!("!({})", self.truth(depth - 1)),
            10 if self.has_request => format!(
                "input.userGroups.{}",
                self.dice.pick(&["includes('cad')", "indexOf('cad') > -1", "some(g => g === 'staff')"])
            ),
            11 => format!("String({left}).{}({})", self.dice.pick(&["includes", "startsWith", "endsWith"]), "'a'"),
            12 => format!("/^(true|cad|1)$/i.test({left})"),
            13 => format!("Array.isArray({left})"),
            14 => self.odd_truth(&left),
            _ => format!("{left} < {right}"),
        }
    }
}

/// `text` with the variable `from` called `to`.
pub(super) fn replace(text: &str, from: &str, to: &str) -> String {
    text.replace(&format!("{from}."), &format!("{to}."))
}
