//! The nouns of placement: node, request, verdict and decision.
//!
//! This floor does no I/O, reads no clock and draws no random numbers. Nothing here knows that scripts, workers or NATS
//! exist.

pub mod bounds;
pub mod change;
pub mod cluster;
pub mod counterfactual;
pub mod decision;
pub mod diagnosis;
pub mod dictionary;
pub mod failure;
pub mod fields;
pub mod figures;
pub mod head;
pub mod identity;
pub mod json;
mod json_path;
pub mod lost;
mod members;
pub mod needs;
pub mod node;
pub mod node_view;
mod oddities;
pub mod parts;
pub mod report;
pub mod request;
pub mod reservation;
pub mod session;
mod sessions;
pub mod shared;
pub mod usernames;
mod users;
pub mod verdict;

pub use change::{Change, Touched};
pub use cluster::{Arrangement, Cluster, SlotIndex};
pub use counterfactual::{Counterfactual, FieldChange, Remedy, SearchEnd};
pub use decision::{Decision, Outcome};
pub use diagnosis::{Diagnosis, StepReport, StepVerdict};
pub use failure::{Failure, FailureName, LimitKind, Position, Thrown};
pub use head::Head;
pub use identity::ClusterIdentity;
pub use json::{JsonError, JsonLimits};
pub use lost::LostReason;
pub use needs::Needs;
pub use node::{Marks, Node};
pub use node_view::{NodeField, NodeView};
pub use parts::NodeParts;
pub use report::Report;
pub use request::Request;
pub use reservation::Reservation;
pub use session::Session;
pub use usernames::UserNames;
pub use verdict::{Candidate, Overlay, Verdict};
