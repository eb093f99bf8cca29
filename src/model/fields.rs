//! The fields of a node that scripts see, built from the text of the report when a script reads them.
//!
//! The names of both generations are filled from each other here, so that no engine and no built-in ever asks to which
//! generation a node belongs. The text was checked when the report was read, so that building cannot fail; where a
//! script reads few fields alone, no others are built.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

use super::dictionary::{NODE_FIELDS, NODE_FIGURES, node_fields};
use super::figures::{NodeFigures, number};
use super::report::Report;

/// The fields that come first, in this order. All but the figures are present on every node.
const KNOWN: [&str; 18] = NODE_FIELDS;
/// Those known fields that are the node's own figures, reported or absent.
const DERIVED: [&str; 7] = NODE_FIGURES;
/// Those known fields that are built from the text. The others are typed in the report.
const WRITTEN: [&str; 5] = node_fields(["urls", "nodeData", "metadata", "staticData", "metrics"]);

/// Those known fields that are taken out of the document in this order, which decides the order of the others.
const PLACED: [&str; 12] = node_fields([
    "cordoned",
    "maxSessions",
    "loadavg",
    "freemem",
    "totalmem",
    "cpu",
    "uptime",
    "hostname",
    "serverPool",
    "loggedInUsers",
    "id",
    "serverId",
]);

/// The names of the top-level fields to build; all where `None`.
pub type Wanted<'a> = Option<&'a [&'a str]>;

/// Returns the fields of `report`, in the order in which scripts see the fields; `nodeData.sessions` is empty here.
pub(super) fn build(report: &Report, wanted: Wanted<'_>) -> Map<String, Value> {
    let is_typed = |name: &&str| KNOWN.contains(name) && !WRITTEN.contains(name);
    let own = match wanted {
        Some(names) if names.iter().all(is_typed) => Map::new(),
        _ => read(&report.text, wanted),
    };
    arrange(own, report, wanted)
}

/// Returns the field `name` of `report`, where the field is typed and need not be read from the text; `None` for any
/// other field, `Some(None)` where the node lacks the value.
pub(super) fn typed(report: &Report, name: &str) -> Option<Option<Value>> {
    let figures = report.figures();
    Some(match name {
        "id" | "serverId" => Some(json!(&*report.id)),
        "hostname" => Some(report.hostname().into()),
        "cordoned" => Some(report.is_cordoned().into()),
        "maxSessions" => figures.max_sessions.map(Value::from),
        "sessions" => report.sessions.count().map(Value::from),
        "freemem" => figures.free_memory.and_then(number),
        "totalmem" => figures.total_memory.and_then(number),
        "loadavg" => Some(figures.loads().filter_map(number).collect()),
        "cpu" => figures.utilization.and_then(number),
        "uptime" => figures.uptime.and_then(number),
        "loggedInUsers" => figures.users.map(Value::from),
        "serverPool" => Some(report.server_pool().into()),
        _ => return None,
    })
}

/// Returns those members of the document from which the wanted fields are built.
fn read(text: &str, wanted: Wanted<'_>) -> Map<String, Value> {
    // Static data appears under its own names as well.
    let has_other = wanted.is_some_and(|names| names.iter().any(|name| !KNOWN.contains(name)));
    let level = FieldLevel(&|name: &str| match wanted {
        _ if KNOWN.contains(&name) && !WRITTEN.contains(&name) => Member::Typed,
        None => Member::of(name),
        Some(names) if names.contains(&name) || has_other && name == "staticData" => Member::of(name),
        Some(_) => Member::Unwanted,
    });
    level.deserialize(&mut serde_json::Deserializer::from_str(text)).unwrap_or_default()
}

fn arrange(mut own: Map<String, Value>, report: &Report, wanted: Wanted<'_>) -> Map<String, Value> {
    let mut data = object(own.remove("nodeData"));
    own.remove("sessions");
    let [metadata, static_data, metrics] = ["metadata", "staticData", "metrics"].map(|name| own.remove(name));
    let (urls, static_data) = (own.remove("urls"), object(static_data));
    for name in PLACED {
        own.remove(name);
    }
    let figures = report.figures();
    let (mut metadata, mut metrics, mut urls) = (Some(object(metadata)), Some(object(metrics)), Some(list(urls)));
    let mut known = |name: &str| match name {
        "urls" => urls.take(),
        "nodeData" => Some(node_data(std::mem::take(&mut data), figures).into()),
        "metadata" => metadata.take().map(Value::from),
        "staticData" => Some(static_data.clone().into()),
        "metrics" => metrics.take().map(Value::from),
        typed_name => typed(report, typed_name).flatten(),
    };
    let is_wanted = |name: &str| wanted.is_none_or(|names| names.contains(&name));
    let known =
        KNOWN.into_iter().filter(|name| is_wanted(name)).filter_map(|name| Some((name.to_owned(), known(name)?)));
    let mut fields: Map<String, Value> = known.collect();
    for (name, value) in own.into_iter().chain(static_data) {
        // A figure that was not reported stays absent: static data of that name must not stand in for the figure.
        if is_wanted(&name) && !DERIVED.contains(&name.as_str()) {
            fields.entry(name).or_insert(value);
        }
    }
    fields
}

/// Returns `nodeData` with the figures of `health` under the names of both generations.
fn node_data(mut data: Map<String, Value>, figures: &NodeFigures) -> Map<String, Value> {
    let (mut health, services) = (object(data.remove("health")), list(data.remove("services")));
    data.remove("sessions");
    let [mut cpu, mut mem] = ["cpu", "mem"].map(|name| object(health.remove(name)));
    let loads = [("load1", figures.load1), ("load5", figures.load5), ("load15", figures.load15)];
    let busy = [("utilization", figures.utilization), ("cores", figures.cores)];
    for name in ["load1", "load5", "load15", "cores", "utilization"] {
        cpu.remove(name);
    }
    for (name, figure) in loads.into_iter().chain(busy) {
        fill(&mut cpu, name, figure);
    }
    let memory = [("free", figures.free_memory), ("total", figures.total_memory)];
    for (name, _) in memory {
        mem.remove(name);
    }
    for (name, figure) in memory {
        fill(&mut mem, name, figure);
    }
    health.insert("cpu".to_owned(), cpu.into());
    health.insert("mem".to_owned(), mem.into());
    data.insert("health".to_owned(), health.into());
    data.insert("services".to_owned(), services);
    data.insert("sessions".to_owned(), json!([]));
    data
}

fn fill(map: &mut Map<String, Value>, name: &str, figure: Option<f64>) {
    if let Some(value) = figure.and_then(number) {
        map.insert(name.to_owned(), value);
    }
}

fn object(value: Option<Value>) -> Map<String, Value> {
    match value {
        Some(Value::Object(own)) => own,
        _ => Map::new(),
    }
}

fn list(value: Option<Value>) -> Value {
    value.filter(Value::is_array).unwrap_or_else(|| json!([]))
}

/// The treatment of a member of the document.
enum Member {
    /// The member is typed in the report; only the place in the order counts.
    Typed,
    /// The member is not wanted.
    Unwanted,
    /// The member is `nodeData`, with typed sessions.
    Data,
    /// The member is built.
    Whole,
}

impl Member {
    fn of(name: &str) -> Self {
        if name == "nodeData" { Self::Data } else { Self::Whole }
    }
}

/// Reads an object, treating each member as the function says for the name; any other value has no members. A report's
/// objects were checked, but of two members of the same name only the last was.
#[derive(Clone, Copy)]
struct FieldLevel<'a>(&'a dyn Fn(&str) -> Member);

impl<'de> DeserializeSeed<'de> for FieldLevel<'_> {
    type Value = Map<String, Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Map<String, Value>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for FieldLevel<'_> {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<Map<String, Value>, E> {
        Ok(Map::new())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Map<String, Value>, E> {
        Ok(Map::new())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Map<String, Value>, E> {
        Ok(Map::new())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Map<String, Value>, E> {
        Ok(Map::new())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Map<String, Value>, E> {
        Ok(Map::new())
    }

    fn visit_str<E>(self, _: &str) -> Result<Map<String, Value>, E> {
        Ok(Map::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Map<String, Value>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Map::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Map<String, Value>, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = match (self.0)(&name) {
                Member::Unwanted => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                Member::Typed => {
                    map.next_value::<IgnoredAny>()?;
                    Value::Null
                }
                Member::Data => {
                    let is_typed = |name: &str| if name == "sessions" { Member::Typed } else { Member::Whole };
                    map.next_value_seed(FieldLevel(&is_typed))?.into()
                }
                Member::Whole => map.next_value()?,
            };
            members.insert(name, value);
        }
        Ok(members)
    }
}
