//! The results of functions: a verdict, or another value, which is a mistake.

use crate::check::codes::Code;
use crate::check::finding::{Finding, Fix};
use crate::check::flow::{FunctionRole, ValueFlow};
use crate::check::paths::{falls_through, returns};
use crate::check::value::{Role, Thing, Worth};
use crate::script::tree::{Expr, ExprKind, Operator, SourceRange};

impl<'t> ValueFlow<'t> {
    /// Checks the result of a function of the whole list.
    pub(in crate::check) fn answered(&mut self, value: &'t Expr) {
        if self.seen.is_none() {
            return;
        }
        match &value.kind {
            ExprKind::Conditional(_, then, otherwise) => {
                self.answered(then);
                self.answered(otherwise);
                return;
            }
            ExprKind::Binary(Operator::Or | Operator::Coalesce, left, right) => {
                self.answered(left);
                self.answered(right);
                return;
            }
            ExprKind::Binary(Operator::And | Operator::Comma, _, right) => return self.answered(right),
            ExprKind::Truth(false) | ExprKind::Number(0.0) => return,
            _ => {}
        }
        let worth = self.peek(value);
        let shown = self.shown(&value.span);
        match worth {
            Worth::Thing(thing @ (Thing::Node | Thing::Session)) => self.node_returned(value, thing),
            Worth::Record(ref members)
                if members.iter().any(|(name, _)| matches!(name.as_str(), "id" | "serverId")) =>
            {
                self.node_returned(value, Thing::Node);
            }
            Worth::Record(_) if matches!(value.kind, ExprKind::Object(_)) => {
                let message = format!("{shown} is an object without an id, which is no verdict");
                let finding = Finding::new(Code::NoVerdict, Some(value.span.clone()), message);
                self.find(finding.help("return the id of a node, a list of nodes, or nothing"));
            }
            Worth::Thing(thing) => {
                let finding = Finding::new(
                    Code::NoVerdict,
                    Some(value.span.clone()),
                    format!("{shown} is {}, which is no verdict", thing.words()),
                );
                self.find(finding.help("return the id of a node, a list of nodes, or nothing"));
            }
            Worth::Number(_) | Worth::Truth | Worth::Function(_) => {
                let kind = match worth {
                    Worth::Number(_) => "a number",
                    Worth::Truth => "true or false",
                    _ => "a function",
                };
                let message = format!("{shown} is {kind}, which is no verdict");
                let finding = Finding::new(Code::NoVerdict, Some(value.span.clone()), message);
                self.find(finding.help("return the id of a node, a list of nodes, or nothing"));
            }
            Worth::List(element) if matches!(*element, Worth::Number(_) | Worth::Truth) => {
                let message = format!("{shown} is a list of neither nodes nor ids, which is no verdict");
                let finding = Finding::new(Code::NoVerdict, Some(value.span.clone()), message);
                self.find(finding.help("return a list of nodes or of their ids"));
            }
            _ => self.note_ids(value),
        }
    }

    fn node_returned(&mut self, value: &'t Expr, thing: Thing) {
        let shown = self.shown(&value.span);
        let field = match thing {
            Thing::Session => "serverId",
            _ if self.text.contains("serverId") || self.text.contains(".servers") => "serverId",
            _ => "id",
        };
        let message = match thing {
            Thing::Session => format!("{shown} is a session, which is no verdict"),
            _ => format!("{shown} is a node, which is no verdict: a verdict is its id"),
        };
        let is_simple =
            matches!(value.kind, ExprKind::Name(_) | ExprKind::Field { .. } | ExprKind::Index(..) | ExprKind::Call(..));
        // `find` may find none.
        let may_miss = matches!(&value.kind, ExprKind::Call(callee, _) if matches!(callee.field(), Some((_, "find" | "findLast" | "pop" | "shift" | "at"))));
        let dot = if may_miss { "?." } else { "." };
        let text = match is_simple {
            true => format!("{}{dot}{field}", self.source(&value.span)),
            false => format!("({}){dot}{field}", self.source(&value.span)),
        };
        let mut fix = Fix::replace(value.span.clone(), text, format!("{shown} becomes its `{field}`"));
        fix.is_safe = is_simple;
        let finding = Finding::new(Code::NodeReturned, Some(value.span.clone()), message);
        self.find(finding.help(format!("return its `{field}`")).fix(fix));
    }

    /// Checks the result of `score`.
    pub(in crate::check) fn scored(&mut self, value: &'t Expr) {
        if self.seen.is_none() {
            return;
        }
        match &value.kind {
            ExprKind::Conditional(_, then, otherwise) => {
                self.scored(then);
                self.scored(otherwise);
                return;
            }
            ExprKind::Binary(Operator::Or | Operator::Coalesce, left, right) => {
                // A text that is not there leaves the right side.
                let is_text = matches!(self.peek(left), Worth::Text(_));
                if is_text {
                    self.scored(left);
                }
                return self.scored(right);
            }
            ExprKind::Binary(Operator::And, _, right) => return self.scored(right),
            ExprKind::Truth(false) => return,
            _ => {}
        }
        let worth = self.peek(value);
        let shown = self.shown(&value.span);
        let (kind, help, fix) = match worth {
            Worth::Truth => {
                ("true or false", "`filter` says whether a node is kept, `score` how good it is: return a number", None)
            }
            Worth::Text(Role::Metadata) if self.is_javascript() => {
                let text = format!("Number({})", self.source(&value.span));
                let title = format!("{shown} becomes `{text}`");
                (
                    "a text, as all metadata are",
                    "make a number of it",
                    Some(Fix::replace(value.span.clone(), text, title)),
                )
            }
            // The sum itself is a finding.
            Worth::Text(_) if matches!(value.kind, ExprKind::Binary(Operator::Add, ..)) => return,
            Worth::Text(_) => ("a text", "return a number", None),
            Worth::List(_) => ("a list", "return a number", None),
            Worth::Thing(_) => ("an object", "return a number: the best one is chosen by itself", None),
            _ => return,
        };
        let finding = Finding::new(
            Code::ScoreNoNumber,
            Some(value.span.clone()),
            format!("{shown} is {kind}, which is no score"),
        );
        self.find(Finding { fix, ..finding }.help(help));
    }
}

/// Returns the function of the whole list, if the script has such a function.
fn whole<'t>(flow: &ValueFlow<'t>) -> Option<&'t crate::script::tree::FunctionTree> {
    let (number, _) = flow.roles.iter().find(|(_, role)| **role == FunctionRole::Whole)?;
    flow.functions.get(*number)?.tree
}

/// Returns the place of a way through the function of the whole list on which nothing is returned; absent where there
/// is none, and where the function never chooses at all.
#[must_use]
pub(in crate::check) fn passes(flow: &ValueFlow<'_>) -> Option<SourceRange> {
    let function = whole(flow)?;
    let ends = returns(function);
    let is_nothing = |value: &&Option<&Expr>| {
        value.is_none_or(|value| match &value.kind {
            ExprKind::Nothing | ExprKind::Truth(false) | ExprKind::Number(0.0) => true,
            ExprKind::Text(text) => text.is_empty(),
            _ => false,
        })
    };
    if let Some(Some(value)) = ends.iter().find(is_nothing) {
        return Some(value.span.clone());
    }
    (falls_through(function) || ends.iter().any(|value| value.is_none())).then(|| function.head.clone())
}

/// Returns the head of the function of the whole list, or of `filter`, where no way through the script ends with a
/// chosen node.
#[must_use]
pub(in crate::check) fn never_selects(flow: &mut ValueFlow<'_>) -> Option<SourceRange> {
    if let Some(function) = whole(flow) {
        let ends: Vec<_> = returns(function).into_iter().flatten().collect();
        let is_list = |value: &&Expr| {
            matches!(flow.functions.get(function.number).map(|facts| &facts.returns), Some(Worth::List(_)))
                || is_narrowing(value)
        };
        let is_sure = function.is_async || function.is_generator;
        return (!is_sure && ends.iter().all(is_list) && !ends.is_empty()).then(|| function.head.clone());
    }
    let has_score = flow.roles.values().any(|role| matches!(role, FunctionRole::Score(_)));
    let (number, _) = flow.roles.iter().find(|(_, role)| matches!(role, FunctionRole::Filter(_)))?;
    let head = flow.functions.get(*number)?.tree?.head.clone();
    (!has_score).then_some(head)
}

fn is_narrowing(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Nothing | ExprKind::Truth(false) | ExprKind::Number(0.0) | ExprKind::List(_) => true,
        ExprKind::Call(callee, _) => matches!(callee.field(), Some((_, "filter" | "slice" | "sort" | "toSorted"))),
        _ => false,
    }
}

/// Whether each way through the function of the whole list, or through `score`, ends with a chosen node or an error.
#[must_use]
pub(in crate::check) fn always_selects(flow: &ValueFlow<'_>) -> bool {
    let score = flow.roles.iter().find(|(_, role)| matches!(role, FunctionRole::Score(_)));
    if let Some((number, _)) = score {
        let Some(function) = flow.functions.get(*number).and_then(|facts| facts.tree) else { return false };
        return !function.is_async
            && !falls_through(function)
            && returns(function).into_iter().all(|value| value.is_some_and(is_number));
    }
    let Some(function) = whole(flow) else { return false };
    let ends = returns(function);
    !function.is_async
        && !function.is_generator
        && !falls_through(function)
        && !ends.is_empty()
        && ends.into_iter().all(|value| value.is_some_and(|value| is_id(value, flow.text)))
}

/// Whether `value` is sure to be a number, unless a figure is unknown.
fn is_number(value: &Expr) -> bool {
    match &value.kind {
        ExprKind::Number(_) | ExprKind::Unary("-", _) => true,
        ExprKind::Binary(Operator::Arithmetic, ..) => true,
        ExprKind::Conditional(_, then, otherwise) => is_number(then) && is_number(otherwise),
        ExprKind::Field { name, .. } => {
            matches!(name.as_str(), "freemem" | "sessions" | "cpu" | "totalmem" | "uptime" | "length" | "loggedInUsers")
        }
        _ => false,
    }
}

/// Whether `value` is an id that is sure to be there.
fn is_id(value: &Expr, text: &str) -> bool {
    match &value.kind {
        ExprKind::Text(text) => !text.is_empty(),
        ExprKind::Conditional(_, then, otherwise) => is_id(then, text) && is_id(otherwise, text),
        ExprKind::Field { of, name, .. } => {
            let is_chained = text.get(value.span.clone()).is_some_and(|source| source.contains("?."));
            // The requester's own id may be empty.
            let holder = of.field().map(|(_, name)| name).or(of.name()).unwrap_or_default();
            let is_of_requester = matches!(holder, "local" | "user" | "me");
            matches!(name.as_str(), "id" | "serverId") && !is_chained && !is_of_requester
        }
        _ => false,
    }
}
