//! A question for a chain: every input of a decision that comes from outside.

use std::sync::Arc;

use crate::model::Request;

use super::eligibility::CoolingPolicy;
use super::quarantine::LimitRecord;
use super::spec::Purpose;

/// A question for a chain, with every input that comes from outside.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The request.
    pub request: Arc<Request>,
    /// The purpose of the decision: a placement or an explanation.
    pub purpose: Purpose,
    /// The id of the node that an explanation is asked about.
    pub about: Option<Arc<str>>,
    /// Whether every call is made, and no result of earlier calls is used.
    pub anew: bool,
    /// The time of the request, in Unix milliseconds.
    pub now_ms: i64,
    /// The random bits of the request.
    pub seed: u64,
    /// The number of requests of the action that came before this request in this replica.
    pub sequence: u64,
    /// The names of the steps that passed a limit on this very question and are not run again for this question, each
    /// with the limit.
    pub limited: Vec<(Arc<str>, LimitRecord)>,
    /// The id of the node that an administrator assigned the user to; counts in chains that reserve.
    pub assigned: Option<Arc<str>>,
    /// The treatment of nodes where a start failed lately.
    pub cooling: CoolingPolicy,
}

impl Ask {
    /// Whether the decision is to be explained, so that records are kept that the decision itself does not need.
    #[must_use]
    pub fn is_explained(&self) -> bool {
        self.purpose == Purpose::Explain || self.request.head().explain
    }
}
