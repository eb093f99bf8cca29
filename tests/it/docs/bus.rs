//! What others than scripts see: subjects, names on the bus, errors, exit codes, metrics.

use std::collections::BTreeMap;

use whither::cli::exit;
use whither::config::Namespace;
use whither::front::metrics::Metrics;
use whither::model::{FailureName, LimitKind};
use whither::nats::message::Verb;
use whither::nats::service::subject;
use whither::nats::starts::StartFault;
use whither::nats::subjects::{HEADER_DEADLINE, HEADER_ERROR, HEADER_ERROR_CODE, HEADER_TIMEOUT, QUEUE_GROUP, SERVICE};
use whither::trace::context::TRACEPARENT;

use super::markdown::{code, table};

/// The endpoints, in the default namespace.
pub(crate) fn subjects() -> String {
    let namespace = Namespace::default();
    let row = |verb: Verb| {
        let heard = if verb.is_for_all() { "every replica" } else { "one replica" };
        [code(&subject(&namespace, verb)), heard.to_owned(), verb.about().to_owned()]
    };
    table(["subject", "heard by", "does"], Verb::ALL.map(row))
}

/// Everything else that has a name on the bus.
pub(crate) fn names() -> String {
    let namespace = Namespace::default();
    let rows = [
        (
            HEADER_TIMEOUT.to_owned(),
            "header of a request",
            "how long the requester waits, in milliseconds from its receipt",
        ),
        (HEADER_DEADLINE.to_owned(), "header of a request", "until when the requester waits, in Unix milliseconds UTC"),
        (
            TRACEPARENT.to_owned(),
            "header of a request",
            "the trace that the request belongs to, by the W3C's Trace Context; `tracestate` likewise",
        ),
        (HEADER_ERROR_CODE.to_owned(), "header of a reply", "the code of an error; a reply without it is no error"),
        (HEADER_ERROR.to_owned(), "header of a reply", "the text of an error, in one line"),
        (QUEUE_GROUP.to_owned(), "queue group", "of which one replica hears each request"),
        (format!("$SRV.PING.{SERVICE}"), "subject", "NATS's own service discovery; `INFO` and `STATS` likewise"),
        (namespace.peers(), "subject", "what replicas tell each other"),
        (
            namespace.peer("R", "confirm"),
            "subject",
            "what only the replica `R` can answer; `release` and `renew` likewise",
        ),
        (
            namespace.node_start("KEY"),
            "subject",
            "the service asks the agent of one node to start a session; the key of the node as in the bucket of nodes",
        ),
        (namespace.logs(), "subject", "the last log lines of every replica and agent, and those that come"),
        (namespace.log_level(), "subject", "another level of log lines for a while, at every replica and agent"),
        (namespace.of_node("KEY", "ping"), "subject", "whether the agent of a node answers"),
        (namespace.nodes_bucket(), "bucket", "node documents, written by agents"),
        (namespace.marks_bucket(), "bucket", "cordons, drains and cool-downs, written by the service"),
        (namespace.claims_bucket(), "bucket", "claimed places where capacity is strict, written by the service"),
        (namespace.assignments_bucket(), "bucket", "users who are assigned to nodes, written by the service"),
        (namespace.facts_bucket(), "bucket", "countable facts and who holds them, written by the service"),
        (namespace.events_stream(), "stream", "what happened to nodes"),
        (namespace.events_of("KEY"), "subject", "what happened to one node; the events stream has it"),
    ];
    table(["name", "is", "for"], rows.map(|(name, kind, about)| [code(&name), kind.to_owned(), about.to_owned()]))
}

/// The failures.
pub(crate) fn errors() -> String {
    let row = |name: FailureName| {
        [code(name.as_str()), name.code().to_string(), exit::code(name).to_string(), name.about().to_owned()]
    };
    table(["name", "code", "exit code", "meaning"], FailureName::ALL.map(row))
}

/// The limits that a `script-limit` may name.
pub(crate) fn limits() -> String {
    table(["`limit`", "what was passed"], LimitKind::ALL.map(|kind| [code(kind.as_str()), kind.about().to_owned()]))
}

/// The reasons of starts that failed.
pub(crate) fn start_faults() -> String {
    table(["`reason`", "meaning"], StartFault::ALL.map(|(fault, about)| [code(fault.as_str()), about.to_owned()]))
}

/// The exit codes of commands.
pub(crate) fn exit_codes() -> String {
    table(["exit code", "meaning"], exit::CODES.map(|(code, about)| [code.to_string(), about.to_owned()]))
}

/// The figures, each with its labels.
pub(crate) fn metrics() -> String {
    let metrics = Metrics::new();
    // What has labels is there only once it was counted.
    drop(metrics.decisions("CHAIN", "OUTCOME"));
    metrics.limit("SCRIPT", "LIMIT");
    metrics.suspicion("SCRIPT", "LIMIT");
    metrics.quarantined("SCRIPT", false);
    metrics.program_ended("SCRIPT");
    metrics.start_ended("OUTCOME");
    metrics.token_judged("OUTCOME");
    metrics.headroom.facts([("FACT", [0, 0, 0])]);
    metrics.headroom.groups([("GROUP", 0)]);
    metrics.bailed_out("SCRIPT", "CAUSE", 1);
    metrics.differed("SCRIPT", "CAUSE");
    let text = metrics.text();
    let (mut order, mut figures) = (Vec::new(), BTreeMap::<String, Figure>::new());
    for line in text.lines() {
        if let Some((name, about)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            order.push(name.to_owned());
            figures.entry(name.to_owned()).or_default().about = about.trim_end_matches('.').to_owned();
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            figures.get_mut(name).unwrap().kind = kind.to_owned();
        } else if !line.starts_with('#') {
            let name = order.last().unwrap();
            let figure = figures.get_mut(name).unwrap();
            let sample = line.split(['{', ' ']).next().unwrap();
            if sample.strip_prefix(name.as_str()).is_some_and(|end| end.is_empty() || end == "_total") {
                figure.sample = sample.to_owned();
            }
            let labels =
                line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(labels, _)| labels);
            for label in labels.split(',').filter_map(|label| label.split_once('=')).map(|(label, _)| label) {
                let is_new = label != "le" && !figure.labels.iter().any(|known| known == label);
                figure.labels.extend(is_new.then(|| label.to_owned()));
            }
        }
    }
    let row = |name: String| {
        let figure = &figures[&name];
        let labels = figure.labels.iter().map(|label| code(label)).collect::<Vec<_>>().join(", ");
        let shown = if figure.sample.is_empty() { &name } else { &figure.sample };
        [code(shown), figure.kind.clone(), labels, figure.about.clone()]
    };
    assert!(order.len() > 30, "{text}");
    table(["metric", "type", "labels", "meaning"], order.into_iter().map(row))
}

/// A figure as its text describes it.
#[derive(Default)]
struct Figure {
    /// The name under which it is scraped.
    sample: String,
    kind: String,
    about: String,
    labels: Vec<String>,
}
