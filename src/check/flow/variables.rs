//! The variables of a script: their worth, and the events of variables of the top level.

use crate::script::tree::{Declared, Expr, Pattern, PatternKind, SourceRange, Stmt, StmtKind};

use super::ValueFlow;
use crate::check::value::Worth;

/// The place of variables that nobody declares.
const UNDECLARED: usize = usize::MAX;

/// A variable.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::check) struct Variable {
    /// The name.
    pub(in crate::check) name: String,
    /// The worth of all values that the variable is given.
    pub(in crate::check) value: Worth,
    /// The bytes of the declaration, or of the first assignment where nobody declares the variable.
    pub(in crate::check) span: SourceRange,
    /// The function that declares the variable; absent at the top level.
    pub(in crate::check) function: Option<usize>,
    /// Whether nobody declares the variable.
    pub(in crate::check) is_undeclared: bool,
    /// Whether the variable is a parameter.
    pub(in crate::check) is_parameter: bool,
    /// The constant value of the variable, where the variable is given a single number.
    pub(in crate::check) constant: Option<f64>,
    /// Whether the variable is given a value at a single place.
    is_single: bool,
    /// The number of values that the variable was given in this walk, and the last value where that is a number.
    writes: usize,
    number: Option<f64>,
}

/// Something that happens to a variable of the top level within a function.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::check) struct VariableEvent {
    /// The variable.
    pub(in crate::check) variable: usize,
    /// The kind of the event.
    pub(in crate::check) kind: VariableEventKind,
    /// The place.
    pub(in crate::check) span: SourceRange,
    /// The function around the place; absent at the top level.
    pub(in crate::check) function: Option<usize>,
    /// Whether the event may happen several times in a call of the function that whither calls.
    pub(in crate::check) is_repeated: bool,
}

/// A kind of event of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::check) enum VariableEventKind {
    /// The variable is read.
    Read,
    /// The variable is given a value.
    Write,
    /// The variable is given a value computed from the present value: `count++`, `next += 1`.
    Step,
}

impl<'t> ValueFlow<'t> {
    /// Finds the variables that are given a single number.
    pub(super) fn settle_constants(&mut self) {
        for variable in &mut self.variables {
            variable.is_single = variable.writes == 1;
            variable.constant = variable.number.filter(|_| variable.is_single);
            (variable.writes, variable.number) = (0, None);
        }
    }

    /// Returns the number of the variable `name` in the scopes around the place.
    #[must_use]
    pub(in crate::check) fn variable(&self, name: &str) -> Option<usize> {
        let declared = self.scopes.iter().rev().find_map(|scope| scope.get(name).copied());
        declared.or_else(|| self.places.get(&(UNDECLARED, name.to_owned())).copied())
    }

    fn place(&mut self, name: &str, span: &SourceRange, is_undeclared: bool) -> usize {
        let start = if is_undeclared { UNDECLARED } else { span.start };
        let function = self.function().filter(|_| !is_undeclared);
        let next = self.variables.len();
        let number = *self.places.entry((start, name.to_owned())).or_insert(next);
        if number == next {
            self.variables.push(Variable {
                name: name.to_owned(),
                value: Worth::Unset,
                span: span.clone(),
                function,
                is_undeclared,
                is_parameter: false,
                constant: None,
                is_single: false,
                writes: 0,
                number: None,
            });
        }
        number
    }

    /// Returns the expression that the variable `number` is given, where there is a single assignment.
    pub(in crate::check) fn written(&self, number: usize) -> Option<&'t Expr> {
        let is_single = self.variables.get(number).is_some_and(|variable| variable.is_single);
        self.initial.get(&number).copied().filter(|_| is_single)
    }

    /// Declares the variable `name` in the innermost scope.
    pub(super) fn declare(&mut self, name: &str, span: &SourceRange) -> usize {
        let number = self.place(name, span, false);
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name.to_owned(), number);
        }
        number
    }

    /// Declares the variables of a parameter.
    pub(super) fn declare_pattern(&mut self, pattern: &Pattern) {
        for (name, span) in names(pattern) {
            let number = self.declare(&name, &span);
            if let Some(variable) = self.variables.get_mut(number) {
                variable.is_parameter = true;
            }
        }
    }

    /// Declares the variables of a declaration, but for those that `var` has declared for the function.
    pub(super) fn declare_all(&mut self, how: Declared, pattern: &Pattern) {
        for (name, span) in names(pattern) {
            if how == Declared::Function && self.variable(&name).is_some() {
                continue;
            }
            self.declare(&name, &span);
        }
    }

    /// Declares the variables of every `var` anywhere in `body` outside of functions.
    pub(super) fn hoist(&mut self, body: &'t [Stmt]) {
        for statement in body {
            match &statement.kind {
                StmtKind::Declare(Declared::Function, list) => {
                    for (name, span) in list.iter().flat_map(|(pattern, _)| names(pattern)) {
                        let is_own = self.scopes.last().is_some_and(|scope| scope.contains_key(&name));
                        if !is_own {
                            self.declare(&name, &span);
                        }
                    }
                }
                StmtKind::If(_, then, otherwise) => {
                    self.hoist(then);
                    self.hoist(otherwise);
                }
                StmtKind::ForEach { body, .. } | StmtKind::Block(body) => self.hoist(body),
                StmtKind::Loop { first, body, .. } => {
                    self.hoist(first);
                    self.hoist(body);
                }
                StmtKind::Switch(_, cases) => cases.iter().for_each(|(_, body)| self.hoist(body)),
                StmtKind::Try { body, catch, finally } => {
                    self.hoist(body);
                    catch.iter().for_each(|(_, body)| self.hoist(body));
                    self.hoist(finally);
                }
                _ => {}
            }
        }
    }

    /// Declares the functions and the variables of `body`, which may be used above their declaration.
    pub(super) fn declare_functions(&mut self, body: &'t [Stmt]) {
        for statement in body {
            match &statement.kind {
                StmtKind::Function(function) => {
                    if let Some(name) = &function.name {
                        let number = self.declare(name, &function.head);
                        self.give(number, Worth::Function(function.number), None);
                    }
                }
                StmtKind::Declare(how, list) => list.iter().for_each(|(pattern, _)| self.declare_all(*how, pattern)),
                _ => {}
            }
        }
    }

    /// Gives the variable `number` a `value`, which stands in the source as `written`.
    pub(super) fn give(&mut self, number: usize, value: Worth, written: Option<&'t Expr>) {
        if let Some(written) = written {
            self.initial.insert(number, written);
        }
        let Some(variable) = self.variables.get_mut(number) else { return };
        variable.writes += 1;
        variable.number = written.and_then(Expr::number);
        let joined = variable.value.clone().or(value);
        self.is_changed |= joined != variable.value;
        variable.value = joined;
    }

    /// Gives `pattern` a `value`; fields that the pattern takes out of the value are checked as anywhere else.
    pub(super) fn bind(&mut self, pattern: &'t Pattern, value: Worth) {
        self.assign(pattern, value, None);
    }

    /// Gives `pattern` a `value`, which stands in the source as `written`.
    pub(super) fn assign(&mut self, pattern: &'t Pattern, value: Worth, written: Option<&'t Expr>) {
        let default = pattern.default.as_ref().map(|default| self.expression(default));
        let value = default.map_or(value.clone(), |default| value.or(default));
        match &pattern.kind {
            PatternKind::Name(name) => {
                let number = match self.variable(name) {
                    Some(number) => number,
                    None => self.place(name, &pattern.span, true),
                };
                self.happens(number, VariableEventKind::Write, &pattern.span);
                self.give(number, value, written);
            }
            PatternKind::Fields(fields) => {
                for (name, span, inner) in fields {
                    let held = match name {
                        Some(name) => self.field_of(
                            &value,
                            name,
                            span,
                            None,
                            matches!(&inner.kind, PatternKind::Name(own) if own == name),
                        ),
                        None => Worth::Unknown,
                    };
                    self.bind(inner, held);
                }
            }
            PatternKind::Elements(elements) => {
                let held = value.element().cloned().unwrap_or(Worth::Unknown);
                for inner in elements.iter().flatten() {
                    let is_rest = matches!(inner.kind, PatternKind::Rest(_));
                    self.bind(inner, if is_rest { Worth::list(held.clone()) } else { held.clone() });
                }
            }
            PatternKind::Rest(inner) => {
                let rest = if value.element().is_some() { value } else { Worth::Unknown };
                self.bind(inner, rest);
            }
            PatternKind::Place(place) => self.assign_place(place, value),
        }
    }

    /// Notes an event of the variable `number`, if the variable belongs to the top level and a function causes the
    /// event.
    pub(super) fn happens(&mut self, number: usize, kind: VariableEventKind, span: &SourceRange) {
        let is_outer = self.variables.get(number).is_some_and(|variable| variable.function.is_none());
        let (function, is_repeated) = (self.function(), self.turns > 0);
        if let (true, Some(seen), Some(_)) = (is_outer, &mut self.seen, function) {
            seen.events.push(VariableEvent { variable: number, kind, span: span.clone(), function, is_repeated });
        }
    }
}

/// Returns the variables of `pattern` with their places.
pub(super) fn names(pattern: &Pattern) -> Vec<(String, SourceRange)> {
    match &pattern.kind {
        PatternKind::Name(name) => vec![(name.clone(), pattern.span.clone())],
        PatternKind::Fields(fields) => fields.iter().flat_map(|(_, _, inner)| names(inner)).collect(),
        PatternKind::Elements(elements) => elements.iter().flatten().flat_map(names).collect(),
        PatternKind::Rest(inner) => names(inner),
        PatternKind::Place(_) => Vec::new(),
    }
}
