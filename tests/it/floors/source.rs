//! A Rust file as the paths that the file names, read by `syn`: comments, strings and test code name nothing.
//!
//! The arguments of a macro are read as expressions or statements, and word by word where they are neither. A path that
//! a macro builds is not seen.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, Expr, ExprPath, Item, Macro, Path, Token, UseTree};

/// A path as it is written: `crate::model::Node` or `HashMap`, with `use` trees taken apart.
pub(crate) struct Named {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    pub(crate) kind: Kind,
    /// The module that the path stands in.
    pub(crate) module: Vec<String>,
}

/// How a path stands in the source.
#[derive(PartialEq, Eq)]
pub(crate) enum Kind {
    /// In an attribute.
    Attribute,
    /// In a `use`, which gives the path this name.
    Imported(String),
    /// As a macro's name.
    Macro,
    /// Anywhere else.
    Used,
}

impl Named {
    /// Returns the path from the crate's root, or `None` where the path does not begin with `crate`, `self` or `super`.
    pub(crate) fn absolute(&self) -> Option<Vec<String>> {
        let supers = self.segments.iter().take_while(|segment| *segment == "super").count();
        let (above, below) = match self.segments[0].as_str() {
            "crate" => (self.module.len(), 1),
            "self" => (0, 1),
            _ if supers > 0 => (supers, supers),
            _ => return None,
        };
        let kept = self.module.len().saturating_sub(above);
        Some([&self.module[..kept], &self.segments[below..]].concat())
    }
}

/// A file without its comments, strings and tests.
#[derive(Default)]
pub(crate) struct Source {
    /// Every path that the file names.
    pub(crate) named: Vec<Named>,
    /// The names of the modules in the file, none of which is a crate.
    pub(crate) modules: BTreeSet<String>,
    /// The lines that say `unsafe`.
    pub(crate) unsafe_lines: Vec<usize>,
    /// The number of lines that are no test code.
    pub(crate) lines: usize,
    /// The module that the file is; while the file is read, the module that is read.
    pub(crate) module: Vec<String>,
    test_lines: BTreeSet<usize>,
}

impl Source {
    /// Reads `text` as the file at `path` below the crate's root.
    pub(crate) fn read(path: &str, text: &str) -> syn::Result<Self> {
        let module = path.trim_start_matches("src/").trim_end_matches(".rs").split('/');
        let module = module.filter(|part| !matches!(*part, "mod" | "lib" | "main")).map(str::to_owned).collect();
        let mut source = Self { module, ..Self::default() };
        source.visit_file(&syn::parse_file(text)?);
        let is_unsafe = |word: &Ident| word == "unsafe" && !source.test_lines.contains(&line(word.span()));
        source.unsafe_lines =
            words(text.parse()?).into_iter().filter(is_unsafe).map(|word| line(word.span())).collect();
        source.lines = text.lines().count() - source.test_lines.len();
        Ok(source)
    }

    fn name(&mut self, segments: Vec<String>, span: Span, kind: Kind) {
        self.named.push(Named { segments, line: line(span), kind, module: self.module.clone() });
    }

    fn import(&mut self, tree: &UseTree, before: &[String]) {
        let (last, given) = match tree {
            UseTree::Path(path) => return self.import(&path.tree, &[before, &[path.ident.to_string()]].concat()),
            UseTree::Group(group) => return group.items.iter().for_each(|tree| self.import(tree, before)),
            UseTree::Name(name) if name.ident == "self" => ("self".to_owned(), before.last().cloned()),
            UseTree::Name(name) => (name.ident.to_string(), None),
            UseTree::Rename(rename) => (rename.ident.to_string(), Some(rename.rename.to_string())),
            UseTree::Glob(_) => ("*".to_owned(), None),
        };
        let kind = Kind::Imported(given.unwrap_or_else(|| last.clone()));
        self.name([before, &[last]].concat(), tree.span(), kind);
    }

    fn is_test(&mut self, attributes: &[Attribute], span: Span) -> bool {
        let is_word = |attribute: &Attribute| attribute.parse_args::<Ident>().is_ok_and(|word| word == "test");
        let is_test = attributes.iter().any(|attribute| attribute.path().is_ident("cfg") && is_word(attribute));
        if is_test {
            self.test_lines.extend(line(span)..=span.end().line);
        }
        is_test
    }
}

/// Kinds of items that no test code needs so far are looked at in any case.
impl<'ast> Visit<'ast> for Source {
    fn visit_item(&mut self, item: &'ast Item) {
        let attributes: &[Attribute] = match item {
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Use(item) => &item.attrs,
            _ => &[],
        };
        if !self.is_test(attributes, item.span()) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !self.is_test(&function.attrs, function.span()) {
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.modules.insert(module.ident.to_string());
        self.module.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.import(&item.tree, &[]);
        visit::visit_item_use(self, item);
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string());
        self.name(segments.collect(), path.span(), Kind::Used);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        let before = self.named.len();
        self.visit_path(&call.path);
        self.named[before].kind = Kind::Macro;
        if let Ok(list) = call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated) {
            list.iter().for_each(|expression| self.visit_expr(expression));
        } else if let Ok(statements) = call.parse_body_with(Block::parse_within) {
            statements.iter().for_each(|statement| self.visit_stmt(statement));
        } else {
            self.visit_token_stream(&call.tokens);
        }
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let before = self.named.len();
        visit::visit_attribute(self, attribute);
        self.named[before..].iter_mut().for_each(|named| named.kind = Kind::Attribute);
    }

    /// Reads the paths among `tokens`, whatever stands between them.
    fn visit_token_stream(&mut self, tokens: &'ast TokenStream) {
        let read = |input: ParseStream<'_>| -> syn::Result<()> {
            while !input.is_empty() {
                if input.fork().parse::<ExprPath>().is_ok() {
                    let before = self.named.len();
                    self.visit_expr_path(&input.parse()?);
                    if input.peek(Token![!]) {
                        self.named[before].kind = Kind::Macro;
                    }
                } else if let TokenTree::Group(group) = input.parse()? {
                    self.visit_token_stream(&group.stream());
                }
            }
            Ok(())
        };
        read.parse2(tokens.clone()).unwrap();
    }
}

fn line(span: Span) -> usize {
    span.start().line
}

fn words(tokens: TokenStream) -> Vec<Ident> {
    let of = |tree| match tree {
        TokenTree::Group(group) => words(group.stream()),
        TokenTree::Ident(word) => vec![word],
        TokenTree::Punct(_) | TokenTree::Literal(_) => Vec::new(),
    };
    tokens.into_iter().flat_map(of).collect()
}
