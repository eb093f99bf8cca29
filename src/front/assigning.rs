//! Manual assignments of users to nodes: given, taken back and listed by administrators, looked up for each request.

use std::ops::Bound;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::chain::spec::ASSIGNMENT;
use crate::model::{Decision, Failure, FailureName};
use crate::nats::message::{Incoming, Verb};
use crate::registry::RegistryEvent;
use crate::registry::assignments::{Assignment, MAX_ASSIGNMENTS};
use crate::registry::mark::MarkAuthor;

use super::admin::read;
use super::effects::{AssignOrder, Effect};
use super::pending_request::PendingRequest;
use super::task::Front;

/// The number of assignments in a page where the requester names no limit, and the most.
const ASSIGNMENT_PAGE: (usize, usize) = (100, 1000);
/// The most nodes with sessions of a user that a warning names.
const MAX_NAMED: usize = 5;
/// The state of a node that is not in the cluster.
const GONE: &str = "gone";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AssignRequest {
    user: String,
    node: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    by: String,
    /// Whether a node may be named that the cluster does not have.
    #[serde(default)]
    force: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UnassignRequest {
    user: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    by: String,
}

/// A change of an assignment that an administrator orders.
#[derive(Debug)]
struct AssignmentChange {
    /// The user, as the administrator wrote the name.
    login: String,
    /// The assignment; `None` where the assignment is taken back.
    assignment: Option<Assignment>,
    author: MarkAuthor,
    warnings: Vec<String>,
}

/// A page of assignments, as asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AssignmentPage {
    /// The only user that is asked for.
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    after: String,
    #[serde(default)]
    limit: Option<usize>,
}

impl Front {
    /// Handles a request to assign a user, or to take an assignment back; the reply waits until that is written.
    pub(super) fn assign(&mut self, incoming: Incoming) {
        let order = match incoming.verb {
            Verb::Assign => self.assignment(&incoming),
            _ => self.unassignment(&incoming),
        };
        match order {
            Err(failure) => self.fail(&incoming, &failure),
            Ok(AssignmentChange { login, assignment, author, warnings }) => {
                let user = self.user_key(&login);
                let order = AssignOrder { incoming, login, user, assignment, author, warnings };
                self.order(Effect::Assign(Box::new(order)));
            }
        }
    }

    /// Reads the assignment that is to be taken back.
    fn unassignment(&self, incoming: &Incoming) -> Result<AssignmentChange, Failure> {
        let UnassignRequest { user: login, reason, by } = read(incoming)?;
        let author = MarkAuthor { by, at_ms: self.now.unix_ms, reason };
        Ok(AssignmentChange { login, assignment: None, author, warnings: Vec::new() })
    }

    /// Reads the assignment that is asked for, with the warnings about the assignment.
    fn assignment(&self, incoming: &Incoming) -> Result<AssignmentChange, Failure> {
        let AssignRequest { user, node, reason, by, force } = read(incoming)?;
        let mut warnings = Vec::new();
        if self.cluster.find(&node).is_none() {
            if !force {
                let message = format!("the cluster has no node `{node}`; `force` assigns to a node that is to come");
                return Err(Failure::new(FailureName::UnknownNode, message));
            }
            warnings.push(format!("the cluster has no node `{node}` at the moment"));
        }
        let key = self.user_key(&user);
        if self.assignments.len() >= MAX_ASSIGNMENTS && !self.assignments.contains_key(&key) {
            let message = format!(
                "{MAX_ASSIGNMENTS} users are assigned already, which is the most; home rules have no such limit"
            );
            return Err(Failure::new(FailureName::Overloaded, message));
        }
        warnings.extend(self.sessions_elsewhere(&user, &node));
        let author = MarkAuthor { by, at_ms: self.now.unix_ms, reason };
        let assignment = Assignment { user: user.clone(), node, author: author.clone(), ..Assignment::default() };
        Ok(AssignmentChange { login: user, assignment: Some(assignment), author, warnings })
    }

    /// Returns the page of assignments that is asked for.
    pub(super) fn assigned(&self, page: &AssignmentPage) -> Value {
        if let Some(user) = &page.user {
            let key = self.user_key(user);
            let found: Vec<_> =
                self.assignments.get(&key).map(|found| self.assignment_shown(&key, found)).into_iter().collect();
            return json!({"total": found.len(), "assignments": found, "next": null});
        }
        let limit = page.limit.unwrap_or(ASSIGNMENT_PAGE.0).clamp(1, ASSIGNMENT_PAGE.1);
        let after = (Bound::Excluded(Arc::from(page.after.as_str())), Bound::Unbounded);
        let mut rest = self.assignments.range::<Arc<str>, _>(after);
        let shown: Vec<_> = rest.by_ref().take(limit).collect();
        let next = rest.next().and_then(|_| shown.last()).map(|(key, _)| Arc::clone(key));
        let shown: Vec<_> = shown.into_iter().map(|(key, found)| self.assignment_shown(key, found)).collect();
        json!({"assignments": shown, "next": next, "total": self.assignments.len()})
    }

    fn assignment_shown(&self, key: &Arc<str>, assignment: &Assignment) -> Value {
        let state = self.cluster.get(&assignment.node).map_or(GONE, |node| self.state(node));
        let sessions = self.sessions_elsewhere(key, &assignment.node);
        let mut shown = json!(assignment);
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("state".to_owned(), json!(state));
            if !sessions.is_empty() {
                fields.insert("warnings".to_owned(), json!(sessions));
            }
        }
        shown
    }

    /// Handles what the registry or an order says of assignments.
    pub(super) fn assignments_changed(&mut self, event: RegistryEvent) {
        match event {
            RegistryEvent::Assignments(assignments) => self.assignments = assignments,
            RegistryEvent::Assigned(user, Some(assignment)) => drop(self.assignments.insert(user, assignment)),
            RegistryEvent::Assigned(user, None) => drop(self.assignments.remove(&user)),
            _ => {}
        }
    }

    /// Returns the node that the user, whose name is compared as `user`, is assigned to.
    pub(super) fn node_assigned_to(&self, user: &str) -> Option<Arc<str>> {
        self.assignments.get(user).map(|assignment| assignment.node.as_str().into())
    }

    /// Adds the warnings about an assignment to `pending`, which was placed on `node` by `decision`.
    pub(super) fn warn_of_assignment(&self, pending: &mut PendingRequest, node: &str, decision: &Decision) {
        let Some(assigned) = pending.question.assigned.clone().filter(|_| self.reserves(&decision.chain)) else {
            return;
        };
        let login = &pending.question.head.login;
        if decision.decided_by.as_deref() == Some(ASSIGNMENT) {
            let warnings = self.sessions_elsewhere(login, node);
            pending.warnings.extend(warnings);
        } else if *assigned != *node {
            let state = self.cluster.get(&assigned).map_or(GONE, |node| self.state(node));
            pending.warnings.push(format!("{login} is assigned to {assigned}, which is {state}"));
        }
    }

    fn reserves(&self, action: &str) -> bool {
        self.workers.setup().birth.set.get(action).is_some_and(|chain| chain.reserve)
    }

    /// Returns a sentence on the sessions that the user has on other nodes than `node`; none where there are no such.
    fn sessions_elsewhere(&self, login: &str, node: &str) -> Vec<String> {
        if login.is_empty() {
            return Vec::new();
        }
        let nodes = self.cluster.nodes_of(login).filter_map(|slot| self.cluster.node(slot));
        let mut ids: Vec<_> = nodes.map(|node| node.id()).filter(|id| ***id != *node).collect();
        ids.sort();
        let named: Vec<_> = ids.iter().take(MAX_NAMED).map(|id| id.as_ref()).collect();
        match (named.is_empty(), ids.len().saturating_sub(named.len())) {
            (true, _) => Vec::new(),
            (false, 0) => vec![format!("{login} has sessions on {}", named.join(", "))],
            (false, more) => vec![format!("{login} has sessions on {} and {more} more nodes", named.join(", "))],
        }
    }

    fn user_key(&self, login: &str) -> Arc<str> {
        self.workers.setup().birth.set.names.key(login).into()
    }
}

#[cfg(test)]
mod tests;
