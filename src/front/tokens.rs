//! The tokens of requests: verified before anything else is done with a request, outside of the front.
//!
//! A signature costs up to a millisecond, which the front has for no request: the driver verifies it elsewhere
//! ([`Effect::Verify`]), and the request waits here. What a verified token says is written into the request, in the place
//! of the requester's own words; so everything behind this file, workers, programs and recorded decisions, knows nothing
//! of tokens. Without a section `[tokens]` a request passes with one look.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::model::head::DEFAULT_ACTION;
use crate::model::json::{self, JsonLimits};
use crate::model::{Failure, FailureName, Request};
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
    /// The request with the token, which is not copied out of it.
    request: Map<String, Value>,
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
        let Self { digest, request, verifier } = self;
        let token = request_token(&request, verifier.policy());
        let signed = token.and_then(|token| verifier.signed(token)).map(Arc::new);
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

/// What is known of a request that needs a token.
struct TokenRequest {
    fields: Map<String, Value>,
    key: Option<RequestKey>,
    login: Arc<str>,
}

impl Front {
    /// Returns `incoming` with the claims of its verified token, where the request may be handled now; keeps the request
    /// until its token is verified, or refuses the request.
    pub(super) fn with_token(&mut self, incoming: Incoming) -> Option<Incoming> {
        let Some(verifier) = self.workers.setup().tokens.clone() else { return Some(incoming) };
        // What is wrong with a request is told by whoever takes the request in.
        let Some(TokenRequest { mut fields, key, login }) = self.token_request(&incoming) else {
            return Some(incoming);
        };
        let birth = &self.workers.setup().birth;
        let action = fields.get("action").and_then(Value::as_str).unwrap_or(DEFAULT_ACTION);
        let Some(chain) = birth.set.get(action) else { return Some(incoming) };
        if !chain.verify_jwt {
            return Some(if without_claims(&mut fields) { rewritten(incoming, fields) } else { incoming });
        }
        let token = match request_token(&fields, verifier.policy()) {
            Ok(token) => token,
            Err(error) => return self.settled(incoming, fields, &verifier, Err(error)),
        };
        let digest = TokenVerifier::digest(token);
        if let Some(signed) = self.tokens.cache.get(&digest) {
            let judged = verifier.accept(&signed, &login, birth.set.names, self.now.unix_ms);
            return self.settled(incoming, fields, &verifier, judged.map(|()| &*signed));
        }
        self.verify(incoming, key, TokenCheck { digest, request: fields, verifier });
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
            let Some(TokenRequest { fields, login, .. }) = self.token_request(&incoming) else { continue };
            let judged = match &signed {
                Ok(signed) => verifier.accept(signed, &login, names, self.now.unix_ms).map(|()| &**signed),
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

    fn token_request(&self, incoming: &Incoming) -> Option<TokenRequest> {
        let most = self.workers.setup().birth.limits.request_bytes;
        let Ok(Value::Object(fields)) = json::parse(incoming.body(), JsonLimits::bytes(most)) else { return None };
        let head = Request::summarize(incoming.body(), most).ok()?.head;
        let login = Arc::clone(&head.login);
        let key = head.id.map(|id| RequestKey { id, action: head.action, login: head.login });
        Some(TokenRequest { fields, key, login })
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
        match verifier.settle(&mut fields, judged) {
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
