//! Lists of functions and patterns: `const rules = [isUp, hasRoom]`, `const terms = [[node => node.load, 2], …]`,
//! `const pools = [/^gpu/, /^cad/]`, `(...rules) => …`.
//!
//! The elements are known when the source is lowered, so no list exists when compiled code runs: a walk over the list is
//! written out once for each element. Any use but a walk, `length` and an element by place is refused.

use std::rc::Rc;

use boa_ast::declaration::Binding;
use boa_ast::expression::Expression;
use boa_ast::expression::literal::ArrayLiteral;
use boa_ast::pattern::{ArrayPatternElement, Pattern};
use boa_ast::statement::iteration::{ForOfLoop, IterableLoopInitializer};

use super::super::ir::{BailCause, Ex, St, Ty, Unary};
use super::super::paths::Shape;
use super::callables::is_number_of;
use super::expressions::{after, from_list};
use super::functions::PassedArgument;
use super::names::{Meaning, ScopeId, nothing};
use super::patterns::Declare;
use super::{Lowering, Res, Val};

/// The most elements of a list of functions: a walk is written out for each.
const MAX_ELEMENTS: usize = 32;

/// The elements of a list of functions or patterns.
pub(super) type FixedList = Rc<[PassedArgument]>;

impl<'t> Lowering<'t> {
    /// Whether `expression` is a list of functions or patterns.
    pub(super) fn is_fixed_list(&self, expression: &'t Expression) -> bool {
        match expression {
            Expression::Parenthesized(inner) => self.is_fixed_list(inner.expression()),
            Expression::Identifier(name) => {
                matches!(self.meaning(self.current(), name.sym()), Some((_, Meaning::List(_))))
            }
            Expression::ArrayLiteral(list) => list
                .as_ref()
                .iter()
                .flatten()
                .any(|item| self.is_callable(item) || self.is_known_pattern(item) || self.is_fixed_list(item)),
            _ => false,
        }
    }

    /// The list of functions that `expression` is; `None` for any other expression.
    pub(super) fn fixed_list(&mut self, expression: &'t Expression, steps: &mut Vec<St>) -> Res<Option<FixedList>> {
        if !self.is_fixed_list(expression) {
            return Ok(None);
        }
        match expression {
            Expression::Parenthesized(inner) => self.fixed_list(inner.expression(), steps),
            Expression::Identifier(name) => Ok(match self.meaning(self.current(), name.sym()) {
                Some((_, Meaning::List(list))) => self.fixed_lists.get(list).cloned(),
                _ => None,
            }),
            Expression::ArrayLiteral(list) => self.list_of_functions(list, steps).map(Some),
            _ => Ok(None),
        }
    }

    fn list_of_functions(&mut self, list: &'t ArrayLiteral, steps: &mut Vec<St>) -> Res<FixedList> {
        if list.as_ref().len() > MAX_ELEMENTS {
            return Err(self.refusal("so many functions in a list"));
        }
        let mut elements = Vec::with_capacity(list.as_ref().len());
        for item in list.as_ref() {
            match item {
                Some(item) if !matches!(item, Expression::Spread(_)) => elements.push(self.argument(item, steps)?),
                _ => return Err(self.refusal("a function as a value")),
            }
        }
        Ok(elements.into())
    }

    /// Notes `list`, as the meaning of a name.
    pub(super) fn note_list(&mut self, list: FixedList) -> Meaning {
        self.fixed_lists.push(list);
        Meaning::List(self.fixed_lists.len() - 1)
    }

    /// The function at a place of `list` that is computed.
    pub(super) fn element_callable(
        &mut self,
        list: &FixedList,
        place: &'t Expression,
        steps: &mut Vec<St>,
    ) -> Res<usize> {
        let place = self.value(place)?;
        let place = self.hold(place, steps);
        // A number at which the list has nothing stands for `undefined`.
        let is_number = Ex::Un(Unary::IsNumber, Box::new(place.ex.clone()));
        steps.push(St::If(is_number, Vec::new(), vec![St::Bail(BailCause::Kind)]));
        let is_within = (0..list.len()).fold(Ex::Bool(false), |others, number| {
            Ex::If(Box::new(is_number_of(&place.ex, number)), Box::new(Ex::Bool(true)), Box::new(others))
        });
        let place = Ex::If(Box::new(is_within), Box::new(place.ex), Box::new(nothing()));
        let place = self.hold(Val::plain(place), steps);
        let options = list.iter().enumerate().filter_map(|(place, element)| match element {
            PassedArgument::Function(function) => Some((place, *function)),
            _ => None,
        });
        let options = options.collect();
        self.note_choice(place.ex, options)
    }

    /// Declares the names of `binding` in `scope`, as `element` or as the parts of `element`.
    pub(super) fn bind_fixed(
        &mut self,
        binding: &'t Binding,
        element: PassedArgument,
        scope: ScopeId,
        kind: Declare,
        steps: &mut Vec<St>,
    ) -> Res<()> {
        match (element, binding) {
            (PassedArgument::Value(value), binding) => self.bind(binding, value, scope, kind, steps),
            (element, Binding::Identifier(name)) => {
                self.bind_name(*name, element, scope, kind, steps);
                Ok(())
            }
            (PassedArgument::List(list), Binding::Pattern(Pattern::Array(pattern))) => {
                let mut elements = list.iter().cloned();
                for part in pattern.bindings() {
                    let element = elements.next().unwrap_or(PassedArgument::Value(Val::undefined()));
                    match (part, element) {
                        (ArrayPatternElement::Elision, _) => {}
                        (ArrayPatternElement::SingleName { ident, default_init: None }, element) => {
                            self.bind_name(*ident, element, scope, kind, steps);
                        }
                        _ => return Err(self.refusal("a function that is taken apart")),
                    }
                }
                Ok(())
            }
            _ => Err(self.refusal("a function that is taken apart")),
        }
    }

    /// Walks a list of functions, the body once for each element.
    pub(super) fn for_of_fixed(&mut self, each: &'t ForOfLoop, list: &FixedList, steps: &mut Vec<St>) -> Res<()> {
        let name = self.loop_name.take();
        let (binding, kind): (_, Declare) = match each.initializer() {
            IterableLoopInitializer::Let(binding) => (binding, Meaning::Set),
            IterableLoopInitializer::Const(binding) => (binding, Meaning::Constant),
            _ => return Err(self.refusal("a function as a value")),
        };
        let leave = self.label();
        let mut inner = Vec::new();
        for element in list.iter() {
            self.tick()?;
            let scope = self.scope(Some(self.current()));
            self.enter(scope);
            let block = self.in_region(|lowering| {
                let mut before = Vec::new();
                lowering.bind_fixed(binding, element.clone(), scope, kind, &mut before)?;
                lowering.body((leave, name), each.body(), before)
            })?;
            self.leave();
            inner.push(block);
        }
        steps.push(St::Block(leave, inner));
        Ok(())
    }

    /// The method `name` of a list of functions or patterns.
    pub(super) fn fixed_list_method(&mut self, list: &FixedList, name: &str, given: &'t [Expression]) -> Res<Val> {
        let mut steps = Vec::new();
        let [callback, start @ ..] = given else { return Err(self.refusal("a list of functions as a value")) };
        let Some(callback) = self.callee(callback, &mut steps)? else {
            return Err(self.refusal("a callback that is no function of the script"));
        };
        self.check_callback(callback, &mut steps);
        let result = match (name, start) {
            ("some" | "every" | "findIndex", []) => self.search_fixed(list, name, callback, &mut steps)?,
            ("forEach", []) => {
                for (place, element) in list.iter().enumerate() {
                    let said = self.call(callback, None, arguments(element, place, list), &mut steps)?;
                    steps.push(St::Eval(said.ex));
                }
                Val::undefined()
            }
            ("map", []) => {
                let (site, made) = (self.site(), self.local(Some(Ty::Int)));
                steps.push(St::Set(made, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))));
                for (place, element) in list.iter().enumerate() {
                    let said = self.call(callback, None, arguments(element, place, list), &mut steps)?;
                    self.push(site, made, said, &mut steps);
                }
                Val { ex: from_list(made), shape: Shape::site(site) }
            }
            ("reduce", [start]) => {
                let start = self.value(start)?;
                let mut result = self.hold(start, &mut steps);
                for (place, element) in list.iter().enumerate() {
                    let mut given = arguments(element, place, list);
                    given.insert(0, PassedArgument::Value(result));
                    let said = self.call(callback, None, given, &mut steps)?;
                    result = self.hold(said, &mut steps);
                }
                result
            }
            _ => return Err(self.refusal(format!("the method `{name}` of a list of functions"))),
        };
        Ok(after(steps, result))
    }

    /// `some`, `every` and `findIndex`, each of which ends at the first element that decides.
    fn search_fixed(&mut self, list: &FixedList, name: &str, callback: usize, steps: &mut Vec<St>) -> Res<Val> {
        let (found, leave) = (self.local(None), self.label());
        let start = match name {
            "findIndex" => Ex::Num(-1.0),
            _ => Ex::Bool(name == "every"),
        };
        steps.push(self.set(found, Val::plain(start)));
        let mut inner = Vec::new();
        for (place, element) in list.iter().enumerate() {
            self.in_region(|lowering| {
                let said = lowering.call(callback, None, arguments(element, place, list), &mut inner)?;
                let result = match name {
                    "findIndex" => Ex::Num(place as f64),
                    _ => Ex::Bool(name != "every"),
                };
                let end = vec![lowering.set(found, Val::plain(result)), St::Break(leave)];
                let (yes, no) = if name == "every" { (Vec::new(), end) } else { (end, Vec::new()) };
                inner.push(St::If(said.ex, yes, no));
                Ok(())
            })?;
        }
        steps.push(St::Block(leave, inner));
        Ok(self.get(found))
    }
}

/// Returns the arguments of a callback for the element at `place` of `list`.
fn arguments(element: &PassedArgument, place: usize, list: &FixedList) -> Vec<PassedArgument> {
    vec![
        element.clone(),
        PassedArgument::Value(Val::plain(Ex::Num(place as f64))),
        PassedArgument::List(Rc::clone(list)),
    ]
}
