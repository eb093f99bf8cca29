//! The guard over a running script: a step that passes a limit or crashes the process is named before the process ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::chain::{ChainSet, StepObserver};
use crate::clock::Overtime;
use crate::model::LimitKind;
use crate::script::{Coverage, time_message};

use super::exhaustion;
use super::outbox::{Outbox, lock};
use super::protocol::{Overrun, RunningStep, WorkerFrame, WorkerLimits};
use super::watch::{CallWatch, Current, Witnessed};
use super::watchdog::{self, Allowance};

/// Observes the steps: records the running step for the watchdog, and sends a frame about each step where the question
/// is narrated.
pub(super) struct StepWitness {
    pub(super) watched: Witnessed,
    pub(super) outbox: Arc<Mutex<Outbox>>,
    pub(super) set: Arc<ChainSet>,
    pub(super) narrated: Arc<AtomicBool>,
}

impl StepWitness {
    fn report(&self) {
        if self.narrated.load(Ordering::Relaxed)
            && let Some(current) = self.watched.0.current()
        {
            let running = current.named(&self.set);
            // Where nobody reads the socket any more, nobody asks for the name either.
            drop(lock(&self.outbox).send(&WorkerFrame::Running(running)));
        }
    }
}

impl StepObserver for StepWitness {
    fn step(&self, step: usize) {
        self.watched.step(step);
        self.report();
    }

    fn node(&self, node: &Arc<str>, pure: bool) {
        self.watched.node(node, pure);
        self.report();
    }

    fn alone(&self, step: usize, node: &Arc<str>) {
        self.watched.alone(step, node);
        self.report();
    }

    fn back_to(&self, step: usize) {
        self.watched.back_to(step);
    }

    fn nodes_done(&self) {
        self.watched.nodes_done();
    }

    fn called(&self) {
        self.watched.called();
    }

    fn returned(&self) {
        self.watched.returned();
    }
}

/// Starts the watchdog, and installs the handlers by which a panic in an engine and a lack of memory name the script
/// before the process ends. What `coverage` has counted is sent before the script is named.
pub(super) fn start(
    watch: &Arc<CallWatch>,
    outbox: &Arc<Mutex<Outbox>>,
    set: Arc<ChainSet>,
    limits: WorkerLimits,
    coverage: Option<&Arc<Coverage>>,
) -> std::io::Result<()> {
    let allow = {
        let set = Arc::clone(&set);
        move |current: &Current| {
            let step = set.get(&current.action).and_then(|chain| chain.steps.get(current.step));
            Allowance {
                step_us: limits.step_us(step.and_then(|step| step.cpu_ms), current.nodes),
                call_us: u64::from(limits.node_call_ms) * 1000,
            }
        }
    };
    let panicked = {
        let (watch, outbox, set) = (Arc::clone(watch), Arc::clone(outbox), Arc::clone(&set));
        move |current: Current, text: String| {
            let message = format!("the script crashed its engine: {text}");
            watch.end();
            lock(&outbox).leave(Overrun { running: current.named(&set), kind: LimitKind::Crash, message });
        }
    };
    let quiet = Arc::clone(watch);
    std::panic::set_hook(Box::new(move |info| {
        let text = info.payload_as_str().unwrap_or("a fault without words").to_owned();
        if let Some(current) = quiet.current() {
            panicked(current, text);
        }
    }));
    exhaustion::name_the_step(Arc::clone(watch), Arc::clone(outbox), Arc::clone(&set), limits.memory_bytes);
    let (outbox, coverage) = (Arc::clone(outbox), coverage.cloned());
    watchdog::start(Arc::clone(watch), allow, move |current, passed, allowed_us| {
        let mut outbox = lock(&outbox);
        if let Some(coverage) = &coverage {
            outbox.add(&WorkerFrame::Covered(coverage.take()));
        }
        outbox.leave(overrun(current.named(&set), passed, allowed_us));
    })?;
    Ok(())
}

fn overrun(running: RunningStep, passed: Overtime, allowed_us: u64) -> Overrun {
    let name = running.step.as_deref().unwrap_or("a step");
    let allowed_ms = allowed_us / 1000;
    // A step that is past the limit of the whole step is not known to hang on the node of the current call.
    let node = running.node.clone().filter(|_| passed == Overtime::Call);
    let message = time_message(name, allowed_ms, node.as_deref());
    Overrun { running: RunningStep { node, ..running }, kind: LimitKind::Time, message }
}
