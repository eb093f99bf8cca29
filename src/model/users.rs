//! Who works where: on which nodes each user has sessions, and how many.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::node::Node;
use super::usernames::UserNames;

/// The sessions of every user, counted by node.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Users {
    /// How names are compared.
    pub(super) names: UserNames,
    /// By the key of the user's name, then by node.
    pub(super) nodes: BTreeMap<Arc<str>, BTreeMap<Arc<str>, u32>>,
}

/// Whether a session comes or goes.
#[derive(Clone, Copy)]
pub(super) enum Count {
    Up,
    Down,
}

impl Users {
    /// The nodes on which `user` has sessions, ascending by id.
    pub(super) fn nodes_of(&self, user: &str) -> impl Iterator<Item = &Arc<str>> {
        self.nodes.get(&*self.names.key(user)).into_iter().flat_map(BTreeMap::keys)
    }

    /// Counts all sessions of `node`, pending ones included.
    pub(super) fn count_all(&mut self, node: &Node, direction: Count) {
        for session in node.sessions() {
            self.count(session.user(), node.id(), direction);
        }
    }

    /// Counts one session of `user` on `node`.
    pub(super) fn count(&mut self, user: &Arc<str>, node: &Arc<str>, direction: Count) {
        let key = self.names.key(user);
        match direction {
            Count::Up => {
                let key = if *key == **user { Arc::clone(user) } else { key.into() };
                *self.nodes.entry(key).or_default().entry(Arc::clone(node)).or_default() += 1;
            }
            Count::Down => {
                let Some(nodes) = self.nodes.get_mut(&*key) else { return };
                if let Some(sessions) = nodes.get_mut(node) {
                    *sessions -= 1;
                    if *sessions == 0 {
                        nodes.remove(node);
                    }
                }
                if nodes.is_empty() {
                    self.nodes.remove(&*key);
                }
            }
        }
    }
}
