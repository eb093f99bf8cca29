//! The source as a tree of the kind that all written languages share (`script::tree`), made from Boa's syntax tree.
//!
//! A tree is made from a source that compiles; one that does not has no tree. Boa tells lines and columns, of which
//! `places` makes bytes; Boa keeps no places of statements, which stand at what they are about.

mod expressions;
mod patterns;
mod places;
mod statements;

use std::ops::Range;

use boa_ast::function::{FormalParameterList, FunctionBody};
use boa_ast::{Spanned, StatementListItem};
use boa_interner::Sym;

use crate::script::SourceText;
use crate::script::tree::{EntryPoint, FunctionTree, SyntaxTree};

use super::scan::check_depth;
use super::syntax::{self, Entry, ParsedSource, Tree};
use places::SourceLines;

/// The deepest nesting of a source of which a tree is made; the engine has read the source before, with a limit of its
/// own.
const MAX_DEPTH: usize = 256;

/// Returns `source` as a tree, or `None` where it does not compile.
pub(super) fn tree(source: &SourceText) -> Option<SyntaxTree> {
    check_depth(source, MAX_DEPTH).ok()?;
    let ParsedSource { tree, moves, declared } = syntax::parsed(source).ok()?;
    let reading = syntax::read_tree(&tree, &moves, declared).ok()?;
    let mut lower = TreeBuilder { tree: &tree, places: SourceLines::new(&source.text, &moves), functions: 0 };
    let body = lower.items(tree.script.statements().statements());
    let entry = match reading.entry {
        Entry::Named(name) => Some(EntryPoint::Named(name)),
        Entry::Anonymous(line, column) => Some(EntryPoint::At(lower.places.offset(line, column))),
        Entry::PerNode => None,
    };
    let dialect = crate::script::tree::Dialect::JavaScript;
    Some(SyntaxTree { dialect, body, shape: reading.shape, entry, functions: lower.functions })
}

/// What makes one tree of the other.
struct TreeBuilder<'t> {
    tree: &'t Tree,
    places: SourceLines<'t>,
    /// The number of the next function.
    functions: usize,
}

/// A function's parts, whichever way it is written.
struct FunctionParts<'a> {
    name: Option<Sym>,
    parameters: &'a FormalParameterList,
    body: &'a FunctionBody,
    /// Where the function starts; absent where Boa does not say it.
    start: Option<usize>,
    form: FunctionForm,
}

/// What kind of function it is.
#[derive(Clone, Copy, Default)]
struct FunctionForm {
    is_arrow: bool,
    is_async: bool,
    is_generator: bool,
}

impl TreeBuilder<'_> {
    fn name(&self, sym: Sym) -> String {
        self.tree.name(sym)
    }

    fn range(&self, spanned: &impl Spanned) -> Range<usize> {
        self.places.range(spanned.span())
    }

    fn function(&mut self, parts: &FunctionParts<'_>) -> FunctionTree {
        let number = self.functions;
        self.functions += 1;
        let body = self.range(parts.body);
        let parameters: Vec<_> = parts.parameters.as_ref().iter().map(|parameter| self.parameter(parameter)).collect();
        let start = parts.start.or_else(|| parameters.first().map(|first| first.span.start)).unwrap_or(body.start);
        let is_block = self.places.text().get(body.start..).is_some_and(|text| text.starts_with('{'));
        let statements = self.items(parts.body.statements());
        FunctionTree {
            number,
            name: parts.name.map(|name| self.name(name)),
            parameters,
            body: statements,
            is_short: parts.form.is_arrow && !is_block,
            is_async: parts.form.is_async,
            is_generator: parts.form.is_generator,
            span: start..body.end.max(start),
            head: start..self.head_end(start, body.start),
        }
    }

    /// Where the head of a function ends whose body starts at `body`: behind its brackets, before blanks and an arrow.
    fn head_end(&self, start: usize, body: usize) -> usize {
        let head = self.places.text().get(start..body).unwrap_or_default().trim_end();
        let head = head.strip_suffix("=>").unwrap_or(head).trim_end();
        start + head.len()
    }
}

impl TreeBuilder<'_> {
    fn items(&mut self, items: &[StatementListItem]) -> Vec<crate::script::tree::Stmt> {
        items.iter().flat_map(|item| self.item(item)).collect()
    }
}
