//! A question for a chain: everything that a decision depends on and that comes from outside.

use std::sync::Arc;

use crate::model::Request;

use super::eligibility::CoolingPolicy;
use super::quarantine::LimitRecord;
use super::spec::Purpose;

/// A question for a chain, with everything that comes from outside.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The request.
    pub request: Arc<Request>,
    /// What it is decided for.
    pub purpose: Purpose,
    /// The node that an explanation is asked about.
    pub about: Option<Arc<str>>,
    /// Whether every call is made, and nothing used that was kept of earlier ones.
    pub anew: bool,
    /// Request time, Unix milliseconds.
    pub now_ms: i64,
    /// The request's random bits.
    pub seed: u64,
    /// How many requests of the action came before it.
    pub sequence: u64,
    /// The steps that passed a limit on this very question and are not run for it again, by their names.
    pub limited: Vec<(Arc<str>, LimitRecord)>,
    /// What becomes of nodes where a start failed lately.
    pub cooling: CoolingPolicy,
}

impl Ask {
    /// Whether the decision is to be explained, so that what is not needed to take it is recorded too.
    #[must_use]
    pub fn is_explained(&self) -> bool {
        self.purpose == Purpose::Explain || self.request.head().explain
    }
}
