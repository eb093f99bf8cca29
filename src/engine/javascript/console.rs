//! `console`, which writes into the log of the decision and nowhere else.
//!
//! All of Node's methods exist, since a line for debugging must never fail a request; methods without a meaning here do
//! nothing. Counters, timers and groups last for a single run of a script. Time stands still while a script runs, so
//! that a decision can be repeated: every timer reads 0 ms.

mod format;

use std::collections::{BTreeMap, BTreeSet};

use boa_engine::object::{FunctionObjectBuilder, JsObject};
use boa_engine::property::PropertyDescriptor;
use boa_engine::{
    Context, JsArgs, JsResult, JsString, JsValue, NativeFunction, js_string, native_function::NativeFunctionPointer,
};

use crate::model::diagnosis::LogLevel;

use super::tools::{ContextTools, plain_object};
use format::formatted;
pub(super) use format::shown;

/// The number of labels that are kept for counters, and for timers.
const MAX_LABELS: usize = 1_000;
const MAX_GROUPS: usize = 32;
/// The indentation of a group, the same as Node's.
const INDENT: &str = "  ";
const DEFAULT_LABEL: &str = "default";

/// The counters, timers and groups of a single run.
#[derive(Default)]
pub(super) struct ConsoleState {
    counts: BTreeMap<String, u64>,
    timers: BTreeSet<String>,
    groups: usize,
}

pub(super) fn install(context: &mut Context) -> JsResult<()> {
    let console = plain_object(context);
    let functions: [(&str, NativeFunctionPointer); 24] = [
        ("log", |_, args, context| write(LogLevel::Info, args, context)),
        ("info", |_, args, context| write(LogLevel::Info, args, context)),
        ("debug", |_, args, context| write(LogLevel::Info, args, context)),
        ("dir", |_, args, context| write(LogLevel::Info, args.get(..1).unwrap_or_default(), context)),
        ("dirxml", |_, args, context| write(LogLevel::Info, args, context)),
        ("table", |_, args, context| write(LogLevel::Info, args, context)),
        ("warn", |_, args, context| write(LogLevel::Warn, args, context)),
        ("error", |_, args, context| write(LogLevel::Error, args, context)),
        ("trace", |_, args, context| write(LogLevel::Error, args, context)),
        ("assert", assert),
        ("count", count),
        ("countReset", count_reset),
        ("time", time),
        ("timeLog", |_, args, context| time_log(args, "timeLog", context)),
        ("timeEnd", time_end),
        ("group", group),
        ("groupCollapsed", group),
        ("groupEnd", group_end),
        ("clear", |_, _, _| Ok(JsValue::undefined())),
        ("profile", |_, _, _| Ok(JsValue::undefined())),
        ("profileEnd", |_, _, _| Ok(JsValue::undefined())),
        ("timeStamp", |_, _, _| Ok(JsValue::undefined())),
        ("createTask", create_task),
        ("context", |_, _, context| context.global_object().get(js_string!("console"), context)),
    ];
    for (name, function) in functions {
        let function = FunctionObjectBuilder::new(context.realm(), NativeFunction::from_fn_ptr(function));
        let function = function.name(JsString::from(name)).build();
        console.insert_property(JsString::from(name), hidden(function.into()));
    }
    context.global_object().insert_property(js_string!("console"), hidden(console.into()));
    Ok(())
}

fn hidden(value: JsValue) -> PropertyDescriptor {
    PropertyDescriptor::builder().value(value).writable(true).enumerable(false).configurable(true).build()
}

fn write(level: LogLevel, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    if let Some(kit) = ContextTools::of(context)
        && !kit.stage.log_is_full()
    {
        let line = formatted(args, &kit, context)?;
        log_line(level, &line, &kit);
    }
    Ok(JsValue::undefined())
}

/// Logs `line` within the open groups.
fn log_line(level: LogLevel, line: &str, kit: &ContextTools) {
    let indent = INDENT.repeat(kit.stage.console(|ledger| ledger.groups.min(MAX_GROUPS)));
    kit.stage.log(level, &format!("{indent}{line}"));
}

/// Returns the label of a counter or timer; an error that stops the engine, or a value that cannot be converted to
/// text, is returned.
fn label(args: &[JsValue], context: &mut Context) -> JsResult<String> {
    match args.get_or_undefined(0) {
        label if label.is_undefined() => Ok(DEFAULT_LABEL.to_owned()),
        label => Ok(label.to_string(context)?.to_std_string_lossy()),
    }
}

fn assert(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let (Some(kit), false) = (ContextTools::of(context), args.get_or_undefined(0).to_boolean()) else {
        return Ok(JsValue::undefined());
    };
    let line = match args.get(1..).filter(|rest| !rest.is_empty()) {
        Some(rest) => format!("Assertion failed: {}", formatted(rest, &kit, context)?),
        None => "Assertion failed".to_owned(),
    };
    log_line(LogLevel::Warn, &line, &kit);
    Ok(JsValue::undefined())
}

fn count(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let label = label(args, context)?;
    let Some(kit) = ContextTools::of(context) else { return Ok(JsValue::undefined()) };
    let count = kit.stage.console(|ledger| {
        let is_kept = ledger.counts.len() < MAX_LABELS || ledger.counts.contains_key(&label);
        let count = ledger.counts.get(&label).map_or(1, |count| count.saturating_add(1));
        if is_kept {
            ledger.counts.insert(label.clone(), count);
        }
        count
    });
    log_line(LogLevel::Info, &format!("{label}: {count}"), &kit);
    Ok(JsValue::undefined())
}

fn count_reset(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let label = label(args, context)?;
    let Some(kit) = ContextTools::of(context) else { return Ok(JsValue::undefined()) };
    if kit.stage.console(|ledger| ledger.counts.remove(&label)).is_none() {
        log_line(LogLevel::Warn, &format!("Count for '{label}' does not exist"), &kit);
    }
    Ok(JsValue::undefined())
}

fn time(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let label = label(args, context)?;
    let Some(kit) = ContextTools::of(context) else { return Ok(JsValue::undefined()) };
    let is_new = kit.stage.console(|ledger| match ledger.timers.len() < MAX_LABELS {
        true => ledger.timers.insert(label.clone()),
        false => !ledger.timers.contains(&label),
    });
    if !is_new {
        log_line(LogLevel::Warn, &format!("Label '{label}' already exists for console.time()"), &kit);
    }
    Ok(JsValue::undefined())
}

fn time_log(args: &[JsValue], method: &str, context: &mut Context) -> JsResult<JsValue> {
    let label = label(args, context)?;
    let Some(kit) = ContextTools::of(context) else { return Ok(JsValue::undefined()) };
    if !kit.stage.console(|ledger| ledger.timers.contains(&label)) {
        log_line(LogLevel::Warn, &format!("No such label '{label}' for console.{method}()"), &kit);
        return Ok(JsValue::undefined());
    }
    let mut line = format!("{label}: 0ms");
    if let Some(rest) = args.get(1..).filter(|rest| !rest.is_empty()) {
        line.push(' ');
        line.push_str(&formatted(rest, &kit, context)?);
    }
    log_line(LogLevel::Info, &line, &kit);
    Ok(JsValue::undefined())
}

fn time_end(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let named = args.get(..1).unwrap_or_default();
    time_log(named, "timeEnd", context)?;
    let label = label(named, context)?;
    if let Some(kit) = ContextTools::of(context) {
        kit.stage.console(|ledger| ledger.timers.remove(&label));
    }
    Ok(JsValue::undefined())
}

fn group(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    if !args.is_empty() {
        write(LogLevel::Info, args, context)?;
    }
    if let Some(kit) = ContextTools::of(context) {
        kit.stage.console(|ledger| ledger.groups = ledger.groups.saturating_add(1));
    }
    Ok(JsValue::undefined())
}

fn group_end(_this: &JsValue, _args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    if let Some(kit) = ContextTools::of(context) {
        kit.stage.console(|ledger| ledger.groups = ledger.groups.saturating_sub(1));
    }
    Ok(JsValue::undefined())
}

/// `console.createTask(name)`: the returned task runs a function at once.
fn create_task(_this: &JsValue, _args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let run: NativeFunctionPointer = |_, args, context| match args.get_or_undefined(0).as_callable() {
        Some(function) => function.call(&JsValue::undefined(), &[], context),
        None => Ok(JsValue::undefined()),
    };
    let run: JsObject = FunctionObjectBuilder::new(context.realm(), NativeFunction::from_fn_ptr(run)).build().into();
    let task = plain_object(context);
    task.insert_property(js_string!("run"), hidden(run.into()));
    Ok(task.into())
}
