//! Variables that are meant to last from one request to the next: nothing lasts.
//!
//! A variable of the top level that a function fills and then reads is used within one request, and is right. Only two
//! things make no sense without lasting: a counter that is stepped once, outside of every loop, and a variable that is
//! read before any value is given.

use std::collections::BTreeSet;

use crate::check::codes::Code;
use crate::check::finding::Finding;
use crate::check::flow::{FunctionRole, ValueFlow, VariableEvent, VariableEventKind};
use crate::check::visit;
use crate::script::tree::{Expr, ExprKind, PatternKind};

/// Names of the global object.
const GLOBAL_OBJECTS: [&str; 4] = ["globalThis", "global", "self", "window"];

pub(super) fn meant_to_last(flow: &mut ValueFlow<'_>) {
    let Some(seen) = &flow.seen else { return };
    let events = seen.events.clone();
    let variables: BTreeSet<usize> = events.iter().map(|event| event.variable).collect();
    for number in variables {
        let own: Vec<&VariableEvent> = events.iter().filter(|event| event.variable == number).collect();
        let Some(event) = lasting(flow, &own) else { continue };
        let Some(name) = flow.variables.get(number).map(|variable| variable.name.clone()) else { continue };
        let span = event.span.clone();
        report(flow, &name, span);
    }
    let Some(seen) = &mut flow.seen else { return };
    let steps = std::mem::take(&mut seen.member_steps);
    for (name, span) in &steps {
        // A member that is stepped at several places adds something up.
        if steps.iter().filter(|(other, _)| other == name).count() == 1 {
            report(flow, name, span.clone());
        }
    }
    of_global_object(flow);
}

/// Returns the event that shows that a variable, to which these `events` happen, is meant to last.
fn lasting<'e>(flow: &ValueFlow<'_>, events: &[&'e VariableEvent]) -> Option<&'e VariableEvent> {
    let role = |event: &VariableEvent| flow.roles.get(&event.function?).copied();
    let is_plain = |event: &&&VariableEvent| !event.is_repeated && role(event).is_some();
    let whole = |event: &&&VariableEvent| role(event) == Some(FunctionRole::Whole);
    // All events happen in functions that whither calls, or in functions within those.
    let is_inside = |event: &VariableEvent| {
        let mut called = flow.roles.keys().filter_map(|number| flow.functions.get(*number)?.tree);
        called.any(|function| function.span.start <= event.span.start && event.span.end <= function.span.end)
    };
    let is_simple = events.iter().all(|event| is_inside(event));
    let step = events.iter().find(|event| event.kind == VariableEventKind::Step && is_plain(event) && whole(event));
    let steps = events.iter().filter(|event| event.kind != VariableEventKind::Read).count();
    if let Some(step) = step.filter(|_| steps == 1) {
        return Some(step);
    }
    // `if (typeof turn === 'undefined') turn = 0`: a name that nobody declares is looked for before the first
    // assignment.
    let variable = flow.variables.get(events.first()?.variable)?;
    if variable.is_undeclared && flow.text.contains(&format!("typeof {}", variable.name)) {
        return events.iter().find(|event| event.kind != VariableEventKind::Read).copied();
    }
    let first = events.iter().min_by_key(|event| event.span.start)?;
    let write = events.iter().filter(|event| event.kind == VariableEventKind::Write).find(is_plain)?;
    let is_read_first = first.kind == VariableEventKind::Read && first.span.start < write.span.start;
    // `next = (next + 1) % n` reads on the right the variable that is written on the left.
    let is_self = events.iter().any(|event| {
        event.kind == VariableEventKind::Read
            && event.span.start > write.span.end
            && is_within_statement(flow, write, event)
    });
    (is_simple && (is_read_first || is_self && first.span == write.span && steps == 1)).then_some(*write)
}

/// Whether `read` stands in the statement that begins with `write`.
fn is_within_statement(flow: &ValueFlow<'_>, write: &VariableEvent, read: &VariableEvent) -> bool {
    let between = flow.text.get(write.span.end..read.span.start).unwrap_or_default();
    !between.contains([';', '\n', '{', '}'])
}

fn report(flow: &mut ValueFlow<'_>, name: &str, span: std::ops::Range<usize>) {
    let message =
        format!("`{name}` is meant to last from one call to the next, and nothing lasts: each request begins anew");
    let finding = Finding::new(Code::LastingVariable, Some(span), message);
    flow.find(finding.help(
        "take turns by `input.sequence`, the number of the request, or by `builtin:round-robin`; what a session leaves \
         stands in the node's sessions",
    ));
}

/// Reports members of the global object that are computed from their old values.
fn of_global_object(flow: &mut ValueFlow<'_>) {
    // In a script that makes no objects, `this` is the global object.
    let has_objects = ["class ", "prototype", "new "].iter().any(|word| flow.text.contains(word));
    let is_global = |place: &Expr| {
        let (of, name) = place.field()?;
        let is_object = |name: &&str| GLOBAL_OBJECTS.contains(name) || *name == "this" && !has_objects;
        let object = of.name().filter(is_object)?;
        Some(format!("{object}.{name}"))
    };
    let mut found = Vec::new();
    let tree = flow.tree;
    visit::expressions(&tree.body, &mut |expression| match &expression.kind {
        ExprKind::Update(place) => found.extend(is_global(place).map(|name| (name, expression.span.clone()))),
        ExprKind::Assign(operator, target, right) => {
            let PatternKind::Place(place) = &target.kind else { return };
            let Some(name) = is_global(place) else { return };
            let mut is_own = operator.is_some();
            visit::expression(right, &mut |part| is_own |= is_global(part).as_ref() == Some(&name));
            if is_own {
                found.push((name, expression.span.clone()));
            }
        }
        _ => {}
    });
    found.into_iter().for_each(|(name, span)| report(flow, &name, span));
}
