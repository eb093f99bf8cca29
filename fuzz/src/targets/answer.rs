//! What executables print, up to the verdict that it is.

use std::sync::Arc;

use serde_json::json;
use whither::chain::{ProgramAnswer, verdict};
use whither::model::{Arrangement, Candidate, Change, Cluster, Report, Verdict};
use whither::nats::wire;
use whither::runner::answer;
use whither::script::{Element, ReturnedValue, ScriptLimits};

use super::{must_be_alike, must_be_short};

/// The nodes of the cluster; the last one is no candidate.
const NODES: [&str; 5] = ["a", "b", "null", "[1]", "node 7"];

/// Whatever is printed, what comes of it is a verdict on the candidates that there are, or a short failure.
pub fn run(bytes: &[u8]) {
    let returned = answer::read(bytes, |id| NODES.contains(&id));
    must_cross(&returned, bytes.len());
    CLUSTER.with(|cluster| must_be_judged(returned, cluster));
}

/// What was returned is judged by the cluster and its candidates.
fn must_be_judged(returned: ReturnedValue, cluster: &Cluster) {
    let candidates: Vec<_> = cluster.nodes().map(|(slot, _)| Candidate::plain(slot)).take(NODES.len() - 1).collect();
    let limits = ScriptLimits::default();
    match verdict::read(returned, &candidates, cluster, &limits) {
        Ok(Verdict::Pass) => {}
        Ok(Verdict::Select(slot)) => assert!(cluster.node(slot).is_some()),
        Ok(Verdict::Narrow(left)) => {
            let mut slots: Vec<_> = left.iter().map(|candidate| candidate.slot).collect();
            assert!(slots.iter().all(|slot| candidates.iter().any(|candidate| candidate.slot == *slot)));
            slots.sort_unstable();
            slots.dedup();
            assert_eq!(slots.len(), left.len(), "a node that is named twice counts once");
            let overlay_bytes = |candidate: &Candidate| json!(candidate.overlay.as_deref()).to_string().len();
            assert!(left.iter().all(|candidate| overlay_bytes(candidate) <= limits.overlay_node_bytes));
        }
        Err(failure) => {
            assert!(failure.message.len() <= limits.text_bytes + 500, "{}", failure.message.len());
            assert!(wire::failed(&failure, None).pointer("/error/message").is_some());
        }
    }
}

/// What the runner heard is what the front hears, and no more is named than was printed.
fn must_cross(returned: &ReturnedValue, printed: usize) {
    let heard = ProgramAnswer::only(Ok(returned.clone())).seeing(|id| NODES.contains(&id));
    assert!(heard.seen.iter().all(|id| NODES.contains(&&**id)));
    let wire = postcard::to_stdvec(&heard).expect("it can be sent");
    must_be_alike(&postcard::from_bytes(&wire).expect("and be received"), &heard);
    match returned {
        ReturnedValue::Falsy => {}
        ReturnedValue::Id(id) | ReturnedValue::Node(id) => assert!((1..=printed).contains(&id.len())),
        ReturnedValue::Other(words) => drop(must_be_short(words)),
        ReturnedValue::Given(places) => assert!(places.is_empty(), "who prints names nodes by their ids"),
        ReturnedValue::List(elements) => {
            assert!(elements.len() <= printed);
            let ends = elements.iter().position(|element| matches!(element, Element::Other(_)));
            assert!(ends.is_none_or(|ends| ends + 1 == elements.len()), "what refuses a list ends it");
        }
    }
}

thread_local! {
    static CLUSTER: Cluster = cluster();
}

fn cluster() -> Cluster {
    let mut cluster = Cluster::new(Arrangement::Arrival);
    for id in NODES {
        let report = Report::from_value(json!({"id": id, "sessions": 1, "metadata": {"gpu": true}}));
        cluster.apply(Change::Report(Arc::new(report.expect("a node"))));
    }
    cluster
}
