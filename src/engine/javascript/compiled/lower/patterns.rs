//! Declarations, with what they take apart.

use boa_ast::declaration::{Binding, Variable, VariableList};
use boa_ast::expression::access::PropertyAccess;
use boa_ast::expression::literal::LiteralKind;
use boa_ast::expression::{Expression, Identifier};
use boa_ast::pattern::{ArrayPatternElement, ObjectPatternElement, Pattern};
use boa_ast::property::PropertyName;

use super::super::ir::{Binary, Ex, Local, St, Ty, Unary};
use super::super::paths::Shape;
use super::super::value;
use super::expressions::from_list;
use super::functions::PassedArgument;
use super::loops::next;
use super::names::{Meaning, ScopeId};
use super::{Lowering, Res, Val};

/// What a name that is declared means from there on.
pub(super) type Declare = fn(Local) -> Meaning;

impl<'t> Lowering<'t> {
    /// Declares the variables of `list` in `scope`; those of `var` are there already.
    pub(super) fn declare(
        &mut self,
        list: &'t VariableList,
        kind: Option<Declare>,
        scope: ScopeId,
        steps: &mut Vec<St>,
    ) -> Res<()> {
        list.as_ref().iter().try_for_each(|variable| self.declare_one(variable, kind, scope, steps))
    }

    fn declare_one(
        &mut self,
        variable: &'t Variable,
        kind: Option<Declare>,
        scope: ScopeId,
        steps: &mut Vec<St>,
    ) -> Res<()> {
        if let Binding::Identifier(name) = variable.binding() {
            self.at(name)?;
            let scope = match kind {
                Some(_) => scope,
                None => self.meaning(self.current(), name.sym()).map_or(scope, |(scope, _)| scope),
            };
            let is_here = kind.is_some() || self.is_certain(scope);
            if is_here && self.declare_known(*name, variable.init(), kind.is_some(), scope, steps)? {
                return Ok(());
            }
        }
        let value = match (variable.init(), kind) {
            (Some(init), _) => self.value(init)?,
            (None, Some(_)) => Val::undefined(),
            (None, None) => return Ok(()),
        };
        match kind {
            Some(kind) => self.bind(variable.binding(), value, scope, kind, steps),
            None => self.assign(variable.binding(), value, steps),
        }
    }

    /// Declares `name` in `scope` as a constant function, pattern or text, or as a variable of functions. Returns
    /// `false`, and declares nothing, where `name` holds other values.
    fn declare_known(
        &mut self,
        name: Identifier,
        init: Option<&'t Expression>,
        is_lexical: bool,
        scope: ScopeId,
        steps: &mut Vec<St>,
    ) -> Res<bool> {
        let body = self.calls.last().map(|function| function.body);
        let writes = self.writes.count(body, name.sym());
        if writes > usize::from(init.is_some()) {
            return self.declare_function_variable(name, init, scope, steps);
        }
        let Some(init) = init else { return Ok(false) };
        let meaning = if let Some(list) = self.fixed_list(init, steps)? {
            self.note_list(list)
        } else if let Some(function) = self.callee(init, steps)? {
            Meaning::Function(function)
        } else if let Expression::RegExpLiteral(pattern) = init {
            Meaning::Pattern(self.new_pattern(pattern)?)
        } else if let Some(method) = self.method_of_math(init) {
            Meaning::OfMath(method)
        } else if let Expression::Literal(literal) = init
            && let (LiteralKind::String(text), true) = (literal.kind(), is_lexical)
        {
            let text = self.literal_text(*text)?;
            Meaning::Text(value::text(self.strings.intern(&text)))
        } else {
            return Ok(false);
        };
        self.mean(scope, name.sym(), meaning);
        Ok(true)
    }

    /// Declares what `binding` names in `scope`, and sets it to `value` or its parts.
    pub(super) fn bind(
        &mut self,
        binding: &'t Binding,
        value: Val,
        scope: ScopeId,
        kind: Declare,
        steps: &mut Vec<St>,
    ) -> Res<()> {
        let mut put = |lowering: &mut Self, name: Identifier, value: Val, steps: &mut Vec<St>| {
            lowering.bind_name(name, PassedArgument::Value(value), scope, kind, steps);
            Ok(())
        };
        self.take_apart_binding(binding, value, &mut put, steps)
    }

    /// Declares `name` in `scope` as `element`.
    pub(super) fn bind_name(
        &mut self,
        name: Identifier,
        element: PassedArgument,
        scope: ScopeId,
        kind: Declare,
        steps: &mut Vec<St>,
    ) {
        let meaning = match element {
            PassedArgument::Value(value) => {
                let local = self.local(None);
                let set = self.set(local, value);
                steps.push(set);
                kind(local)
            }
            PassedArgument::Function(function) => Meaning::Function(function),
            PassedArgument::Pattern(pattern) => Meaning::Pattern(pattern),
            PassedArgument::List(list) => self.note_list(list),
        };
        self.mean(scope, name.sym(), meaning);
    }

    /// Sets what `binding` names, which is declared already, to `value` or its parts.
    pub(super) fn assign(&mut self, binding: &'t Binding, value: Val, steps: &mut Vec<St>) -> Res<()> {
        self.take_apart_binding(binding, value, &mut Self::put, steps)
    }

    /// The same for a pattern that is assigned to.
    pub(super) fn assign_pattern(&mut self, pattern: &'t Pattern, value: Val, steps: &mut Vec<St>) -> Res<()> {
        self.take_apart(pattern, value, &mut Self::put, steps)
    }

    fn put(&mut self, name: Identifier, value: Val, steps: &mut Vec<St>) -> Res<()> {
        let set = self.write(name, value)?;
        steps.push(set);
        Ok(())
    }

    fn take_apart_binding(
        &mut self,
        binding: &'t Binding,
        value: Val,
        put: &mut impl FnMut(&mut Self, Identifier, Val, &mut Vec<St>) -> Res<()>,
        steps: &mut Vec<St>,
    ) -> Res<()> {
        match binding {
            Binding::Identifier(name) => put(self, *name, value, steps),
            Binding::Pattern(pattern) => self.take_apart(pattern, value, put, steps),
        }
    }

    fn take_apart(
        &mut self,
        pattern: &'t Pattern,
        value: Val,
        put: &mut impl FnMut(&mut Self, Identifier, Val, &mut Vec<St>) -> Res<()>,
        steps: &mut Vec<St>,
    ) -> Res<()> {
        let value = self.hold(value, steps);
        match pattern {
            Pattern::Object(pattern) => {
                self.at(pattern)?;
                for element in pattern.bindings() {
                    match element {
                        ObjectPatternElement::SingleName { name, ident, default_init } => {
                            let part = self.part(&value, name, default_init.as_ref(), steps)?;
                            put(self, *ident, part, steps)?;
                        }
                        ObjectPatternElement::Pattern { name, pattern, default_init } => {
                            let part = self.part(&value, name, default_init.as_ref(), steps)?;
                            self.take_apart(pattern, part, &mut *put, steps)?;
                        }
                        _ => return Err(self.refusal("a rest of an object, or a member in a pattern")),
                    }
                }
            }
            Pattern::Array(pattern) => {
                self.at(pattern)?;
                let list = self.local(Some(Ty::Int));
                steps.push(St::Set(list, Ex::Un(Unary::AsList, Box::new(value.ex.clone()))));
                for (place, element) in (0..).zip(pattern.bindings()) {
                    let mut item = self.element_or_nothing(Ex::Get(list), Ex::Int(place), &value.shape)?;
                    match element {
                        ArrayPatternElement::Elision => {}
                        ArrayPatternElement::SingleName { ident, default_init } => {
                            if let Some(default) = default_init {
                                item = self.or_default(item, default, steps)?;
                            }
                            put(self, *ident, item, steps)?;
                        }
                        ArrayPatternElement::Pattern { pattern, default_init } => {
                            if let Some(default) = default_init {
                                item = self.or_default(item, default, steps)?;
                            }
                            self.take_apart(pattern, item, &mut *put, steps)?;
                        }
                        ArrayPatternElement::PropertyAccess {
                            access: PropertyAccess::Simple(access),
                            default_init: None,
                        } => {
                            let target = self.target(access, steps)?;
                            let item = self.hold(item, steps);
                            self.write_target(target, item, steps)?;
                        }
                        ArrayPatternElement::SingleNameRest { ident } => {
                            let rest = self.rest_of(Ex::Get(list), place, &value.shape, steps)?;
                            put(self, *ident, rest, steps)?;
                        }
                        _ => return Err(self.refusal("a rest of a list, or a member in a pattern")),
                    }
                }
            }
        }
        Ok(())
    }

    /// The elements of the list at `address` from `place` on, as a list.
    fn rest_of(&mut self, address: Ex, place: i32, shape: &Shape, steps: &mut Vec<St>) -> Res<Val> {
        let site = self.site();
        let [list, at] = [(); 2].map(|()| self.local(Some(Ty::Int)));
        let elements = self.element_shape(shape)?;
        self.learn_elements(&Shape::site(site), &elements);
        let (leave, again) = (self.label(), self.label());
        let length = Ex::Un(Unary::ListLength, Box::new(address.clone()));
        let is_over = Ex::Bin(Binary::IntAtLeast, Box::new(Ex::Get(at)), Box::new(length));
        let element = Ex::Bin(Binary::Element, Box::new(address), Box::new(Ex::Get(at)));
        let inner = vec![
            St::If(is_over, vec![St::Break(leave)], Vec::new()),
            St::Push(Ex::Get(list), element),
            next(at),
            St::Continue(again),
        ];
        steps.extend([
            St::Set(list, Ex::Un(Unary::NewList, Box::new(Ex::Int(8)))),
            St::Set(at, Ex::Int(place)),
            St::Block(leave, vec![St::Loop(again, inner)]),
        ]);
        Ok(Val { ex: from_list(list), shape: Shape::site(site) })
    }

    fn part(
        &mut self,
        value: &Val,
        name: &'t PropertyName,
        default: Option<&'t Expression>,
        steps: &mut Vec<St>,
    ) -> Res<Val> {
        let name = self.property_name(name)?;
        let part = self.member(value.clone(), &name)?;
        match default {
            Some(default) => self.or_default(part, default, steps),
            None => Ok(part),
        }
    }

    /// A name of a property that is written in the source.
    pub(super) fn property_name(&self, name: &'t PropertyName) -> Res<String> {
        match name {
            PropertyName::Literal(name) => self.literal_text(name.sym()),
            PropertyName::Computed(_) => Err(self.refusal("a name that is computed")),
        }
    }
}
