//! Names: which variable or function each one is, where it stands.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use boa_ast::expression::{Expression, Identifier};
use boa_ast::operations::{lexically_declared_names, var_declared_names};
use boa_ast::visitor::{VisitWith, Visitor};
use boa_ast::{StatementList, StatementListItem, declaration::Declaration};
use boa_interner::Sym;

use super::super::super::analysis::tree::Tree;
use super::super::ir::{Ex, Local, St};
use super::super::paths::Shape;
use super::super::value;
use super::callables::Callable;
use super::texts::KnownPattern;
use super::{Fun, Lowering, Res, Val};

/// A scope, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScopeId(usize);

impl ScopeId {
    /// The top level's.
    pub(super) const TOP: Self = Self(0);
}

/// The names that one block or function declares.
pub(super) struct Scope {
    parent: Option<ScopeId>,
    /// The region in which it begins.
    region: u32,
    names: BTreeMap<Sym, Meaning>,
    /// The meaning of `this`, where the scope belongs to a function that has a `this` of the function's own.
    this: Option<This>,
}

/// The meaning of `this` in a function.
enum This {
    /// The object whose member was called.
    Receiver(Val),
    /// No member of an object was called: the language or the host decides.
    Unknown,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A variable of `let`, a parameter and the like, which is set where it is declared.
    Set(Local),
    /// The same, which cannot be given another value.
    Constant(Local),
    /// A variable of `var`, which is `undefined` until it is set.
    Hoisted(Local),
    /// A variable that nobody declares: there is none until it is set.
    Undeclared(Local),
    /// A constant callable, by number.
    Function(usize),
    /// A variable that holds functions, by number.
    FunctionVariable(usize),
    /// A list of functions, by number.
    List(usize),
    /// A constant text, by the bits of the value.
    Text(u64),
    /// A pattern that is always this one.
    Pattern(KnownPattern),
    /// A class, by number.
    Class(usize),
    /// The method of `Math` with this name.
    OfMath(Sym),
    /// Declared further down.
    Later,
    /// Not to be used here.
    Forbidden,
}

/// Whether `name` stands in `tree` only in brackets behind a list, apart from the heads of `heads` loops: then a number
/// serves as well as the text that `for (name in list)` gives.
pub(super) fn is_index_alone(tree: &Tree, name: Sym, heads: usize) -> bool {
    use boa_ast::expression::access::{PropertyAccessField, SimplePropertyAccess};
    struct Uses {
        name: Sym,
        all: usize,
        indices: usize,
    }
    impl<'ast> Visitor<'ast> for Uses {
        type BreakTy = std::convert::Infallible;

        fn visit_identifier(&mut self, node: &'ast Identifier) -> ControlFlow<Self::BreakTy> {
            self.all += usize::from(node.sym() == self.name);
            ControlFlow::Continue(())
        }

        fn visit_simple_property_access(&mut self, node: &'ast SimplePropertyAccess) -> ControlFlow<Self::BreakTy> {
            if let PropertyAccessField::Expr(field) = node.field()
                && let Expression::Identifier(name) = &**field
            {
                self.indices += usize::from(name.sym() == self.name);
            }
            // The name behind a dot is no variable.
            let _ = self.visit_expression(node.target());
            if let PropertyAccessField::Expr(field) = node.field() {
                let _ = self.visit_expression(field);
            }
            ControlFlow::Continue(())
        }
    }
    let mut uses = Uses { name, all: 0, indices: 0 };
    let _ = tree.script.statements().visit_with(&mut uses);
    uses.all == uses.indices + heads
}

impl<'t> Lowering<'t> {
    /// Opens a scope within `parent`.
    pub(super) fn scope(&mut self, parent: Option<ScopeId>) -> ScopeId {
        let region = self.region();
        self.scopes.push(Scope { parent, region, names: BTreeMap::new(), this: None });
        ScopeId(self.scopes.len() - 1)
    }

    /// The innermost scope.
    pub(super) fn current(&self) -> ScopeId {
        self.stack.last().copied().unwrap_or(ScopeId::TOP)
    }

    pub(super) fn mean(&mut self, scope: ScopeId, name: Sym, meaning: Meaning) {
        if let Some(scope) = self.scopes.get_mut(scope.0) {
            scope.names.insert(name, meaning);
        }
    }

    /// What `name` stands for in `scope`, and the scope that says so.
    pub(super) fn meaning(&self, scope: ScopeId, name: Sym) -> Option<(ScopeId, Meaning)> {
        let mut next = Some(scope);
        while let Some(id) = next {
            let scope = self.scopes.get(id.0)?;
            if let Some(meaning) = scope.names.get(&name) {
                return Some((id, *meaning));
            }
            next = scope.parent;
        }
        None
    }

    /// Opens the scope of a function with the variables and functions that `list` declares.
    pub(super) fn open_function(
        &mut self,
        parent: Option<ScopeId>,
        list: &'t StatementList,
        steps: &mut Vec<St>,
    ) -> Res<ScopeId> {
        let scope = self.scope(parent);
        let names: BTreeSet<Sym> = var_declared_names(list).into_iter().collect();
        for name in names {
            self.hoist(scope, name, steps);
        }
        self.declare_block(scope, list)?;
        self.enter(scope);
        Ok(scope)
    }

    fn hoist(&mut self, scope: ScopeId, name: Sym, steps: &mut Vec<St>) {
        let local = self.local(None);
        self.mean(scope, name, Meaning::Hoisted(local));
        if self.variables.get(local).is_some_and(|variable| variable.needs_start) {
            let start = self.set(local, Val::undefined());
            steps.push(start);
        }
    }

    /// Declares the functions and later variables of a block.
    pub(super) fn declare_block(&mut self, scope: ScopeId, list: &'t StatementList) -> Res<()> {
        for name in lexically_declared_names(list) {
            self.mean(scope, name, Meaning::Later);
        }
        for item in list.statements() {
            let StatementListItem::Declaration(declaration) = item else { continue };
            if let Declaration::FunctionDeclaration(declaration) = &**declaration {
                let function = self.note_callable(Callable::Own(Fun::declared(declaration, scope)));
                let is_only =
                    self.writes.count(self.calls.last().map(|function| function.body), declaration.name().sym()) == 0;
                let meaning = if is_only { Meaning::Function(function) } else { Meaning::Forbidden };
                self.mean(scope, declaration.name().sym(), meaning);
            }
        }
        Ok(())
    }

    /// Whether what stands here always runs when `scope` is entered, and once.
    pub(super) fn is_certain(&self, scope: ScopeId) -> bool {
        self.scopes.get(scope.0).is_some_and(|scope| scope.region == self.region())
    }

    /// The function that `name` is in `scope`.
    pub(super) fn named(&self, name: &str, scope: ScopeId) -> Res<Fun<'t>> {
        let names = self.scopes.get(scope.0).map(|scope| scope.names.iter()).into_iter().flatten();
        let mut found = names.filter(|(sym, _)| self.name(**sym) == name);
        match found.next() {
            Some((_, Meaning::Function(function))) => {
                self.own_function(*function).ok_or_else(|| self.refusal("a function that is not found"))
            }
            _ => Err(self.refusal(format!("`{name}`, which may be more than one function"))),
        }
    }

    /// Reads the variable `name`.
    pub(super) fn read(&mut self, name: Identifier) -> Res<Val> {
        let text = self.name(name.sym());
        let meaning = self.meaning(self.current(), name.sym()).map(|(_, meaning)| meaning);
        match meaning {
            Some(Meaning::Set(local) | Meaning::Constant(local)) => Ok(self.get(local)),
            Some(Meaning::Hoisted(local)) => {
                if !self.is_set(local)
                    && let Some(variable) = self.variables.get_mut(local)
                    && !variable.needs_start
                {
                    (variable.needs_start, self.learnt) = (true, true);
                }
                Ok(self.get(local))
            }
            Some(Meaning::Undeclared(local)) if self.is_set(local) => Ok(self.get(local)),
            Some(Meaning::Undeclared(_)) => Err(self.refusal(format!("`{text}`, which may not be there yet"))),
            Some(Meaning::Function(_) | Meaning::FunctionVariable(_)) => {
                Err(self.refusal(format!("the function `{text}` as a value")))
            }
            Some(Meaning::Text(bits)) => Ok(Val::plain(Ex::Const(bits))),
            Some(Meaning::List(_)) => Err(self.refusal(format!("`{text}`, a list of functions, as a value"))),
            Some(Meaning::Class(_)) => Err(self.refusal(format!("the class `{text}` as a value"))),
            Some(Meaning::OfMath(_)) => Err(self.refusal(format!("the function `{text}` as a value"))),
            Some(Meaning::Pattern(_)) => Err(self.refusal(format!("the pattern `{text}` as a value"))),
            Some(Meaning::Later) => Err(self.refusal(format!("`{text}` before its declaration"))),
            Some(Meaning::Forbidden) => Err(self.refusal(format!("`{text}` here"))),
            None => match text.as_str() {
                "undefined" => Ok(Val::undefined()),
                "NaN" => Ok(Val::plain(Ex::Num(f64::NAN))),
                "Infinity" => Ok(Val::plain(Ex::Num(f64::INFINITY))),
                _ => Err(self.refusal(format!("`{text}`"))),
            },
        }
    }

    /// How many names the top level knows, those that nobody declares included.
    pub(super) fn undeclared(&self) -> usize {
        self.scopes.first().map_or(0, |top| top.names.len())
    }

    /// Whether `local` was set on every way to here.
    fn is_set(&self, local: Local) -> bool {
        self.assigned.get(&local).is_some_and(|region| self.regions.contains(region))
    }

    /// Gives the variable `name` a value.
    pub(super) fn write(&mut self, name: Identifier, value: Val) -> Res<St> {
        let text = self.name(name.sym());
        let meaning = self.meaning(self.current(), name.sym()).map(|(_, meaning)| meaning);
        let local = match meaning {
            Some(Meaning::Set(local) | Meaning::Hoisted(local) | Meaning::Undeclared(local)) => local,
            Some(_) => return Err(self.refusal(format!("an assignment to `{text}`"))),
            None if (self.has_global)(&text) || self.is_strict() => {
                return Err(self.refusal(format!("an assignment to `{text}`, which is not declared")));
            }
            None => {
                let local = self.local(None);
                self.mean(ScopeId::TOP, name.sym(), Meaning::Undeclared(local));
                local
            }
        };
        Ok(self.set(local, value))
    }

    fn is_strict(&self) -> bool {
        // A class is strict, whatever is around it.
        let is_strict = self.calls.iter().any(|function| function.body.strict());
        self.tree.script.statements().strict() || is_strict || !self.classes.is_empty()
    }

    /// Enters `scope`, which is left by [`Lowering::leave`].
    pub(super) fn enter(&mut self, scope: ScopeId) {
        self.stack.push(scope);
    }

    /// Leaves the innermost scope.
    pub(super) fn leave(&mut self) {
        self.stack.pop();
    }

    /// Gives `scope`, which is that of a function, the receiver `this`.
    pub(super) fn receive(&mut self, scope: ScopeId, this: Option<Val>) {
        if let Some(scope) = self.scopes.get_mut(scope.0) {
            scope.this = Some(this.map_or(This::Unknown, This::Receiver));
        }
    }

    /// The value of `this` here; `None` where no member of an object was called.
    pub(super) fn this(&self) -> Option<Val> {
        let mut next = Some(self.current());
        while let Some(scope) = next.and_then(|id| self.scopes.get(id.0)) {
            match &scope.this {
                Some(This::Receiver(receiver)) => return Some(receiver.clone()),
                Some(This::Unknown) => return None,
                None => next = scope.parent,
            }
        }
        None
    }

    /// The shape of the variable or receiver that `expression` names; nothing is lowered.
    pub(super) fn shape_of_name(&self, expression: &Expression) -> Option<Shape> {
        match expression {
            Expression::Parenthesized(inner) => self.shape_of_name(inner.expression()),
            Expression::This(_) => self.this().map(|this| this.shape),
            Expression::Identifier(name) => match self.meaning(self.current(), name.sym())?.1 {
                Meaning::Set(local) | Meaning::Constant(local) | Meaning::Hoisted(local) => Some(self.get(local).shape),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether `name` is declared by the script here.
    pub(super) fn is_declared(&self, name: Sym) -> bool {
        self.meaning(self.current(), name).is_some()
    }
}

/// `undefined` as an expression.
pub(super) fn nothing() -> Ex {
    Ex::Const(value::UNDEFINED)
}
