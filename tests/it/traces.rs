//! Traces, over a real NATS server to a stand-in collector: from the launcher's span down to the steps.

use async_nats::{Client, HeaderMap};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::replicas::group::{FEWEST, Group};
use crate::support::collector::{Collector, attribute, hex, named, section};
use crate::support::eventually;
use crate::support::nats::Nats;
use crate::support::serve::{Reply, Serve, ask, ask_raw, free_port, plain_nodes, report};

const CHAINS: &str = "[chain.\"session/start\"]\nsteps = [\"keep.js\", \"builtin:fewest-sessions\"]\n";
const KEEP: (&str, &str) = ("keep.js", "function filter(node) { return node.id !== \"n00\" }");
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const SPAN: &str = "b7ad6b7169203331";
const PROCESS: &str = "process whither.place";

/// A NATS server, a service with `tracing` in its config, and a client; the cluster has three nodes.
async fn site(tracing: &str) -> (Nats, Serve, Client) {
    let nats = Nats::start();
    let serve = Serve::start(&nats, &format!("{tracing}{CHAINS}"), &[KEEP]).await;
    let client = nats.client().await;
    report(&client, &plain_nodes(3)).await;
    (nats, serve, client)
}

/// Asks on `subject` as a launcher whose span has these flags.
async fn traced(client: &Client, subject: &str, body: &Value, flags: &str) -> Reply {
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", format!("00-{TRACE}-{SPAN}-{flags}"));
    headers.insert("tracestate", "launcher=1");
    ask_raw(client, subject, body.to_string().into_bytes(), headers).await
}

fn dropped(serve: &Serve, reason: &str) -> f64 {
    serve.figure(&format!("whither_dropped_spans_total{{reason=\"{reason}\"}}")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_placement_is_one_trace_from_the_launchers_span_down_to_the_steps() {
    let collector = Collector::start().await;
    let (_nats, serve, client) = site(&collector.section()).await;
    let placed = traced(&client, "whither.place", &json!({"user": {"login": "ann"}}), "01").await.body;
    let spans = collector.trace(TRACE, PROCESS, 1).await;
    let own = named(&spans, PROCESS);
    assert_eq!(hex(&own.parent_span_id), SPAN, "the launcher's span is the parent");
    assert_eq!((own.trace_state.as_str(), own.kind, own.flags), ("launcher=1", 5, 0x301));
    for (name, value) in [
        ("messaging.system", "nats"),
        ("messaging.operation.type", "process"),
        ("messaging.destination.name", "whither.place"),
        ("whither.action", "session/start"),
        ("whither.node", placed["node"].as_str().unwrap()),
    ] {
        assert_eq!(attribute(&own.attributes, name).as_deref(), Some(value), "{name}");
    }
    let asked = named(&spans, "asked");
    for stage in ["received", "queued", "asked", "answered"] {
        let span = named(&spans, stage);
        assert_eq!(span.parent_span_id, own.span_id, "{stage}");
        assert!(span.start_time_unix_nano >= own.start_time_unix_nano, "{stage}");
        assert!(span.end_time_unix_nano <= own.end_time_unix_nano, "{stage}");
    }
    for (step, verdict) in [("step keep.js", "narrow"), ("step builtin:fewest-sessions", "select")] {
        let span = named(&spans, step);
        assert_eq!(span.parent_span_id, asked.span_id, "{step}");
        assert_eq!(attribute(&span.attributes, "whither.verdict").as_deref(), Some(verdict));
        assert!(span.start_time_unix_nano >= asked.start_time_unix_nano, "{step}");
        assert!(span.end_time_unix_nano <= asked.end_time_unix_nano, "{step}");
    }
    assert_eq!(spans.len(), 7, "{spans:#?}");
    assert!(!format!("{spans:?}").contains("ann"), "no span names the user");
    let resource = collector.resource();
    let text = |name: &str| attribute(&resource, name).unwrap();
    assert_eq!((text("service.name"), text("service.namespace")), ("whither".to_owned(), "whither".to_owned()));
    let replica = placed["decision"].as_str().unwrap().rsplit_once('-').unwrap().0;
    assert_eq!(text("service.instance.id"), replica);
    eventually("the spans are counted", async || {
        serve.figure("whither_exported_spans_total").filter(|count| *count >= 7.0)
    })
    .await;
    assert!(serve.log().contains("requests are traced"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_an_error_and_administrators_are_traced_where_they_ask_for_it() {
    let collector = Collector::start().await;
    let (_nats, _serve, client) = site(&collector.section()).await;
    traced(&client, "whither.place", &json!({"action": "nothing/such"}), "01").await;
    traced(&client, "whither.nodes", &json!({"limit": 1}), "01").await;
    let spans = collector.trace(TRACE, "process whither.nodes", 1).await;
    let failed = named(&spans, PROCESS);
    assert_eq!(attribute(&failed.attributes, "error.type").as_deref(), Some("unknown-action"));
    let status = failed.status.as_ref().unwrap();
    assert!(status.code == 2 && status.message.contains("nothing/such"), "{status:?}");
    assert_eq!(named(&spans, "process whither.nodes").status, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_launcher_does_not_record_is_not_recorded_and_the_rest_by_share() {
    let collector = Collector::start().await;
    let (_nats, serve, client) = site(&collector.section()).await;
    traced(&client, "whither.place", &json!({"user": {"login": "ann"}}), "00").await;
    ask(&client, "whither.place", &json!({"user": {"login": "bob"}})).await;
    let begun = eventually("a trace begins", async || collector.spans().into_iter().find(|span| span.name == PROCESS));
    let begun = begun.await;
    assert!(begun.parent_span_id.is_empty() && hex(&begun.trace_id) != TRACE, "{begun:?}");
    assert_eq!(collector.spans().iter().filter(|span| span.name == PROCESS).count(), 1);
    drop(serve);
    let none = format!("{}sampled_per_million = 0\n", collector.section());
    let (_nats, _serve, client) = site(&none).await;
    ask(&client, "whither.place", &json!({"user": {"login": "bob"}})).await;
    traced(&client, "whither.place", &json!({"user": {"login": "ann"}}), "01").await;
    let spans = collector.trace(TRACE, PROCESS, 1).await;
    assert_eq!(spans.len(), 7);
    assert_eq!(collector.spans().iter().filter(|span| span.name == PROCESS).count(), 2, "bob's second is not traced");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_one_line_and_no_placement() {
    let port = free_port();
    let (_nats, serve, client) = site(&section(port)).await;
    for failures in 1..=2 {
        let before = dropped(&serve, "failed");
        let reply = traced(&client, "whither.place", &json!({"user": {"login": "ann"}}), "01").await;
        assert!(reply.body["node"].is_string(), "{reply:?}");
        eventually("its spans are dropped", async || (dropped(&serve, "failed") > before).then_some(())).await;
        assert_eq!(serve.log().matches("takes no spans").count(), 1, "after {failures}: {}", serve.log());
    }
    let collector = Collector::on(port).await;
    traced(&client, "whither.place", &json!({"user": {"login": "ann"}}), "01").await;
    collector.trace(TRACE, PROCESS, 1).await;
    serve.logged("takes spans again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_keeps_no_placement_waiting() {
    // The connection is taken by the kernel, and nobody reads.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let few = format!("{}queue = 2\n", section(silent.local_addr().unwrap().port()));
    let (_nats, serve, client) = site(&few).await;
    let before = dropped(&serve, "queue-full");
    eventually("the queue is full", async || {
        let reply = traced(&client, "whither.place", &json!({"user": {"login": "ann"}}), "01").await;
        assert!(reply.body["node"].is_string(), "{reply:?}");
        (dropped(&serve, "queue-full") > before).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_stops_sends_what_it_has() {
    let collector = Collector::start().await;
    let (_nats, mut serve, client) = site(&collector.section()).await;
    traced(&client, "whither.place", &json!({"user": {"login": "ann"}}), "01").await;
    serve.signal(Signal::TERM);
    assert_eq!(serve.ended().await, Some(0));
    let spans: Vec<_> = collector.spans().into_iter().filter(|span| hex(&span.trace_id) == TRACE).collect();
    named(&spans, PROCESS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_handed_on_to_another_replica_stays_one_trace() {
    let collector = Collector::start().await;
    let group = Group::of(2, &format!("{}{FEWEST}", collector.section()), &plain_nodes(2)).await;
    let placed = group.place("ann").await;
    let (replica, _random) = placed["decision"].as_str().unwrap().rsplit_once('-').unwrap();
    // Only the replica that would have made this reservation can say that there is none.
    let made_up = json!({"reservation": format!("{replica}-{}", "0".repeat(26))});
    let handed_on = eventually("NATS chooses the other replica", async || {
        let reply = traced(&group.client, "whither.confirm", &made_up, "01").await;
        assert_eq!(reply.body["state"], "gone", "{reply:?}");
        collector.spans().into_iter().find(|span| span.name == "send confirm")
    });
    let handed_on = handed_on.await;
    assert_eq!(handed_on.kind, 4, "a producer");
    assert!(attribute(&handed_on.attributes, "messaging.destination.name").unwrap().contains(replica));
    let below = eventually("the other replica's span", async || {
        collector.spans().into_iter().find(|span| span.parent_span_id == handed_on.span_id)
    });
    let below = below.await;
    assert_eq!((below.name.as_str(), hex(&below.trace_id).as_str()), ("process whither.confirm", TRACE));
    let above = collector.spans().into_iter().find(|span| span.span_id == handed_on.parent_span_id).unwrap();
    assert_eq!((above.name.as_str(), hex(&above.parent_span_id).as_str()), ("process whither.confirm", SPAN));
}
