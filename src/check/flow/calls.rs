//! Calls: of functions of the script, and of the methods and functions that a language has.

use crate::script::tree::{Expr, ExprKind, FunctionTree};

use super::ValueFlow;
use crate::check::value::{Measure, Role, Thing, Worth};

/// Methods of lists, of JavaScript and of Rhai, whose function is a test.
const TESTS: [&str; 14] = [
    "filter",
    "find",
    "findLast",
    "findIndex",
    "findLastIndex",
    "some",
    "every",
    "all",
    "drain",
    "retain",
    "extract",
    "index_of",
    "find_map",
    "split",
];

impl<'t> ValueFlow<'t> {
    pub(super) fn call(&mut self, whole: &'t Expr, callee: &'t Expr, arguments: &'t [Expr]) -> Worth {
        match &callee.kind {
            ExprKind::Field { of, name, name_span } => {
                let held = self.expression(of);
                let value = match &held {
                    Worth::List(element) => self.list_method(whole, of, &held, element, name, arguments),
                    Worth::Text(_) => {
                        self.arguments(arguments);
                        text_method(name)
                    }
                    Worth::Thing(thing) => {
                        if !self.no_list(*thing, name, name_span, Some(of)) {
                            self.field_of(&held, name, name_span, Some(of), false);
                        }
                        self.arguments(arguments);
                        Worth::Unknown
                    }
                    Worth::Number(unit) => {
                        self.number_field(*unit, name, name_span, Some(of));
                        self.arguments(arguments);
                        if matches!(name.as_str(), "toFixed" | "toString" | "toPrecision" | "to_string") {
                            Worth::Text(Role::Plain)
                        } else {
                            Worth::Number(Measure::Plain)
                        }
                    }
                    _ => self.known_method(whole, of, name, arguments),
                };
                self.called(whole, &held, name, arguments);
                value
            }
            ExprKind::Name(name) => self.known_function(whole, callee, name, arguments),
            ExprKind::Function(function) => {
                // `(function () { … })()`
                let given = self.arguments(arguments);
                self.apply(function.number, &given);
                self.expression(callee);
                self.apply(function.number, &given)
            }
            _ => {
                let held = self.expression(callee);
                let given = self.arguments(arguments);
                match held {
                    Worth::Function(number) => self.apply(number, &given),
                    _ => Worth::Unknown,
                }
            }
        }
    }

    pub(super) fn made(&mut self, whole: &'t Expr, class: &'t Expr, arguments: &'t [Expr]) -> Worth {
        if class.name() != Some("Date") {
            self.expression(class);
        } else if arguments.is_empty() {
            self.unsteady(&whole.span, "the clock");
        }
        self.arguments(arguments);
        Worth::Unknown
    }

    fn arguments(&mut self, arguments: &'t [Expr]) -> Vec<Worth> {
        arguments.iter().map(|argument| self.expression(argument)).collect()
    }

    /// Calls the function that is the argument `place`, with `given`; returns the worth of the function's result.
    fn callback(&mut self, arguments: &'t [Expr], place: usize, given: &[Worth], is_test: bool) -> Worth {
        let Some(argument) = arguments.get(place) else { return Worth::Unknown };
        if let ExprKind::Function(FunctionTree { number, .. }) = &argument.kind {
            if let Some(facts) = self.functions.get_mut(*number) {
                facts.is_test |= is_test;
            }
            self.apply(*number, given);
        }
        match self.expression(argument) {
            Worth::Function(number) => self.apply(number, given),
            _ => Worth::Unknown,
        }
    }

    fn list_method(
        &mut self,
        whole: &'t Expr,
        of: &'t Expr,
        list: &Worth,
        element: &Worth,
        name: &str,
        arguments: &'t [Expr],
    ) -> Worth {
        let number = Worth::Number(Measure::Plain);
        let given = [element.clone(), number.clone(), list.clone()];
        let is_test = TESTS.contains(&name);
        match name {
            "filter" | "drain" | "retain" | "extract" | "split" => {
                self.callback(arguments, 0, &given, is_test);
                self.rest(arguments);
                list.clone()
            }
            "find" | "findLast" => {
                self.callback(arguments, 0, &given, is_test);
                element.clone()
            }
            "some" | "every" | "all" => {
                self.callback(arguments, 0, &given, is_test);
                Worth::Truth
            }
            "findIndex" | "findLastIndex" => {
                self.callback(arguments, 0, &given, is_test);
                number
            }
            "map" => Worth::list(self.callback(arguments, 0, &given, false)),
            "flatMap" => {
                let inner = self.callback(arguments, 0, &given, false);
                Worth::list(inner.element().cloned().unwrap_or(inner))
            }
            "forEach" | "for_each" => {
                self.callback(arguments, 0, &given, false);
                Worth::Unset
            }
            "sort" | "toSorted" | "sort_by" | "order" | "order_by" => {
                let pair = [element.clone(), element.clone()];
                self.callback(arguments, 0, &pair, false);
                self.sorted(whole, list, name, arguments);
                if !self.is_javascript() && name.starts_with("sort") { Worth::Unset } else { list.clone() }
            }
            "reduce" | "reduceRight" | "reduce_rev" => self.reduced(arguments, list, element),
            "push" | "unshift" | "append" | "insert" => self.pushed(of, arguments),
            _ => self.plain_method(whole, list, element, name, arguments),
        }
    }

    /// Returns the worth of a list method without a callback.
    fn plain_method(
        &mut self,
        whole: &'t Expr,
        list: &Worth,
        element: &Worth,
        name: &str,
        arguments: &'t [Expr],
    ) -> Worth {
        let given = self.arguments(arguments);
        match name {
            "concat" => {
                let of_each = given.into_iter().map(|value| value.element().cloned().unwrap_or(value));
                Worth::list(of_each.fold(element.clone(), Worth::or))
            }
            "slice" | "reverse" | "toReversed" | "splice" | "toSpliced" | "order_desc" => list.clone(),
            "at" | "pop" | "shift" | "remove" | "get" => element.clone(),
            "includes" | "contains" | "is_empty" => Worth::Truth,
            "indexOf" | "lastIndexOf" | "len" | "index_of" => Worth::Number(Measure::Plain),
            "join" | "toString" => Worth::Text(Role::Plain),
            _ => {
                if let ExprKind::Call(callee, _) = &whole.kind
                    && let ExprKind::Field { name_span, .. } = &callee.kind
                {
                    self.list_field(list, name, name_span);
                }
                Worth::Unknown
            }
        }
    }

    fn rest(&mut self, arguments: &'t [Expr]) {
        for argument in arguments.iter().skip(1) {
            self.expression(argument);
        }
    }

    fn reduced(&mut self, arguments: &'t [Expr], list: &Worth, element: &Worth) -> Worth {
        let first = match arguments.get(1) {
            Some(first) => self.expression(first),
            None => element.clone(),
        };
        let number = Worth::Number(Measure::Plain);
        let returned =
            self.callback(arguments, 0, &[first.clone(), element.clone(), number.clone(), list.clone()], false);
        let reduced = first.or(returned);
        // The result of a call is a parameter of the next call.
        self.callback_again(arguments, &[reduced.clone(), element.clone(), number, list.clone()]);
        reduced
    }

    fn callback_again(&mut self, arguments: &'t [Expr], given: &[Worth]) {
        if let Some(ExprKind::Function(function)) = arguments.first().map(|argument| &argument.kind) {
            self.apply(function.number, given);
        }
    }

    fn pushed(&mut self, of: &'t Expr, arguments: &'t [Expr]) -> Worth {
        let mut held = Worth::Unset;
        for argument in arguments {
            let value = match &argument.kind {
                ExprKind::Spread(inner) => {
                    let inner = self.expression(inner);
                    inner.element().cloned().unwrap_or(Worth::Unknown)
                }
                _ => self.expression(argument),
            };
            held = held.or(value);
        }
        if let Some(number) = of.name().and_then(|name| self.variable(name)) {
            self.give(number, Worth::list(held), None);
        }
        Worth::Number(Measure::Plain)
    }

    /// Returns the worth of a method of a value that the script did not make.
    fn known_method(&mut self, whole: &'t Expr, of: &'t Expr, name: &str, arguments: &'t [Expr]) -> Worth {
        let owner = of.name().filter(|owner| self.variable(owner).is_none()).unwrap_or_default();
        match (owner, name) {
            ("Math", "random") => {
                self.unsteady(&whole.span, "chance");
                Worth::Number(Measure::Plain)
            }
            ("Date", "now") => {
                self.unsteady(&whole.span, "the clock");
                Worth::Number(Measure::Plain)
            }
            ("Math" | "Number", _) => {
                self.arguments(arguments);
                if name.starts_with("is") { Worth::Truth } else { Worth::Number(Measure::Plain) }
            }
            ("Array", "from") => self.list_from(arguments),
            ("Array", "isArray") => {
                self.arguments(arguments);
                Worth::Truth
            }
            ("Object", "keys") => {
                self.arguments(arguments);
                Worth::list(Worth::Text(Role::Plain))
            }
            ("Object", "assign") => {
                let given = self.arguments(arguments);
                if given.iter().any(Worth::is_node) { Worth::Thing(Thing::Node) } else { Worth::Unknown }
            }
            ("Object", "freeze") => self.arguments(arguments).into_iter().next().unwrap_or_default(),
            ("JSON", "stringify") => {
                self.arguments(arguments);
                Worth::Text(Role::Plain)
            }
            _ => {
                self.arguments(arguments);
                Worth::Unknown
            }
        }
    }

    fn list_from(&mut self, arguments: &'t [Expr]) -> Worth {
        let list = arguments.first().map_or(Worth::Unset, |first| self.expression(first));
        let element = list.element().cloned().unwrap_or(Worth::Unknown);
        match arguments.get(1) {
            Some(_) => Worth::list(self.callback(arguments, 1, &[element, Worth::Number(Measure::Plain)], false)),
            None if list.element().is_some() => list,
            None => Worth::Unknown,
        }
    }

    fn known_function(&mut self, whole: &'t Expr, callee: &'t Expr, name: &str, arguments: &'t [Expr]) -> Worth {
        if self.variable(name).is_some() {
            let held = self.expression(callee);
            let given = self.arguments(arguments);
            return match held {
                Worth::Function(number) => self.apply(number, &given),
                Worth::Unset => Worth::Unset,
                _ => Worth::Unknown,
            };
        }
        if name == "Boolean" {
            arguments.iter().for_each(|argument| {
                self.condition(argument);
            });
            return Worth::Truth;
        }
        self.unsteady_name(name, &callee.span);
        let given = self.arguments(arguments);
        match name {
            "Date" if arguments.is_empty() => self.unsteady(&whole.span, "the clock"),
            "random" | "rand" if !self.is_javascript() => self.unsteady(&whole.span, "chance"),
            _ => {}
        }
        match name {
            "Number" | "parseInt" | "parseFloat" | "parse_int" | "parse_float" | "abs" | "min" | "max" | "len" => {
                Worth::Number(Measure::Plain)
            }
            "String" | "type_of" => Worth::Text(Role::Plain),
            "structuredClone" => given.into_iter().next().unwrap_or_default(),
            _ => Worth::Unknown,
        }
    }
}

/// Returns the worth of the method `name` of a text.
fn text_method(name: &str) -> Worth {
    match name {
        "split" => Worth::list(Worth::Text(Role::Plain)),
        "includes" | "startsWith" | "endsWith" | "contains" | "starts_with" | "ends_with" | "is_empty" => Worth::Truth,
        "indexOf" | "lastIndexOf" | "search" | "localeCompare" | "charCodeAt" | "len" | "parse_int" | "parse_float"
        | "to_int" | "to_float" => Worth::Number(Measure::Plain),
        "match" | "matchAll" | "trim" | "replace" => Worth::Unknown,
        _ => Worth::Text(Role::Plain),
    }
}
