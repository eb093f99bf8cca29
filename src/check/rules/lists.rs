//! Lists: comparators, callbacks, and results that are not used.

use crate::check::codes::Code;
use crate::check::finding::{Finding, Fix};
use crate::check::flow::{FunctionRole, ListKey, ValueFlow};
use crate::check::paths::{falls_through, returns};
use crate::check::value::{Measure, Role, Thing, Worth};
use crate::script::tree::{Expr, ExprKind, FunctionTree, Operator, PatternKind, StmtKind};

/// Methods whose function must return something, with the method's result otherwise.
const ASKING: [(&str, &str); 10] = [
    ("filter", "keeps no element"),
    ("find", "finds no element"),
    ("findIndex", "finds no element"),
    ("some", "is never true"),
    ("every", "is never true"),
    ("all", "is never true"),
    ("map", "makes a list of nothing"),
    ("flatMap", "makes a list of nothing"),
    ("reduce", "comes to nothing"),
    ("sort", "leaves the order as it is"),
];
/// Methods that change nothing, so that their result is all that they do.
const PURE: [&str; 7] = ["filter", "slice", "concat", "toSorted", "toReversed", "order", "order_by"];
/// The longest line of a source that a person writes: a source with a longer line is made by a program.
const LONGEST_WRITTEN_LINE: usize = 400;

impl<'t> ValueFlow<'t> {
    /// Checks a call of the method `name` of a value with the worth `held`.
    pub(in crate::check) fn called(&mut self, whole: &'t Expr, held: &Worth, name: &str, arguments: &'t [Expr]) {
        if self.seen.is_none() {
            return;
        }
        let is_list = held.element().is_some();
        if let (Some(text), "includes" | "contains", true) = (arguments.first().and_then(Expr::text), name, is_list) {
            self.sought(held, text, arguments);
        }
        if matches!(name, "includes" | "contains" | "indexOf") && is_list {
            self.sought_in(whole, arguments);
        }
        let Some(function) = arguments.first().and_then(|first| self.function_of(first)) else { return };
        if !is_list && self.is_machine_made(whole) {
            return;
        }
        if name == "forEach" && is_list {
            self.answer_for_nobody(function);
        }
        let is_asked = is_list || matches!(held, Worth::Unknown | Worth::Unset);
        if let Some((_, what)) = ASKING.iter().find(|(known, _)| *known == name && is_asked) {
            // `list.map(…);` is a loop to some authors; the resulting list is not used.
            let is_loop = self.statement == whole.span && matches!(name, "map" | "some" | "every" | "find");
            if !is_loop {
                self.silent_callback(function, name, what, is_list);
            }
        }
        if function.is_async && is_list && ASKING.iter().any(|(known, _)| *known == name) && name != "map" {
            let message = format!("`{name}` gets a promise from this function, and takes it for true");
            let finding = Finding::new(Code::Async, Some(function.head.clone()), message);
            self.find(finding.help("leave out `async`: there is nothing to wait for in a balancer script"));
        }
        if matches!(name, "sort" | "toSorted") && self.is_javascript() && is_asked {
            self.comparator(function);
        }
    }

    fn function_of(&self, argument: &'t Expr) -> Option<&'t FunctionTree> {
        match &argument.kind {
            ExprKind::Function(function) => Some(function),
            ExprKind::Name(name) => {
                let variable = self.variables.get(self.variable(name)?)?;
                match variable.value {
                    Worth::Function(number) => self.functions.get(number)?.tree,
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Whether a program wrote the line of `whole`: a library, made small.
    fn is_machine_made(&self, whole: &Expr) -> bool {
        let before = self.text.get(..whole.span.start).unwrap_or_default();
        let start = before.rfind('\n').map_or(0, |feed| feed + 1);
        let line = self.text.get(start..).unwrap_or_default();
        line.find('\n').unwrap_or(line.len()) > LONGEST_WRITTEN_LINE
    }

    /// Reports a function that should return a value, and has ways without a value.
    fn silent_callback(&mut self, function: &'t FunctionTree, name: &str, what: &str, is_list: bool) {
        let values = returns(function);
        let has_value = values.iter().any(Option::is_some);
        let is_silent = !has_value && !function.is_generator && falls_through(function) && !function.is_short;
        // Some ways without a value are a mistake where the value is handed on.
        let is_partly = name == "reduce" && has_value && falls_through(function) && is_list;
        if !is_silent && !is_partly || function.body.is_empty() {
            return;
        }
        let message = match is_silent {
            true => format!("this function returns nothing, so that `{name}` {what}"),
            false => "this function returns nothing on one way, so that the next call is given nothing".to_owned(),
        };
        let finding = Finding::new(Code::CallbackReturnsNothing, Some(function.head.clone()), message);
        let finding = finding.help("return a value on each way");
        let only = match function.body.as_slice() {
            [only] => match &only.kind {
                StmtKind::Expr(value) if !matches!(value.kind, ExprKind::Assign(..)) => Some(value),
                _ => None,
            },
            _ => None,
        };
        self.find(match only.filter(|_| is_silent) {
            Some(value) if self.is_javascript() => {
                let place = value.span.start..value.span.start;
                finding.fix(Fix::replace(place, "return ", "`return` is put before its value"))
            }
            _ => finding,
        });
    }

    /// A function of `forEach` that returns a node or an id, which `forEach` does not hand on.
    fn answer_for_nobody(&mut self, function: &'t FunctionTree) {
        let is_answer = |facts: &crate::check::flow::FunctionFacts<'_>| {
            matches!(facts.returns, Worth::Thing(Thing::Node) | Worth::Text(Role::Id))
        };
        let answers = self.functions.get(function.number).is_some_and(is_answer);
        let Some(value) = returns(function).into_iter().flatten().next().filter(|_| answers && !function.is_short)
        else {
            return;
        };
        let message =
            format!("{} is returned to `forEach`, which takes no answer, and ends nothing", self.shown(&value.span));
        let finding = Finding::new(Code::ResultUnused, Some(value.span.clone()), message);
        self.find(finding.help("take a loop, `for (const node of nodes)`, or `find`"));
    }

    /// Checks a comparator: the function that orders two elements.
    fn comparator(&mut self, function: &'t FunctionTree) {
        if function.is_async || function.is_generator {
            return;
        }
        let values: Vec<_> = returns(function).into_iter().flatten().collect();
        if let ([_], [value]) = (function.parameters.as_slice(), values.as_slice())
            && matches!(self.peek_in(function, value), Worth::Number(_))
        {
            let message = "this comparator looks at one element alone, and cannot tell which of two comes first";
            let finding = Finding::new(Code::TruthComparator, Some(function.span.clone()), message);
            self.find(finding.help("compare two: `(a, b) => a.sessions - b.sessions`"));
            return;
        }
        let truths: Vec<_> = values.iter().filter(|value| is_truth(value)).collect();
        let has_number = values.iter().any(|value| {
            value.number().is_some()
                || matches!(value.kind, ExprKind::Unary("-" | "+", _))
                || matches!(value.kind, ExprKind::Binary(Operator::Arithmetic, ..))
        });
        if let Some(value) = truths.first().filter(|_| !has_number) {
            self.truth_comparator(function, value);
        }
        for value in values {
            if let ExprKind::Binary(Operator::Arithmetic, left, right) = &value.kind
                && self.source(&left.span) == self.source(&right.span)
                && self.source(&(left.span.end..right.span.start)).contains('-')
            {
                let message = format!("{} is 0 for any two elements", self.shown(&value.span));
                let finding = Finding::new(Code::TruthComparator, Some(value.span.clone()), message);
                self.find(finding.help("compare the two: `(a, b) => a.sessions - b.sessions`"));
            }
        }
    }

    fn truth_comparator(&mut self, function: &'t FunctionTree, value: &'t Expr) {
        let message = "this comparator returns true or false, which never says that the first comes earlier";
        let finding = Finding::new(Code::TruthComparator, Some(value.span.clone()), message);
        let finding =
            finding.help("return a number: below 0 where the first comes earlier, as `a.sessions - b.sessions`");
        let ExprKind::Binary(operator, left, right) = &value.kind else { return self.find(finding) };
        let (one, other) = match operator {
            Operator::Greater | Operator::AtLeast => (left, right),
            Operator::Less | Operator::AtMost => (right, left),
            _ => return self.find(finding),
        };
        let (worth, against) = (self.peek_in(function, one), self.peek_in(function, other));
        let (one, other) = (self.source(&one.span), self.source(&other.span));
        let is_text = matches!((&worth, &against), (Worth::Text(_), Worth::Text(_)));
        let text = if is_text { format!("{one}.localeCompare({other})") } else { format!("{one} - {other}") };
        let is_known = is_text || matches!((&worth, &against), (Worth::Number(_), Worth::Number(_)));
        let fix =
            Fix::replace(value.span.clone(), text.clone(), format!("{} becomes `{text}`", self.shown(&value.span)));
        self.find(finding.fix(if is_known { fix } else { fix.unsure() }));
    }

    /// Returns the worth of `value` in the body of `function`: fields of the function's parameters alone are known.
    fn peek_in(&mut self, function: &'t FunctionTree, value: &'t Expr) -> Worth {
        let given = self.functions.get(function.number).map(|facts| facts.parameters.clone()).unwrap_or_default();
        let Some((of, name)) = value.field() else { return Worth::Unknown };
        let of_parameter = |root: &Expr| {
            let place = function.parameters.iter().position(
                |parameter| matches!(&parameter.kind, PatternKind::Name(own) if root.name() == Some(own.as_str())),
            )?;
            given.get(place).cloned()
        };
        let held = match of_parameter(of) {
            Some(held) => held,
            None if of.field().is_some() => self.peek_in(function, of),
            None => return Worth::Unknown,
        };
        let seen = self.seen.take();
        let span = value.span.clone();
        let worth = self.field_of(&held, name, &span, None, false);
        self.seen = seen;
        worth
    }

    /// A list of `held` that is sorted by the method `name`.
    pub(in crate::check) fn sorted(&mut self, whole: &'t Expr, held: &Worth, name: &str, arguments: &'t [Expr]) {
        let element = held.element();
        let needs = match element {
            Some(Worth::Thing(Thing::Node | Thing::Session)) => "its elements are objects, which have no order",
            Some(Worth::Number(unit)) if *unit != Measure::Processor && self.is_javascript() => {
                "without a comparator numbers are sorted as texts: 10 before 9"
            }
            _ => return,
        };
        if arguments.is_empty() && matches!(name, "sort" | "toSorted") {
            let message = format!("{} has no comparator: {needs}", self.shown(&whole.span));
            let finding = Finding::new(Code::BareSort, Some(whole.span.clone()), message);
            let example = if self.is_javascript() {
                "(a, b) => a.sessions - b.sessions"
            } else {
                "|a, b| a.sessions - b.sessions"
            };
            self.find(finding.help(format!("say by what: `.{name}({example})`")));
        }
    }

    /// Checks a statement whose value is not used.
    pub(in crate::check) fn unused(&mut self, value: &'t Expr) {
        if self.seen.is_none() {
            return;
        }
        let ExprKind::Call(callee, _) = &value.kind else { return };
        let Some((of, name)) = callee.field() else { return };
        let held = self.peek(of);
        if held.element().is_none() {
            return;
        }
        if PURE.contains(&name) {
            let message =
                format!("`{name}` makes a new list, which nobody takes; {} stays as it is", self.shown(&of.span));
            let finding = Finding::new(Code::ResultUnused, Some(value.span.clone()), message);
            self.find(finding.help("return the new list, or give it to a variable"));
            return;
        }
        let is_sort = matches!(name, "sort" | "reverse" | "sort_by");
        if !is_sort || !held.is_nodes() || self.turns > 0 || self.role() != Some(FunctionRole::Whole) {
            return;
        }
        if matches!(of.kind, ExprKind::Call(..) | ExprKind::List(_)) {
            let message = format!("{} sorts a copy, which nobody takes", self.shown(&value.span));
            let finding = Finding::new(Code::ResultUnused, Some(value.span.clone()), message);
            self.find(finding.help("return the sorted list, or give it to a variable"));
            return;
        }
        let key = match (of.name().and_then(|name| self.variable(name)), of.field()) {
            (Some(number), _) => {
                let variable = self.variables.get(number);
                let is_own =
                    variable.is_some_and(|variable| variable.function == self.function() && !variable.is_parameter);
                is_own.then_some(ListKey::Variable(number))
            }
            (None, Some((input, _))) if self.peek(input) == Worth::Thing(Thing::Input) => Some(ListKey::Input),
            _ => None,
        };
        let function = self.function();
        if let (Some(key), Some(seen)) = (key, &mut self.seen) {
            seen.sorts.push((key, value.span.clone(), function));
        }
    }
}

fn is_truth(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Truth(_) | ExprKind::Unary("!", _) => true,
        ExprKind::Binary(operator, left, right) => match operator {
            Operator::Less | Operator::AtMost | Operator::Greater | Operator::AtLeast => true,
            Operator::Equal(_) | Operator::Unequal(_) => true,
            Operator::And | Operator::Or => is_truth(left) && is_truth(right),
            _ => false,
        },
        _ => false,
    }
}

/// Reports lists that are sorted in place and not used afterwards.
pub(super) fn sorted_in_vain(flow: &mut ValueFlow<'_>) {
    let Some(seen) = &mut flow.seen else { return };
    for (key, span, _) in std::mem::take(&mut seen.sorts) {
        let Some(seen) = &flow.seen else { return };
        let is_read = seen.lists.iter().any(|(other, place)| {
            // A variable may hold the list of the input itself.
            let is_same = *other == key
                || matches!(key, ListKey::Variable(_)) && *other == ListKey::Input
                || key == ListKey::Input;
            is_same && place.start >= span.end
        });
        if is_read {
            continue;
        }
        let message = format!("{} sorts the list, and nothing looks at it after that", flow.shown(&span));
        let finding = Finding::new(Code::ResultUnused, Some(span.clone()), message);
        let finding = finding.help("return the list, or the id of its first node");
        let is_last = flow
            .text
            .get(span.end..)
            .is_some_and(|rest| rest.trim_start_matches([';', ' ', '\t', '\r', '\n']).starts_with('}'));
        let fix = (is_last && flow.is_javascript())
            .then(|| Fix::replace(span.start..span.start, "return ", "`return` is put before the sort"));
        flow.find(Finding { fix, ..finding });
    }
}

/// Reports functions of one node that never return anything, so that no node is left.
pub(super) fn silent_functions(flow: &mut ValueFlow<'_>) {
    let called: Vec<_> = flow.roles.iter().map(|(number, role)| (*number, *role)).collect();
    for (number, role) in called {
        let (name, what) = match role {
            FunctionRole::Filter(_) => ("filter", "no node is kept"),
            FunctionRole::Score(_) => ("score", "every node is left out"),
            FunctionRole::Whole | FunctionRole::Key => continue,
        };
        let Some(function) = flow.functions.get(number).and_then(|facts| facts.tree) else { continue };
        let has_value = returns(function).iter().any(Option::is_some);
        if has_value || function.is_generator || !falls_through(function) || function.body.is_empty() {
            continue;
        }
        let message = format!("`{name}` returns nothing, so that {what}");
        let finding = Finding::new(Code::CallbackReturnsNothing, Some(function.head.clone()), message);
        flow.find(finding.help("return a value on each way"));
    }
}
