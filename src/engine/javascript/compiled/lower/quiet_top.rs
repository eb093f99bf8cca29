//! Whether the top level of a script must run before a call: not where the top level only declares functions and
//! constants.

use boa_ast::declaration::{Binding, Declaration};
use boa_ast::expression::Expression;
use boa_ast::expression::literal::PropertyDefinition;
use boa_ast::property::PropertyName;
use boa_ast::{Statement, StatementListItem};

use super::super::super::analysis::tree::Tree;
use super::functions::function;
use super::names::ScopeId;

/// Whether the top level of `tree` does nothing but to declare functions and constants.
pub(in super::super) fn has_quiet_top(tree: &Tree) -> bool {
    let is_quiet = |expression: Option<&Expression>| expression.is_none_or(is_quiet);
    tree.script.statements().statements().iter().all(|item| match item {
        StatementListItem::Declaration(declaration) => match &**declaration {
            Declaration::FunctionDeclaration(_) => true,
            Declaration::Lexical(list) => {
                let list = list.variable_list().as_ref();
                list.iter()
                    .all(|variable| !matches!(variable.binding(), Binding::Pattern(_)) && is_quiet(variable.init()))
            }
            _ => false,
        },
        StatementListItem::Statement(statement) => match &**statement {
            Statement::Empty => true,
            Statement::Expression(expression) => is_quiet(Some(expression)),
            Statement::Var(list) => list.0.as_ref().iter().all(|variable| is_quiet(variable.init())),
            _ => false,
        },
    })
}

/// Whether evaluating `expression` does nothing that anybody could see.
fn is_quiet(expression: &Expression) -> bool {
    match expression {
        Expression::Literal(_) => true,
        Expression::ArrayLiteral(list) => list.as_ref().iter().flatten().all(is_quiet),
        Expression::ObjectLiteral(object) => object.properties().iter().all(|property| match property {
            PropertyDefinition::Property(PropertyName::Literal(_), value) => is_quiet(value),
            _ => false,
        }),
        _ => function(expression, ScopeId::TOP).is_some(),
    }
}
