//! The users of a storm: each asks once or twice, with a request as large as a launcher's.

use bytes::Bytes;

/// The least size of a request, in bytes: `data` is filled up to this size.
const REQUEST_BYTES: usize = 256;
/// The share of users in the group that some chains look at: every fourth.
const GROUP_EVERY: u64 = 4;

/// The users, in turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct StormUsers {
    /// The number of users.
    pub(super) count: u32,
}

impl StormUsers {
    /// Returns the number of the user of request number `number`.
    pub(super) fn user(self, number: u64) -> u64 {
        number % u64::from(self.count.max(1))
    }

    /// Request number `number`.
    pub(super) fn request(self, number: u64) -> Bytes {
        let user = self.user(number);
        let groups = if user.is_multiple_of(GROUP_EVERY) { "[\"staff\",\"gpu-users\"]" } else { "[\"staff\"]" };
        let mut text = format!(
            "{{\"action\":\"session/start\",\"user\":{{\"login\":\"{}\"}},\"userGroups\":{groups},\
             \"data\":{{\"name\":\"xterm\",\"geometry\":\"1920x1080\",\"note\":\"",
            login(user)
        );
        while text.len() < REQUEST_BYTES - "\"}}".len() {
            text.push('x');
        }
        text.push_str("\"}}");
        text.into()
    }
}

/// Returns the login of user number `user`.
pub(super) fn login(user: u64) -> String {
    format!("user-{user:07}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Request;

    #[test]
    fn users_ask_in_turn_with_requests_of_one_size() {
        let users = StormUsers { count: 3 };
        for number in 0..7 {
            let text = users.request(number);
            assert_eq!(text.len(), REQUEST_BYTES);
            let request = Request::parse(&text, 1 << 20, "").unwrap();
            assert_eq!(&**request.login(), login(number % 3));
        }
    }
}
