//! The tokens of requests: verified before anything else is done with a request, outside of the front.
//!
//! A signature costs up to a millisecond, which the front has for no request: the driver verifies it elsewhere
//! ([`Effect::Verify`]), and the request waits here. What a verified token says is written into the request, in the place
//! of the requester's own words; so everything behind this file, workers, programs and recorded decisions, knows nothing
//! of tokens. Without a section `[tokens]` a request passes with one look.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::config::Secret;
use crate::model::json::{self, JsonLimits};
use crate::model::{Failure, FailureName, Head, Request};
use crate::nats::message::{Incoming, Verb};
use crate::registry::ledger::RequestKey;
use crate::token::{SignedClaims, TokenDigest, TokenError, TokenVerifier, request_token, without_claims};

use super::effects::Effect;
use super::task::Front;
use super::token_cache::TokenCache;

/// The most requests that wait for the verification of their tokens; one more is refused.
const MAX_WAITING: usize = 4096;

/// A token that is to be verified.
#[derive(Debug)]
pub struct TokenCheck {
    digest: TokenDigest,
    token: Secret,
    verifier: Arc<TokenVerifier>,
}

/// The end of a [`TokenCheck`].
#[derive(Debug)]
pub struct TokenVerdict {
    digest: TokenDigest,
    signed: Result<Arc<SignedClaims>, TokenError>,
    verifier: Arc<TokenVerifier>,
}

impl TokenCheck {
    /// Returns the verdict for a verification that came to no end.
    #[must_use]
    pub fn lost(&self) -> TokenVerdict {
        let signed = Err(TokenError::Malformed("its verification failed"));
        TokenVerdict { digest: self.digest, signed, verifier: Arc::clone(&self.verifier) }
    }

    /// Verifies the token. This takes up to a millisecond of CPU time.
    #[must_use]
    pub fn run(self) -> TokenVerdict {
        let Self { digest, token, verifier } = self;
        let signed = verifier.signed(token.reveal()).map(Arc::new);
        TokenVerdict { digest, signed, verifier }
    }
}

/// A request that waits for the verification of its token.
#[derive(Debug)]
struct WaitingRequest {
    incoming: Incoming,
    key: Option<RequestKey>,
}

/// The tokens that are being verified, and those that were.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    cache: TokenCache,
    /// The requests that wait, by the digests of their tokens: a token is verified once for all of them.
    waiting: BTreeMap<TokenDigest, Vec<WaitingRequest>>,
}

impl Tokens {
    /// The number of requests that wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.values().map(Vec::len).sum()
    }

    /// Forgets the verified tokens, which new rules may refuse.
    pub(super) fn forget(&mut self) {
        self.cache.clear();
    }

    /// Takes out the requests that wait under `key`.
    fn take(&mut self, key: &RequestKey) -> Vec<Incoming> {
        let is_meant = |waiting: &mut WaitingRequest| waiting.key.as_ref() == Some(key);
        let lists = self.waiting.values_mut();
        lists.flat_map(|list| list.extract_if(.., is_meant).collect::<Vec<_>>()).map(|one| one.incoming).collect()
    }
}

/// What is known of a request that may need a token.
struct TokenRequest {
    fields: Map<String, Value>,
    key: Option<RequestKey>,
    action: Arc<str>,
    login: Arc<str>,
}

impl Front {
    /// Returns `incoming` with the claims of its verified token, where the request may be handled now; keeps the request
    /// until its token is verified, or refuses the request.
    pub(super) fn with_token(&mut self, incoming: Incoming) -> Option<Incoming> {
        let Some(verifier) = self.workers.setup().tokens.clone() else { return Some(incoming) };
        let TokenRequest { mut fields, key, action, login } = match self.token_request(&incoming) {
            Ok(request) => request,
            // Never handed on: a request that this reading and the next take for two would pass unverified.
            Err(failure) => {
                self.refuse_token(&incoming, &failure);
                return None;
            }
        };
        let birth = Arc::clone(&self.workers.setup().birth);
        // The intake refuses an unknown action, and names the chains that there are.
        let Some(chain) = birth.set.get(&action) else { return Some(incoming) };
        if !chain.verify_jwt {
            return Some(if without_claims(&mut fields) { rewritten(incoming, fields) } else { incoming });
        }
        let token = match request_token(&fields, verifier.policy()) {
            Ok(token) => token,
            Err(error) => return self.settled(incoming, fields, &verifier, Err(error)),
        };
        let digest = TokenVerifier::digest(token);
        if let Some(signed) = self.tokens.cache.get(&digest) {
            let judged = verifier.accept(&signed, (&fields, &login), birth.set.names, self.now.unix_ms);
            return self.settled(incoming, fields, &verifier, judged.map(|()| &*signed));
        }
        let check = TokenCheck { digest, token: Secret::new(token), verifier };
        self.verify(incoming, key, check);
        None
    }

    /// Handles the end of a verification: the requests with that token go on, or are refused.
    pub(super) fn token_verified(&mut self, verdict: TokenVerdict) {
        let TokenVerdict { digest, signed, verifier } = verdict;
        let requests = self.tokens.waiting.remove(&digest).unwrap_or_default();
        let present = self.workers.setup().tokens.clone();
        if !present.is_some_and(|present| Arc::ptr_eq(&present, &verifier)) {
            // A reload has changed keys or rules meanwhile.
            return requests.into_iter().for_each(|waiting| self.request(waiting.incoming));
        }
        if let Ok(signed) = &signed {
            let policy = verifier.policy();
            let expires_ms = signed.expires_ms(policy.leeway_s);
            let bounds = (policy.remembered, self.now.unix_ms);
            self.tokens.cache.remember(digest, Arc::clone(signed), expires_ms, bounds);
        }
        let names = self.workers.setup().birth.set.names;
        for WaitingRequest { incoming, .. } in requests {
            let (fields, login) = match self.token_request(&incoming) {
                Ok(TokenRequest { fields, login, .. }) => (fields, login),
                Err(failure) => {
                    self.refuse_token(&incoming, &failure);
                    continue;
                }
            };
            let judged = match &signed {
                Ok(signed) => verifier.accept(signed, (&fields, &login), names, self.now.unix_ms).map(|()| &**signed),
                Err(error) => Err(error.clone()),
            };
            if let Some(incoming) = self.settled(incoming, fields, &verifier, judged) {
                self.take_with_token(incoming);
            }
        }
    }

    /// Takes out and answers the requests of `key` that wait for their tokens; returns whether there were any.
    pub(super) fn call_off_unverified(&mut self, key: &RequestKey, failure: &Failure) -> bool {
        let requests = self.tokens.take(key);
        requests.iter().for_each(|incoming| self.refuse_token(incoming, failure));
        !requests.is_empty()
    }

    /// Answers all requests that wait for their tokens with `failure`.
    pub(super) fn answer_unverified(&mut self, failure: &Failure) {
        for waiting in std::mem::take(&mut self.tokens.waiting).into_values().flatten() {
            self.refuse_token(&waiting.incoming, failure);
        }
    }

    /// Hands on a request with verified claims.
    pub(super) fn take_with_token(&mut self, incoming: Incoming) {
        match incoming.verb {
            Verb::Start => self.start(incoming),
            _ => self.ask(incoming),
        }
    }

    /// Reads a request as far as a token needs.
    ///
    /// # Errors
    /// `bad-request`.
    fn token_request(&self, incoming: &Incoming) -> Result<TokenRequest, Failure> {
        let bad = |message: String| Failure::new(FailureName::BadRequest, message);
        let most = self.workers.setup().birth.limits.request_bytes;
        let head = Request::summarize(incoming.body(), most).map_err(|error| bad(error.to_string()))?.head;
        let fields: Value =
            json::parse(incoming.body(), JsonLimits::bytes(most)).map_err(|error| bad(error.about("the request")))?;
        let Value::Object(fields) = fields else {
            return Err(bad(format!("the request must be a JSON object, this is {}", json::kind(&fields))));
        };
        let Head { id, action, login, .. } = head;
        let key = id.map(|id| RequestKey { id, action: Arc::clone(&action), login: Arc::clone(&login) });
        Ok(TokenRequest { fields, key, action, login })
    }

    fn verify(&mut self, incoming: Incoming, key: Option<RequestKey>, check: TokenCheck) {
        if self.tokens.waiting() >= MAX_WAITING {
            let message = format!("the tokens of {MAX_WAITING} requests are being verified already: ask again");
            return self.refuse_token(&incoming, &Failure::new(FailureName::Overloaded, message));
        }
        let waiting = self.tokens.waiting.entry(check.digest).or_default();
        let is_first = waiting.is_empty();
        waiting.push(WaitingRequest { incoming, key });
        if is_first {
            self.order(Effect::Verify(Box::new(check)));
        }
    }

    /// Returns `incoming` with what its token, which was `judged`, makes of it; refuses the request where the token is
    /// not accepted and such requests are refused.
    fn settled(
        &mut self,
        incoming: Incoming,
        mut fields: Map<String, Value>,
        verifier: &TokenVerifier,
        judged: Result<&SignedClaims, TokenError>,
    ) -> Option<Incoming> {
        let names = self.workers.setup().birth.set.names;
        match verifier.settle(&mut fields, judged, names) {
            Ok(ignored) => {
                self.metrics.token_judged(if ignored.is_some() { "ignored" } else { "accepted" });
                Some(rewritten(incoming, fields))
            }
            Err(error) => {
                self.metrics.token_judged(error.name().as_str());
                self.refuse_token(&incoming, &error.failure());
                None
            }
        }
    }

    fn refuse_token(&mut self, incoming: &Incoming, failure: &Failure) {
        match incoming.verb {
            Verb::Start => {
                self.metrics.start_ended(failure.name.as_str());
                self.fail(incoming, failure);
            }
            _ => self.refuse(incoming, failure),
        }
    }
}

/// Returns `incoming` with these `fields` for a body.
fn rewritten(incoming: Incoming, fields: Map<String, Value>) -> Incoming {
    Incoming { payload: Value::Object(fields).to_string().into(), ..incoming }
}

#[cfg(test)]
mod tests;
