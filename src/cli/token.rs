//! Tokens without a service: the request's token is verified as the service does it, by the section `[tokens]` of the
//! config.

use std::path::Path;

use serde_json::{Map, Value};

use crate::chain::ChainSet;
use crate::config::Files;
use crate::host::Disk;
use crate::model::head::DEFAULT_ACTION;
use crate::model::{Failure, Request, UserNames};
use crate::plain::Plain;
use crate::token::{SignedClaims, TokenError, TokenVerifier, request_token, without_claims};

use super::exit::CommandExit;

/// Whether the claims that a request itself has count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnClaims {
    /// They are dropped, as the service drops them.
    Dropped,
    /// They stand for those of a verified token, where the request has no token: in tests, and where somebody asks what
    /// would follow from them.
    Trusted,
}

/// The parts of a config that decide about tokens.
#[derive(Clone, Copy, Debug)]
pub struct TokenRules<'a> {
    /// The verifier, where the config has one.
    pub tokens: Option<&'a TokenVerifier>,
    /// The chains, which say whether they want it.
    pub set: &'a ChainSet,
}

/// Returns `request` with what follows from its token at `now_ms`, in Unix milliseconds, by `rules`.
///
/// # Errors
/// The token is not accepted, and such requests are refused.
pub fn with_token(
    mut request: Map<String, Value>,
    rules: TokenRules<'_>,
    own: OwnClaims,
    now_ms: i64,
) -> Result<Map<String, Value>, Failure> {
    let Some(verifier) = rules.tokens else { return Ok(request) };
    let action = request.get("action").and_then(Value::as_str).unwrap_or(DEFAULT_ACTION);
    if !rules.set.get(action).is_some_and(|chain| chain.verify_jwt) {
        if own == OwnClaims::Dropped {
            without_claims(&mut request);
        }
        return Ok(request);
    }
    let login = Request::from_value(Value::Object(request.clone()), "").map(|read| read.login().to_string());
    // What else is wrong with the request is told by whoever reads it.
    let Ok(login) = login else { return Ok(request) };
    let judged = judged(&request, verifier, own, (&login, rules.set.names, now_ms));
    let settled = verifier.settle(&mut request, judged.as_ref().map_err(Clone::clone), rules.set.names);
    settled.map_err(|error| error.failure())?;
    Ok(request)
}

/// Returns the claims of the token of `request`, for the user `login` at `now_ms`; where there is no token, perhaps the
/// request's `own` claims.
fn judged(
    request: &Map<String, Value>,
    verifier: &TokenVerifier,
    own: OwnClaims,
    (login, names, now_ms): (&str, UserNames, i64),
) -> Result<SignedClaims, TokenError> {
    let claims = request.get("claims").and_then(Value::as_object).filter(|_| own == OwnClaims::Trusted);
    match (request_token(request, verifier.policy()), claims) {
        (Ok(token), _) => {
            let signed = verifier.signed(token)?;
            verifier.accept(&signed, (request, login), names, now_ms)?;
            Ok(signed)
        }
        (Err(TokenError::Missing), Some(claims)) => Ok(SignedClaims::assumed(claims.clone())),
        (Err(error), _) => Err(error),
    }
}

/// Reads the token in the file at `path`, of at most `max_bytes`.
///
/// # Errors
/// The file cannot be read, or is too long. The message does not repeat what is in it.
pub fn token_in(path: &Path, max_bytes: usize) -> Result<String, CommandExit> {
    let name = path.display().to_string();
    let wrong = |why: String| CommandExit::usage(format!("--jwt {}: {why}", Plain(&name)));
    let read = Disk.read(path, max_bytes).map_err(|fault| wrong(fault.to_string()))?;
    let text = read.text(max_bytes).map_err(wrong)?;
    Ok(text.trim().to_owned())
}
