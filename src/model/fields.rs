//! Typed fields of a node document, and the vital signs among them.

use serde_json::{Map, Number, Value};

use super::json;
use super::report::ReportError;

/// The vital signs of a node, taken from either generation's fields and written back to both.
#[derive(Default)]
pub(super) struct Vitals {
    pub(super) free: Option<f64>,
    pub(super) total: Option<f64>,
    pub(super) load: Vec<f64>,
    pub(super) cores: Option<f64>,
    pub(super) utilization: Option<f64>,
    pub(super) uptime: Option<f64>,
}

impl Vitals {
    pub(super) fn read(node: &mut Fields<'_>, health: &mut Map<String, Value>) -> Result<Self, ReportError> {
        let mut health = Fields { node: node.node, own: health };
        let mut cpu = health.object("cpu")?;
        let mut mem = health.object("mem")?;
        let loadavg = node.numbers("loadavg")?;
        let (mut load, mut later) = (Vec::new(), Vec::new());
        for (place, name) in ["load1", "load5", "load15"].into_iter().enumerate() {
            let own = Fields { node: node.node, own: &mut cpu }.amount(name)?;
            match own.or_else(|| loadavg.get(place).copied()) {
                // The list is positional: a five-minute load must not stand in the one-minute load's place.
                Some(figure) if load.len() == place => load.push(figure),
                Some(figure) => later.push((name, figure)),
                None => {}
            }
        }
        let vitals = Self {
            free: Fields { node: node.node, own: &mut mem }.amount("free")?.or(node.amount("freemem")?),
            total: Fields { node: node.node, own: &mut mem }.amount("total")?.or(node.amount("totalmem")?),
            cores: Fields { node: node.node, own: &mut cpu }.amount("cores")?,
            utilization: Fields { node: node.node, own: &mut cpu }.amount("utilization")?.or(node.amount("cpu")?),
            uptime: node
                .amount("uptime")?
                .or_else(|| health.own.get("os").and_then(|os| os.get("uptime")).and_then(Value::as_f64)),
            load,
        };
        let fill = |map: &mut Map<String, Value>, name: &str, value: Option<f64>| {
            if let Some(value) = value.and_then(number) {
                map.entry(name.to_owned()).or_insert(value);
            }
        };
        for (name, value) in ["load1", "load5", "load15"].into_iter().zip(&vitals.load) {
            fill(&mut cpu, name, Some(*value));
        }
        for (name, value) in later {
            fill(&mut cpu, name, Some(value));
        }
        fill(&mut cpu, "utilization", vitals.utilization);
        fill(&mut cpu, "cores", vitals.cores);
        fill(&mut mem, "free", vitals.free);
        fill(&mut mem, "total", vitals.total);
        health.own.insert("cpu".to_owned(), Value::Object(cpu));
        health.own.insert("mem".to_owned(), Value::Object(mem));
        Ok(vitals)
    }
}

/// Takes typed fields out of a document; `null` counts as absent.
pub(super) struct Fields<'a> {
    pub(super) node: &'a str,
    pub(super) own: &'a mut Map<String, Value>,
}

impl Fields<'_> {
    fn take<T>(
        &mut self,
        name: &str,
        expected: &'static str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, ReportError> {
        match self.own.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(&value) {
                Some(taken) => Ok(Some(taken)),
                None => Err(wrong(self.node, name, &value, expected)),
            },
        }
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Map<String, Value>, ReportError> {
        Ok(self.take(name, "an object", |value| value.as_object().cloned())?.unwrap_or_default())
    }

    pub(super) fn list(&mut self, name: &str) -> Result<Vec<Value>, ReportError> {
        Ok(self.take(name, "a list", |value| value.as_array().cloned())?.unwrap_or_default())
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, ReportError> {
        self.take(name, "a string", |value| value.as_str().map(str::to_owned))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<bool, ReportError> {
        Ok(self.take(name, "true or false", Value::as_bool)?.unwrap_or_default())
    }

    pub(super) fn amount(&mut self, name: &str) -> Result<Option<f64>, ReportError> {
        self.take(name, "a number of at least 0", amount)
    }

    pub(super) fn count(&mut self, name: &str) -> Result<Option<u64>, ReportError> {
        self.take(name, "a whole number of at least 0", whole)
    }

    pub(super) fn numbers(&mut self, name: &str) -> Result<Vec<f64>, ReportError> {
        let read = |value: &Value| value.as_array().and_then(|list| list.iter().map(amount).collect());
        Ok(self.take(name, "a list of numbers of at least 0", read)?.unwrap_or_default())
    }
}

/// The error that `field` of `node` is no such thing.
pub(super) fn wrong(node: &str, field: &str, value: &Value, expected: &'static str) -> ReportError {
    let found = match value {
        Value::Number(_) | Value::Bool(_) | Value::Null => value.to_string(),
        other => json::kind(other).to_owned(),
    };
    ReportError::Field { node: node.to_owned(), field: field.to_owned(), found, expected }
}

fn amount(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.is_finite() && *number >= 0.0)
}

/// A count; `3.0` is one too, because some reporters write every number that way.
pub(super) fn whole(value: &Value) -> Option<u64> {
    value
        .as_u64()
        .or_else(|| amount(value).filter(|number| number.fract() == 0.0 && *number < 9e15).map(|number| number as u64))
}

/// Whole numbers stay whole, so that scripts and executables read `4000000000`, not `4000000000.0`.
pub(super) fn number(value: f64) -> Option<Value> {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return Some(Value::from(value as i64));
    }
    Number::from_f64(value).map(Value::Number)
}
