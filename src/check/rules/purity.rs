//! Functions of one node: forbidden reads, undeclared names, and the reasons why results cannot be kept.

use std::collections::BTreeSet;

use crate::check::codes::Code;
use crate::check::fields::misspelt;
use crate::check::finding::Finding;
use crate::check::flow::{FunctionRole, Impurity, ValueFlow};
use crate::check::visit;
use crate::script::tree::{Expr, ExprKind, FunctionTree, Pattern, PatternKind, SourceRange};
use crate::script::{Arity, LoadError, PerNode, Script, ScriptShape};

/// Names by which functions reach for the request without a request parameter.
const OF_REQUEST: [&str; 9] = ["request", "input", "req", "params", "user", "userGroups", "servers", "nodes", "action"];

/// A script as loaded by the script's engine.
pub(in crate::check) struct LoadedScript<'a> {
    /// The script.
    pub(in crate::check) script: &'a dyn Script,
    /// The remarks of the engine, each with the byte in the source.
    pub(in crate::check) remarks: Vec<(&'a LoadError, usize)>,
}

impl ValueFlow<'_> {
    /// Notes that `what` is read at `span`.
    pub(in crate::check) fn unsteady(&mut self, span: &SourceRange, what: &'static str) {
        let function = self.function();
        if let Some(seen) = &mut self.seen {
            seen.impurities.push(Impurity { function, span: span.clone(), what });
        }
    }

    /// The name of a variable that the script does not declare.
    pub(in crate::check) fn unsteady_name(&mut self, name: &str, span: &SourceRange) {
        if OF_REQUEST.contains(&name) {
            self.unsteady(span, "the request");
        }
    }
}

/// Reports functions of one parameter that read the clock, chance or the request.
pub(super) fn impure(flow: &mut ValueFlow<'_>) {
    let pure: Vec<usize> = flow
        .roles
        .iter()
        .filter(|(_, role)| matches!(role, FunctionRole::Filter(Arity::Node) | FunctionRole::Score(Arity::Node)))
        .map(|(number, _)| *number)
        .collect();
    if pure.is_empty() {
        return;
    }
    let reached = reachable(flow, &pure);
    let Some(seen) = &flow.seen else { return };
    let impurities = seen.impurities.clone();
    for impurity in impurities {
        // Code at the top level runs for each of them.
        let is_reached = impurity.function.is_none_or(|number| reached.contains(&number));
        if !is_reached || flow.has(Code::ImpureFunction, &impurity.span) {
            continue;
        }
        if let Some(seen) = &mut flow.seen {
            seen.undeclared.insert(impurity.span.start);
        }
        let name = pure.iter().find_map(|number| flow.functions.get(*number)?.tree?.name.clone());
        let name =
            name.unwrap_or_else(|| if flow.text.contains("score") { "score".to_owned() } else { "filter".to_owned() });
        let shown = flow.shown(&impurity.span);
        let message = format!("{shown} reads {}, which a function of one parameter does not have", impurity.what);
        let help = match impurity.what {
            "the request" => format!("add a second parameter: `{name}(node, request)`"),
            "the clock" => format!(
                "add a second parameter: `{name}(node, request)`; `request.now` and `request.time` are the time"
            ),
            _ => format!("add a second parameter: `{name}(node, request)`; ties need no chance"),
        };
        flow.find(Finding::new(Code::ImpureFunction, Some(impurity.span), message).help(help));
    }
}

/// Returns the functions that those of `from` call or hold.
fn reachable(flow: &ValueFlow<'_>, from: &[usize]) -> BTreeSet<usize> {
    let mut reached: BTreeSet<usize> = from.iter().copied().collect();
    let Some(seen) = &flow.seen else { return reached };
    let mut next: Vec<usize> = from.to_vec();
    while let Some(number) = next.pop() {
        let called = seen.edges.iter().filter(|(around, _)| *around == Some(number)).map(|(_, called)| *called);
        for called in called {
            if reached.insert(called) {
                next.push(called);
            }
        }
    }
    reached
}

/// Reports names that nobody declares, from the engine's remarks.
pub(super) fn undeclared(flow: &mut ValueFlow<'_>, loaded: &LoadedScript<'_>) {
    for (remark, start) in &loaded.remarks {
        let is_known = flow.seen.as_ref().is_some_and(|seen| seen.undeclared.contains(start));
        if is_known {
            continue;
        }
        let rest = flow.text.get(*start..).unwrap_or_default();
        let length = rest.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '$'))).unwrap_or(rest.len());
        let span = *start..start + length;
        let name = flow.source(&span);
        let declared =
            flow.variables.iter().filter(|variable| !variable.is_undeclared).map(|variable| variable.name.as_str());
        let finding = Finding::new(Code::Undeclared, Some(span.clone()), remark.message.clone());
        flow.find(match misspelt(name, declared) {
            Some(meant) => finding.help(format!("did you mean `{meant}`?")),
            None => finding,
        });
    }
}

/// Functions that whither calls and that return a promise.
pub(super) fn promised(flow: &mut ValueFlow<'_>) {
    let called: Vec<_> = flow.roles.iter().map(|(number, role)| (*number, *role)).collect();
    for (number, role) in called {
        let Some(function) = flow.functions.get(number).and_then(|facts| facts.tree) else { continue };
        if function.is_generator {
            let message = "a generator returns no verdict but a thing that makes values";
            flow.find(Finding::new(Code::Async, Some(function.head.clone()), message).help("leave out the `*`"));
        }
        let waits = waits_for(function);
        if !function.is_async || waits.iter().any(|(is_promise, _)| *is_promise) {
            continue;
        }
        // A promise that is already fulfilled counts as its value, so that `async` does no harm in a filter.
        if waits.is_empty() && matches!(role, FunctionRole::Filter(_)) {
            continue;
        }
        let message =
            "this function is `async`, and there is nothing to wait for in a balancer script: no network, no timer";
        let finding = Finding::new(Code::Async, Some(function.head.clone()), message);
        flow.find(finding.help("leave out `async` and `await`; an executable can ask other machines"));
    }
}

/// Returns the places where `function` waits, each with whether the script itself makes the promise.
fn waits_for(function: &FunctionTree) -> Vec<(bool, SourceRange)> {
    let mut found = Vec::new();
    visit::expressions(&function.body, &mut |expression: &Expr| {
        if let ExprKind::Unary("await", inner) = &expression.kind {
            let mut is_promise = false;
            visit::expression(inner, &mut |part| is_promise |= part.name() == Some("Promise"));
            found.push((is_promise, expression.span.clone()));
        }
    });
    found
}

/// Reports why the results of functions of two parameters cannot be kept for each value of the request that they read.
pub(in crate::check) fn not_kept(flow: &mut ValueFlow<'_>, loaded: &LoadedScript<'_>) {
    let ScriptShape::PerNode(PerNode { key: false, .. }) = loaded.script.shape() else { return };
    let asked: Vec<usize> = flow
        .roles
        .iter()
        .filter(|(_, role)| {
            matches!(role, FunctionRole::Filter(Arity::NodeAndRequest) | FunctionRole::Score(Arity::NodeAndRequest))
        })
        .map(|(number, _)| *number)
        .collect();
    if asked.is_empty() || loaded.script.depends().is_some() {
        return;
    }
    let reached = reachable(flow, &asked);
    let Some(seen) = &flow.seen else { return };
    let unsteady = seen.impurities.iter().find(|one| one.function.is_none_or(|number| reached.contains(&number)));
    let of_clock =
        unsteady.filter(|one| one.what != "the request").map(|one| (one.span.clone(), format!("reads {}", one.what)));
    let of_request = || asked.iter().find_map(|number| request_use(flow.functions.get(*number)?.tree?));
    let head = || {
        let function = flow.functions.get(*asked.first()?)?.tree?;
        Some((function.head.clone(), "uses the request in a way that cannot be told".to_owned()))
    };
    let Some((span, why)) = of_clock.or_else(of_request).or_else(head) else { return };
    let message =
        format!("{} {why}: what the function says of a node cannot be kept between requests", flow.shown(&span));
    let help = "`function key(request)` says what of the request it depends on; without it the function is asked anew \
        at each request, which is right, and slower in large clusters";
    flow.find(Finding::new(Code::NotKept, Some(span), message).help(help));
}

/// Returns the place where `function` uses the request in another way than by reading fields by name.
fn request_use(function: &FunctionTree) -> Option<(SourceRange, String)> {
    let Some(Pattern { kind: PatternKind::Name(request), default: None, .. }) = function.parameters.get(1) else {
        return Some(taken_apart(function));
    };
    let mut found: Option<(SourceRange, String)> = None;
    let mut named = BTreeSet::new();
    visit::expressions(&function.body, &mut |expression: &Expr| {
        if let ExprKind::Field { of, name, .. } = &expression.kind {
            let way = way_from(of, request);
            if of.name() == Some(request) {
                named.insert((of.span.start, of.span.end));
            }
            let is_moving = match (way.as_deref(), name.as_str()) {
                (Some([]), "now" | "time" | "sequence") => Some("reads the time of the request"),
                (Some([user]), "sessions") if user == "user" || user == "me" => Some("reads the user's sessions"),
                _ => None,
            };
            if let (Some(why), None) = (is_moving, &found) {
                found = Some((expression.span.clone(), why.to_owned()));
            }
        }
    });
    visit::expressions(&function.body, &mut |expression: &Expr| {
        let is_bare =
            expression.name() == Some(request) && !named.contains(&(expression.span.start, expression.span.end));
        if is_bare && found.is_none() {
            found = Some((expression.span.clone(), "is handed on whole".to_owned()));
        }
    });
    found
}

/// Returns the use of a request parameter without a name in `function`.
fn taken_apart(function: &FunctionTree) -> (SourceRange, String) {
    let Some(parameter) = function.parameters.get(1) else {
        return (function.head.clone(), "takes the request without a name for it".to_owned());
    };
    let whole = match &parameter.kind {
        PatternKind::Fields(fields) => fields.iter().find_map(|(name, span, inner)| {
            let is_whole = matches!(inner.kind, PatternKind::Name(_));
            match name.as_deref()? {
                "now" | "time" | "sequence" => Some((span.clone(), "is of the time of the request")),
                "user" | "params" if is_whole => {
                    Some((span.clone(), "is taken whole, and the user's sessions with it"))
                }
                _ => None,
            }
        }),
        _ => None,
    };
    let (span, why) = whole.unwrap_or((parameter.span.clone(), "takes the request in a way that cannot be told"));
    (span, why.to_owned())
}

/// Returns the fields on the way from the variable `request` to `expression`.
fn way_from(expression: &Expr, request: &str) -> Option<Vec<String>> {
    if expression.name() == Some(request) {
        return Some(Vec::new());
    }
    let (of, name) = expression.field()?;
    let mut way = way_from(of, request)?;
    way.push(name.to_owned());
    Some(way)
}
