//! A change of the cluster, and the nodes that the change concerned.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::node::Marks;
use super::report::Report;
use super::reservation::Reservation;
use super::shared;

/// A single change of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// A node reported.
    Report(Arc<Report>),
    /// A node left.
    Remove(Arc<str>),
    /// A node has not reported within the liveness limit.
    Stale(Arc<str>),
    /// The marks of the service on a node; kept also while the node is away.
    Mark(Arc<str>, Marks),
    /// A session was placed, perhaps only tentatively.
    Reserve(Reservation),
    /// A reservation is over: reported, confirmed elsewhere, released, expired, or refused.
    Release(#[serde(deserialize_with = "shared::string")] Arc<str>),
}

/// The ids of the nodes, present or not, that a change concerned: none, a single node, or the two of a reservation that
/// moves.
#[derive(Clone, Debug)]
pub struct Touched(pub(super) [Option<Arc<str>>; 2]);

impl IntoIterator for Touched {
    type Item = Arc<str>;
    type IntoIter = std::iter::Flatten<std::array::IntoIter<Option<Arc<str>>, 2>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}
