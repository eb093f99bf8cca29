//! Every key of a file of tests: what may stand there and what it means, each said once.
//!
//! The reader accepts these keys and no others; the reference page and the JSON Schema are written from them.

/// A key of a file of tests.
#[derive(Debug, PartialEq, Eq)]
pub struct SuiteKey {
    /// The table that it stands in; empty for the file as a whole.
    pub section: &'static str,
    /// Its name.
    pub key: &'static str,
    /// What it is where the file does not say; empty where there is nothing then.
    pub default: &'static str,
    /// What kinds of values may stand there.
    pub values: &'static [SuiteValue],
    /// What may stand there, for a person.
    pub expected: &'static str,
    /// What it means, for a person.
    pub about: &'static str,
}

/// A kind of value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SuiteValue {
    /// Text.
    Text,
    /// A list of texts.
    Texts,
    /// A whole number in this range.
    Whole(u32, u32),
    /// A number from 0 to 1.
    Share,
    /// `true` or `false`.
    Flag,
    /// A table with keys of the writer's choice.
    Free,
    /// A table of this section.
    Section(&'static str),
    /// A list of tables of this section.
    Sections(&'static str),
    /// A list of tables with keys of the writer's choice.
    FreeList,
}

use super::{MAX_CLUSTERS, MAX_DRAWN_NODES, MAX_NODES, MAX_REPEAT};
use SuiteValue::{Flag, Free, FreeList, Section, Sections, Share, Text, Texts, Whole};

type SuiteKeyParts = (&'static str, &'static str, &'static [SuiteValue], &'static str, &'static str);

const fn of_file((key, default, values, expected, about): SuiteKeyParts) -> SuiteKey {
    SuiteKey { section: "", key, default, values, expected, about }
}

const fn of_case((key, default, values, expected, about): SuiteKeyParts) -> SuiteKey {
    SuiteKey { section: "case", key, default, values, expected, about }
}

const fn of_nodes((key, default, values, expected, about): SuiteKeyParts) -> SuiteKey {
    SuiteKey { section: "nodes", key, default, values, expected, about }
}

const fn of_generate((key, default, values, expected, about): SuiteKeyParts) -> SuiteKey {
    SuiteKey { section: "generate", key, default, values, expected, about }
}

const fn of_clusters((key, default, values, expected, about): SuiteKeyParts) -> SuiteKey {
    SuiteKey { section: "for_all", key, default, values, expected, about }
}

const fn of_expect((key, default, values, expected, about): SuiteKeyParts) -> SuiteKey {
    SuiteKey { section: "expect", key, default, values, expected, about }
}

const fn of_error((key, default, values, expected, about): SuiteKeyParts) -> SuiteKey {
    SuiteKey { section: "error", key, default, values, expected, about }
}

const fn of_spread((key, default, values, expected, about): SuiteKeyParts) -> SuiteKey {
    SuiteKey { section: "spread", key, default, values, expected, about }
}

const NODES: &[SuiteValue] = &[FreeList, Section("nodes")];
const MOST: u32 = u32::MAX;

/// Every key, in the order of the reference.
pub const SUITE_KEYS: [SuiteKey; 45] = [
    of_file((
        "steps",
        "the script that is called like the file",
        &[FreeList, Texts],
        "a list of steps, as in a config",
        "the chain that is tested",
    )),
    of_file(("chain", "", &[Free], "tables as in a config: `[chain.\"session/start\"]`", "the chains that are tested")),
    of_file((
        "variants",
        "",
        &[Free],
        "tables, each with `steps`: `[variants.rhai]`",
        "other chains that must pass the same cases, as the same policy in another language",
    )),
    of_file(("config", "", &[Text], "the path of a config", "the config whose chains are tested, under its limits")),
    of_file(("action", "\"session/start\"", &[Text], "the name of an action", "what requests are for that name none")),
    of_file(("nodes", "", NODES, "a list of nodes, or a table as below", "the nodes of the cases that have none")),
    of_file(("request", "{}", &[Free], "a table", "the fields that every request has, unless the case says otherwise")),
    of_file(("now", "\"2026-01-15T12:00:00Z\"", &[Text], "a time, in quotes", "when requests are asked")),
    of_file((
        "timezone",
        "\"UTC\", or the config's",
        &[Text],
        "a time zone, `\"Europe/Berlin\"`",
        "what scripts see as the time of day",
    )),
    of_file(("seed", "1", &[Whole(0, MOST)], "a whole number", "the random bits of requests")),
    of_file(("case", "", &[Sections("case")], "tables: `[[case]]`", "the tests")),
    SuiteKey {
        section: "variants",
        key: "steps",
        default: "",
        values: &[FreeList, Texts],
        expected: "a list of steps, as in a config",
        about: "the chain of the variant",
    },
    of_case(("name", "", &[Text], "text that no other case of the file has", "what the test is called")),
    of_case(("action", "the file's", &[Text], "the name of an action", "what requests are for that name none")),
    of_case(("nodes", "the file's", NODES, "a list of nodes, or a table as below", "the nodes")),
    of_case(("request", "{}", &[Free], "a table", "the one request, over that of the file")),
    of_case((
        "requests",
        "",
        &[FreeList],
        "a list of tables, each a request that may have an `expect` of its own",
        "several requests, one after the other; each sees the sessions of those before it",
    )),
    of_case((
        "repeat",
        "1",
        &[Whole(1, MAX_REPEAT)],
        "1 to 100000",
        "how often the requests are asked, each time with other random bits",
    )),
    of_case((
        "for_all",
        "",
        &[Section("for_all")],
        "a table as below",
        "draws clusters, and what is expected must hold on each",
    )),
    of_case(("now", "the file's", &[Text], "a time, in quotes", "when requests are asked")),
    of_case(("seed", "the file's", &[Whole(0, MOST)], "a whole number", "the random bits of the first request")),
    of_case(("expect", "", &[Section("expect")], "a table as below", "what must come")),
    of_nodes((
        "file",
        "",
        &[Text],
        "the path of a node list",
        "nodes as `place --nodes` reads them, with the request that may be beside them",
    )),
    of_nodes(("generate", "", &[Section("generate")], "a table as below", "nodes that are drawn")),
    of_nodes((
        "decision",
        "",
        &[Text],
        "the path of a recorded decision",
        "the nodes, the request, the time and the random bits of a decision of a service",
    )),
    of_generate(("count", "20", &[Whole(1, MAX_NODES)], "1 to 100000", "how many nodes")),
    of_generate((
        "seed",
        "1",
        &[Whole(0, MOST)],
        "a whole number",
        "the same seed draws the same nodes, those of `whither new nodes`",
    )),
    of_generate((
        "with",
        "{}",
        &[Free],
        "a table",
        "fields that every node gets on top, `{ metadata = { gpu = \"true\" } }`",
    )),
    of_clusters(("clusters", "100", &[Whole(1, MAX_CLUSTERS)], "1 to 10000", "how many clusters are drawn")),
    of_clusters(("min_nodes", "1", &[Whole(0, MAX_DRAWN_NODES)], "0 to 1000", "the fewest nodes of a cluster")),
    of_clusters(("max_nodes", "20", &[Whole(0, MAX_DRAWN_NODES)], "0 to 1000", "the most nodes of a cluster")),
    of_clusters(("seed", "1", &[Whole(0, MOST)], "a whole number", "the same seed draws the same clusters")),
    of_expect(("node", "", &[Text], "the id of a node", "the node that must be chosen")),
    of_expect(("one_of", "", &[Texts], "a list of ids", "the nodes of which one must be chosen")),
    of_expect((
        "placed",
        "",
        &[Flag],
        "`true` or `false`",
        "whether a node must be chosen, whichever; or none, and without an error of a script",
    )),
    of_expect((
        "error",
        "",
        &[Text, Section("error")],
        "words, or a table as below",
        "the error that must come: its message has these words",
    )),
    of_expect((
        "never",
        "",
        &[Free],
        "a table, as `{ metadata = { gpu = \"true\" } }`",
        "what no chosen node may be like",
    )),
    of_expect(("always", "", &[Free], "a table", "what every chosen node must be like")),
    of_expect((
        "order",
        "",
        &[Texts],
        "a list of ids",
        "the nodes that are chosen one after another, each where those before it are away",
    )),
    of_expect((
        "spread",
        "",
        &[Section("spread")],
        "a table as below",
        "how evenly the requests of the case are spread over the nodes",
    )),
    of_expect((
        "calls",
        "",
        &[Whole(0, MOST)],
        "a whole number",
        "the most calls of script functions for one decision",
    )),
    of_error(("name", "any", &[Text], "a name as `\"script-error\"` or `\"no-node\"`", "which error it is")),
    of_error(("words", "any", &[Text], "text", "what the message has in it")),
    of_spread((
        "max_share",
        "",
        &[Share],
        "a number from 0 to 1",
        "the largest part of the requests that one node may get",
    )),
    of_spread((
        "max_difference",
        "",
        &[Whole(0, MOST)],
        "a whole number",
        "how many more requests than the node with the fewest the one with the most may get, of all nodes of the case",
    )),
];

/// The keys that may stand in `section`.
pub(super) fn of(section: &str) -> Vec<&'static str> {
    SUITE_KEYS.iter().filter(|key| key.section == section).map(|key| key.key).collect()
}

/// What may stand at `key` of `section`, for a person.
pub(super) fn expected(section: &str, key: &str) -> &'static str {
    let known = SUITE_KEYS.iter().find(|known| known.section == section && known.key == key);
    known.map_or("a value", |known| known.expected)
}
