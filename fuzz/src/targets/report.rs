//! Node documents: read, looked at in part and whole, sent to a worker and read there, and shown in a page.

use std::sync::Arc;

use serde_json::{Map, Value};
use whither::model::report::{MAX_DOCUMENT_BYTES, MAX_ID_BYTES, MAX_SESSIONS, Sessions};
use whither::model::{Arrangement, Change, Cluster, Marks, NodeParts, Report, Reservation};
use whither::nats::node_page::NodePage;

use super::must_be_short;

/// So many fields are looked at alone.
const ALONE: usize = 24;
/// The size of a node in a page.
const PAGE_BYTES: usize = 8 << 10;

/// A document that is accepted is the same node to whoever reads it, by whatever way it came.
pub fn run(bytes: &[u8]) {
    match Report::parse(bytes) {
        Ok(report) => {
            must_be_bounded(&report, bytes);
            must_be_seen_alike(&report);
            must_cross(&report);
            must_be_a_node(report);
        }
        Err(error) => drop(must_be_short(&error)),
    }
}

fn must_be_bounded(report: &Report, bytes: &[u8]) {
    assert!(bytes.len() <= MAX_DOCUMENT_BYTES && report.text.as_bytes() == bytes);
    assert!((1..=MAX_ID_BYTES).contains(&report.id.len()) && !report.id.chars().any(char::is_control));
    assert!(report.sessions.listed().len() <= MAX_SESSIONS);
}

/// Fields that are looked at alone are those of the whole, and a document that is written anew is the same node.
pub(super) fn must_be_seen_alike(report: &Report) {
    let whole = report.fields(None).into_owned();
    for name in whole.keys().map(String::as_str).take(ALONE) {
        let alone = report.fields(Some(&[name]));
        assert_eq!(alone.get(name), whole.get(name), "`{name}` alone");
    }
    let again = Report::parse(report.text.as_bytes()).expect("it was accepted before");
    assert_eq!((again.differs(report), &*again.fields(None)), (NodeParts::NONE, &whole));
    let written: Value = serde_json::from_str(&report.text).expect("a report is JSON");
    let written = match Report::from_value(written) {
        Ok(written) => written,
        // Numbers may take more room when they are written out.
        Err(error) => return assert!(error.to_string().contains("bytes of JSON"), "{error}"),
    };
    let seen = |report: &Report| (report.id.clone(), report.is_cordoned(), report.sessions.count());
    assert_eq!(seen(&written), seen(report));
    assert_eq!((written.hostname(), written.services()), (report.hostname(), report.services()));
    let users = |report: &Report| report.sessions.listed().iter().map(|own| own.user().clone()).collect::<Vec<_>>();
    assert_eq!(users(&written), users(report));
    assert!(written.fields(None).keys().eq(whole.keys()), "the same fields");
}

/// What a worker gets is what the front has.
fn must_cross(report: &Report) {
    let wire = postcard::to_stdvec(report).expect("a report can be sent");
    let there: Report = postcard::from_bytes(&wire).expect("and be received");
    assert_eq!((&there, there.differs(report)), (report, NodeParts::NONE));
    assert_eq!((there.fields(None), there.figures()), (report.fields(None), report.figures()));
    assert_eq!(there.urls().map(|urls| urls.get()), report.urls().map(|urls| urls.get()));
    assert_eq!(there.sessions.listed(), report.sessions.listed());
    assert_eq!(postcard::to_stdvec(&there).ok(), Some(wire));
}

/// A cluster with the node in it counts and shows what the node said, with a reservation on top.
pub(super) fn must_be_a_node(report: Report) {
    let id = Arc::clone(&report.id);
    let (counted, is_list) = (report.sessions.count(), matches!(report.sessions, Sessions::List(_)));
    let mut cluster = Cluster::new(Arrangement::ById);
    cluster.apply(Change::Report(Arc::new(report)));
    let reservation = Reservation { id: "r-1".into(), node: id.clone(), user: "ann".into(), name: "".into() };
    cluster.apply(Change::Reserve(reservation));
    cluster.apply(Change::Mark(id.clone(), Marks { cordoned: true, cooling_down: false }));
    let node = cluster.get(&id).expect("it reported");
    assert!(node.is_cordoned() && node.pending().len() <= 1);
    assert!(counted.is_none_or(|counted| node.session_count() >= Some(counted)));
    assert!(!is_list || node.sessions().count() as u64 >= counted.unwrap_or_default());
    let told: Map<String, Value> = serde_json::from_slice(&node.to_text(None)).expect("JSON for programs");
    assert!(told.keys().eq(node.to_json().keys()));
    let mut page = NodePage::new(PAGE_BYTES);
    assert!(page.push(node, &Map::new()), "a page is never empty");
    let page: Value = serde_json::from_str(&page.reply(Map::new())).expect("JSON");
    assert_eq!(page["nodes"][0]["id"], *id);
}
