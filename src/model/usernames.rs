//! The rule by which two spellings of a user's name mean the same user: the same rule wherever names are compared.
//!
//! A launcher sends `ann@site.example`, the node's session list has `SITE\Ann`. Code that compares the two (a
//! reservation with the session that follows, a user with the user's sessions) does so by the [key](UserNames::key)
//! alone. Scripts always see the name as written.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The rule by which user names are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UserNames {
    /// Letter by letter.
    AsIs,
    /// Without regard to case.
    #[default]
    IgnoreCase,
    /// Without regard to case, and without a domain: `ann`, `SITE\Ann` and `ann@site.example` are the same user.
    Short,
}

impl UserNames {
    /// Every rule.
    pub const ALL: [Self; 3] = [Self::AsIs, Self::IgnoreCase, Self::Short];

    /// Returns the rule's name in a config.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AsIs => "as-is",
            Self::IgnoreCase => "ignore-case",
            Self::Short => "short",
        }
    }

    /// Returns a key that is the same for every spelling of `name`.
    #[must_use]
    pub fn key(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::AsIs => Cow::Borrowed(name),
            Self::IgnoreCase => lower(name),
            Self::Short => {
                let name = name.rsplit_once('\\').map_or(name, |(_domain, user)| user);
                lower(name.split_once('@').map_or(name, |(user, _domain)| user))
            }
        }
    }

    /// Whether both names mean the same user.
    #[must_use]
    pub fn are_same(self, one: &str, other: &str) -> bool {
        self.key(one) == self.key(other)
    }
}

/// Returns `name` in lower case, without a copy for the many names that are in lower case already.
fn lower(name: &str) -> Cow<'_, str> {
    match name.chars().all(|letter| !letter.is_uppercase()) {
        true => Cow::Borrowed(name),
        false => Cow::Owned(name.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::UserNames::{AsIs, IgnoreCase, Short};

    #[test]
    fn each_rule_takes_more_spellings_for_the_same() {
        assert!(AsIs.are_same("ann", "ann") && !AsIs.are_same("ann", "Ann"));
        assert!(IgnoreCase.are_same("ÄNN", "änn") && !IgnoreCase.are_same("ann", "ann@site"));
        for name in ["ann", "Ann", "SITE\\ann", "ann@site.example", "site\\Ann@x"] {
            assert_eq!(Short.key(name), "ann", "{name}");
        }
        assert!(!Short.are_same("ann", "bob") && Short.key("").is_empty() && Short.key("@").is_empty());
    }
}
