//! Tokens for tests: signed with a shared secret, or kept in `tests/tokens` with the public keys of their signers.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::Algorithm;
use ring::hmac;
use serde_json::{Value, json};

use super::{TokenKeys, TokenPolicy, TokenVerifier};

/// The secret of [`signed`].
pub(crate) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
/// A time at which the tokens of tests are valid, in Unix seconds.
pub(crate) const NOW_S: i64 = 1_790_000_000;

/// The claims of a token that is accepted at [`NOW_S`].
pub(crate) fn claims(login: &str) -> Value {
    json!({
        "iss": "https://login.example.org", "aud": "whither", "sub": login, "iat": NOW_S - 60, "nbf": NOW_S - 60,
        "exp": NOW_S + 3600, "email": format!("{login}@example.org"), "groups": ["cad"], "roles": ["fx-admins"],
    })
}

/// Returns a token with this `header` and these `claims`, signed with `secret` by HS256 whatever the header says.
pub(crate) fn signed_as(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let encoded = |part: &Value| BASE64URL_NOPAD.encode(part.to_string().as_bytes());
    let message = format!("{}.{}", encoded(header), encoded(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", BASE64URL_NOPAD.encode(tag.as_ref()))
}

/// Returns a token with these `claims`, signed with [`SECRET`].
pub(crate) fn signed(claims: &Value) -> String {
    signed_as(&json!({"alg": "HS256"}), claims, SECRET)
}

/// The policy of [`verifier`].
pub(crate) fn policy() -> TokenPolicy {
    TokenPolicy {
        algorithms: vec![Algorithm::HS256],
        issuers: vec!["https://login.example.org".to_owned()],
        audiences: vec!["whither".to_owned()],
        leeway_s: 60,
        max_bytes: 16 << 10,
        remembered: 100,
        claims: vec!["email".to_owned(), "roles".to_owned()],
        groups_claim: Some("groups".to_owned()),
        admin_claim: Some("roles".to_owned()),
        admin_values: vec!["fx-admins".to_owned()],
        login_claim: None,
        ..TokenPolicy::default()
    }
}

/// A verifier of tokens that are [`signed`].
pub(crate) fn verifier(policy: TokenPolicy) -> TokenVerifier {
    TokenVerifier::new(policy, TokenKeys::secret(SECRET, &[Algorithm::HS256]).unwrap())
}
