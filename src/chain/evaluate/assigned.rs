//! The assignment of a user to a node, which is looked at before the first step.

use std::sync::Arc;

use crate::chain::spec::{ASSIGNMENT, OnAssignedUnplaceable};
use crate::model::{Decision, Failure, FailureName, Outcome, StepVerdict};

use super::{Evaluation, Trace};

impl Evaluation<'_> {
    /// Returns the decision by the assignment of the user, in a chain that reserves; `None` where the user has none, or
    /// where the chain decides because the node cannot take the request.
    pub(super) fn by_assignment(&mut self) -> Option<Decision> {
        let spec = &self.chain.spec;
        let node = Arc::clone(self.ask.assigned.as_ref().filter(|_| spec.reserve)?);
        let by: Arc<str> = ASSIGNMENT.into();
        let against = match self.context.cluster.get(&node) {
            Some(found) => self.ask.cooling.reason_against(found, spec).map(|reason| (Some(reason), reason.phrase())),
            None => Some((None, "not in the cluster")),
        };
        let Some((reason, words)) = against else {
            self.report(&by, StepVerdict::Select(Arc::clone(&node)), Trace::default(), None);
            return Some(self.decide(Some(by), Outcome::Placed(node)));
        };
        let name = match spec.on_assigned_unplaceable {
            OnAssignedUnplaceable::Chain => {
                let said = match reason {
                    Some(reason) => StepVerdict::Unplaceable(node, reason),
                    None => StepVerdict::Failed(FailureName::UnknownNode, format!("`{node}` is {words}")),
                };
                self.report(&by, said, Trace::default(), None);
                return None;
            }
            OnAssignedUnplaceable::Error => FailureName::UnplaceableNode,
            OnAssignedUnplaceable::Wait => FailureName::NoNode,
        };
        let message = format!("`{}` is assigned to `{node}`, which is {words}", self.ask.request.login());
        let failure = Failure::new(name, message).at_step(&by);
        self.report(&by, StepVerdict::Failed(failure.name, failure.message.clone()), Trace::default(), None);
        Some(self.fail(failure))
    }
}
