//! The WebAssembly engine against the contract of balancer scripts, with components built from source.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

#[path = "support/components.rs"]
mod components;
#[path = "evaluator/stand.rs"]
#[allow(dead_code, reason = "this file uses its own part")]
mod stand;

#[path = "wasm/agreement.rs"]
mod agreement;
#[path = "wasm/answers.rs"]
mod answers;
#[path = "wasm/hostile.rs"]
mod hostile;
#[path = "wasm/plans.rs"]
mod plans;
#[path = "wasm/sources.rs"]
mod sources;
mod support;
#[path = "wasm/table.rs"]
mod table;

use whither::chain::{StepSource, StepSpec};
use whither::script::{Content, Isolation};

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
