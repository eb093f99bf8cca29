//! One decision in process, by policy, language, shape and number of nodes.
//!
//! Measured twice where anything is kept between requests: as the service decides it, and with every call made
//! (`anew`), which is what the engine itself costs. The floors are in `baseline`, which runs the same functions.

#[path = "support/decision.rs"]
mod decision;
#[path = "support/nodes.rs"]
mod nodes;
#[path = "support/policies.rs"]
mod policies;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use decision::{SIZES, decide, evaluator, question};
use nodes::nodes;
use policies::{Form, fewest_sessions, gpu_weight, with_gpus};

fn engines(criterion: &mut Criterion) {
    for (policy, forms) in [("fewest-sessions", fewest_sessions()), ("gpu-weight", gpu_weight())] {
        for form in forms {
            one(criterion, policy, &form);
        }
    }
}

/// One way to write a policy down, over clusters of all sizes.
fn one(criterion: &mut Criterion, policy: &str, form: &Form) {
    let mut group = criterion.benchmark_group(format!("engines/{policy}/{}", form.name));
    for size in SIZES {
        // Made where it is asked for: what a filter of benches leaves out is to cost nothing.
        let mut site = None;
        for (plan, anew) in [("service", false), ("anew", true)] {
            if anew && !form.is_kept {
                continue;
            }
            group.bench_function(BenchmarkId::new(plan, size), |bencher| {
                let (evaluator, question) = site.get_or_insert_with(|| {
                    let mut evaluator = evaluator(form.step.clone(), &with_gpus(nodes(size)));
                    decide(&mut evaluator, &question());
                    (evaluator, question())
                });
                question.ask.anew = anew;
                bencher.iter(|| decide(evaluator, question));
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2));
    targets = engines
}
criterion_main!(benches);
