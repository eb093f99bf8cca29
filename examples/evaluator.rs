//! A decision in process: an evaluator over two nodes, one chain of a script and a built-in, one request.
//!
//! `cargo run --example evaluator` prints the node. An [`Evaluator`] does no I/O and reads no clock: time and chance
//! come with the question, so the same question is decided the same way again. Scripts run without limits of time here.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::json;
use whither::chain::{Ask, ChainSet, ChainSpec, NoObserver, Progress, Purpose, StepSource, StepSpec};
use whither::clock::{Silent, Stopped};
use whither::evaluator::{Evaluator, EvaluatorHost, Question};
use whither::model::{Arrangement, Change, Outcome, Report, Request};

/// Decides where a session of ann goes.
pub(crate) fn main() {
    let script = StepSource::script("js", "function filter(node) { return node.staticData.gpu }");
    let steps = vec![
        StepSpec::new("gpu.js", script),
        StepSpec::new("builtin:fewest-sessions", StepSource::Builtin("fewest-sessions".to_owned())),
    ];
    let chains = ChainSet::new(vec![ChainSpec::new("session/start", steps)]);
    let senses = EvaluatorHost { stopwatch: Box::new(Stopped), witness: Box::new(NoObserver), alarm: Rc::new(Silent) };
    let mut evaluator =
        Evaluator::new(&chains, Arrangement::ById, senses, &mut |_step| ()).expect("the script compiles");
    for (id, gpu, sessions) in [("node-1", false, 0), ("node-2", true, 3), ("node-3", true, 1)] {
        let node = json!({"id": id, "staticData": {"gpu": gpu}, "sessions": sessions});
        evaluator.apply(Change::Report(Arc::new(Report::from_value(node).expect("a node document"))));
    }
    let request = Request::from_value(json!({"user": {"login": "ann"}}), "").expect("a request");
    let ask = Ask {
        request: Arc::new(request),
        purpose: Purpose::Place,
        about: None,
        anew: false,
        now_ms: 1_795_195_800_000,
        seed: 7,
        sequence: 0,
        limited: Vec::new(),
        assigned: None,
        cooling: Default::default(),
    };
    match evaluator.decide(&Question { decision: "d1".into(), ask }) {
        Progress::Decided(decision) => match decision.outcome {
            Outcome::Placed(node) => println!("{node}"),
            Outcome::Failed(failure) => println!("{failure}"),
        },
        Progress::Suspended(_) => println!("the chain came to an executable, which an evaluator does not run"),
    }
}
