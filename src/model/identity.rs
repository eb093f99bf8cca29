//! What tells a cluster from its copies.
//!
//! A copy goes on with the numbers of its original, so that changes of the two have the same generations. What keeps
//! something of a cluster by its generation must know which of them that was.

use std::sync::Arc;

/// The identity of a cluster; a copy of the cluster has another one.
#[derive(Debug, Default)]
pub struct ClusterIdentity(Arc<()>);

impl ClusterIdentity {
    /// Returns another handle of the same identity.
    #[must_use]
    pub fn handle(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// Returns whether both are of one cluster.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Clone for ClusterIdentity {
    fn clone(&self) -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests {
    use crate::model::Cluster;

    #[test]
    fn a_copy_is_another_cluster() {
        let cluster = Cluster::default();
        assert!(cluster.identity().is_same(&cluster.identity().handle()));
        assert!(!cluster.identity().is_same(cluster.clone().identity()));
    }
}
