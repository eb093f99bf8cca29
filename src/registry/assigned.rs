//! Assigning users to nodes, which goes into the history of the nodes.

use super::Registry;
use super::assignments::{Assignment, AssignmentError};
use super::journal::{HistoryRecord, NodeEvent};
use super::mark::MarkAuthor;
use crate::model::bounds::MAX_ID_BYTES;

impl Registry {
    /// Assigns the user, whose name is compared as `user`, or takes the assignment back with `None`. Returns the
    /// assignment before. The change comes through the events too; the caller may apply the change at once. `author` and
    /// `login`, the name as the administrator wrote the name, go into the history of the nodes.
    ///
    /// # Errors
    /// [`AssignmentError`] where the assignment could not be written.
    pub async fn assign(
        &self,
        (user, login): (&str, &str),
        assignment: Option<&Assignment>,
        author: MarkAuthor,
    ) -> Result<Option<Assignment>, AssignmentError> {
        let before = self.assignments.write(user, assignment).await?;
        let node = assignment.map(|assignment| assignment.node.as_str());
        let note = |node: &str, event, MarkAuthor { by, reason, at_ms }: MarkAuthor| {
            // No node has such an id, and no subject would be made of it.
            if node.is_empty() || node.len() > MAX_ID_BYTES {
                return;
            }
            let identity = format!("assign.{at_ms}.{event:?}.{node}.{user}");
            let user = login.to_owned();
            self.journal.note(HistoryRecord { node: node.into(), event, by, reason, user, identity });
        };
        let author = author.bounded();
        if let Some(before) = before.as_ref().filter(|before| Some(before.node.as_str()) != node) {
            let moved = node.map(|node| format!("assigned to {node}")).filter(|_| author.reason.is_empty());
            let reason = moved.unwrap_or_else(|| author.reason.clone());
            note(&before.node, NodeEvent::Unassigned, MarkAuthor { reason, ..author.clone() });
        }
        if let Some(node) = node {
            note(node, NodeEvent::Assigned, author);
        }
        Ok(before)
    }
}
