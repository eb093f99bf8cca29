//! The reasons why a token is not accepted.

use crate::model::{Failure, FailureName};
use crate::plain::plain;

/// The most characters of a token's header that a message repeats.
const MAX_SHOWN_CHARS: usize = 64;

/// The reason why a token is not accepted. No message repeats the token, a signature or a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The request has no token.
    #[error("the request has no token in `params.jwt`")]
    Missing,
    /// The token is no text.
    #[error("`params.jwt` must be a token as text, not {0}")]
    NotText(&'static str),
    /// The token is longer than allowed.
    #[error("the token has {bytes} bytes; the most are {most} (`tokens.max_kb`)")]
    TooLarge {
        /// The size of the token.
        bytes: usize,
        /// The allowed size.
        most: usize,
    },
    /// The token is no JWT.
    #[error("the token is no JWT: {0}")]
    Malformed(&'static str),
    /// The token has no signature.
    #[error("the token is not signed: its `alg` is `none`")]
    Unsigned,
    /// The token's algorithm is not allowed.
    #[error("the token is signed by {}; `tokens.algorithms` allows {allowed}", quoted(found))]
    Algorithm {
        /// The algorithm that the token names.
        found: String,
        /// The allowed algorithms.
        allowed: String,
    },
    /// The token needs an extension that is not understood.
    #[error("the token needs an extension (`crit`), and none is supported")]
    Extension,
    /// No key has the token's `kid`.
    #[error("the token is signed with the key {}, which is not among `tokens.keys`", quoted(.0))]
    UnknownKey(String),
    /// No key could have signed the token.
    #[error("no key of `tokens` can verify the token's algorithm")]
    NoKey,
    /// The signature is not that of a key.
    #[error("the token's signature is not that of the key")]
    Signature,
    /// The token has expired.
    #[error("the token expired {0} s ago")]
    Expired(i64),
    /// The token has no expiry.
    #[error("the token never expires: it has no `exp`")]
    NoExpiry,
    /// The token is not valid yet.
    #[error("the token is valid only in {0} s (`nbf`)")]
    NotYetValid(i64),
    /// The token was issued in the future.
    #[error("the token was issued {0} s in the future (`iat`): the clocks differ by more than `tokens.leeway_s`")]
    IssuedLater(i64),
    /// The token is of another issuer.
    #[error("the token is not from an issuer in `tokens.issuer` (`iss`)")]
    Issuer,
    /// The token is for somebody else.
    #[error("the token is not for an audience in `tokens.audience` (`aud`)")]
    Audience,
    /// The token is of another user.
    #[error("the token is not of the request's user: its {} names another one", quoted(.0))]
    OtherUser(String),
    /// A name of the request's user is that of another user.
    #[error("the token is not of the request's user: its {} is not the user in `{field}`", quoted(claim))]
    OtherName {
        /// The name in the request, as a path.
        field: String,
        /// The claim with the token's login.
        claim: String,
    },
}

impl TokenError {
    /// Returns the failure of a request with such a token.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure::new(self.name(), self.to_string())
    }

    /// Returns the name of the failure of a request with such a token.
    #[must_use]
    pub const fn name(&self) -> FailureName {
        match self {
            Self::Expired(_) => FailureName::TokenExpired,
            _ => FailureName::TokenRefused,
        }
    }
}

/// Returns `text`, which stands in a token's header or in the config, in backticks for a message: cut, and plain.
fn quoted(text: &str) -> String {
    let end = text.char_indices().nth(MAX_SHOWN_CHARS).map(|(end, _)| end);
    let (shown, rest) = end.map_or((text, ""), |end| (text.get(..end).unwrap_or_default(), "…"));
    format!("`{}{rest}`", plain(shown))
}
