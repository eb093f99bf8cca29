//! Frames between the front, its workers and its runner, both ways.

use std::fmt::Debug;
use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use whither::chain::Suspended;
use whither::ipc::frame;
use whither::model::{Arrangement, Change, Cluster};
use whither::nats::wire;
use whither::worker::protocol::WorkerFrame;
use whither::worker::{WorkerCommand, WorkerInit};
use whither::{cli, runner};

use super::{choice, must_be_alike, must_be_plain, without_colours};

/// The first byte says which end reads the others. What is understood is written and read again as the same.
pub fn run(bytes: &[u8]) {
    let (reader, body) = choice(bytes, 7);
    match reader {
        0 => orders(&read::<WorkerCommand>(body)),
        1 => words(&read::<WorkerFrame>(body)),
        2 => drop(read::<runner::RunnerCommand>(body)),
        3 => drop(read::<runner::protocol::RunnerFrame>(body)),
        4 => drop(read::<WorkerInit>(body)),
        5 => drop(read::<Suspended>(body)),
        _ => stream(body),
    }
}

/// The values in `body`, each of which is the same after another way over the wire.
fn read<T: Serialize + DeserializeOwned + Debug>(body: &[u8]) -> Vec<T> {
    let mut understood = Vec::new();
    for value in frame::values::<T>(body) {
        let Ok(value) = value else { break };
        let first = postcard::to_stdvec(&value).expect("what was received can be sent");
        let again: T = postcard::from_bytes(&first).expect("and be received");
        if postcard::to_stdvec(&again).as_ref() != Ok(&first) {
            must_be_alike(&format!("{value:?}"), &format!("{again:?}"));
        }
        understood.push(value);
        assert!(understood.len() <= body.len(), "a value takes a byte at least");
    }
    understood
}

/// A worker takes in whatever changes there are.
fn orders(orders: &[WorkerCommand]) {
    let mut cluster = Cluster::new(Arrangement::ById);
    for order in orders {
        if let WorkerCommand::Change(change) = order {
            if let Change::Report(report) = change {
                drop((report.fields(None), report.urls()));
                report.sessions.listed().iter().for_each(|session| drop((session.id(), session.fields())));
            }
            cluster.apply(change.clone());
        }
    }
    for (_, node) in cluster.nodes() {
        drop((node.to_json(), node.to_text(None)));
    }
}

/// The front shows whatever decisions there are.
fn words(words: &[WorkerFrame]) {
    for word in words {
        if let WorkerFrame::Reply(reply) = word {
            let shown = wire::explained("r-1", &reply.decision);
            assert!(serde_json::from_str::<serde_json::Value>(&wire::text(shown.clone())).is_ok());
            must_be_plain(&without_colours(&cli::table::explained(&shown)));
        }
    }
}

/// A stream is cut into frames that are within their limit, and ends.
fn stream(mut bytes: &[u8]) {
    let mut body = Vec::new();
    for _ in 0..=bytes.len() {
        match frame::read_frame(&mut bytes, &mut body) {
            Ok(true) => assert!(body.len() <= frame::MAX_FRAME_BYTES),
            Ok(false) => return,
            Err(error) => return assert_ne!(error.kind(), io::ErrorKind::Other),
        }
    }
    panic!("a stream of more frames than bytes");
}
