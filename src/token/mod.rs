//! Tokens: what a signed token (a JWT) says about the user of a request, once the signature has been verified.
//!
//! A launcher is trusted to name a user, as FastX does; a site that does not want to trust each launcher with the
//! user's groups and rights too lets its identity provider say them. Everything here is a function of the token, the
//! keys and the time, all of which are handed in: the service, the command line and the tests use the same code.
//!
//! jsonwebtoken knows the algorithms and their keys; the arithmetic is ring's (`provider.rs`). Header and claims are
//! judged here and not by jsonwebtoken, which reads the clock, and whose errors do not say what was found.

mod claims;
mod der;
mod error;
mod keys;
mod login;
mod pem;
mod policy;
mod provider;
mod verifier;

pub use claims::{request_token, without_claims};
pub use error::TokenError;
pub use keys::{KeyError, MAX_KEYS, TokenKeys};
pub use policy::{ALGORITHMS, TokenPolicy, Unverified, algorithm};
pub use verifier::{SignedClaims, TokenDigest, TokenVerifier};

pub use jsonwebtoken::Algorithm;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
