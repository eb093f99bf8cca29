//! The verification of a token: first what never changes (signature, issuer, audience), then what the time decides.

use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, crypto};
use ring::digest::{Context, SHA256};
use serde_json::{Map, Value};

use crate::model::json::{self, JsonLimits, MAX_DEPTH};
use crate::model::{JsonError, UserNames};

use super::error::TokenError;
use super::keys::{TokenKey, TokenKeys};
use super::login::TokenLogin;
use super::policy::{TokenPolicy, algorithm};
use super::provider;

/// The most keys that a token without a `kid` is tried with.
const MAX_TRIED: usize = 4;
/// The levels that a request puts around claims.
const LEVELS_AROUND: usize = 4;

/// A number that tells tokens apart, and from which no token can be made again.
pub type TokenDigest = [u8; 32];

/// Verifies tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenVerifier {
    policy: TokenPolicy,
    keys: TokenKeys,
}

/// The claims of a token whose signature, issuer and audience are right.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SignedClaims {
    /// The claims.
    pub claims: Map<String, Value>,
    /// The time from which on the token is not accepted, in Unix seconds.
    expires_s: i64,
    /// The time before which the token is not accepted.
    not_before_s: Option<i64>,
    /// The time at which the token was issued.
    issued_s: Option<i64>,
}

/// What the header of a token says.
struct TokenHeader {
    algorithm: Algorithm,
    kid: Option<String>,
}

impl TokenVerifier {
    /// Returns the verifier that accepts tokens by `policy`, signed with one of the `keys`.
    #[must_use]
    pub fn new(policy: TokenPolicy, keys: TokenKeys) -> Self {
        provider::install();
        Self { policy, keys }
    }

    /// Returns the rules for tokens.
    #[must_use]
    pub fn policy(&self) -> &TokenPolicy {
        &self.policy
    }

    /// Returns a digest that is the same wherever the same tokens are accepted and the same is taken from them, as far
    /// as that can be told without the shared secret.
    #[must_use]
    pub fn public_digest(&self) -> TokenDigest {
        digest_of(&[&self.policy.digest(), &self.keys.public_digest()])
    }

    /// Returns the number by which `token` is remembered.
    #[must_use]
    pub fn digest(token: &str) -> TokenDigest {
        digest_of(&[token.as_bytes()])
    }

    /// Verifies `token` as far as the time does not matter. This is the costly part.
    ///
    /// # Errors
    /// [`TokenError`] says why the token is not accepted.
    pub fn signed(&self, token: &str) -> Result<SignedClaims, TokenError> {
        let most = self.policy.max_bytes;
        if token.len() > most {
            return Err(TokenError::TooLarge { bytes: token.len(), most });
        }
        let [header, claims, _signature] = parts(token)?;
        let header = self.header(header)?;
        self.check_signature(token, &header)?;
        let claims = object(claims).ok_or(TokenError::Malformed("its claims are no JSON object"))?;
        self.check_parties(&claims)?;
        Ok(SignedClaims {
            expires_s: moment(&claims, "exp")?.ok_or(TokenError::NoExpiry)?,
            not_before_s: moment(&claims, "nbf")?,
            issued_s: moment(&claims, "iat")?,
            claims,
        })
    }

    /// Makes sure that `signed` is accepted at `now_ms` in Unix milliseconds, for the user of `request` with the login
    /// `login`.
    ///
    /// # Errors
    /// [`TokenError`] says why the token is not accepted.
    pub fn accept(
        &self,
        signed: &SignedClaims,
        (request, login): (&Map<String, Value>, &str),
        names: UserNames,
        now_ms: i64,
    ) -> Result<(), TokenError> {
        let (now_s, leeway_s) = (now_ms.div_euclid(1000), i64::from(self.policy.leeway_s));
        let late_s = now_s.saturating_sub(signed.expires_s);
        if late_s >= leeway_s {
            return Err(TokenError::Expired(late_s));
        }
        let ahead =
            |moment: Option<i64>| moment.map(|moment| moment.saturating_sub(now_s)).filter(|ahead| *ahead > leeway_s);
        if let Some(ahead_s) = ahead(signed.not_before_s) {
            return Err(TokenError::NotYetValid(ahead_s));
        }
        if let Some(ahead_s) = ahead(signed.issued_s) {
            return Err(TokenError::IssuedLater(ahead_s));
        }
        let Some(claim) = &self.policy.login_claim else { return Ok(()) };
        let own = TokenLogin::of(&signed.claims, &self.policy, names).filter(|own| own.spelling(login).is_some());
        own.ok_or_else(|| TokenError::OtherUser(claim.clone()))?.check(request, claim)
    }

    fn header(&self, encoded: &str) -> Result<TokenHeader, TokenError> {
        let fields = object(encoded).ok_or(TokenError::Malformed("its header is no JSON object"))?;
        let Some(name) = fields.get("alg").and_then(Value::as_str) else {
            return Err(TokenError::Malformed("its header has no `alg`"));
        };
        if name.eq_ignore_ascii_case("none") {
            return Err(TokenError::Unsigned);
        }
        let Some(algorithm) = algorithm(name).filter(|algorithm| self.policy.algorithms.contains(algorithm)) else {
            return Err(TokenError::Algorithm { found: name.to_owned(), allowed: self.policy.allowed() });
        };
        if fields.contains_key("crit") {
            return Err(TokenError::Extension);
        }
        let kid = match fields.get("kid") {
            None | Some(Value::Null) => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(TokenError::Malformed("its `kid` is no text")),
        };
        Ok(TokenHeader { algorithm, kid })
    }

    /// Makes sure that one of the keys that `header` allows has signed `token`. A key's own kind decides which
    /// algorithms it verifies: a public key is never taken for a secret.
    fn check_signature(&self, token: &str, header: &TokenHeader) -> Result<(), TokenError> {
        let mut tried = self.candidates(header)?.peekable();
        if tried.peek().is_none() {
            return Err(TokenError::NoKey);
        }
        let (message, signature) = token.rsplit_once('.').unwrap_or_default();
        // Not jsonwebtoken's `decode`, which takes a claim of an odd type for a fault of the signature.
        let is_signed = |key: &TokenKey| {
            crypto::verify(signature, message.as_bytes(), &key.key, header.algorithm).unwrap_or_default()
        };
        match tried.take(MAX_TRIED).any(is_signed) {
            true => Ok(()),
            false => Err(TokenError::Signature),
        }
    }

    /// Returns the keys that may have signed a token with `header`: the key of that `kid`, else the keys without a
    /// name; a token without a `kid` may be of any key.
    fn candidates(&self, header: &TokenHeader) -> Result<impl Iterator<Item = &TokenKey>, TokenError> {
        let algorithm = header.algorithm;
        let is_named = |kid: &String| self.keys.iter().any(|key| key.kid.as_ref() == Some(kid));
        let has_unnamed = self.keys.iter().any(|key| key.kid.is_none() && key.verifies(algorithm));
        let wanted = match &header.kid {
            Some(kid) if is_named(kid) => Some(Some(kid.clone())),
            Some(kid) if !has_unnamed => return Err(TokenError::UnknownKey(kid.clone())),
            Some(_) => Some(None),
            None => None,
        };
        let is_candidate =
            move |key: &&TokenKey| key.verifies(algorithm) && wanted.as_ref().is_none_or(|wanted| key.kid == *wanted);
        Ok(self.keys.iter().filter(is_candidate))
    }

    fn check_parties(&self, claims: &Map<String, Value>) -> Result<(), TokenError> {
        let TokenPolicy { issuers, audiences, .. } = &self.policy;
        let is_among = |value: &Value, names: &[String]| {
            value.as_str().is_some_and(|value| names.iter().any(|name| name == value))
        };
        if !issuers.is_empty() && !claims.get("iss").is_some_and(|issuer| is_among(issuer, issuers)) {
            return Err(TokenError::Issuer);
        }
        let is_audience = |audience: &Value| match audience {
            Value::Array(all) => all.iter().any(|one| is_among(one, audiences)),
            one => is_among(one, audiences),
        };
        if !audiences.is_empty() && !claims.get("aud").is_some_and(is_audience) {
            return Err(TokenError::Audience);
        }
        Ok(())
    }
}

impl SignedClaims {
    /// Returns `claims` as if a token had them: for tests of chains, whose authors have no keys.
    #[must_use]
    pub fn assumed(claims: Map<String, Value>) -> Self {
        Self { claims, ..Self::default() }
    }

    /// Returns the time from which on the token is surely not accepted under `leeway_s`, in Unix milliseconds.
    #[must_use]
    pub fn expires_ms(&self, leeway_s: u32) -> i64 {
        self.expires_s.saturating_add(i64::from(leeway_s)).saturating_mul(1000)
    }
}

/// Returns the claim called `name`: under that whole name, else on the path of the names between its dots.
pub(super) fn find<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let (first, rest) = name.split_once('.')?;
    find(claims.get(first)?.as_object()?, rest)
}

/// Returns the digest of `parts`, which tells apart where one ends and the next begins.
pub(super) fn digest_of(parts: &[&[u8]]) -> TokenDigest {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_le_bytes());
        context.update(part);
    }
    context.finish().as_ref().try_into().unwrap_or_default()
}

fn parts(token: &str) -> Result<[&str; 3], TokenError> {
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(claims), Some(signature), None) => Ok([header, claims, signature]),
        _ => Err(TokenError::Malformed("expected three parts with dots between them")),
    }
}

fn object(encoded: &str) -> Option<Map<String, Value>> {
    let bytes = BASE64URL_NOPAD.decode(encoded.as_bytes()).ok()?;
    let limits = JsonLimits { max_bytes: bytes.len(), max_depth: MAX_DEPTH - LEVELS_AROUND };
    let read: Result<Value, JsonError> = json::parse(&bytes, limits);
    match read.ok()? {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}

/// Returns the moment in the claim `name`, in Unix seconds, which may have a fraction.
fn moment(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, TokenError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates, and no clock goes that far")]
        Some(value) => match value.as_f64() {
            Some(seconds) if seconds.is_finite() => Ok(Some(seconds.floor() as i64)),
            _ => Err(TokenError::Malformed("`exp`, `nbf` and `iat` must be numbers")),
        },
    }
}
