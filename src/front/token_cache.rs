//! The verified tokens that need not be verified again: a user's launcher sends the same token with each request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::token::{SignedClaims, TokenDigest};

/// A bounded number of verified tokens, by their digests. The token that expires first makes way.
#[derive(Debug, Default)]
pub(super) struct TokenCache {
    known: BTreeMap<TokenDigest, (i64, Arc<SignedClaims>)>,
    /// The tokens in the order in which they expire.
    expiries: BTreeSet<(i64, TokenDigest)>,
}

impl TokenCache {
    /// Returns the claims of the token with this `digest`, where the token was verified before.
    pub(super) fn get(&self, digest: &TokenDigest) -> Option<Arc<SignedClaims>> {
        self.known.get(digest).map(|(_, signed)| Arc::clone(signed))
    }

    /// Remembers a verified token until `expires_ms`, as one of at most `most`, and forgets those that have expired by
    /// `now_ms`.
    pub(super) fn remember(
        &mut self,
        digest: TokenDigest,
        signed: Arc<SignedClaims>,
        expires_ms: i64,
        (most, now_ms): (usize, i64),
    ) {
        while let Some(first) = self.expiries.first().copied().filter(|(expires_ms, _)| *expires_ms <= now_ms) {
            self.forget(first);
        }
        if most == 0 || expires_ms <= now_ms {
            return;
        }
        if let Some((before_ms, _)) = self.known.insert(digest, (expires_ms, signed)) {
            self.expiries.remove(&(before_ms, digest));
        }
        self.expiries.insert((expires_ms, digest));
        while self.known.len() > most
            && let Some(first) = self.expiries.first().copied()
        {
            self.forget(first);
        }
    }

    /// Forgets all tokens: other keys or rules may refuse them.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.expiries.clear();
    }

    fn forget(&mut self, entry: (i64, TokenDigest)) {
        self.expiries.remove(&entry);
        self.known.remove(&entry.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u8) -> TokenDigest {
        [number; 32]
    }

    #[test]
    fn so_many_tokens_are_remembered_until_they_expire() {
        let mut cache = TokenCache::default();
        let signed = Arc::new(SignedClaims::default());
        let mut remember = |number: u8, expires_ms: i64, now_ms: i64| {
            cache.remember(digest(number), Arc::clone(&signed), expires_ms, (2, now_ms));
            (1..=4).filter(|number| cache.get(&digest(*number)).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(remember(1, 100, 0), [1]);
        assert_eq!(remember(1, 300, 0), [1], "the same token again");
        assert_eq!(remember(2, 200, 0), [1, 2]);
        assert_eq!(remember(3, 400, 0), [1, 3], "the token that expires first makes way");
        assert_eq!(remember(4, 400, 300), [3, 4], "what has expired is gone");
        assert_eq!(remember(1, 400, 400), [0_u8; 0], "nothing is remembered that has expired");
        cache.remember(digest(1), Arc::clone(&signed), 900, (0, 0));
        assert!(cache.get(&digest(1)).is_none());
        cache.remember(digest(1), signed, 900, (1, 0));
        cache.clear();
        assert!(cache.get(&digest(1)).is_none() && cache.expiries.is_empty());
    }
}
