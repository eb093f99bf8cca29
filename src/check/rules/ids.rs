//! Ids of nodes that are written into a script.

use std::collections::BTreeSet;

use crate::check::codes::Code;
use crate::check::fields::misspelt;
use crate::check::finding::{Finding, Fix};
use crate::check::flow::ValueFlow;
use crate::check::value::{Role, Worth};
use crate::script::tree::{Expr, ExprKind, SourceRange};

/// The most ids of a cluster that a name is compared with.
const MAX_COMPARED: usize = 2_000;
/// The depth to which texts are followed through variables, lists and objects.
const MAX_DEPTH: usize = 4;

impl<'t> ValueFlow<'t> {
    /// A text that is sought in a list.
    pub(in crate::check) fn sought(&mut self, list: &Worth, text: &str, arguments: &'t [Expr]) {
        let of_ids = list.element() == Some(&Worth::Text(Role::Id));
        if let (true, Some(first), Some(seen)) = (of_ids, arguments.first(), &mut self.seen) {
            seen.ids.push((text.to_owned(), first.span.clone()));
        }
    }

    /// A list of texts that is written out, in which an id is sought.
    pub(in crate::check) fn sought_in(&mut self, whole: &'t Expr, arguments: &'t [Expr]) {
        let (ExprKind::Call(callee, _), Some(first)) = (&whole.kind, arguments.first()) else { return };
        let Some((list, _)) = callee.field() else { return };
        if self.peek(first) == Worth::Text(Role::Id) {
            self.note_ids(list);
        }
    }

    /// Notes the texts that `value` may be, or may hold, as ids.
    pub(in crate::check) fn note_ids(&mut self, value: &'t Expr) {
        let mut found = Vec::new();
        self.texts_in(value, MAX_DEPTH, &mut found);
        if let Some(seen) = &mut self.seen {
            seen.ids.extend(found);
        }
    }

    fn texts_in(&self, value: &'t Expr, depth: usize, found: &mut Vec<(String, SourceRange)>) {
        let Some(depth) = depth.checked_sub(1) else { return };
        match &value.kind {
            ExprKind::Text(text) if !text.is_empty() => found.push((text.clone(), value.span.clone())),
            ExprKind::List(elements) => elements.iter().for_each(|element| self.texts_in(element, depth, found)),
            ExprKind::Object(members) => members.iter().for_each(|(_, member)| self.texts_in(member, depth, found)),
            ExprKind::Index(of, _) => self.texts_in(of, depth, found),
            ExprKind::Name(name) => {
                if let Some(written) = self.variable(name).and_then(|number| self.written(number)) {
                    self.texts_in(written, depth, found);
                }
            }
            _ => {}
        }
    }
}

/// Returns a finding for each of `written`, ids with their places, that the cluster with `known` ids does not have.
#[must_use]
pub fn unknown_ids(written: &[(String, SourceRange)], known: &BTreeSet<String>) -> Vec<Finding> {
    let unknown = written.iter().filter(|(id, _)| !known.contains(id));
    let finding = |(id, span): &(String, SourceRange)| {
        let message = format!("the cluster has no node `{id}`");
        let finding = Finding::new(Code::UnknownNode, Some(span.clone()), message);
        match misspelt(id, known.iter().take(MAX_COMPARED).map(String::as_str)) {
            Some(meant) => {
                let text = meant.to_owned();
                let inner = span.start + 1..span.end.saturating_sub(1).max(span.start + 1);
                let fix = Fix::replace(inner, text, format!("`{id}` becomes `{meant}`")).unsure();
                finding.help(format!("did you mean `{meant}`?")).fix(fix)
            }
            None => finding.help(format!("`whither nodes` lists its {} nodes", known.len())),
        }
    };
    unknown.map(finding).collect()
}
