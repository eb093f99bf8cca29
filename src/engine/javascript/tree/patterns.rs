//! Patterns: the targets of parameters, declarations and assignments.

use std::ops::Range;

use boa_ast::declaration::Binding;
use boa_ast::expression::access::PropertyAccess;
use boa_ast::expression::operator::assign::AssignTarget;
use boa_ast::expression::{Expression, Identifier};
use boa_ast::function::FormalParameter;
use boa_ast::pattern::{ArrayPatternElement, ObjectPatternElement, Pattern as Taken};
use boa_ast::property::PropertyName;

use crate::script::tree::{Pattern, PatternKind};

use super::TreeBuilder;

impl TreeBuilder<'_> {
    pub(super) fn parameter(&mut self, parameter: &FormalParameter) -> Pattern {
        let pattern = self.binding(parameter.variable().binding());
        let pattern = self.with_default(pattern, parameter.init());
        if parameter.is_rest_param() { rest(pattern) } else { pattern }
    }

    pub(super) fn binding(&mut self, binding: &Binding) -> Pattern {
        match binding {
            Binding::Identifier(name) => self.variable(*name),
            Binding::Pattern(pattern) => self.taken(pattern),
        }
    }

    pub(super) fn target(&mut self, target: &AssignTarget) -> Pattern {
        match target {
            AssignTarget::Identifier(name) => self.variable(*name),
            AssignTarget::Access(access) => self.place(access),
            AssignTarget::Pattern(pattern) => self.taken(pattern),
        }
    }

    pub(super) fn variable(&self, name: Identifier) -> Pattern {
        plain(PatternKind::Name(self.name(name.sym())), self.range(&name))
    }

    pub(super) fn place(&mut self, access: &PropertyAccess) -> Pattern {
        let place = self.access(access);
        let span = place.span.clone();
        plain(PatternKind::Place(place), span)
    }

    pub(super) fn taken(&mut self, pattern: &Taken) -> Pattern {
        match pattern {
            Taken::Object(object) => {
                let span = self.range(object);
                let fields = object.bindings().iter().map(|element| self.member(element)).collect();
                plain(PatternKind::Fields(fields), span)
            }
            Taken::Array(array) => {
                let span = self.range(array);
                let elements = array.bindings().iter().map(|element| self.element(element)).collect();
                plain(PatternKind::Elements(elements), span)
            }
        }
    }

    fn member(&mut self, element: &ObjectPatternElement) -> (Option<String>, Range<usize>, Pattern) {
        match element {
            ObjectPatternElement::SingleName { name, ident, default_init } => {
                let (name, span) = self.key(name);
                let pattern = self.variable(*ident);
                (name, span, self.with_default(pattern, default_init.as_ref()))
            }
            ObjectPatternElement::Pattern { name, pattern, default_init } => {
                let (name, span) = self.key(name);
                let pattern = self.taken(pattern);
                (name, span, self.with_default(pattern, default_init.as_ref()))
            }
            ObjectPatternElement::AssignmentPropertyAccess { name, access, default_init } => {
                let (name, span) = self.key(name);
                let pattern = self.place(access);
                (name, span, self.with_default(pattern, default_init.as_ref()))
            }
            ObjectPatternElement::RestProperty { ident } => {
                let pattern = self.variable(*ident);
                (None, pattern.span.clone(), rest(pattern))
            }
            ObjectPatternElement::AssignmentRestPropertyAccess { access } => {
                let pattern = self.place(access);
                (None, pattern.span.clone(), rest(pattern))
            }
        }
    }

    fn element(&mut self, element: &ArrayPatternElement) -> Option<Pattern> {
        Some(match element {
            ArrayPatternElement::Elision => return None,
            ArrayPatternElement::SingleName { ident, default_init } => {
                let pattern = self.variable(*ident);
                self.with_default(pattern, default_init.as_ref())
            }
            ArrayPatternElement::PropertyAccess { access, default_init } => {
                let pattern = self.place(access);
                self.with_default(pattern, default_init.as_ref())
            }
            ArrayPatternElement::Pattern { pattern, default_init } => {
                let pattern = self.taken(pattern);
                self.with_default(pattern, default_init.as_ref())
            }
            ArrayPatternElement::SingleNameRest { ident } => rest(self.variable(*ident)),
            ArrayPatternElement::PropertyAccessRest { access } => rest(self.place(access)),
            ArrayPatternElement::PatternRest { pattern } => rest(self.taken(pattern)),
        })
    }

    /// Returns the name of a member, where the source writes the name out, with the bytes of the name.
    pub(super) fn key(&self, name: &PropertyName) -> (Option<String>, Range<usize>) {
        match name {
            PropertyName::Literal(name) => (Some(self.name(name.sym())), self.range(name)),
            PropertyName::Computed(expression) => (None, self.range(expression)),
        }
    }

    fn with_default(&mut self, pattern: Pattern, default: Option<&Expression>) -> Pattern {
        Pattern { default: default.map(|default| Box::new(self.expression(default))), ..pattern }
    }
}

fn plain(kind: PatternKind, span: Range<usize>) -> Pattern {
    Pattern { kind, span, default: None }
}

fn rest(pattern: Pattern) -> Pattern {
    let span = pattern.span.clone();
    plain(PatternKind::Rest(Box::new(pattern)), span)
}
