//! The effects of a script and the names in the script, read from the syntax tree once, at loading.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use boa_ast::expression::Identifier;
use boa_ast::visitor::{VisitWith, Visitor};
use boa_interner::Sym;

use super::edits::{Moves, Place};
use super::global_use::GlobalUse;
use super::tree::Tree;
use super::writes::may_write_nodes;

/// The length of the longest name or text that is kept; longer texts name no field.
const MAX_MENTION: usize = 64;

/// The effects of a script on objects that outlive the script, and the names that the script reads.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::engine::javascript) struct Survey {
    /// Whether an assignment in the script may hit a node.
    pub(in crate::engine::javascript) may_write_nodes: bool,
    /// The use of the global object by the script.
    pub(in crate::engine::javascript) globals: GlobalUse,
    /// Every name and short text in the script.
    pub(in crate::engine::javascript) mentioned: BTreeSet<String>,
    /// The places where each undeclared name is read.
    pub(in crate::engine::javascript) undeclared: BTreeMap<String, Vec<Place>>,
}

/// Returns the survey of the script `tree`; the text of `tree` is the source with `moves`.
pub(in crate::engine::javascript) fn survey(tree: &Tree, moves: &Moves) -> Survey {
    let mut mentions = Mentions { tree, names: BTreeSet::new() };
    let _ = tree.script.statements().visit_with(&mut mentions);
    let (globals, mut undeclared) = GlobalUse::with_names(tree);
    for place in undeclared.values_mut().flatten() {
        place.1 = moves.back(place.0, place.1);
    }
    Survey { may_write_nodes: may_write_nodes(tree), globals, mentioned: mentions.names, undeclared }
}

struct Mentions<'t> {
    tree: &'t Tree,
    names: BTreeSet<String>,
}

impl<'ast> Visitor<'ast> for Mentions<'_> {
    type BreakTy = std::convert::Infallible;

    fn visit_sym(&mut self, node: &'ast Sym) -> ControlFlow<Self::BreakTy> {
        let name = self.tree.name(*node);
        if name.len() <= MAX_MENTION {
            self.names.insert(name);
        }
        ControlFlow::Continue(())
    }

    fn visit_identifier(&mut self, node: &'ast Identifier) -> ControlFlow<Self::BreakTy> {
        self.visit_sym(node.sym_ref())
    }
}
