//! The source as a syntax tree of the kind that all text languages share (`script::tree`), made from Boa's syntax tree.
//!
//! A source that does not compile has no tree. Boa reports lines and columns, which `places` converts to bytes; Boa
//! keeps no places of statements, so that a statement has the place of a part.

mod expressions;
mod patterns;
mod places;
mod statements;

use std::ops::Range;

use boa_ast::function::{FormalParameterList, FunctionBody};
use boa_ast::{Spanned, StatementListItem};
use boa_interner::Sym;

use crate::script::SourceText;
use crate::script::tree::{FunctionTree, SyntaxTree, TreeEntry};

use super::analysis::scan::check_depth;
use super::analysis::source::{EntryPoint, ParsedSource, parsed, read_tree};
use super::analysis::tree::Tree;
use places::SourceLines;

/// The deepest nesting of a source that gets a tree; the engine has read the source before, with a limit of its own.
const MAX_DEPTH: usize = 256;

/// Returns `source` as a tree, or `None` where the source does not compile.
pub(super) fn tree(source: &SourceText) -> Option<SyntaxTree> {
    check_depth(source, MAX_DEPTH).ok()?;
    let ParsedSource { tree, moves, declared } = parsed(source).ok()?;
    let reading = read_tree(&tree, &moves, declared).ok()?;
    let mut lower = TreeBuilder { tree: &tree, places: SourceLines::new(&source.text, &moves), functions: 0 };
    let body = lower.items(tree.script.statements().statements());
    let entry = match reading.entry {
        EntryPoint::Named(name) => Some(TreeEntry::Named(name)),
        EntryPoint::Anonymous(line, column) => Some(TreeEntry::At(lower.places.offset(line, column))),
        EntryPoint::PerNode => None,
    };
    let dialect = crate::script::tree::Dialect::JavaScript;
    Some(SyntaxTree { dialect, body, shape: reading.shape, entry, functions: lower.functions })
}

/// The builder of a syntax tree from Boa's tree.
struct TreeBuilder<'t> {
    tree: &'t Tree,
    places: SourceLines<'t>,
    /// The number of the next function.
    functions: usize,
}

/// The parts of a function, in any syntax.
struct FunctionParts<'a> {
    name: Option<Sym>,
    parameters: &'a FormalParameterList,
    body: &'a FunctionBody,
    /// The start of the function; `None` where Boa does not report the start.
    start: Option<usize>,
    form: FunctionForm,
}

/// The form of a function.
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

    /// Returns the end of a function's head: behind the brackets, before blanks and an arrow; the body starts at
    /// `body`.
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
