//! The fields of a node.

use super::{FieldDoc, Holds, ListElement, Side};
use crate::model::bounds::MAX_ID_BYTES;

const fn field(path: &'static str, holds: Holds, about: &'static str) -> FieldDoc {
    FieldDoc::new(path, holds, about)
}

/// The fields of a node, in the order in which scripts see them.
pub const NODE: [FieldDoc; 34] = [
    field("id", Holds::Name(1, MAX_ID_BYTES), "the node's id"),
    field("serverId", Holds::Text, "the node's id, as FastX 3 calls it"),
    field("hostname", Holds::Text, "the node's name for people; may be empty"),
    field("urls", Holds::List(ListElement::Text), "the addresses at which sessions on the node are reached"),
    field("nodeData", Holds::Object, "what the node reports of itself, as FastX 4 has it"),
    field("nodeData.health", Holds::Object, "the health of the machine; other members pass through"),
    field("nodeData.health.cpu", Holds::Object, "the processor"),
    field("nodeData.health.cpu.load1", Holds::Number, "the load of the last minute").optional(),
    field("nodeData.health.cpu.load5", Holds::Number, "the load of the last five minutes").optional(),
    field("nodeData.health.cpu.load15", Holds::Number, "the load of the last fifteen minutes").optional(),
    field("nodeData.health.cpu.utilization", Holds::Number, "how much of the processor is in use")
        .in_units("percent")
        .optional(),
    field("nodeData.health.cpu.cores", Holds::Number, "the number of cores").in_units("cores").optional(),
    field("nodeData.health.mem", Holds::Object, "the memory"),
    field(
        "nodeData.health.mem.percent",
        Holds::Number,
        "how much of the memory is *free*, as FastX's health library says",
    )
    .in_units("percent")
    .optional(),
    field("nodeData.health.mem.free", Holds::Number, "the free memory").in_units("bytes").optional(),
    field("nodeData.health.mem.total", Holds::Number, "the memory of the machine").in_units("bytes").optional(),
    field("nodeData.health.os", Holds::Open, "the operating system, as the agent or FastX describes it").optional(),
    field("nodeData.health.os.uptime", Holds::Number, "the time since the machine was started")
        .in_units("seconds")
        .optional(),
    field("nodeData.services", Holds::List(ListElement::Service), "the services that run there"),
    field(
        "nodeData.sessions",
        Holds::List(ListElement::Session),
        "the sessions, also those that start (`state: \"pending\"`); empty where the node listed none",
    ),
    field("metadata", Holds::Texts, "`METADATA_NAME` of the agent's environment as `NAME`; always text"),
    field("staticData", Holds::Open, "what an administrator wrote down for the node, with types"),
    field("metrics", Holds::Open, "what the agent's executables for metrics print, by their names"),
    field("cordoned", Holds::Flag, "whether the node takes no new sessions"),
    field("maxSessions", Holds::Whole, "the most sessions that the node takes").in_units("sessions").optional(),
    field("sessions", Holds::Whole, "the number of sessions, also those that start; unknown is not zero")
        .in_units("sessions")
        .optional(),
    field("freemem", Holds::Number, "the free memory").in_units("bytes").optional(),
    field("totalmem", Holds::Number, "the memory of the machine").in_units("bytes").optional(),
    field(
        "loadavg",
        Holds::List(ListElement::Number),
        "the loads of the last 1, 5 and 15 minutes; empty where unknown",
    ),
    field("cpu", Holds::Number, "how much of the processor is in use").in_units("percent").optional(),
    field("uptime", Holds::Number, "the time since the machine was started").in_units("seconds").optional(),
    field("loggedInUsers", Holds::Whole, "the number of different users with sessions there")
        .in_units("users")
        .optional(),
    field("serverPool", Holds::Text, "FastX 3's name for a group of nodes; may be empty"),
    field("available", Holds::Flag, "`false` for a node that is gone, as Moleculer says").optional().only(Side::Sent),
];
