//! The spans of requests that are recorded, with a front that is driven by hand.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::super::events::FrontEvent;
use super::super::testing::{Harness, setup};
use super::*;
use crate::model::{Change, Diagnosis, FailureName};
use crate::nats::message::Verb;
use crate::trace::{AttributeValue, RequestTrace, Sampler, TraceContext, TraceRecord};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn trace(sampler: &Sampler) -> Option<Arc<RequestTrace>> {
    Some(sampler.join(TraceContext::parse(PARENT, None).unwrap(), "whither.place", 2))
}

fn sampler() -> Sampler {
    Sampler::of(0, [1, 2, 3])
}

/// Sends a request for a placement with `trace`; returns the number of the message.
fn place(harness: &mut Harness, trace: Option<Arc<RequestTrace>>, id: &str) -> usize {
    let (number, incoming) = harness.message(Verb::Place, &json!({"id": id, "action": "session/start"}));
    harness.tell(FrontEvent::Request(Incoming { trace, ..incoming }));
    number
}

fn names(record: &TraceRecord) -> Vec<&str> {
    record.spans.iter().map(|span| &*span.name).collect()
}

fn attribute<'a>(attributes: &'a [SpanAttribute], name: &str) -> Option<&'a AttributeValue> {
    attributes.iter().find(|(own, _)| *own == name).map(|(_, value)| value)
}

#[test]
fn each_stage_is_a_span_and_each_step_one_below_it() {
    let mut harness = Harness::new(setup(), &["a"]);
    let number = place(&mut harness, trace(&sampler()), "x");
    let asked = harness.asked().remove(0);
    harness.sleep(Duration::from_millis(10));
    harness.choose(&asked, "a");
    let outgoing = harness.outgoing(number);
    let record = outgoing.trace.as_deref().unwrap();
    assert_eq!(names(record), ["received", "queued", "asked"]);
    assert_eq!(record.concluded, Some(harness.now.instant));
    assert!(record.spans.windows(2).all(|pair| pair[0].end == pair[1].start), "{record:#?}");
    assert_eq!(record.spans[2].end - record.spans[2].start, Duration::from_millis(10));
    assert_eq!(attribute(&record.attributes, "whither.node"), Some(&"a".into()));
    assert_eq!(attribute(&record.attributes, "whither.action"), Some(&"session/start".into()));
}

#[test]
fn steps_lie_end_to_end_before_the_decision() {
    let mut spans = StageSpans { is_recorded: true, ..StageSpans::default() };
    let start = Instant::now();
    let at = |us: u64| start + Duration::from_micros(us);
    let step = |name: &str, cost_us, said| StepReport { cost_us, said, ..StepReport::not_reached(&Arc::from(name)) };
    let failed = StepVerdict::Failed(FailureName::ScriptError, "no".to_owned());
    let diagnosis = Diagnosis {
        steps: vec![step("one.js", 300, failed), step("two.js", 200, StepVerdict::Select("a".into()))],
        ..Diagnosis::default()
    };
    let decision = Decision {
        chain: "c".into(),
        generation: 7,
        decided_by: None,
        outcome: Outcome::Placed("a".into()),
        diagnosis,
    };
    spans.enter("asked", start);
    spans.decided(&decision, at(1000));
    let [asked, one, two] = &spans.spans[..] else { panic!("{spans:#?}") };
    assert_eq!((asked.start, asked.end), (start, at(1000)));
    assert_eq!((&*one.name, one.parent, one.start, one.end), ("step one.js", Some(0), at(500), at(800)));
    assert_eq!((&*two.name, two.parent, two.start, two.end), ("step two.js", Some(0), at(800), at(1000)));
    assert_eq!(one.failure.as_ref().map(|failure| failure.name), Some("script-error"));
    assert_eq!(attribute(&two.attributes, "whither.verdict"), Some(&"select".into()));
    // Steps that cost more than the stage took are cut, and never begin before the stage.
    spans.enter("asked", at(1000));
    spans.decided(&decision, at(1100));
    let last = &spans.spans[spans.spans.len() - 2..];
    assert!(last.iter().all(|span| span.start >= at(1000) && span.end <= at(1100)), "{last:#?}");
}

#[test]
fn a_refused_commit_shows_both_decisions() {
    let mut harness = Harness::new(setup(), &["a", "b"]);
    let number = place(&mut harness, trace(&sampler()), "x");
    let asked = harness.asked().remove(0);
    harness.change(Change::Remove("a".into()));
    harness.choose(&asked, "a");
    let again = harness.asked().remove(0);
    harness.choose(&again, "b");
    let outgoing = harness.outgoing(number);
    let record = outgoing.trace.as_deref().unwrap();
    assert_eq!(names(record), ["received", "queued", "asked", "queued", "asked"]);
    assert_eq!(attribute(&record.attributes, "whither.node"), Some(&"b".into()));
}

#[test]
fn nothing_is_kept_of_requests_that_are_not_recorded() {
    let mut harness = Harness::new(setup(), &["a"]);
    for trace in [None, trace(&Sampler::off())] {
        let number = place(&mut harness, trace, "x");
        if let Some(asked) = harness.asked().pop() {
            harness.choose(&asked, "a");
        }
        assert!(harness.outgoing(number).trace.is_none());
    }
}

#[test]
fn a_repetition_has_a_record_of_its_own() {
    let (mut harness, sampler) = (Harness::new(setup(), &["a"]), sampler());
    let first = place(&mut harness, trace(&sampler), "x");
    let twin = place(&mut harness, trace(&sampler), "x");
    let asked = harness.asked().remove(0);
    harness.choose(&asked, "a");
    let late = place(&mut harness, trace(&sampler), "x");
    let records = [first, twin, late].map(|number| harness.outgoing(number).trace.unwrap());
    assert_eq!(names(&records[0]), names(&records[1]), "both waited for the same decision");
    assert!(records[2].spans.is_empty(), "it was answered from the ledger");
    assert!(records[0].request.context.span != records[1].request.context.span);
}

#[test]
fn a_request_that_is_refused_has_a_span_with_the_failure() {
    let mut harness = Harness::new(setup(), &["a"]);
    let (number, incoming) = harness.message(Verb::Place, &json!({"action": "nothing/such"}));
    harness.tell(FrontEvent::Request(Incoming { trace: trace(&sampler()), ..incoming }));
    let mut outgoing = harness.outgoing(number);
    let record = outgoing.take_record(harness.now.instant).unwrap();
    assert_eq!(record.failure.as_ref().map(|failure| failure.name), Some("unknown-action"));
    assert!(record.spans.is_empty() && outgoing.trace.is_none());
}

#[test]
fn a_request_that_is_asked_over_and_over_has_no_more_spans_than_that() {
    let mut spans = StageSpans { is_recorded: true, ..StageSpans::default() };
    let now = Instant::now();
    (0..200).for_each(|_| spans.enter("waiting", now));
    assert_eq!((spans.spans.len(), spans.left_out), (MAX_SPANS, 200 - MAX_SPANS as u64));
}
