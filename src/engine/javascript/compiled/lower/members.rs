//! Members of objects and elements of lists, read and written.

use boa_ast::expression::Expression;
use boa_ast::expression::access::{PropertyAccessField, SimplePropertyAccess};
use boa_ast::expression::literal::LiteralKind;

use super::super::super::analysis::tree::INHERITED;
use super::super::host_calls::HostCall;
use super::super::ir::{BailCause, Binary, Ex, Local, St, Ty, Unary};
use super::super::paths::{ListOrigin, NODE, Shape};
use super::expressions::after;
use super::names::{Meaning, nothing};
use super::{Lowering, Res, Val};

/// Whether every object inherits a member `name`.
pub(in super::super) fn is_inherited(name: &str) -> bool {
    INHERITED.contains(&name)
}

/// The members that every object inherits.
pub(super) fn inherited() -> impl Iterator<Item = &'static str> {
    INHERITED.iter().copied()
}

/// What is assigned to.
pub(super) enum Spot {
    /// A member of an object of the script's own.
    Member(Val, String),
    /// What a list or dictionary has at a place or name.
    At(Val, Val),
}

impl<'t> Lowering<'t> {
    /// The member `name` of `base`.
    pub(super) fn member(&mut self, base: Val, name: &str) -> Res<Val> {
        if name == "length" {
            return Ok(Val::plain(Ex::Field { base: Box::new(base.ex), fields: Vec::new(), length: true, name: None }));
        }
        if is_inherited(name) {
            return Err(self.refusal(format!("the member `{name}`")));
        }
        let (mut fields, mut shape) = (Vec::new(), Shape::default());
        for object in &base.shape.objects {
            let Some(field) = self.paths.field(*object, name) else { return Err(self.refusal("so many members")) };
            fields.push(field);
            if self.is_own(*object) {
                shape.add(&self.literal_fields.get(&field).cloned().unwrap_or_default());
            } else {
                shape.add(&Shape::at(field));
            }
        }
        if fields.iter().any(|field| self.kept_functions.has(*field)) {
            return Err(self.refusal(format!("the function `{name}` as a value")));
        }
        if fields.iter().any(|field| self.kept_patterns.contains_key(field)) {
            return Err(self.refusal(format!("the pattern `{name}` as a value")));
        }
        let own = self.dictionary_name(&base.shape, name, &mut shape)?;
        if fields.is_empty() && own.is_none() {
            self.refuse_at_last(&format!("the member `{name}` of a value of which nothing is known"))?;
        }
        if let Some(place) = self.written_place(name).filter(|_| base.shape.objects.contains(&NODE)) {
            return Ok(self.read_node(base, place, (fields, own, shape)));
        }
        Ok(Val { ex: Ex::Field { base: Box::new(base.ex), fields, length: false, name: own }, shape })
    }

    /// The member of `base` whose name is computed.
    pub(super) fn computed(&mut self, base: Val, field: &'t Expression) -> Res<Val> {
        if let Expression::Literal(literal) = field
            && let LiteralKind::String(name) = literal.kind()
        {
            let name = self.literal_text(*name)?;
            return self.member_of_text(base, &name);
        }
        // A constant text.
        if let Expression::Identifier(name) = field
            && let Some((_, Meaning::Text(bits))) = self.meaning(self.current(), name.sym())
            && let Some(name) = self.strings.text_of(bits)
        {
            return self.member_of_text(base, &name);
        }
        let mut steps = Vec::new();
        let objects = &base.shape.objects;
        if base.shape.lists.is_empty() && !objects.is_empty() && objects.iter().all(|path| self.is_own(*path)) {
            return self.looked_up(base, field);
        }
        let base = self.hold(base, &mut steps);
        let key = self.value(field)?;
        let key = self.hold(key, &mut steps);
        let item = self.at_key(&base, &key)?;
        Ok(after(steps, item))
    }

    /// The member of `base` whose name is computed, and always is `name`.
    fn member_of_text(&mut self, base: Val, name: &str) -> Res<Val> {
        if name.parse::<u32>().is_ok() {
            return Err(self.refusal("a place of a list as a text"));
        }
        self.member(base, name)
    }

    /// `{a: 1, b: 2}[name]`: one of the names that such objects have, or nothing.
    fn looked_up(&mut self, base: Val, field: &'t Expression) -> Res<Val> {
        let mut steps = Vec::new();
        let base = self.hold(base, &mut steps);
        let name = self.value(field)?;
        let name = self.name_of(name, &mut steps);
        let is_named = |lowering: &mut Self, other: &str| {
            let other = lowering.text(other);
            Ex::Bin(Binary::StrictEqual, Box::new(name.ex.clone()), Box::new(other.ex))
        };
        for other in INHERITED {
            let condition = is_named(self, other);
            steps.push(St::If(condition, vec![St::Bail(BailCause::Kind)], Vec::new()));
        }
        let known: Vec<String> = base
            .shape
            .objects
            .iter()
            .filter_map(|object| self.paths.get(*object))
            .map(|object| object.root)
            .flat_map(|root| self.paths.list.iter().filter(move |path| path.root == root))
            .filter_map(|path| path.names.first().filter(|_| path.names.len() == 1).cloned())
            .collect();
        let mut found = Val::undefined();
        for known in known {
            let member = self.member(base.clone(), &known)?;
            let shape = found.shape.or(&member.shape);
            let condition = is_named(self, &known);
            found = Val { ex: Ex::If(Box::new(condition), Box::new(member.ex), Box::new(found.ex)), shape };
        }
        Ok(after(steps, found))
    }

    /// A key as the name of a member.
    pub(super) fn name_of(&mut self, key: Val, steps: &mut Vec<St>) -> Val {
        let key = self.hold(key, steps);
        let is_text = Ex::Un(Unary::IsText, Box::new(key.ex.clone()));
        let text = Ex::Host(HostCall::ToText, vec![key.ex.clone()]);
        self.hold(Val::plain(Ex::If(Box::new(is_text), Box::new(key.ex), Box::new(text))), steps)
    }

    /// A place of a list; less than nothing where the number is none. What is no number bails out.
    pub(super) fn place_of(&mut self, place: &Val, steps: &mut Vec<St>) -> Local {
        let is_number = Ex::Un(Unary::IsNumber, Box::new(place.ex.clone()));
        steps.push(St::If(is_number, Vec::new(), vec![St::Bail(BailCause::Kind)]));
        let local = self.local(Some(Ty::Int));
        steps.push(St::Set(local, Ex::Un(Unary::Place, Box::new(place.ex.clone()))));
        local
    }

    /// The element at `place` of the list at the address `list`, which has this shape; `undefined` where there is none.
    pub(super) fn element_or_nothing(&mut self, list: Ex, place: Ex, shape: &Shape) -> Res<Val> {
        let shape = self.element_shape(shape)?;
        let length = Ex::Un(Unary::ListLength, Box::new(list.clone()));
        let is_before = Ex::Bin(Binary::IntLess, Box::new(place.clone()), Box::new(length));
        let is_place = Ex::Bin(Binary::IntAtLeast, Box::new(place.clone()), Box::new(Ex::Int(0)));
        let is_there = Ex::If(Box::new(is_place), Box::new(is_before), Box::new(Ex::Bool(false)));
        let element = Ex::Bin(Binary::Element, Box::new(list), Box::new(place));
        Ok(Val { ex: Ex::If(Box::new(is_there), Box::new(element), Box::new(nothing())), shape })
    }

    /// What elements of lists may be.
    pub(super) fn element_shape(&mut self, lists: &Shape) -> Res<Shape> {
        let mut shape = Shape::default();
        for list in &lists.lists {
            match list {
                ListOrigin::Field(path) => match self.paths.items(*path) {
                    Some(items) => drop(shape.add(&Shape::object(items))),
                    None => return Err(self.refusal("so many lists")),
                },
                ListOrigin::Site(site) => {
                    shape.add(&self.sites.get(*site).cloned().unwrap_or_default());
                }
            }
        }
        Ok(shape)
    }

    /// A new list of the script's own, by the place where it is made.
    pub(super) fn site(&mut self) -> usize {
        let site = self.next_site;
        self.next_site += 1;
        if self.sites.len() <= site {
            self.sites.push(Shape::default());
        }
        site
    }

    /// Learns that lists of `shape` may have elements of another.
    pub(super) fn learn_elements(&mut self, lists: &Shape, elements: &Shape) {
        for list in &lists.lists {
            if let ListOrigin::Site(site) = list
                && let Some(known) = self.sites.get_mut(*site)
            {
                self.learnt |= known.add(elements);
            }
        }
    }

    /// What `access` assigns to.
    pub(super) fn target(&mut self, access: &'t SimplePropertyAccess, steps: &mut Vec<St>) -> Res<Spot> {
        let base = self.value(access.target())?;
        match access.field() {
            PropertyAccessField::Const(name) => {
                let name = self.literal_text(name.sym())?;
                let base = self.hold(base, steps);
                Ok(Spot::Member(base, name))
            }
            PropertyAccessField::Expr(field) => {
                let base = self.hold(base, steps);
                let key = self.value(field)?;
                Ok(Spot::At(base, self.hold(key, steps)))
            }
        }
    }

    pub(super) fn read_target(&mut self, target: &Spot) -> Res<Val> {
        match target {
            Spot::Member(base, name) => self.member(base.clone(), name),
            Spot::At(base, key) => self.at_key(base, key),
        }
    }

    pub(super) fn write_target(&mut self, target: Spot, value: Val, steps: &mut Vec<St>) -> Res<()> {
        match target {
            Spot::Member(base, name) if name == "length" && value.ex == Ex::Num(0.0) => {
                self.note_write(&base.shape);
                let address = self.local(Some(Ty::Int));
                steps.push(St::Set(address, Ex::Un(Unary::AsList, Box::new(base.ex))));
                steps.push(St::Cut(Ex::Get(address), Ex::Int(0)));
            }
            Spot::Member(base, name) => {
                self.note_frozen(&base.shape);
                if is_inherited(&name) || name == "length" {
                    return Err(self.refusal(format!("an assignment to `{name}`")));
                }
                if self.is_node(&base.shape) {
                    return self.write_node(base, &name, value, steps);
                }
                let mut fields = Vec::new();
                let objects: Vec<_> = base.shape.objects.iter().copied().collect();
                for object in objects {
                    self.learnt |= self.tables.extend(object, &name);
                    // What is not the script's own is written to by Boa.
                    if !self.is_own(object) {
                        return Err(
                            self.refusal(format!("an assignment to the member `{name}` of a node or the request"))
                        );
                    }
                    let Some(field) = self.paths.field(object, &name) else {
                        return Err(self.refusal("so many members"));
                    };
                    if self.kept_functions.has(field) || self.kept_patterns.contains_key(&field) {
                        return Err(self.refusal(format!("an assignment to the function or pattern `{name}`")));
                    }
                    self.learnt |= self.kept_functions.mix(object);
                    self.learn_field(field, &value.shape);
                    fields.push(field);
                }
                if fields.is_empty() && self.may_be_dictionary(&base.shape) {
                    self.learn_elements(&base.shape, &value.shape);
                    let name = self.text(&name);
                    steps.push(St::Eval(Ex::Host(HostCall::PutMember, vec![base.ex, name.ex, value.ex])));
                    return Ok(());
                }
                if fields.is_empty() {
                    self.refuse_at_last("an assignment to a member of a value of which nothing is known")?;
                }
                steps.push(St::PutField { base: base.ex, fields, value: value.ex });
            }
            Spot::At(base, key) => {
                self.learn_dictionary(&base.shape);
                self.put_at_key(base, &key, value, steps);
            }
        }
        Ok(())
    }
}
