//! Object literals: records of the members that are written, or dictionaries where the script adds members under computed
//! names.

use boa_ast::expression::literal::{ObjectLiteral, PropertyDefinition};
use boa_ast::property::MethodDefinitionKind;

use super::super::host_calls::HostCall;
use super::super::ir::{Ex, St};
use super::super::paths::{PathId, REQUEST, Shape};
use super::callables::Callable;
use super::expressions::after;
use super::members::is_inherited;
use super::names::Meaning;
use super::{Fun, Lowering, Res, Val};

/// The members of an object literal that is being lowered.
#[derive(Default)]
struct Members {
    fields: Vec<(PathId, Ex)>,
    /// The names that are written in the literal.
    names: Vec<String>,
    /// How many of these are functions, and how many patterns.
    functions: usize,
    patterns: usize,
    /// Whether another object's members are copied.
    is_copy: bool,
}

impl Members {
    /// The names, where these are all and each has a value that may be read.
    fn names_alone(&self) -> Option<Vec<String>> {
        (!self.is_copy && self.functions == 0 && self.patterns == 0).then(|| self.names.clone())
    }
}

impl<'t> Lowering<'t> {
    /// The object that a literal makes.
    pub(super) fn object_literal(&mut self, object: &'t ObjectLiteral) -> Res<Val> {
        if object.properties().is_empty() {
            return Ok(self.new_dictionary(HostCall::NewObject));
        }
        let root = self.literal_root()?;
        if self.tables.dictionaries.contains(&root) {
            return self.dictionary_literal(object);
        }
        let mut steps = Vec::new();
        let mut members = Members::default();
        for property in object.properties() {
            if self.kept_member(root, property, &mut members, &mut steps)? {
                continue;
            }
            if let PropertyDefinition::SpreadObject(from) = property {
                let from = self.value(from)?;
                let from = self.hold(from, &mut steps);
                self.copy_members(root, from, &mut members.fields, &mut steps)?;
                members.is_copy = true;
                continue;
            }
            let (name, value) = self.valued_member(property)?;
            if members.names.contains(&name) {
                return Err(self.refusal("two members of one name"));
            }
            self.own_member(root, &name, value, &mut members.fields, &mut steps)?;
            members.names.push(name);
        }
        if members.functions > 0 && (members.is_copy || members.names.len() > members.functions) {
            self.learnt |= self.kept_functions.mix(root);
        }
        self.tables.name(root, members.names_alone());
        Ok(after(steps, Val { ex: Ex::Record(root, members.fields), shape: Shape::object(root) }))
    }

    /// A literal to which the script adds members under computed names.
    fn dictionary_literal(&mut self, object: &'t ObjectLiteral) -> Res<Val> {
        let mut steps = Vec::new();
        let made = self.new_dictionary(HostCall::NewObject);
        let made = self.hold(made, &mut steps);
        for property in object.properties() {
            let (name, value) = self.valued_member(property)?;
            let name = self.free_name(name)?;
            let value = self.hold(value, &mut steps);
            self.learn_elements(&made.shape, &value.shape);
            let name = self.text(&name);
            steps.push(St::Eval(Ex::Host(HostCall::PutMember, vec![made.ex.clone(), name.ex, value.ex])));
        }
        Ok(after(steps, made))
    }

    /// The name and the value of a member that is neither a function nor a copy of others.
    fn valued_member(&mut self, property: &'t PropertyDefinition) -> Res<(String, Val)> {
        match property {
            PropertyDefinition::IdentifierReference(name) => Ok((self.literal_text(name.sym())?, self.read(*name)?)),
            PropertyDefinition::Property(name, value) => Ok((self.property_name(name)?, self.value(value)?)),
            PropertyDefinition::MethodDefinition(_) => Err(self.refusal("a method of an object")),
            PropertyDefinition::SpreadObject(_) => Err(self.refusal("`...` of an object")),
            PropertyDefinition::CoverInitializedName(..) => Err(self.refusal("this literal")),
        }
    }

    /// `name`, unless every object has a member of that name.
    pub(super) fn free_name(&self, name: String) -> Res<String> {
        if is_inherited(&name) || name == "length" {
            return Err(self.refusal(format!("a member `{name}`")));
        }
        Ok(name)
    }

    /// Adds a member that is a function or a pattern, which the table keeps as a number. Returns `false`, and adds
    /// nothing, for any other member.
    fn kept_member(
        &mut self,
        root: PathId,
        property: &'t PropertyDefinition,
        members: &mut Members,
        steps: &mut Vec<St>,
    ) -> Res<bool> {
        let (name, field) = if let Some((name, function)) = self.function_member(property, steps)? {
            let name = self.free_name(name)?;
            members.functions += 1;
            let field = self.keep_function(root, &name, function)?;
            (name, field)
        } else if let PropertyDefinition::Property(name, value) = property
            && let Some(pattern) = self.known_pattern(value)?
        {
            let name = self.free_name(self.property_name(name)?)?;
            members.patterns += 1;
            let field = self.keep_pattern(root, &name, pattern)?;
            (name, field)
        } else {
            return Ok(false);
        };
        if members.names.contains(&name) {
            return Err(self.refusal("two members of one name"));
        }
        members.fields.push(field);
        members.names.push(name);
        Ok(true)
    }

    /// Returns the name and the function of `property`, where `property` is a function.
    fn function_member(
        &mut self,
        property: &'t PropertyDefinition,
        steps: &mut Vec<St>,
    ) -> Res<Option<(String, usize)>> {
        Ok(match property {
            PropertyDefinition::IdentifierReference(name) => match self.meaning(self.current(), name.sym()) {
                Some((_, Meaning::Function(function))) => Some((self.literal_text(name.sym())?, function)),
                _ => None,
            },
            PropertyDefinition::Property(name, value) => match self.callee(value, steps)? {
                Some(function) => Some((self.property_name(name)?, function)),
                None => None,
            },
            PropertyDefinition::MethodDefinition(method) if method.kind() == MethodDefinitionKind::Ordinary => {
                let name = self.property_name(method.name())?;
                let function = Fun::new(method.parameters(), method.body(), self.current());
                Some((name, self.note_callable(Callable::Own(function))))
            }
            _ => None,
        })
    }

    /// Adds a member to a literal; an earlier member of the same name is dropped.
    pub(super) fn own_member(
        &mut self,
        root: PathId,
        name: &str,
        value: Val,
        fields: &mut Vec<(PathId, Ex)>,
        steps: &mut Vec<St>,
    ) -> Res<()> {
        self.free_name(name.to_owned())?;
        let value = self.hold(value, steps);
        let Some(field) = self.paths.field(root, name) else { return Err(self.refusal("so many members")) };
        self.learn_field(field, &value.shape);
        fields.retain(|(other, _)| *other != field);
        fields.push((field, value.ex));
        Ok(())
    }

    /// Copies the members of `from` that somebody reads of the copy.
    pub(super) fn copy_members(
        &mut self,
        root: PathId,
        from: Val,
        fields: &mut Vec<(PathId, Ex)>,
        steps: &mut Vec<St>,
    ) -> Res<()> {
        if from.shape.objects.contains(&REQUEST) {
            // Some of its members are made from others where they are read, which a copy does not do.
            return Err(self.refusal("`...` of the input"));
        }
        if !from.shape.lists.is_empty() && self.may_be_dictionary(&from.shape) {
            return Err(self.refusal("`...` of an object whose names are computed"));
        }
        let places = self.paths.root_of(root).map(|root| root.places.clone()).unwrap_or_default();
        for field in places {
            let names = self.paths.get(field).map(|field| field.names.clone()).unwrap_or_default();
            let [name] = names.as_slice() else { continue };
            if fields.iter().any(|(other, _)| *other == field) {
                return Err(self.refusal("`...` over other members"));
            }
            let value = self.member(from.clone(), name)?;
            let value = self.hold(value, steps);
            self.learn_field(field, &value.shape);
            fields.push((field, value.ex));
        }
        Ok(())
    }
}
