//! The WebAssembly engine against the contract of balancer scripts, with components built from source.

mod agreement;
mod answers;
mod hostile;
mod plans;
mod sources;
mod table;

use whither::chain::{StepSource, StepSpec};
use whither::script::{Content, Isolation};

use crate::evaluator::stand;
use crate::support::components;

/// The step that asks the component `name`.
fn step(name: &str) -> StepSpec {
    let content = Content::Binary(components::component(name).into());
    StepSpec::new(&format!("{name}.wasm"), StepSource::script("wasm", content))
}

/// The same with a new instance for each request.
fn fresh(name: &str) -> StepSpec {
    let mut step = step(name);
    if let StepSource::Script { isolation, .. } = &mut step.source {
        *isolation = Isolation::Fresh;
    }
    step
}
