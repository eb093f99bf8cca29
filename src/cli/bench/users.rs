//! The users of a bench: a few dozen in turn, so that nothing about a request is constant by accident.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::cli::exit::CommandExit;
use crate::cli::new::nodes::USERS;
use crate::host;
use crate::model::{Head, Request};

/// The number of users; the first of them have sessions on the clusters that are drawn.
const USER_COUNT: usize = 48;
/// The share of users in the group that the shipped scripts know: every fourth.
const GROUP_EVERY: usize = 4;
const GROUP: &str = "gpu-users";

/// A request in the names of several users.
#[derive(Clone, Debug)]
pub(super) struct BenchUsers {
    list: Vec<(Head, Arc<str>)>,
    server_id: Arc<str>,
}

impl BenchUsers {
    /// Returns the users who send `request` for `action`; a single user, where the request names the user.
    ///
    /// # Errors
    /// A `request` that is invalid, or larger than `max_bytes`.
    pub(super) fn of(request: &Map<String, Value>, action: &str, max_bytes: usize) -> Result<Self, CommandExit> {
        let server_id = host::name();
        let mut request = request.clone();
        request.insert("action".to_owned(), json!(action));
        // Asked again with an id, a request is not decided again.
        request.remove("id");
        let read = |request: &Map<String, Value>| {
            let text: Arc<str> = Value::Object(request.clone()).to_string().into();
            let parsed = Request::parse(text.as_bytes(), max_bytes, &server_id).map_err(CommandExit::usage)?;
            Ok((parsed.head().clone(), text))
        };
        let own = read(&request)?;
        let list = match own.0.login.is_empty() {
            false => vec![own],
            true => (0..USER_COUNT)
                .map(|place| read(&in_the_name_of(place, &request)))
                .collect::<Result<_, CommandExit>>()?,
        };
        Ok(Self { list, server_id: server_id.into() })
    }

    /// Returns request number `turn`, as a worker receives a request: the head is read, the rest is not.
    #[must_use]
    pub(super) fn request(&self, turn: u64) -> Option<Request> {
        let (head, text) = self.list.get((turn % self.list.len().max(1) as u64) as usize)?;
        Some(Request::deferred(head.clone(), Arc::clone(text), Arc::clone(&self.server_id)))
    }

    /// Returns the requests as text, in turn.
    pub(super) fn texts(&self) -> impl Iterator<Item = &Arc<str>> {
        self.list.iter().map(|(_, text)| text)
    }
}

fn in_the_name_of(place: usize, request: &Map<String, Value>) -> Map<String, Value> {
    let mut request = request.clone();
    let login = USERS.get(place).map_or_else(|| format!("user-{place:02}"), |user| (*user).to_owned());
    let user = request.entry("user").or_insert_with(|| json!({}));
    if let Some(user) = user.as_object_mut() {
        user.insert("login".to_owned(), json!(login));
    }
    if place.is_multiple_of(GROUP_EVERY) {
        request.entry("userGroups").or_insert_with(|| json!([GROUP]));
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(request: Value) -> BenchUsers {
        BenchUsers::of(request.as_object().unwrap(), "user/login", 1 << 20).unwrap()
    }

    #[test]
    fn users_take_turns_unless_the_request_says_who_asks() {
        let many = users(json!({"id": "r1", "data": {"x": 1}}));
        let logins: std::collections::BTreeSet<_> =
            (0..200).map(|turn| many.request(turn).unwrap().login().to_string()).collect();
        assert_eq!((logins.len(), many.texts().count()), (USER_COUNT, USER_COUNT));
        let first = many.request(0).unwrap();
        assert_eq!((&**first.action(), first.head().id.as_ref()), ("user/login", None));
        assert_eq!(first.fields()["userGroups"], json!([GROUP]));
        assert_eq!(many.request(1).unwrap().fields()["userGroups"], json!([]));
        for given in [json!({"user": {"login": "zoe"}}), json!({"params": {"me": {"username": "zoe"}}})] {
            let one = users(given);
            assert_eq!((one.texts().count(), &**one.request(7).unwrap().login()), (1, "zoe"));
        }
        assert_eq!(&**users(json!({"params": {"me": {}}})).request(1).unwrap().login(), "bob");
        assert!(BenchUsers::of(json!({"user": 7}).as_object().unwrap(), "a", 1000).is_err());
    }
}
