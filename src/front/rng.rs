//! The front's random numbers: seeds, which are public, and ids, which must not be guessed.
//!
//! A single cryptographically strong stream serves both: the published parts say nothing about the rest. The stream is
//! seeded once from the operating system, so that an id costs no system call.

use std::sync::Arc;

use chacha20::ChaCha12Rng;
use chacha20::rand_core::{Rng, SeedableRng};

use crate::registry::ids;

/// The stream of random numbers of a front.
pub(super) struct FrontRng(ChaCha12Rng);

impl FrontRng {
    /// Creates the stream that follows from `entropy`, which must be secret.
    pub(super) fn new(entropy: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(entropy))
    }

    /// Returns a name for this replica.
    pub(super) fn name(&mut self) -> Arc<str> {
        format!("{:08x}", self.0.next_u32()).into()
    }

    /// Returns the seed of a decision.
    pub(super) fn seed(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Returns the id of the next decision of `replica`, and of the reservation that the decision may make.
    pub(super) fn id(&mut self, replica: &str) -> Arc<str> {
        let mut random = [0; ids::RANDOM_BYTES];
        self.0.fill_bytes(&mut random);
        ids::made_by(replica, random)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_ids_are_alike_and_the_entropy_decides() {
        let mut chance = FrontRng::new([7; 32]);
        let made: BTreeSet<_> = (0..10_000).map(|_| chance.id("me")).collect();
        assert_eq!(made.len(), 10_000);
        assert!(made.iter().all(|id| ids::is_well_formed(id)));
        let mut other = FrontRng::new([8; 32]);
        assert!((0..1000).all(|_| !made.contains(&other.id("me"))));
    }
}
