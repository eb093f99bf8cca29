//! Ids of nodes that are written into a script.

use std::collections::BTreeSet;

use crate::check::codes::Code;
use crate::check::fields::misspelt;
use crate::check::finding::{Finding, Fix};
use crate::check::flow::Flow;
use crate::check::value::{Role, Value};
use crate::script::tree::{Expr, ExprKind, SourceRange};

/// The most ids of a cluster that a name is compared with.
const MAX_COMPARED: usize = 2_000;

impl<'t> Flow<'t> {
    /// A text that is sought in a list.
    pub(in crate::check) fn sought(&mut self, list: &Value, text: &str, arguments: &'t [Expr]) {
        let of_ids = list.element() == Some(&Value::Text(Role::Id));
        if let (true, Some(first), Some(seen)) = (of_ids, arguments.first(), &mut self.seen) {
            seen.ids.push((text.to_owned(), first.span.clone()));
        }
    }

    /// A list of texts that is written out, in which an id is sought.
    pub(in crate::check) fn sought_in(&mut self, whole: &'t Expr, arguments: &'t [Expr]) {
        let (ExprKind::Call(callee, _), Some(first)) = (&whole.kind, arguments.first()) else { return };
        let Some((Expr { kind: ExprKind::List(elements), .. }, _)) = callee.field() else { return };
        let is_id = self.peek(first) == Value::Text(Role::Id);
        if let (true, Some(seen)) = (is_id, &mut self.seen) {
            seen.ids.extend(elements.iter().filter_map(|one| Some((one.text()?.to_owned(), one.span.clone()))));
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
