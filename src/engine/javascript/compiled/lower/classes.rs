//! Classes: `class Scorer { constructor(weight) { this.weight = weight } of(node) { return node.load * this.weight } }`.
//!
//! An object of a class is a record, as an object literal is. The members that the methods and the constructor write are
//! fields of the record, and each method is a function that is kept in a table. `extends`, `static`, accessors and private
//! members are refused.

use boa_ast::expression::{Expression, Identifier};
use boa_ast::function::{ClassDeclaration, ClassElement, ClassElementName};
use boa_ast::property::MethodDefinitionKind;

use super::super::ir::{Ex, St};
use super::super::paths::Shape;
use super::callables::{Callable, returned};
use super::expressions::after;
use super::functions::Fun;
use super::members::Spot;
use super::names::{Meaning, ScopeId};
use super::{Lowering, Res, Val};

/// A class of the script.
pub(super) struct Class<'t> {
    constructor: Option<Fun<'t>>,
    methods: Vec<(String, Fun<'t>)>,
    /// The fields that are declared, with their values.
    fields: Vec<(String, Option<&'t Expression>)>,
    scope: ScopeId,
}

impl<'t> Lowering<'t> {
    /// Declares a class from here on.
    pub(super) fn declare_class(&mut self, declaration: &'t ClassDeclaration) -> Res<()> {
        self.at(&declaration.name())?;
        if declaration.super_ref().is_some() {
            return Err(self.refusal("a class that inherits"));
        }
        if !self.is_made_once() {
            return Err(self.refusal("a class within a loop"));
        }
        let scope = self.current();
        let constructor = declaration.constructor().map(|f| Fun::new(f.parameters(), f.body(), scope));
        if constructor.is_some_and(|constructor| !returned(constructor.body).is_empty()) {
            return Err(self.refusal("a constructor that returns something"));
        }
        let (mut methods, mut fields) = (Vec::new(), Vec::new());
        for element in declaration.elements() {
            match element {
                ClassElement::MethodDefinition(method)
                    if !method.is_static() && method.kind() == MethodDefinitionKind::Ordinary =>
                {
                    let ClassElementName::PropertyName(name) = method.name() else {
                        return Err(self.refusal("a private method"));
                    };
                    let name = self.free_name(self.property_name(name)?)?;
                    methods.retain(|(other, _)| *other != name);
                    methods.push((name, Fun::new(method.parameters(), method.body(), scope)));
                }
                ClassElement::FieldDefinition(field) => {
                    let name = self.free_name(self.property_name(field.name())?)?;
                    fields.push((name, field.initializer()));
                }
                _ => return Err(self.refusal("a class with more than methods and fields")),
            }
        }
        if fields.iter().any(|(name, _)| methods.iter().any(|(other, _)| other == name)) {
            return Err(self.refusal("a field with the name of a method"));
        }
        self.classes.push(Class { constructor, methods, fields, scope });
        self.mean(scope, declaration.name().sym(), Meaning::Class(self.classes.len() - 1));
        Ok(())
    }

    /// `new NAME(given)` of a class of the script; `None` where the name is none.
    pub(super) fn object_of_class(&mut self, name: Identifier, given: &'t [Expression]) -> Res<Option<Val>> {
        let Some((_, Meaning::Class(class))) = self.meaning(self.current(), name.sym()) else { return Ok(None) };
        let Some(class) = self.classes.get(class) else { return Ok(None) };
        let (constructor, scope) = (class.constructor, class.scope);
        let (methods, fields) = (class.methods.clone(), class.fields.clone());
        let mut steps = Vec::new();
        let given = self.arguments(given, &mut steps)?;
        let root = self.literal_root()?;
        let mut kept = Vec::new();
        for (name, method) in methods {
            let method = self.note_callable(Callable::Own(method));
            kept.push(self.keep_method(root, &name, method)?);
        }
        let object = Val { ex: Ex::Record(root, kept), shape: Shape::object(root) };
        let object = self.hold(object, &mut steps);
        let own = self.scope(Some(scope));
        self.receive(own, Some(object.clone()));
        self.enter(own);
        for (name, value) in fields {
            let value = value.map_or_else(|| Ok(Val::undefined()), |value| self.value(value))?;
            let value = self.hold(value, &mut steps);
            self.write_target(Spot::Member(object.clone(), name), value, &mut steps)?;
        }
        self.leave();
        if let Some(constructor) = constructor {
            let said = self.call_function(constructor, Some(&object), given, &mut steps)?;
            steps.push(St::Eval(said.ex));
        }
        Ok(Some(after(steps, object)))
    }
}
