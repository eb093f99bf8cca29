//! The nouns of placement: what a node, a request, a verdict and a decision are.
//!
//! This floor does no I/O, reads no clock and rolls no dice. It does not know that scripts, workers or NATS exist.

pub mod bounds;
pub mod cluster;
pub mod decision;
pub mod diagnosis;
pub mod dictionary;
pub mod failure;
pub mod fields;
pub mod figures;
mod glimpse;
pub mod head;
pub mod json;
pub mod look;
pub mod lost;
mod members;
mod name;
pub mod node;
mod oddities;
pub mod parts;
pub mod report;
pub mod request;
pub mod reservation;
pub mod session;
pub mod shared;
pub mod usernames;
mod users;
pub mod verdict;

pub use cluster::{Arrangement, Change, Cluster, SlotIndex};
pub use decision::{Decision, Outcome};
pub use diagnosis::{Diagnosis, Said, StepReport};
pub use failure::{Failure, FailureName, LimitKind, Position, Thrown};
pub use head::Head;
pub use json::{JsonError, JsonLimits};
pub use look::{Field, Look};
pub use lost::LostReason;
pub use node::{Marks, Node};
pub use parts::Parts;
pub use report::Report;
pub use request::Request;
pub use reservation::Reservation;
pub use session::Session;
pub use usernames::UserNames;
pub use verdict::{Candidate, Overlay, Verdict};
