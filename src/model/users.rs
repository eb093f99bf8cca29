//! The sessions of each user: the nodes with sessions of the user, the number of listed sessions, and the reserved
//! sessions.
//!
//! The index is updated by the sessions that come and go, never built again: a placement costs the same however many
//! sessions the user or the node holds.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use indexmap::IndexMap;
use indexmap::map::Entry;

use super::session::Session;
use super::usernames::UserNames;

/// The sessions of every user, by node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct UserIndex {
    /// The rule by which names are compared.
    names: UserNames,
    /// By the key of the user's name.
    by_key: IndexMap<Arc<str>, UserNodes>,
}

/// The nodes with sessions of a single user, and those sessions. Most users have sessions on a single node, and one may
/// have some on every node.
#[derive(Clone, Debug)]
enum UserNodes {
    /// A single node.
    One(Arc<str>, UserSessions),
    /// Several nodes, or none.
    Several(BTreeMap<Arc<str>, UserSessions>),
}

impl Default for UserNodes {
    fn default() -> Self {
        Self::Several(BTreeMap::new())
    }
}

impl PartialEq for UserNodes {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl UserNodes {
    /// Returns the nodes, ascending by id, with the sessions.
    fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &UserSessions)> {
        let (one, several) = match self {
            Self::One(node, sessions) => (Some((node, sessions)), None),
            Self::Several(several) => (None, Some(several)),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }

    fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    fn get(&self, node: &str) -> Option<&UserSessions> {
        match self {
            Self::One(one, sessions) => (**one == *node).then_some(sessions),
            Self::Several(several) => several.get(node),
        }
    }

    /// Changes the sessions on `node`; a node without sessions is removed. Returns the change in the node's number of
    /// users who have a reservation and no listed session.
    fn change(&mut self, node: &Arc<str>, change: impl FnOnce(&mut UserSessions)) -> i64 {
        let sessions = match self {
            Self::One(one, sessions) if one == node => sessions,
            Self::One(one, sessions) => {
                let first = (Arc::clone(one), std::mem::take(sessions));
                *self = Self::Several(BTreeMap::from([first]));
                return self.change(node, change);
            }
            Self::Several(several) if several.is_empty() => {
                *self = Self::One(Arc::clone(node), UserSessions::default());
                return self.change(node, change);
            }
            Self::Several(several) => several.entry(Arc::clone(node)).or_default(),
        };
        let before = sessions.is_new();
        change(sessions);
        let after = sessions.is_new();
        if sessions.count() == 0 {
            self.remove(node);
        }
        i64::from(after) - i64::from(before)
    }

    fn remove(&mut self, node: &Arc<str>) {
        match self {
            Self::One(..) => *self = Self::default(),
            Self::Several(several) => drop(several.remove(node)),
        }
    }
}

/// The sessions of a single user on a single node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct UserSessions {
    /// The number of sessions that the node listed.
    pub(super) listed: u32,
    /// The reserved sessions, by their numbers on the node, ascending.
    pending: VecDeque<(u64, Arc<Session>)>,
}

impl UserSessions {
    /// Returns the reserved sessions, in order.
    pub(super) fn pending(&self) -> impl Iterator<Item = &Arc<Session>> {
        self.pending.iter().map(|(_, session)| session)
    }

    /// Returns the number of sessions, reserved sessions included.
    fn count(&self) -> u32 {
        self.listed.saturating_add(u32::try_from(self.pending.len()).unwrap_or(u32::MAX))
    }

    /// Whether the user has a reservation here and no listed session: the node does not count that user yet.
    fn is_new(&self) -> bool {
        self.listed == 0 && !self.pending.is_empty()
    }

    fn add(&mut self, number: u64, session: Arc<Session>) {
        // Numbers grow, so that this is nearly always the end.
        let place = self.pending.partition_point(|(other, _)| *other < number);
        self.pending.insert(place, (number, session));
    }

    fn remove(&mut self, number: u64) {
        if let Ok(place) = self.pending.binary_search_by_key(&number, |(other, _)| *other) {
            self.pending.remove(place);
        }
    }
}

impl UserIndex {
    /// Returns an empty index of users with names compared by the rule `names`.
    pub(super) fn new(names: UserNames) -> Self {
        Self { names, by_key: IndexMap::new() }
    }

    /// Returns the rule by which names are compared.
    pub(super) fn names(&self) -> UserNames {
        self.names
    }

    /// Returns the nodes on which `user` has sessions, ascending by id, with those sessions.
    pub(super) fn nodes_of(&self, user: &str) -> impl Iterator<Item = (&Arc<str>, &UserSessions)> {
        self.by_key.get(&*self.names.key(user)).into_iter().flat_map(UserNodes::iter)
    }

    /// Returns the number of sessions of `user` on `node`, reserved sessions included.
    pub(super) fn count(&self, user: &str, node: &str) -> u32 {
        let nodes = self.by_key.get(&*self.names.key(user));
        nodes.and_then(|nodes| nodes.get(node)).map(UserSessions::count).unwrap_or_default()
    }

    /// Records that `session` is reserved on `node` under `number`. Returns the change in the node's number of users
    /// who have a reservation and no listed session.
    pub(super) fn reserve(&mut self, number: u64, session: &Arc<Session>, node: &Arc<str>) -> i64 {
        self.change(session.user(), node, |sessions| sessions.add(number, Arc::clone(session)))
    }

    /// Records that the reservation `number` of `user` on `node` is over. Returns the same as [`UserIndex::reserve`].
    pub(super) fn release(&mut self, number: u64, user: &Arc<str>, node: &Arc<str>) -> i64 {
        self.change(user, node, |sessions| sessions.remove(number))
    }

    /// Records that `node` lists the sessions `after` and no longer the sessions `before`. Costs a change for each user
    /// with a different number of sessions. Returns the same as [`UserIndex::reserve`].
    pub(super) fn list(&mut self, node: &Arc<str>, before: &[Arc<Session>], after: &[Arc<Session>]) -> i64 {
        let (before, after) = (sorted(before), sorted(after));
        let (mut before, mut after) = (before.into_iter().peekable(), after.into_iter().peekable());
        let mut new = 0;
        loop {
            let order = match (before.peek(), after.peek()) {
                (None, None) => return new,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(left), Some(right)) => left.cmp(right),
            };
            let gone = before.next_if(|_| order.is_le());
            let came = after.next_if(|_| order.is_ge());
            new += match (gone, came) {
                (Some(user), None) => self.change(user, node, |sessions| sessions.listed -= sessions.listed.min(1)),
                (None, Some(user)) => self.change(user, node, |sessions| sessions.listed += 1),
                (Some(_), Some(_)) | (None, None) => 0,
            };
        }
    }

    fn change(&mut self, user: &Arc<str>, node: &Arc<str>, change: impl FnOnce(&mut UserSessions)) -> i64 {
        let name = self.names.key(user);
        let key = if *name == **user { Arc::clone(user) } else { (*name).into() };
        let mut nodes = match self.by_key.entry(key) {
            Entry::Occupied(nodes) => nodes,
            Entry::Vacant(free) => free.insert_entry(UserNodes::default()),
        };
        let new = nodes.get_mut().change(node, change);
        if nodes.get().is_empty() {
            nodes.swap_remove();
        }
        new
    }
}

/// Returns the users of `sessions`, ascending.
fn sorted(sessions: &[Arc<Session>]) -> Vec<&Arc<str>> {
    let mut users: Vec<_> = sessions.iter().map(|session| session.user()).collect();
    users.sort_unstable();
    users
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Report, Reservation};
    use serde_json::json;

    fn sessions(users: &[&str]) -> Vec<Arc<Session>> {
        let list: Vec<_> = users.iter().map(|user| json!({"user": user})).collect();
        let report = Report::from_value(json!({"id": "n", "nodeData": {"sessions": list}})).unwrap();
        report.sessions.listed().to_vec()
    }

    /// After any sequence of lists and reservations, the index equals an index that is built anew.
    #[test]
    fn the_index_follows_lists_and_reservations() {
        let node: Arc<str> = "n".into();
        let mut users = UserIndex::new(UserNames::IgnoreCase);
        let lists: [&[&str]; 6] = [&["ann", "bob"], &["bob", "Ann"], &["bob", "bob", "zoe"], &[], &["ann"], &["ann"]];
        let mut before = Vec::new();
        let (mut new, mut number) = (0, 0);
        let mut reserved: Vec<(u64, Arc<Session>)> = Vec::new();
        for list in lists {
            let after = sessions(list);
            new += users.list(&node, &before, &after);
            before = after;
            for user in ["ann", "zoe"] {
                number += 1;
                let reservation =
                    Reservation { id: "r".into(), node: node.clone(), user: user.into(), name: "".into() };
                let session = Arc::new(Session::pending(reservation));
                new += users.reserve(number, &session, &node);
                reserved.push((number, session));
            }
            let (number, session) = reserved.remove(0);
            new += users.release(number, session.user(), &node);
            let listed = |key: &str| before.iter().filter(|session| session.user().to_lowercase() == key).count();
            let pending = |key: &str| reserved.iter().filter(|(_, session)| &**session.user() == key).count();
            for key in ["ann", "bob", "zoe"] {
                assert_eq!(users.count(key, &node) as usize, listed(key) + pending(key), "{key} after {list:?}");
            }
            let expected = ["ann", "bob", "zoe"].iter().filter(|key| listed(key) == 0 && pending(key) > 0).count();
            assert_eq!(new, expected as i64, "after {list:?}");
        }
        new += users.list(&node, &before, &[]);
        for (number, session) in reserved {
            new += users.release(number, session.user(), &node);
        }
        assert_eq!((new, users), (0, UserIndex::new(UserNames::IgnoreCase)), "nothing is left behind");
    }
}
