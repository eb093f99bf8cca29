//! The syntax tree of a source, with the functions at the top level.
//!
//! Every analysis builds on this file, which knows none of them.

use boa_ast::declaration::{Binding, Declaration, Variable};
use boa_ast::expression::access::PropertyAccessField;
use boa_ast::expression::operator::assign::{AssignOp, AssignTarget};
use boa_ast::expression::{Expression, Identifier};
use boa_ast::function::{FormalParameterList, FunctionBody};
use boa_ast::scope::Scope;
use boa_ast::{Statement, StatementListItem};
use boa_interner::{Interner, Sym};
use boa_parser::{Error, Parser, Source as Text};

/// The properties that every object inherits. Some of them show the object whole, or pass the object on.
pub(in crate::engine::javascript) const INHERITED: [&str; 12] = [
    "constructor",
    "hasOwnProperty",
    "isPrototypeOf",
    "propertyIsEnumerable",
    "toLocaleString",
    "toString",
    "valueOf",
    "__proto__",
    "__defineGetter__",
    "__defineSetter__",
    "__lookupGetter__",
    "__lookupSetter__",
];

/// The names by which a function reaches the parameters without their names.
pub(in crate::engine::javascript) const BACK_DOORS: [&str; 2] = ["arguments", "eval"];

/// A parsed program with the interner of the names.
pub(in crate::engine::javascript) struct Tree {
    pub(in crate::engine::javascript) script: boa_ast::Script,
    pub(in crate::engine::javascript) interner: Interner,
}

impl Tree {
    /// Returns the text of `sym`, or an empty text where the interner does not know the name.
    pub(in crate::engine::javascript) fn name(&self, sym: Sym) -> String {
        self.interner.resolve(sym).map(|name| name.to_string()).unwrap_or_default()
    }
}

/// Returns the syntax tree of `text`, read as a script.
pub(in crate::engine::javascript) fn parse(text: &str) -> Result<Tree, Error> {
    let mut interner = Interner::default();
    let script = Parser::new(Text::from_bytes(text)).parse_script(&Scope::new_global(), &mut interner)?;
    Ok(Tree { script, interner })
}

/// The signature and body of a function, in any syntax.
pub(in crate::engine::javascript) struct FunctionSyntax<'a> {
    /// The name of the function itself, or the name taken from the function's variable.
    pub(in crate::engine::javascript) own_name: Option<Sym>,
    /// The parameters, in order.
    pub(in crate::engine::javascript) parameters: &'a FormalParameterList,
    /// The statements.
    pub(in crate::engine::javascript) body: &'a FunctionBody,
    /// Whether the function has `arguments`; arrows have none.
    pub(in crate::engine::javascript) own_arguments: bool,
}

/// Returns the names that a top-level item binds, each with the function where the value is a function.
pub(in crate::engine::javascript) fn named(item: &StatementListItem) -> Vec<(Sym, Option<FunctionSyntax<'_>>)> {
    match item {
        StatementListItem::Declaration(declaration) => match &**declaration {
            Declaration::Lexical(list) => variables(list.variable_list().as_ref()),
            Declaration::FunctionDeclaration(f) => vec![(f.name().sym(), Some(plain(None, f.parameters(), f.body())))],
            Declaration::AsyncFunctionDeclaration(f) => {
                vec![(f.name().sym(), Some(plain(None, f.parameters(), f.body())))]
            }
            Declaration::GeneratorDeclaration(_)
            | Declaration::AsyncGeneratorDeclaration(_)
            | Declaration::ClassDeclaration(_) => Vec::new(),
        },
        StatementListItem::Statement(statement) => match &**statement {
            Statement::Var(list) => variables(list.0.as_ref()),
            Statement::Expression(Expression::Assign(assign)) if assign.op() == AssignOp::Assign => {
                match assign.lhs() {
                    AssignTarget::Identifier(name) => vec![(name.sym(), function(assign.rhs()))],
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        },
    }
}

fn variables(list: &[Variable]) -> Vec<(Sym, Option<FunctionSyntax<'_>>)> {
    list.iter()
        .filter_map(|variable| match variable.binding() {
            Binding::Identifier(name) => Some((name.sym(), variable.init().and_then(function))),
            Binding::Pattern(_) => None,
        })
        .collect()
}

/// Returns the signature and body of `expression`, where the expression is a function.
pub(in crate::engine::javascript) fn function(expression: &Expression) -> Option<FunctionSyntax<'_>> {
    match expression {
        Expression::FunctionExpression(f) => Some(plain(f.name(), f.parameters(), f.body())),
        Expression::AsyncFunctionExpression(f) => Some(plain(f.name(), f.parameters(), f.body())),
        Expression::ArrowFunction(f) => Some(arrow(f.name(), f.parameters(), f.body())),
        Expression::AsyncArrowFunction(f) => Some(arrow(f.name(), f.parameters(), f.body())),
        Expression::Parenthesized(inner) => function(inner.expression()),
        _ => None,
    }
}

fn plain<'a>(
    name: Option<Identifier>,
    parameters: &'a FormalParameterList,
    body: &'a FunctionBody,
) -> FunctionSyntax<'a> {
    FunctionSyntax { own_name: name.map(Identifier::sym), parameters, body, own_arguments: true }
}

fn arrow<'a>(
    name: Option<Identifier>,
    parameters: &'a FormalParameterList,
    body: &'a FunctionBody,
) -> FunctionSyntax<'a> {
    FunctionSyntax { own_arguments: false, ..plain(name, parameters, body) }
}

/// Returns the name of `field`, where the source writes the name out: `.name` or `["name"]`.
pub(in crate::engine::javascript) fn field_name(tree: &Tree, field: &PropertyAccessField) -> Option<String> {
    match field {
        PropertyAccessField::Const(name) => Some(tree.name(name.sym())),
        PropertyAccessField::Expr(expression) => match &**expression {
            Expression::Literal(literal) => literal.as_string().map(|text| tree.name(text)),
            _ => None,
        },
    }
}
