//! Conditions: values that are tested for their truth, and mean something else than their author meant.

use crate::check::codes::Code;
use crate::check::finding::{Finding, Fix};
use crate::check::flow::ValueFlow;
use crate::check::value::{Role, Worth};
use crate::script::tree::{Expr, ExprKind, Pattern, PatternKind};

/// Names of metadata that are true or false, where a text stands for the flag. Others are tested for existence.
const FLAGS: [&str; 26] = [
    "enabled",
    "disabled",
    "maintenance",
    "drain",
    "draining",
    "drained",
    "offline",
    "online",
    "reserved",
    "exclusive",
    "active",
    "inactive",
    "available",
    "ready",
    "blocked",
    "locked",
    "excluded",
    "hidden",
    "retired",
    "deprecated",
    "broken",
    "down",
    "standby",
    "readonly",
    "closed",
    "open",
];
/// The beginnings of names that ask a question.
const QUESTIONS: [&str; 7] = ["is_", "has_", "can_", "allow_", "no_", "not_", "in_"];

impl<'t> ValueFlow<'t> {
    /// Checks `expression`, of worth `worth`, as a condition.
    pub(in crate::check) fn tested(&mut self, expression: &'t Expr, worth: &Worth) {
        if let ExprKind::Call(callee, _) = &expression.kind
            && let Some((of, "indexOf" | "lastIndexOf" | "findIndex" | "index_of")) = callee.field()
        {
            self.index_as_truth(expression, of);
            return;
        }
        if *worth == Worth::Text(Role::Metadata)
            && let Some((_, name)) = expression.field()
            && let Some(seen) = &mut self.seen
        {
            seen.tested.push((name.to_owned(), expression.span.clone()));
        }
    }

    fn index_as_truth(&mut self, expression: &'t Expr, of: &'t Expr) {
        if self.seen.is_none() {
            return;
        }
        // `!text.indexOf(start)` is an old way to ask how a text begins.
        if matches!(self.peek(of), Worth::Text(_)) || !self.is_javascript() {
            return;
        }
        let message = format!(
            "{} is 0, which is false, for the first element, and -1, which is true, for none",
            self.shown(&expression.span)
        );
        let finding = Finding::new(Code::IndexTruth, Some(expression.span.clone()), message);
        let ExprKind::Call(callee, _) = &expression.kind else { return };
        let finding = finding.help("ask with `includes`, or compare with `>= 0`");
        self.find(match &callee.kind {
            ExprKind::Field { name, name_span, .. } if name == "indexOf" => {
                finding.fix(Fix::replace(name_span.clone(), "includes", "`indexOf` becomes `includes`"))
            }
            _ => finding,
        });
    }

    /// An assignment where a condition is meant.
    pub(in crate::check) fn assigned_as_condition(&mut self, whole: &'t Expr, target: &'t Pattern, right: &'t Expr) {
        let is_written =
            matches!(right.kind, ExprKind::Text(_) | ExprKind::Number(_) | ExprKind::Truth(_) | ExprKind::Nothing);
        // `found = true` in a condition may be meant.
        let is_flag =
            matches!(target.kind, PatternKind::Name(_)) && matches!(right.kind, ExprKind::Truth(_) | ExprKind::Nothing);
        if !is_written || is_flag {
            return;
        }
        let between = target.span.end..right.span.start;
        let sign = self.source(&between).find('=').map(|at| between.start + at);
        let message = format!("{} gives a value where it should compare", self.shown(&whole.span));
        let finding = Finding::new(Code::AssignmentCondition, Some(whole.span.clone()), message);
        let finding = finding.help("`===` compares, `=` assigns");
        self.find(match sign {
            Some(at) => finding.fix(Fix::replace(at..at + 1, "===", "`=` becomes `===`")),
            None => finding,
        });
    }
}

/// Metadata that are tested for their truth where the text `false` is as true as any other.
pub(super) fn truths_of_metadata(flow: &mut ValueFlow<'_>) {
    let Some(seen) = &mut flow.seen else { return };
    let compared = std::mem::take(&mut seen.compared);
    for (name, span) in std::mem::take(&mut seen.tested) {
        if compared.contains(&name) || flow.own_fields.contains(&name) || !is_flag(&name) {
            continue;
        }
        let shown = flow.shown(&span);
        let message = format!("{shown} is a text, and the text `false` counts as true");
        let (quote, equals) = if flow.is_javascript() { ('\'', "===") } else { ('"', "==") };
        let text = format!("{} {equals} {quote}true{quote}", flow.source(&span));
        let is_negated = flow.text.get(..span.start).is_some_and(|before| before.trim_end().ends_with('!'));
        let text = if is_negated { format!("({text})") } else { text };
        let fix = Fix::replace(span.clone(), text.clone(), format!("{shown} becomes `{text}`")).unsure();
        let finding = Finding::new(Code::MetadataTruth, Some(span), message);
        flow.find(finding.help(format!("compare with the text that is meant: `{text}`")).fix(fix));
    }
}

fn is_flag(name: &str) -> bool {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() && !snake.ends_with('_') && snake.chars().any(char::is_lowercase) {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    FLAGS.contains(&snake.as_str()) || QUESTIONS.iter().any(|start| snake.starts_with(start))
}
