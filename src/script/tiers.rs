//! The tiers that run functions of scripts, and what became of compiled functions: how often each gave up, and which are
//! interpreted from now on.
//!
//! An engine that runs functions in more than one tier writes; the process around the engine reads after each decision,
//! so that the counts of all workers come together in one place.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The tier that runs a function of a script, in languages that have more than one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionTier {
    /// The function's name; `balance` for the function of the whole list.
    pub function: &'static str,
    /// What keeps the function out of compiled code, with the place; `None` where it is compiled.
    pub interpreted: Option<String>,
    /// Whether the function is answered from an index of the nodes: it keeps the best one, and not every one is looked at.
    pub is_indexed: bool,
}

impl FunctionTier {
    /// Returns the line and column of the construct that keeps the function out of compiled code, both from 1.
    #[must_use]
    pub fn place(&self) -> Option<(u32, u32)> {
        // The words end with the place, for people.
        let (_, place) = self.interpreted.as_deref()?.rsplit_once(" at ")?;
        let (line, column) = place.split_once(':')?;
        Some((line.parse().ok()?, column.parse().ok()?))
    }
}

impl fmt::Display for FunctionTier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.interpreted {
            None if self.is_indexed => write!(f, "`{}` is compiled and indexed", self.function),
            None => write!(f, "`{}` is compiled", self.function),
            Some(why) => write!(f, "`{}` is interpreted, because {why}", self.function),
        }
    }
}

/// The most news that are kept until they are read; further ones are dropped.
const MAX_NEWS: usize = 64;

/// What engines wrote since the last time that somebody read.
#[derive(Debug, Default)]
pub struct TierLedger {
    bailouts: RefCell<BTreeMap<(Arc<str>, &'static str), u64>>,
    news: RefCell<Vec<TierNews>>,
}

/// What is read of a [`TierLedger`] at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierReport {
    /// How often compiled code of a step gave up, by step and cause.
    pub bailouts: Vec<(Arc<str>, String, u64)>,
    /// What happened once.
    pub news: Vec<TierNews>,
}

/// An event in the life of a compiled function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierNews {
    /// The step that the function belongs to.
    pub step: Arc<str>,
    /// The function's name; `balance` for the function of the whole list.
    pub function: String,
    /// What happened.
    pub what: TierChange,
}

/// Why a compiled function is interpreted from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TierChange {
    /// The compiled function gave up too often, or had no room: in words.
    GaveUp(String),
    /// The compiled function said something else than the interpreter.
    Differed {
        /// What the compiled function said.
        compiled: String,
        /// What the interpreter said, which was answered.
        interpreted: String,
        /// Whether the interpreter's answer was an error.
        is_error: bool,
    },
}

impl TierLedger {
    /// Counts that compiled code of `step` gave up for `cause`.
    pub fn bailed(&self, step: &Arc<str>, cause: &'static str) {
        *self.bailouts.borrow_mut().entry((Arc::clone(step), cause)).or_default() += 1;
    }

    /// Notes `news`.
    pub fn note(&self, news: TierNews) {
        let mut all = self.news.borrow_mut();
        if all.len() < MAX_NEWS {
            all.push(news);
        }
    }

    /// Takes what was written since the last time, if anything was.
    pub fn take(&self) -> Option<TierReport> {
        if self.bailouts.borrow().is_empty() && self.news.borrow().is_empty() {
            return None;
        }
        let bailouts = std::mem::take(&mut *self.bailouts.borrow_mut());
        let bailouts = bailouts.into_iter().map(|((step, cause), count)| (step, cause.to_owned(), count)).collect();
        Some(TierReport { bailouts, news: std::mem::take(&mut *self.news.borrow_mut()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_once() {
        let ledger = TierLedger::default();
        assert_eq!(ledger.take(), None);
        let step: Arc<str> = "a.js".into();
        ledger.bailed(&step, "logs");
        ledger.bailed(&step, "logs");
        let news = TierNews {
            step: Arc::clone(&step),
            function: "score".to_owned(),
            what: TierChange::GaveUp("it gave up".to_owned()),
        };
        ledger.note(news.clone());
        let report = TierReport { bailouts: vec![(step, "logs".to_owned(), 2)], news: vec![news] };
        assert_eq!(ledger.take(), Some(report));
        assert_eq!(ledger.take(), None);
    }
}
