//! The typed fields of a node document, read from the raw text of the members, and the figures among these fields.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Number, Value};

use super::json;
use super::members::{self, Members};
use super::report::ReportError;

/// The numbers that a node reports, taken from either generation's fields; `None` where the node did not report the
/// number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeFigures {
    /// The free memory in bytes.
    pub free_memory: Option<f64>,
    /// The total memory in bytes.
    pub total_memory: Option<f64>,
    /// The load average of the last minute.
    pub load1: Option<f64>,
    /// The load average of the last five minutes.
    pub load5: Option<f64>,
    /// The load average of the last quarter of an hour.
    pub load15: Option<f64>,
    /// The number of cores.
    pub cores: Option<f64>,
    /// The utilization of the processors, in percent.
    pub utilization: Option<f64>,
    /// The seconds since the node was started.
    pub uptime: Option<f64>,
    /// The administrator's weight, from static data or else metadata; above zero.
    pub weight: Option<f64>,
    /// The largest number of sessions that the node takes.
    pub max_sessions: Option<u64>,
    /// The largest number of starts at a time that the administrator allows the node, from static data or else
    /// metadata.
    pub max_pending: Option<u64>,
    /// The number of users logged in: the node's own figure, else the number of users with sessions.
    pub users: Option<u64>,
}

impl NodeFigures {
    /// Reads the memory, load, cores, utilization and uptime of `node` and the node's `health`; the other figures stay
    /// absent.
    ///
    /// # Errors
    /// [`ReportError::Field`] for a field of the wrong type.
    pub(super) fn vital(node: &DocumentFields<'_, '_>, health: &Members<'_>) -> Result<Self, ReportError> {
        let health = DocumentFields { own: health, ..*node };
        let (cpu, mem) = (health.object("cpu")?, health.object("mem")?);
        let (cpu, mem) = (DocumentFields { own: &cpu, ..*node }, DocumentFields { own: &mem, ..*node });
        let loadavg = node.numbers("loadavg")?;
        let load = |place: usize, name: &str| {
            let own = cpu.amount(name)?;
            Ok::<_, ReportError>(own.or_else(|| loadavg.get(place).copied()))
        };
        let vital = Self {
            load1: load(0, "load1")?,
            load5: load(1, "load5")?,
            load15: load(2, "load15")?,
            free_memory: mem.amount("free")?.or(node.amount("freemem")?),
            total_memory: mem.amount("total")?.or(node.amount("totalmem")?),
            cores: cpu.amount("cores")?,
            utilization: cpu.amount("utilization")?.or(node.amount("cpu")?),
            uptime: node
                .amount("uptime")?
                .or_else(|| health.own.of_member("os").value("uptime").as_ref().and_then(Value::as_f64)),
            ..Self::default()
        };
        Ok(if vital.is_idle() && runs_windows(health.own) { vital.without_load() } else { vital })
    }

    /// Whether all loads are present and zero.
    fn is_idle(&self) -> bool {
        [self.load1, self.load5, self.load15].iter().all(|load| *load == Some(0.0))
    }

    /// Returns the figures without loads, and without a zero utilization, which is made of the loads.
    fn without_load(self) -> Self {
        let utilization = self.utilization.filter(|percent| *percent > 0.0);
        Self { load1: None, load5: None, load15: None, utilization, ..self }
    }

    /// Returns the load averages, the last minute's first. The list is positional: the list ends before the first
    /// absent load, because a five-minute load must not stand in the place of the one-minute load.
    pub(super) fn loads(&self) -> impl Iterator<Item = f64> {
        [self.load1, self.load5, self.load15].into_iter().map_while(|load| load)
    }
}

/// Whether a node with this `health` runs Windows, which has no load average: Node.js reports zeros there.
fn runs_windows(health: &Members<'_>) -> bool {
    let os = health.of_member("os");
    os.text("platform").is_some_and(|platform| platform == "win32")
        || os.text("type").is_some_and(|kind| kind.starts_with("Windows"))
}

/// Reads typed fields of a document; `null` counts as absent, and so does a figure below zero, with a note.
pub(super) struct DocumentFields<'a, 'm> {
    pub(super) node: &'m str,
    pub(super) own: &'m Members<'a>,
    /// The notes on repaired fields.
    pub(super) notes: &'m RefCell<Vec<String>>,
}

impl<'a> DocumentFields<'a, '_> {
    fn take<T>(
        &self,
        name: &str,
        expected: &'static str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, ReportError> {
        match self.own.value(name) {
            None => Ok(None),
            Some(value) => match read(&value) {
                Some(taken) => Ok(Some(taken)),
                None if is_below_zero(&value) => {
                    let found =
                        if value.is_array() { "has a number below zero".to_owned() } else { format!("is {value}") };
                    self.notes.borrow_mut().push(format!("`{name}` {found}, which counts as unknown"));
                    Ok(None)
                }
                None => Err(wrong(self.node, name, &value, expected)),
            },
        }
    }

    /// Returns the member `name` as raw text, if `is_such` accepts the text.
    fn raw(
        &self,
        name: &str,
        expected: &'static str,
        is_such: fn(&RawValue) -> bool,
    ) -> Result<Option<&'a RawValue>, ReportError> {
        match self.own.get(name) {
            Some(raw) if !is_such(raw) => {
                Err(wrong(self.node, name, &members::value(raw).unwrap_or_default(), expected))
            }
            found => Ok(found),
        }
    }

    pub(super) fn object(&self, name: &str) -> Result<Members<'a>, ReportError> {
        Ok(self.raw(name, "an object", members::is_object)?.map(Members::of).unwrap_or_default())
    }

    pub(super) fn list(&self, name: &str) -> Result<Option<&'a RawValue>, ReportError> {
        self.raw(name, "a list", members::is_list)
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, ReportError> {
        self.take(name, "a string", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, ReportError> {
        Ok(self.take(name, "true or false", Value::as_bool)?.unwrap_or_default())
    }

    pub(super) fn amount(&self, name: &str) -> Result<Option<f64>, ReportError> {
        self.take(name, "a number of at least 0", amount)
    }

    pub(super) fn count(&self, name: &str) -> Result<Option<u64>, ReportError> {
        self.take(name, "a whole number of at least 0", whole)
    }

    fn numbers(&self, name: &str) -> Result<Vec<f64>, ReportError> {
        let read = |value: &Value| value.as_array().and_then(|list| list.iter().map(amount).collect());
        Ok(self.take(name, "a list of numbers of at least 0", read)?.unwrap_or_default())
    }
}

/// Returns the error that `field` of `node` is not as `expected`.
pub(super) fn wrong(node: &str, field: &str, value: &Value, expected: &'static str) -> ReportError {
    let found = match value {
        Value::Number(_) | Value::Bool(_) | Value::Null => value.to_string(),
        other => json::kind(other).to_owned(),
    };
    ReportError::Field { node: node.to_owned(), field: field.to_owned(), found, expected }
}

/// Whether `value` is a number below zero, or a list of numbers with a number below zero.
fn is_below_zero(value: &Value) -> bool {
    let is_below = |value: &Value| value.as_f64().is_some_and(|number| number < 0.0);
    match value {
        Value::Array(list) => list.iter().all(Value::is_number) && list.iter().any(is_below),
        value => is_below(value),
    }
}

fn amount(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.is_finite() && *number >= 0.0)
}

/// Returns a count; `3.0` is a count too, because some reporters write every number that way.
pub(super) fn whole(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| amount(value).filter(|number| number.fract() == 0.0 && *number < 9e15).map(|number| number as u64))
}

/// Returns a weight; text is accepted too, because metadata is text.
pub(super) fn positive(value: &Value) -> Option<f64> {
    let number = match value {
        Value::String(text) => text.trim().parse().ok()?,
        other => other.as_f64()?,
    };
    Some(number).filter(|number: &f64| number.is_finite() && *number > 0.0)
}

/// Returns `value` as JSON; whole numbers stay whole, so that scripts and executables read `4000000000`, not
/// `4000000000.0`.
pub(super) fn number(value: f64) -> Option<Value> {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return Some(Value::from(value as i64));
    }
    Number::from_f64(value).map(Value::Number)
}
