//! Members that a script gives to built-in objects: these are frozen, so that such a member is never there.

use std::ops::Range;

use crate::check::codes::Code;
use crate::check::finding::Finding;
use crate::check::flow::ValueFlow;
use crate::check::visit;
use crate::script::tree::{Dialect, Expr, ExprKind, PatternKind};

/// The built-in objects that scripts extend.
const BUILT_INS: [&str; 27] = [
    "Array",
    "ArrayBuffer",
    "BigInt",
    "Boolean",
    "DataView",
    "Date",
    "Error",
    "EvalError",
    "Function",
    "Intl",
    "JSON",
    "Map",
    "Math",
    "Number",
    "Object",
    "Promise",
    "RangeError",
    "ReferenceError",
    "RegExp",
    "Set",
    "String",
    "Symbol",
    "SyntaxError",
    "TypeError",
    "URL",
    "URLSearchParams",
    "console",
];
/// The members that libraries put in where an old engine lacks them: they are there, and to lose the write is right.
const THERE: [&str; 56] = [
    "assign",
    "at",
    "bind",
    "codePointAt",
    "copyWithin",
    "create",
    "endsWith",
    "entries",
    "every",
    "fill",
    "filter",
    "find",
    "findIndex",
    "findLast",
    "findLastIndex",
    "flat",
    "flatMap",
    "forEach",
    "freeze",
    "from",
    "fromEntries",
    "getOwnPropertyNames",
    "hasOwn",
    "imul",
    "includes",
    "indexOf",
    "isArray",
    "isFinite",
    "isInteger",
    "isNaN",
    "isSafeInteger",
    "keys",
    "lastIndexOf",
    "log10",
    "log2",
    "map",
    "matchAll",
    "now",
    "of",
    "padEnd",
    "padStart",
    "reduce",
    "reduceRight",
    "repeat",
    "replaceAll",
    "sign",
    "some",
    "startsWith",
    "toISOString",
    "toSorted",
    "trim",
    "trimEnd",
    "trimStart",
    "trunc",
    "values",
    "with",
];
/// The functions of `Object` that write members into their first argument.
const WRITERS: [&str; 3] = ["assign", "defineProperties", "defineProperty"];

/// Reports members that are given to built-in objects.
pub(super) fn extended(flow: &mut ValueFlow<'_>) {
    let tree = flow.tree;
    if tree.dialect != Dialect::JavaScript {
        return;
    }
    let mut found = Vec::new();
    visit::expressions(&tree.body, &mut |expression| found.extend(written(expression)));
    for (name, span) in found {
        let is_own = |name: &str| flow.variables.iter().any(|one| one.name == name && !one.is_undeclared);
        let is_declared = name.split('.').next().is_some_and(is_own);
        if is_declared {
            continue;
        }
        let message = format!("built-in objects are frozen: `{name}` is never there");
        let help = "write a function instead, `format(text, …)` in place of `text.format(…)`";
        flow.find(Finding::new(Code::BuiltInExtended, Some(span), message).help(help));
    }
}

/// Returns the member that `expression` gives to a built-in object, with the bytes.
fn written(expression: &Expr) -> Option<(String, Range<usize>)> {
    match &expression.kind {
        ExprKind::Assign(_, target, _) => {
            let PatternKind::Place(place) = &target.kind else { return None };
            let (object, member) = match &place.kind {
                ExprKind::Field { of, name, .. } => (built_in(of)?, Some(name.as_str())),
                ExprKind::Index(of, index) => (built_in(of)?, index.text()),
                _ => return None,
            };
            let is_there = member.is_some_and(|member| THERE.contains(&member));
            let name = member.map_or_else(|| format!("{object}[…]"), |member| format!("{object}.{member}"));
            (!is_there).then(|| (name, place.span.clone()))
        }
        ExprKind::Call(callee, arguments) => {
            let (of, writer) = callee.field()?;
            let (first, rest) = arguments.split_first()?;
            if of.name() != Some("Object") || !WRITERS.contains(&writer) {
                return None;
            }
            let (object, member) = (built_in(first)?, rest.first().and_then(Expr::text));
            let is_there = member.is_some_and(|member| THERE.contains(&member));
            let name = member.map_or_else(|| format!("{object}[…]"), |member| format!("{object}.{member}"));
            (!is_there).then(|| (name, first.span.clone()))
        }
        _ => None,
    }
}

/// Returns the built-in object that `expression` is: `Math`, `String.prototype`.
fn built_in(expression: &Expr) -> Option<String> {
    let known = |expression: &Expr| expression.name().filter(|name| BUILT_INS.contains(name)).map(str::to_owned);
    match expression.field() {
        Some((of, "prototype")) => known(of).map(|name| format!("{name}.prototype")),
        Some(_) => None,
        None => known(expression),
    }
}
