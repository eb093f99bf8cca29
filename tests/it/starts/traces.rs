//! The trace of a start, from the launcher through the placement to the agent's program.

use async_nats::HeaderMap;
use serde_json::json;

use super::site::{SESSION, StartSite};
use crate::support::serve::ask_raw;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// Writes down the trace that the program is told of.
const TELL: &str = "echo \"$TRACEPARENT $TRACESTATE\" >> \"$SITE/traced\"\n";

async fn start(site: &StartSite) {
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", PARENT);
    headers.insert("tracestate", "launcher=1");
    let body = json!({"user": {"login": "ann"}}).to_string().into_bytes();
    let reply = ask_raw(&site.client, "whither.start", body, headers).await;
    assert_eq!(reply.body["state"], "started", "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_the_launchers_trace_is_passed_on_to_the_program() {
    let site = StartSite::start().await;
    let _agent = site.agent("n1", &format!("{TELL}{SESSION}")).await;
    start(&site).await;
    assert_eq!(site.read("traced"), format!("{PARENT} launcher=1\n"));
    // One that comes without a trace tells of none.
    site.ask("bob").await;
    assert_eq!(site.read("traced").lines().nth(1), Some(" "));
}

#[cfg(feature = "opentelemetry")]
#[tokio::test(flavor = "multi_thread")]
async fn the_placement_and_the_program_are_below_the_messages_of_the_start() {
    use super::site::CHAINS;
    use crate::support::collector::{Collector, attribute, hex, named};

    let collector = Collector::start().await;
    let site = StartSite::start_with(&format!("{}{CHAINS}", collector.section())).await;
    let _agent = site.agent("n1", &format!("{TELL}{SESSION}")).await;
    start(&site).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let spans = collector.trace(trace, "process whither.start", 1).await;
    let own = named(&spans, "process whither.start");
    assert_eq!(hex(&own.parent_span_id), "b7ad6b7169203331");
    for sent in ["send place", "send node.start", "send confirm"] {
        let span = named(&spans, sent);
        assert_eq!((&span.parent_span_id, span.kind), (&own.span_id, 4), "{sent}");
    }
    let place = named(&spans, "send place");
    assert_eq!(attribute(&place.attributes, "messaging.destination.name").as_deref(), Some("whither.place"));
    let placed = named(&spans, "process whither.place");
    assert_eq!(placed.parent_span_id, place.span_id);
    assert_eq!(named(&spans, "process whither.confirm").parent_span_id, named(&spans, "send confirm").span_id);
    let asked = hex(&named(&spans, "send node.start").span_id);
    assert_eq!(site.read("traced"), format!("00-{trace}-{asked}-01 launcher=1\n"), "the program goes on below that");
}
