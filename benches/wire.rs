//! What front and worker exchange for a placement, and the first look at a request: encoded, decoded, read.
//!
//! Values go through the frames that both ends use, 64 in one, and a figure is that of one value (Criterion's
//! throughput). The floor of an encoding is the copy of as many bytes into a frame; that of a request's head is a reading
//! of the text which keeps nothing of it.

#[path = "support/decision.rs"]
mod decision;
#[path = "support/nodes.rs"]
mod nodes;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use decision::{decision, evaluator, question, report, script};
use nodes::nodes;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::json;
use whither::chain::{Purpose, StepSource};
use whither::ipc::{Orders, frame};
use whither::model::{Change, Request, Reservation};
use whither::worker::protocol::{WorkerFrame, WorkerReply};
use whither::worker::{PlacementQuestion, WorkerCommand, WorkerLimits};

/// Values in a frame.
const BATCH: u64 = 64;
/// Bytes of padding in a request: the usual one, and a large one.
const PADDING: [usize; 2] = [200, 4_000];

/// The text of a request with so much in it that nobody routes by.
fn request(padding: usize) -> String {
    json!({
        "id": "b1c94f3e", "action": "session/start", "user": {"login": "ann", "groups": ["staff"]},
        "data": {"name": "desktop", "command": "startxfce4", "x": "x".repeat(padding)},
    })
    .to_string()
}

fn ask(padding: usize) -> WorkerCommand {
    let text = request(padding);
    let head = Request::summarize(text.as_bytes(), WorkerLimits::default().request_bytes).unwrap().head;
    WorkerCommand::Ask(Arc::new(PlacementQuestion {
        search_us: 0,
        ticket: 71_003,
        decision: "d-5f1c-71003".into(),
        head,
        request: text.into(),
        server_id: "".into(),
        purpose: Purpose::Place,
        about: None,
        now_ms: 1_795_195_800_000,
        seed: 0x5eed_5eed_5eed_5eed,
        sequence: 71_002,
        deadline_ms: None,
        limited: Vec::new(),
        assigned: None,
        cooling: Default::default(),
        from: None,
        narrated: false,
        traced: false,
    }))
}

/// What a worker says of a decision by `step`, with every call made: then lost nodes are named.
fn reply(step: StepSource, anew: bool) -> WorkerFrame {
    let (mut evaluator, mut question) = (evaluator(step, &nodes(1_000)), question());
    question.ask.anew = anew;
    WorkerFrame::Reply(WorkerReply { ticket: 71_003, decision: decision(&mut evaluator, &question) })
}

fn reserve() -> WorkerCommand {
    let (id, node, user, name) = ("d-5f1c-71003".into(), "n00007".into(), "ann".into(), "desktop".into());
    WorkerCommand::Change(Change::Reserve(Reservation { id, node, user, name }))
}

fn exchange(criterion: &mut Criterion) {
    for padding in PADDING {
        both_ways(criterion, "ask", &ask(padding));
    }
    both_ways(criterion, "reply-short", &reply(StepSource::Builtin("fewest-sessions".to_owned()), false));
    let losing = "function filter(node) { return node.metadata.group === 'gpu' }
                  function score(node) { return -node.nodeData.sessions.length }";
    both_ways(criterion, "reply-of-20-lost", &reply(script("js", losing), true));
    both_ways(criterion, "change-report", &WorkerCommand::Change(Change::Report(report(&nodes(8)[7]))));
    both_ways(criterion, "change-reserve", &reserve());
}

/// Measures `value` into a frame and out of it.
fn both_ways<T: Serialize + DeserializeOwned>(criterion: &mut Criterion, name: &str, value: &T) {
    let mut orders = Orders::default();
    orders.push(value);
    let one = orders.pop().unwrap()[frame::HEADER_BYTES..].to_vec();
    let mut group = criterion.benchmark_group(format!("wire/{name}"));
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function(BenchmarkId::new("copy", one.len()), |bencher| {
        let mut into = frame::open();
        bencher.iter(|| {
            into = frame::reopen(std::mem::take(&mut into));
            (0..BATCH).for_each(|_| into.extend_from_slice(black_box(&one)));
            black_box(into.len())
        });
    });
    group.bench_function(BenchmarkId::new("encode", one.len()), |bencher| {
        let mut orders = Orders::default();
        bencher.iter(|| {
            (0..BATCH).for_each(|_| orders.push(black_box(value)));
            while let Some(frame) = orders.pop() {
                orders.recycle(black_box(frame));
            }
        });
    });
    group.bench_function(BenchmarkId::new("decode", one.len()), |bencher| {
        let body = one.repeat(BATCH as usize);
        bencher.iter(|| frame::values::<T>(black_box(&body)).for_each(|value| drop(black_box(value.unwrap()))));
    });
    group.finish();
}

/// A request as the front reads it, beside what reads it to its end and keeps nothing, and what builds it whole.
fn head(criterion: &mut Criterion) {
    let most = WorkerLimits::default().request_bytes;
    let mut group = criterion.benchmark_group("wire/head");
    for padding in PADDING {
        let text = request(padding);
        group.bench_function(BenchmarkId::new("skip", text.len()), |bencher| {
            bencher.iter(|| black_box(serde_json::from_str::<IgnoredAny>(black_box(&text)).unwrap()));
        });
        group.bench_function(BenchmarkId::new("read", text.len()), |bencher| {
            bencher.iter(|| black_box(Request::summarize(black_box(text.as_bytes()), most).unwrap()));
        });
        group.bench_function(BenchmarkId::new("build", text.len()), |bencher| {
            bencher.iter(|| black_box(Request::parse(black_box(text.as_bytes()), most, "").unwrap()));
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = exchange, head
}
criterion_main!(benches);
