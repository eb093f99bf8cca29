//! The fields of node, session and request that scripts see: the single list that all checks use.
//!
//! Static data shows at the top level of a node under any name, and requests and sessions may have fields of their own.
//! So a field that is not listed is a mistake only where the name looks like a listed name, or where nothing else can
//! exist.

use super::value::{Measure, Role, Thing, Worth};

/// The kind of value in a listed field.
#[derive(Clone, Copy, Debug)]
enum KnownKind {
    One(Thing),
    Many(Thing),
    Count(Measure),
    Counts,
    Word(Role),
    Words,
    Flag,
    /// Anything: values that administrators and requesters fill in.
    Open,
}

/// The length of the shortest name that may be misspelt by a letter more, less or other.
const MIN_MISSPELT: usize = 5;
/// The length of the shortest name that may be misspelt by two other letters.
const MIN_TWICE_MISSPELT: usize = 9;

const INPUT: &[(&str, KnownKind)] =
    &[("nodes", KnownKind::Many(Thing::Node)), ("servers", KnownKind::Many(Thing::Node))];
const REQUEST: &[(&str, KnownKind)] = &[
    ("action", KnownKind::Word(Role::Action)),
    ("user", KnownKind::One(Thing::User)),
    ("userGroups", KnownKind::Words),
    ("isManager", KnownKind::Flag),
    ("isAdmin", KnownKind::Flag),
    ("claims", KnownKind::Open),
    ("local", KnownKind::One(Thing::Local)),
    ("data", KnownKind::Open),
    ("params", KnownKind::One(Thing::Params)),
    ("needs", KnownKind::Open),
    ("facts", KnownKind::Open),
    ("now", KnownKind::Count(Measure::Plain)),
    ("time", KnownKind::One(Thing::Time)),
    ("sequence", KnownKind::Count(Measure::Plain)),
];
const USER: &[(&str, KnownKind)] = &[
    ("login", KnownKind::Word(Role::Plain)),
    ("sessions", KnownKind::Many(Thing::Session)),
    ("serverId", KnownKind::Word(Role::Id)),
];
const LOCAL: &[(&str, KnownKind)] = &[("serverId", KnownKind::Word(Role::Id))];
const PARAMS: &[(&str, KnownKind)] =
    &[("me", KnownKind::One(Thing::User)), ("start", KnownKind::Open), ("jwt", KnownKind::Open)];
const TIME: &[(&str, KnownKind)] = &[
    ("ms", KnownKind::Count(Measure::Plain)),
    ("hour", KnownKind::Count(Measure::Hour)),
    ("minute", KnownKind::Count(Measure::Plain)),
    ("weekday", KnownKind::Count(Measure::Weekday)),
    ("offset_min", KnownKind::Count(Measure::Plain)),
];
const NODE: &[(&str, KnownKind)] = &[
    ("id", KnownKind::Word(Role::Id)),
    ("serverId", KnownKind::Word(Role::Id)),
    ("hostname", KnownKind::Word(Role::Plain)),
    ("urls", KnownKind::Words),
    ("nodeData", KnownKind::One(Thing::NodeData)),
    ("metadata", KnownKind::One(Thing::Metadata)),
    ("staticData", KnownKind::Open),
    ("metrics", KnownKind::Open),
    ("cordoned", KnownKind::Flag),
    ("maxSessions", KnownKind::Count(Measure::Plain)),
    ("sessions", KnownKind::Count(Measure::Sessions)),
    ("freemem", KnownKind::Count(Measure::Bytes)),
    ("totalmem", KnownKind::Count(Measure::Bytes)),
    ("loadavg", KnownKind::Counts),
    ("cpu", KnownKind::Count(Measure::Processor)),
    ("uptime", KnownKind::Count(Measure::Plain)),
    ("loggedInUsers", KnownKind::Count(Measure::Plain)),
    ("serverPool", KnownKind::Word(Role::Plain)),
];
const NODE_DATA: &[(&str, KnownKind)] = &[
    ("health", KnownKind::One(Thing::Health)),
    ("services", KnownKind::Open),
    ("sessions", KnownKind::Many(Thing::Session)),
];
const HEALTH: &[(&str, KnownKind)] = &[
    ("cpu", KnownKind::One(Thing::Cpu)),
    ("mem", KnownKind::One(Thing::Memory)),
    ("os", KnownKind::Open),
    ("process", KnownKind::Open),
    ("client", KnownKind::Open),
    ("net", KnownKind::Open),
    ("time", KnownKind::Open),
];
const CPU: &[(&str, KnownKind)] = &[
    ("load1", KnownKind::Count(Measure::Plain)),
    ("load5", KnownKind::Count(Measure::Plain)),
    ("load15", KnownKind::Count(Measure::Plain)),
    ("utilization", KnownKind::Count(Measure::Percent)),
    ("cores", KnownKind::Count(Measure::Plain)),
];
const MEMORY: &[(&str, KnownKind)] = &[
    ("free", KnownKind::Count(Measure::Bytes)),
    ("total", KnownKind::Count(Measure::Bytes)),
    ("percent", KnownKind::Count(Measure::Percent)),
];
const SESSION: &[(&str, KnownKind)] = &[
    ("id", KnownKind::Word(Role::Plain)),
    ("sessionId", KnownKind::Word(Role::Plain)),
    ("user", KnownKind::Word(Role::Plain)),
    ("login", KnownKind::Word(Role::Plain)),
    ("name", KnownKind::Word(Role::Plain)),
    ("state", KnownKind::Word(Role::Plain)),
    ("serverId", KnownKind::Word(Role::Id)),
    ("reservation", KnownKind::Word(Role::Plain)),
];

/// Names from elsewhere that are not near the right name, each with the path of the right field.
const ELSEWHERE: &[(Thing, &str, &str)] = &[
    (Thing::Node, "nodeId", "id"),
    (Thing::Node, "freeMemory", "freemem"),
    (Thing::Node, "memFree", "freemem"),
    (Thing::Node, "memoryFree", "freemem"),
    (Thing::Node, "availableMemory", "freemem"),
    (Thing::Node, "totalMemory", "totalmem"),
    (Thing::Node, "memTotal", "totalmem"),
    (Thing::Node, "loadAverage", "loadavg"),
    (Thing::Node, "sessionCount", "sessions"),
    (Thing::Node, "numSessions", "sessions"),
    (Thing::Node, "activeSessions", "sessions"),
    (Thing::Node, "sessionLimit", "maxSessions"),
    (Thing::Node, "health", "nodeData.health"),
    (Thing::Node, "services", "nodeData.services"),
    (Thing::Node, "cpuUsage", "cpu"),
    (Thing::Node, "load1", "loadavg[0]"),
    (Thing::NodeData, "cpu", "health.cpu"),
    (Thing::NodeData, "mem", "health.mem"),
    (Thing::Health, "memory", "mem"),
    (Thing::Cpu, "load", "load1"),
    (Thing::Cpu, "usage", "utilization"),
    (Thing::Cpu, "percent", "utilization"),
    (Thing::Cpu, "count", "cores"),
    (Thing::Time, "day", "weekday"),
    (Thing::Time, "min", "minute"),
    (Thing::Input, "groups", "userGroups"),
    (Thing::Request, "groups", "userGroups"),
    (Thing::Input, "hosts", "nodes"),
    (Thing::Input, "nodeList", "nodes"),
    (Thing::Input, "serverList", "servers"),
    (Thing::Input, "server", "servers"),
    (Thing::Input, "candidates", "nodes"),
];

/// The knowledge about a field.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::check) enum FieldLook {
    /// The field is there, and holds this.
    Known(Worth),
    /// The field may be there.
    Open,
    /// The field does not exist; this field was probably meant.
    Meant(&'static str),
    /// The field is not there.
    Missing,
}

/// Looks up the field `name` of `thing`.
#[must_use]
pub(in crate::check) fn look(thing: Thing, name: &str) -> FieldLook {
    let lists = tables(thing);
    let listed = lists.iter().copied().flatten();
    if thing == Thing::Metadata {
        return FieldLook::Known(Worth::Text(Role::Metadata));
    }
    if let Some((_, holds)) = listed.clone().find(|(known, _)| *known == name) {
        return FieldLook::Known(holds.value());
    }
    if let Some((_, _, meant)) = ELSEWHERE.iter().find(|(of, known, _)| *of == thing && plain(known) == plain(name)) {
        return FieldLook::Meant(meant);
    }
    if let Some(meant) = misspelt(name, listed.map(|(known, _)| *known)) {
        return FieldLook::Meant(meant);
    }
    if matches!(thing, Thing::Cpu | Thing::Memory | Thing::Time) { FieldLook::Missing } else { FieldLook::Open }
}

/// Returns the names of the listed fields of `thing`.
pub(in crate::check) fn names(thing: Thing) -> impl Iterator<Item = &'static str> {
    tables(thing).into_iter().flatten().map(|(name, _)| *name)
}

/// Returns which of `known` was meant by `name`, which is none of them.
pub(in crate::check) fn misspelt<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = plain(name);
    let distance = |known: &str| {
        let known = plain(known);
        let steps = if known == wrong { 0 } else { strsim::damerau_levenshtein(&wrong, &known) };
        let shortest = match steps {
            0 => 0,
            1 => MIN_MISSPELT,
            2 => MIN_TWICE_MISSPELT,
            _ => usize::MAX,
        };
        (wrong.len() >= shortest && known.len() >= shortest).then_some(steps)
    };
    // Longer than any name there is: not worth a quadratic comparison.
    let names = known.filter(|_| name.len() <= 64);
    names.filter_map(|known| Some((distance(known)?, known))).min_by_key(|(steps, _)| *steps).map(|(_, known)| known)
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect()
}

fn tables(thing: Thing) -> [&'static [(&'static str, KnownKind)]; 2] {
    match thing {
        Thing::Input => [REQUEST, INPUT],
        Thing::Request => [REQUEST, &[]],
        Thing::User => [USER, &[]],
        Thing::Local => [LOCAL, &[]],
        Thing::Params => [PARAMS, &[]],
        Thing::Time => [TIME, &[]],
        Thing::Node => [NODE, &[]],
        Thing::NodeData => [NODE_DATA, &[]],
        Thing::Health => [HEALTH, &[]],
        Thing::Cpu => [CPU, &[]],
        Thing::Memory => [MEMORY, &[]],
        Thing::Metadata => [&[], &[]],
        Thing::Session => [SESSION, &[]],
    }
}

impl KnownKind {
    fn value(self) -> Worth {
        match self {
            Self::One(thing) => Worth::Thing(thing),
            Self::Many(thing) => Worth::list(Worth::Thing(thing)),
            Self::Count(unit) => Worth::Number(unit),
            Self::Counts => Worth::list(Worth::Number(Measure::Plain)),
            Self::Word(role) => Worth::Text(role),
            Self::Words => Worth::list(Worth::Text(Role::Plain)),
            Self::Flag => Worth::Truth,
            Self::Open => Worth::Unknown,
        }
    }
}

impl Thing {
    /// Returns the name of the thing in a sentence.
    #[must_use]
    pub(in crate::check) fn words(self) -> &'static str {
        match self {
            Self::Input => "the input",
            Self::Request => "the request",
            Self::User => "the user",
            Self::Local => "`local`",
            Self::Params => "`params`",
            Self::Time => "`time`",
            Self::Node => "a node",
            Self::NodeData => "`nodeData`",
            Self::Health => "`health`",
            Self::Cpu => "`health.cpu`",
            Self::Memory => "`health.mem`",
            Self::Metadata => "the metadata",
            Self::Session => "a session",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(thing: Thing, name: &str, expected: FieldLook) {
        assert_eq!(look(thing, name), expected, "{thing:?}.{name}");
    }

    #[test]
    fn misspelt_fields_are_told_from_static_data() {
        for (name, meant) in [
            ("sesions", "sessions"),
            ("session", "sessions"),
            ("freeMem", "freemem"),
            ("free_mem", "freemem"),
            ("FreeMemory", "freemem"),
            ("metaData", "metadata"),
            ("hostName", "hostname"),
            ("ID", "id"),
            ("loggedinusers", "loggedInUsers"),
            ("staticdata", "staticData"),
            ("health", "nodeData.health"),
        ] {
            check(Thing::Node, name, FieldLook::Meant(meant));
        }
        for name in
            ["gpu", "group", "users", "login", "pool", "rack", "tier", "cores", "cpus", "memory", "load", "rank"]
        {
            check(Thing::Node, name, FieldLook::Open);
        }
        check(Thing::Node, "sessions", FieldLook::Known(Worth::Number(Measure::Sessions)));
        check(Thing::Memory, "used", FieldLook::Missing);
        check(Thing::Input, "usergroups", FieldLook::Meant("userGroups"));
        check(Thing::Request, "nodes", FieldLook::Open);
        check(Thing::Metadata, "anything", FieldLook::Known(Worth::Text(Role::Metadata)));
    }
}
