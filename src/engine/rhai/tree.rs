//! The source as a syntax tree of the kind that all text languages share (`script::tree`), read by a small parser.
//!
//! The parser reads sources that Rhai has compiled before, so the parser reports no errors: a source that the parser
//! does not understand has no tree. Rejected: Rhai's own tree, which Rhai shows under the feature `internals` alone and
//! without any promise; expressions there have a start but no end, and closures are cut out of the tree.

mod expressions;
mod statements;
mod tokens;

use rhai::Engine;

use crate::script::tree::{Dialect, Expr, ExprKind, Stmt, StmtKind, SyntaxTree, TreeEntry};
use crate::script::{ScriptShape, SourceText};

use super::shape;
use tokens::{Lexeme, Lexemes};

/// The deepest nesting of a source that gets a tree.
const MAX_DEPTH: usize = 64;
/// The operator of an expression that ends with a semicolon, and therefore has no value.
const FINISHED: &str = "void";

/// Returns `source` as a tree, or `None` where the source does not compile or is not understood.
pub(super) fn tree(source: &SourceText) -> Option<SyntaxTree> {
    let mut rhai = Engine::new_raw();
    rhai.set_max_expr_depths(MAX_DEPTH, MAX_DEPTH);
    let text = match source.text.strip_prefix("#!") {
        Some(rest) => format!("//{rest}"),
        None => source.text.to_string(),
    };
    let reading = shape::read(&rhai.compile(&text).ok()?).ok()?;
    let mut parser = RhaiParser { lexemes: Lexemes::new(&text), functions: 0, depth: 0 };
    let mut body = Vec::new();
    while parser.lexemes.peek().kind != Lexeme::End {
        body.extend(parser.statement()?);
    }
    let body = settled(body);
    let entry = (reading.shape == ScriptShape::WholeList).then_some(TreeEntry::Named(reading.entry));
    Some(SyntaxTree { dialect: Dialect::Rhai, body, shape: reading.shape, entry, functions: parser.functions })
}

/// The parser of a source.
struct RhaiParser<'t> {
    lexemes: Lexemes<'t>,
    /// The number of the next function.
    functions: usize,
    depth: usize,
}

impl RhaiParser<'_> {
    /// Runs `parse` a level deeper; `None` where that is too deep.
    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        // Each level of a source has several levels of operators here.
        if self.depth > MAX_DEPTH * 4 {
            return None;
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }
}

/// Turns the value of the last statement of `body` into the value that the function returns.
fn returned(mut body: Vec<Stmt>) -> Vec<Stmt> {
    let Some(last) = body.pop() else { return body };
    let span = last.span.clone();
    let kind = match last.kind {
        StmtKind::Expr(value) if !is_finished(&value) => return_value(value),
        other => other,
    };
    body.push(Stmt { kind, span });
    settled(body)
}

fn return_value(value: Expr) -> StmtKind {
    let branch = |value: Expr| match value.kind {
        ExprKind::Block(body) => returned(body),
        ExprKind::Nothing if value.span.is_empty() => Vec::new(),
        kind => {
            let span = value.span.clone();
            vec![Stmt { kind: return_value(Expr { kind, span: value.span }), span }]
        }
    };
    match value.kind {
        ExprKind::Conditional(condition, then, otherwise) => {
            StmtKind::If(*condition, branch(*then), branch(*otherwise))
        }
        ExprKind::Block(body) => StmtKind::Block(returned(body)),
        kind => StmtKind::Return(Some(Expr { kind, span: value.span })),
    }
}

/// Turns choices and blocks of `body` with unused values into statements.
fn settled(body: Vec<Stmt>) -> Vec<Stmt> {
    let settle = |statement: Stmt| match statement.kind {
        StmtKind::Expr(value) => Stmt { kind: statement_of(value), span: statement.span },
        kind => Stmt { kind, span: statement.span },
    };
    body.into_iter().map(settle).collect()
}

fn statement_of(value: Expr) -> StmtKind {
    let branch = |value: Expr| match value.kind {
        ExprKind::Block(body) => settled(body),
        ExprKind::Nothing if value.span.is_empty() => Vec::new(),
        kind => {
            let span = value.span.clone();
            vec![Stmt { kind: statement_of(Expr { kind, span: value.span }), span }]
        }
    };
    match value.kind {
        ExprKind::Unary(FINISHED, inner) => statement_of(*inner),
        ExprKind::Conditional(condition, then, otherwise) => {
            StmtKind::If(*condition, branch(*then), branch(*otherwise))
        }
        ExprKind::Block(body) => StmtKind::Block(settled(body)),
        kind => StmtKind::Expr(Expr { kind, span: value.span }),
    }
}

/// Whether `value` ends with a semicolon, and therefore has no value.
fn is_finished(value: &Expr) -> bool {
    matches!(&value.kind, ExprKind::Unary(FINISHED, _))
}
