//! The fields of a request, as a requester sends them and as scripts see them.

use super::{FieldDoc, Holds, ListElement, Side};
use crate::model::bounds::{MAX_NAME_BYTES, MAX_RESERVATION_S, MAX_WAIT_MS};

const fn field(path: &'static str, holds: Holds, about: &'static str) -> FieldDoc {
    FieldDoc::new(path, holds, about)
}

const fn sent(path: &'static str, holds: Holds, about: &'static str) -> FieldDoc {
    field(path, holds, about).optional().only(Side::Sent)
}

const fn seen(path: &'static str, holds: Holds, about: &'static str) -> FieldDoc {
    field(path, holds, about).only(Side::Seen)
}

/// The fields of a request. A requester may leave each of them out; a script finds those that are not optional here.
pub const REQUEST: [FieldDoc; 30] = [
    sent(
        "id",
        Holds::Name(1, MAX_NAME_BYTES),
        "the requester's id of the request: a request with an id that was answered gets that answer",
    ),
    field("action", Holds::Name(1, MAX_NAME_BYTES), "what the request is for; names the chain"),
    field("user", Holds::User, "who asks"),
    field("userGroups", Holds::List(ListElement::Text), "the groups of the user, as the requester says"),
    field("isManager", Holds::Flag, "whether the user is a manager, as the requester says"),
    field("isAdmin", Holds::Flag, "whether the user is an administrator, as the requester says"),
    field(
        "claims",
        Holds::Open,
        "what the verified token says of what `tokens.claims` lists; without `[tokens]` the requester's word",
    ),
    field("local", Holds::Open, "the requester's own machine"),
    field(
        "local.serverId",
        Holds::Text,
        "the id of that machine, as the requester says; else empty in the service, and the host's name in `place`",
    ),
    field("data", Holds::Open, "what is to be started, as FastX 3 calls it; any fields"),
    field("params", Holds::Open, "what is to be started and by whom, as FastX 4 calls it"),
    field("params.me", Holds::User, "the user"),
    field(
        "params.start",
        Holds::Open,
        "what is to be started; taken from `data` where the request has that alone, and the other way round",
    ),
    field("params.jwt", Holds::Any, "the request's token; `null` for scripts, unless the chain has `pass_jwt`"),
    sent("wait_ms", Holds::Range(0, MAX_WAIT_MS), "the time for which the request may wait for a free node")
        .in_units("milliseconds"),
    sent(
        "reservation_s",
        Holds::Range(1, MAX_RESERVATION_S),
        "the life of the reservation, `service.reservation_max_s` at most",
    )
    .in_units("seconds"),
    sent(
        "needs",
        Holds::Open,
        "how many units of which countable facts the session takes: `{\"matlab\": 1}`, at most 8 facts",
    ),
    sent("explain", Holds::Flag, "whether the reply explains the decision"),
    sent("node", Holds::Text, "the node that an explanation is to tell about"),
    seen(
        "facts",
        Holds::Open,
        "the countable facts that are known, by name, each with `count`, `held` and `free`; filled by the service",
    ),
    seen("servers", Holds::List(ListElement::Node), "the candidates, as FastX 3 calls them: the same list as `nodes`"),
    field("nodes", Holds::List(ListElement::Node), "the candidates, in order"),
    seen("now", Holds::Number, "the time of the request, in Unix milliseconds").in_units("milliseconds"),
    seen("time", Holds::Object, "the time of the request in the time zone of the config"),
    seen("time.ms", Holds::Number, "the time, in Unix milliseconds").in_units("milliseconds"),
    seen("time.hour", Holds::Whole, "the hour, 0 to 23").in_units("hours"),
    seen("time.minute", Holds::Whole, "the minute, 0 to 59").in_units("minutes"),
    seen("time.weekday", Holds::Whole, "the day of the week; Sunday is 0"),
    seen("time.offset_min", Holds::Number, "the distance of the time zone from UTC").in_units("minutes"),
    seen("sequence", Holds::Whole, "the number of the request among those of its action in this replica, from 0"),
];

/// The fields of the user who asks, in `user` and in `params.me`.
pub const USER: [FieldDoc; 4] = [
    field("login", Holds::Text, "the login: `login` of the request, else `username`, else `sub`; may be empty"),
    field("username", Holds::Text, "the login under another name").optional().only(Side::Sent),
    field("serverId", Holds::Text, "the node of the user's login, where the requester says which").optional(),
    seen(
        "sessions",
        Holds::List(ListElement::Session),
        "the sessions of this user on all nodes, also those that start",
    ),
];
