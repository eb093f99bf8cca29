//! The simulator: the real state machine of the service ([`Front`](crate::front::Front)) in a simulated world, to find
//! faults of the service (this file), to plan the capacity of a cluster ([`capacity`]), and to try many sites with a
//! first tier ([`sites`]).
//!
//! Replicas, their workers, NATS, the session hosts and the launchers are simulated in one thread, in simulated time,
//! and all chance comes from one seed: a run can be repeated to the last event. A [`SimulationPlan`] lists the faults:
//! lost, late and doubled messages, cuts, frozen and killed processes, views that lag, clocks that lie, reloads. After
//! every step the invariants are checked (`checks.rs`). [`find`] runs a plan and, where an invariant is violated, looks
//! for the smallest plan that still violates an invariant.

pub mod arrivals;
pub mod capacity;
mod checks;
mod faults;
mod hosts;
mod launchers;
mod plan;
mod replica;
mod sessions;
pub mod sites;
mod timeline;
mod worker;
mod workers;
mod world;

pub use plan::{FaultKind, Mistake, PlannedFault, SimulationPlan};

use world::World;

/// A plan by which an invariant was violated.
#[derive(Clone, Debug)]
pub struct FailedPlan {
    /// The smallest plan that was found.
    pub plan: SimulationPlan,
    /// The violations.
    pub violations: Vec<String>,
    /// The last part of the record of events.
    pub story: Vec<String>,
}

/// Runs `plan`.
///
/// # Errors
/// The violations.
pub fn run(plan: &SimulationPlan) -> Result<(), Box<FailedPlan>> {
    let mut world = World::new(plan);
    world.run();
    if world.violations.is_empty() {
        return Ok(());
    }
    let story = world.recorded().cloned().collect();
    Err(Box::new(FailedPlan { plan: plan.clone(), violations: world.violations, story }))
}

/// Runs `plan`, and where an invariant is violated makes the plan smaller for as long as a violation remains.
///
/// # Errors
/// The violations, with the smallest plan that was found.
pub fn find(plan: &SimulationPlan) -> Result<(), Box<FailedPlan>> {
    let Err(mut failed) = run(plan) else { return Ok(()) };
    while let Some(smaller) = smaller(&failed.plan).into_iter().find_map(|plan| run(&plan).err()) {
        failed = smaller;
    }
    Err(failed)
}

/// Returns plans that are a little smaller than `plan`.
fn smaller(plan: &SimulationPlan) -> Vec<SimulationPlan> {
    let without = |place: usize| {
        let mut faults = plan.faults.clone();
        faults.remove(place);
        SimulationPlan { faults, ..plan.clone() }
    };
    let mut smaller: Vec<_> = (0..plan.faults.len()).map(without).collect();
    if plan.requests > 1 {
        smaller
            .extend([plan.requests / 2, plan.requests - 1].map(|requests| SimulationPlan { requests, ..plan.clone() }));
    }
    let hits = |replicas: usize| plan.faults.iter().all(|fault| fault.replica < replicas);
    if plan.replicas > 1 && hits(plan.replicas - 1) {
        smaller.push(SimulationPlan { replicas: plan.replicas - 1, ..plan.clone() });
    }
    if plan.hosts > 1 {
        smaller.push(SimulationPlan { hosts: plan.hosts - 1, ..plan.clone() });
    }
    smaller
}
