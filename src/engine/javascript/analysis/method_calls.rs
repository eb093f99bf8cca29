//! The lookups of members that a script calls or writes to, found by the place that Boa reports for an error in such a
//! lookup.
//!
//! Boa records the place of each member that is read, and the place of each call from the arguments on. The lookup of a
//! called member (`a.b` of `a.b()`) comes before the arguments and has no place of its own: Boa reports an error there
//! at the code around, such as the head of the function, an assignment, or the next member of a chain. The reported
//! place and the place that follows in the compiled code, where the call begins, together name a single call.

use std::ops::ControlFlow;

use boa_ast::expression::access::{PropertyAccess, PropertyAccessField};
use boa_ast::expression::literal::TemplateElement;
use boa_ast::expression::operator::Unary;
use boa_ast::expression::operator::assign::{Assign, AssignOp, AssignTarget};
use boa_ast::expression::operator::unary::UnaryOp;
use boa_ast::expression::operator::update::{Update, UpdateTarget};
use boa_ast::expression::{Call, Expression, New, Optional, TaggedTemplate};
use boa_ast::function::{FormalParameterList, FunctionBody, PrivateName};
use boa_ast::statement::Throw;
use boa_ast::visitor::{VisitWith, Visitor};
use boa_ast::{Position, Spanned};

use super::edits::Place;
use super::tree::Tree;

/// The built-in objects with functions that report a missing argument in the words of a failed lookup.
const ENGINES: [&str; 3] = ["Object", "Array", "Reflect"];

/// The lookups of a source that have no place of their own, in the order of compilation.
pub(in crate::engine::javascript) struct MethodCalls(Vec<LookUp>);

/// A lookup of a member, without a place of its own.
struct LookUp {
    /// The place that Boa reports for an error; `None` where that place is unknown.
    reported: Option<Place>,
    kind: LookUpKind,
}

enum LookUpKind {
    /// The lookup of a called member. The place that follows in the compiled code is in `begins`. Where `is_engines`,
    /// the object may be a built-in, which always exists.
    Called { member: Place, begins: Vec<Place>, is_engines: bool },
    /// A member that is written to.
    Written { member: Place },
    /// Any other lookup, as behind `?.`.
    Other,
}

impl MethodCalls {
    /// Returns the lookups of `tree`.
    pub(in crate::engine::javascript) fn of(tree: &Tree) -> Self {
        let mut calls = Calls { tree, around: Vec::new(), found: Vec::new(), is_member: false };
        let _ = tree.script.statements().visit_with(&mut calls);
        Self(calls.found)
    }

    /// Returns the place of the member with the failed lookup. Boa reports `reported`; in the compiled code, `before`
    /// and `after` are the places next to `reported`. `None` where no lookup or several lookups fit.
    pub(in crate::engine::javascript) fn member(
        &self,
        reported: Place,
        (before, after): (Option<Place>, Option<Place>),
    ) -> Option<Place> {
        let own: Vec<&LookUpKind> =
            self.0.iter().filter(|one| one.reported == Some(reported)).map(|one| &one.kind).collect();
        // Between a place and the same place lies what follows on a call: `id` of `a.b().id` in `throw a.b().id`.
        let after = after.filter(|_| before != after);
        if let Some(index) = after.and_then(|after| own.iter().position(|kind| kind.begins_at(after))) {
            let earlier = index.checked_sub(1).and_then(|earlier| own.get(earlier));
            // Nothing lies between such a look-up and this one, so that either may have failed.
            let is_sure = earlier.is_none_or(|earlier| matches!(earlier, LookUpKind::Called { .. }));
            return own.get(index).filter(|_| is_sure).and_then(|kind| kind.place());
        }
        if own.iter().any(|kind| matches!(kind, LookUpKind::Other)) {
            return None;
        }
        // The call begins at the reported place itself, as in `throw a.b()`, or the member is written to.
        let fits = |kind: &&&LookUpKind| matches!(kind, LookUpKind::Written { .. }) || kind.begins_at(reported);
        let mut fitting = own.iter().filter(fits);
        // A function of the engine reports its own errors at the call.
        let first = fitting.next().filter(|first| !matches!(first, LookUpKind::Called { is_engines: true, .. }))?;
        if fitting.next().is_some() { None } else { first.place() }
    }
}

impl LookUpKind {
    fn begins_at(&self, place: Place) -> bool {
        match self {
            Self::Called { begins, .. } => begins.contains(&place),
            Self::Written { .. } | Self::Other => false,
        }
    }

    fn place(&self) -> Option<Place> {
        match self {
            Self::Called { member, .. } | Self::Written { member } => Some(*member),
            Self::Other => None,
        }
    }
}

type Flow = ControlFlow<std::convert::Infallible>;

struct Calls<'t> {
    tree: &'t Tree,
    /// The places that Boa reports for the code around, the innermost last.
    around: Vec<Option<Place>>,
    found: Vec<LookUp>,
    /// Whether a member of an optional chain was visited. Boa does not name the type that tells a member from a call.
    is_member: bool,
}

impl Calls<'_> {
    fn note(&mut self, kind: LookUpKind) {
        let reported = self.around.last().copied().flatten();
        self.found.push(LookUp { reported, kind });
    }

    /// Runs `act` to visit code that Boa reports at `place`.
    fn within(&mut self, place: Option<Position>, act: impl FnOnce(&mut Self) -> Flow) -> Flow {
        self.around.push(place.map(own));
        let flow = act(self);
        self.around.pop();
        flow
    }

    /// Visits the parts of `access`; the lookup of `access` itself has no place.
    fn parts(&mut self, access: &PropertyAccess) -> Flow {
        let field = match access {
            PropertyAccess::Simple(access) => {
                self.visit_expression(access.target())?;
                access.field()
            }
            PropertyAccess::Private(access) => return self.visit_expression(access.target()),
            PropertyAccess::Super(access) => access.field(),
        };
        match field {
            PropertyAccessField::Const(_) => ControlFlow::Continue(()),
            PropertyAccessField::Expr(name) => self.visit_expression(name),
        }
    }

    /// Whether the object is one of [`ENGINES`], or the member is the `call` or `apply` of a function.
    fn is_engines(&self, access: &PropertyAccess) -> bool {
        let PropertyAccess::Simple(access) = access else { return false };
        let is_applied = match access.field() {
            PropertyAccessField::Const(name) => ["call", "apply"].contains(&self.tree.name(name.sym()).as_str()),
            PropertyAccessField::Expr(_) => false,
        };
        let is_built_in = match access.target().flatten() {
            Expression::Identifier(name) => ENGINES.contains(&self.tree.name(name.sym()).as_str()),
            _ => false,
        };
        is_applied || is_built_in
    }

    fn arguments(&mut self, call: &Call) -> Flow {
        self.within(Some(call.span().start()), |calls| {
            call.args().iter().try_for_each(|argument| calls.visit_expression(argument))
        })
    }
}

impl<'ast> Visitor<'ast> for Calls<'_> {
    type BreakTy = std::convert::Infallible;

    fn visit_function_body(&mut self, node: &'ast FunctionBody) -> Flow {
        self.within(Some(node.span().start()), |calls| node.visit_with(calls))
    }

    fn visit_formal_parameter_list(&mut self, node: &'ast FormalParameterList) -> Flow {
        self.within(None, |calls| node.visit_with(calls))
    }

    fn visit_throw(&mut self, node: &'ast Throw) -> Flow {
        self.within(Some(node.target().span().start()), |calls| node.visit_with(calls))
    }

    fn visit_property_access(&mut self, node: &'ast PropertyAccess) -> Flow {
        self.within(Some(member(node)), |calls| calls.parts(node))
    }

    fn visit_call(&mut self, node: &'ast Call) -> Flow {
        match node.function().flatten() {
            Expression::PropertyAccess(access) => {
                self.parts(access)?;
                let mut begins = vec![own(node.span().start())];
                if let Some(first) = node.args().first() {
                    first_places(first, &mut begins);
                }
                self.note(LookUpKind::Called {
                    member: own(member(access)),
                    begins,
                    is_engines: self.is_engines(access),
                });
            }
            function => self.visit_expression(function)?,
        }
        self.arguments(node)
    }

    fn visit_new(&mut self, node: &'ast New) -> Flow {
        self.visit_expression(node.call().function())?;
        self.arguments(node.call())
    }

    fn visit_optional(&mut self, node: &'ast Optional) -> Flow {
        match node.target().flatten() {
            Expression::PropertyAccess(access) => {
                self.parts(access)?;
                self.note(LookUpKind::Other);
            }
            target => self.visit_expression(target)?,
        }
        for operation in node.chain() {
            self.is_member = false;
            operation.visit_with(self)?;
            if self.is_member && !operation.shorted() {
                self.note(LookUpKind::Other);
            }
        }
        ControlFlow::Continue(())
    }

    fn visit_property_access_field(&mut self, node: &'ast PropertyAccessField) -> Flow {
        self.is_member = true;
        node.visit_with(self)
    }

    fn visit_private_name(&mut self, _node: &'ast PrivateName) -> Flow {
        self.is_member = true;
        ControlFlow::Continue(())
    }

    fn visit_tagged_template(&mut self, node: &'ast TaggedTemplate) -> Flow {
        node.visit_with(self)?;
        self.note(LookUpKind::Other);
        ControlFlow::Continue(())
    }

    fn visit_assign(&mut self, node: &'ast Assign) -> Flow {
        self.within(Some(node.span().start()), |calls| match node.lhs() {
            AssignTarget::Access(access) => {
                calls.parts(access)?;
                let written = LookUpKind::Written { member: own(member(access)) };
                if node.op() == AssignOp::Assign {
                    calls.visit_expression(node.rhs())?;
                    calls.note(written);
                    return ControlFlow::Continue(());
                }
                calls.note(written);
                calls.visit_expression(node.rhs())
            }
            AssignTarget::Identifier(_) | AssignTarget::Pattern(_) => node.visit_with(calls),
        })
    }

    fn visit_update(&mut self, node: &'ast Update) -> Flow {
        self.within(Some(node.span().start()), |calls| match node.target() {
            UpdateTarget::PropertyAccess(access) => {
                calls.parts(access)?;
                calls.note(LookUpKind::Written { member: own(member(access)) });
                ControlFlow::Continue(())
            }
            UpdateTarget::Identifier(_) => ControlFlow::Continue(()),
        })
    }

    fn visit_unary(&mut self, node: &'ast Unary) -> Flow {
        match (node.op(), node.target().flatten()) {
            (UnaryOp::Delete, Expression::PropertyAccess(access)) => self.within(Some(node.span().start()), |calls| {
                calls.parts(access)?;
                calls.note(LookUpKind::Written { member: own(member(access)) });
                ControlFlow::Continue(())
            }),
            (UnaryOp::Delete, _) => self.within(Some(node.span().start()), |calls| node.visit_with(calls)),
            _ => node.visit_with(self),
        }
    }
}

/// Adds to `places` the places at which Boa may report the beginning of `expression`, from the outermost on.
fn first_places(expression: &Expression, places: &mut Vec<Place>) {
    let mut next = Some(expression);
    while let Some(expression) = next {
        next = match expression {
            Expression::Parenthesized(inner) => Some(inner.expression()),
            Expression::PropertyAccess(access) => {
                places.push(own(member(access)));
                target(access)
            }
            Expression::Call(call) => match call.function().flatten() {
                Expression::PropertyAccess(access) => target(access),
                function => Some(function),
            },
            Expression::New(new) => Some(new.call().function()),
            Expression::Assign(assign) => {
                places.push(own(assign.span().start()));
                match assign.lhs() {
                    AssignTarget::Access(access) => target(access),
                    AssignTarget::Identifier(_) | AssignTarget::Pattern(_) => Some(assign.rhs()),
                }
            }
            Expression::Update(update) => {
                places.push(own(update.span().start()));
                None
            }
            Expression::Unary(unary) => {
                places.push(own(unary.span().start()));
                Some(unary.target())
            }
            Expression::Binary(binary) => Some(binary.lhs()),
            Expression::Conditional(choice) => Some(choice.condition()),
            Expression::Spread(spread) => Some(spread.target()),
            Expression::Optional(optional) => Some(optional.target()),
            Expression::TemplateLiteral(template) => match template.elements().first() {
                Some(TemplateElement::Expr(first)) => Some(first),
                _ => None,
            },
            _ => None,
        };
    }
}

fn target(access: &PropertyAccess) -> Option<&Expression> {
    match access {
        PropertyAccess::Simple(access) => Some(access.target()),
        PropertyAccess::Private(access) => Some(access.target()),
        PropertyAccess::Super(_) => None,
    }
}

/// Returns the start of the name of the member, or of the expression that computes the name.
fn member(access: &PropertyAccess) -> Position {
    match access {
        PropertyAccess::Simple(access) => access.field().span().start(),
        PropertyAccess::Private(access) => access.field().span().start(),
        PropertyAccess::Super(access) => access.field().span().start(),
    }
}

fn own(place: Position) -> Place {
    (place.line_number(), place.column_number())
}
