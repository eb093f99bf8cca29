//! The edits of administrators and launchers: marks of nodes, and counts of facts.

use std::sync::Arc;

use super::Registry;
use super::facts::{Fact, FactEntry, FactError, FactSetting};
use super::journal::{HistoryRecord, NodeEvent};
use super::mark::{Mark, MarkAuthor};
use super::marks::{self, Edited, MarkError};

impl Registry {
    /// Takes `node` out of service for new sessions. The change comes through the events too; the caller may apply the
    /// mark at once.
    ///
    /// # Errors
    /// [`MarkError`] where the mark could not be written.
    pub async fn cordon(&self, node: &str, author: MarkAuthor) -> Result<Mark, MarkError> {
        let edited = self.book.cordon(node, author.clone()).await?;
        Ok(self.noted(node, edited, NodeEvent::Cordoned, author))
    }

    /// Takes `node` out of service for new sessions and marks the node as being emptied.
    ///
    /// # Errors
    /// As [`Registry::cordon`].
    pub async fn drain(&self, node: &str, author: MarkAuthor) -> Result<Mark, MarkError> {
        let edited = self.book.drain(node, author.clone()).await?;
        Ok(self.noted(node, edited, NodeEvent::Draining, author))
    }

    /// Puts `node` back into service; author and reason go into the node's history.
    ///
    /// # Errors
    /// As [`Registry::cordon`].
    pub async fn uncordon(&self, node: &str, author: MarkAuthor) -> Result<Mark, MarkError> {
        let edited = self.book.uncordon(node).await?;
        Ok(self.noted(node, edited, NodeEvent::Uncordoned, author))
    }

    /// Accepts `node`, so that the node takes sessions where new nodes are held.
    ///
    /// # Errors
    /// As [`Registry::cordon`].
    pub async fn accept(&self, node: &str, author: MarkAuthor) -> Result<Mark, MarkError> {
        marks::admit(node, &self.marks, &self.check_ins)?;
        let edited = self.book.accept(node, author.clone()).await?;
        Ok(self.noted(node, edited, NodeEvent::Accepted, author))
    }

    /// Removes all marks of `node`, and has every replica drop the node where the node is stale.
    ///
    /// # Errors
    /// As [`Registry::cordon`].
    pub async fn forget(&self, node: &str, author: MarkAuthor) -> Result<Mark, MarkError> {
        marks::admit(node, &self.marks, &self.check_ins)?;
        let edited = self.book.forget(node, author.clone()).await?;
        Ok(self.noted(node, edited, NodeEvent::Forgotten, author))
    }

    /// Lets `node` cool down after a start that failed there, as
    /// [`MarkBook::cool_down`](super::marks::MarkBook::cool_down) describes.
    ///
    /// # Errors
    /// As [`Registry::cordon`].
    pub async fn cool_down(&self, node: &str, pause_ms: u64, author: MarkAuthor) -> Result<Edited, MarkError> {
        self.book.cool_down(node, pause_ms, author).await
    }

    /// Sets the count of the fact `name`, or deletes the fact with `None`. Returns the fact before, and the entry as it was
    /// written. The change comes through the events too; the caller may apply the change at once.
    ///
    /// # Errors
    /// [`FactError`] where the fact could not be written.
    pub async fn set_fact(
        &self,
        name: &Arc<str>,
        setting: Option<&FactSetting>,
    ) -> Result<(Option<Fact>, FactEntry), FactError> {
        match setting {
            Some(setting) => self.facts.set(name, setting).await,
            None => self.facts.delete(name).await,
        }
    }

    /// Puts the `event` of an edit into the history of `node`; returns the mark after the edit.
    fn noted(&self, node: &str, edited: Edited, event: NodeEvent, author: MarkAuthor) -> Mark {
        if let Some(revision) = edited.revision {
            let MarkAuthor { by, reason, at_ms } = author.bounded();
            let identity = format!("mark.{revision}.{at_ms}.{event:?}.{node}");
            self.journal.note(HistoryRecord { node: node.into(), event, by, reason, user: String::new(), identity });
        }
        edited.mark
    }
}
