//! Reservation ids: made so that nobody can guess an id, because anybody who names a reservation may end that
//! reservation.
//!
//! An id is the name of the replica that made the reservation, a `-`, and 128 random bits in base32. The decision has
//! the same id. Rejected: a number that counts up, from which a launcher that may place learns the ids of all others.

use std::sync::Arc;

use data_encoding::BASE32_DNSSEC;

use super::peers::owner;

/// The number of random bytes in an id.
pub const RANDOM_BYTES: usize = 16;
/// The number of characters that the random bytes of an id take.
const RANDOM_CHARACTERS: usize = 26;
/// The longest name of a replica within an id, in bytes.
const MOST_REPLICA_BYTES: usize = 64;

/// Returns the id of a reservation that `replica` makes; only the requester is told the bytes in `random`.
#[must_use]
pub fn made_by(replica: &str, random: [u8; RANDOM_BYTES]) -> Arc<str> {
    let mut id = String::with_capacity(replica.len() + 1 + RANDOM_CHARACTERS);
    id.push_str(replica);
    id.push('-');
    BASE32_DNSSEC.encode_append(&random, &mut id);
    id.into()
}

/// Whether `id` has the form of an id that [`made_by`] returns. Any other text names no reservation of this release.
#[must_use]
pub fn is_well_formed(id: &str) -> bool {
    let replica = owner(id);
    let random = id.strip_prefix(replica).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
    (1..=MOST_REPLICA_BYTES).contains(&replica.len())
        && random.len() == RANDOM_CHARACTERS
        && BASE32_DNSSEC.decode(random.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nats::subjects::encode_key;

    #[test]
    fn an_id_names_its_replica_and_is_fit_for_headers_and_subjects() {
        for random in [[0; RANDOM_BYTES], [255; RANDOM_BYTES], *b"0123456789abcdef"] {
            let id = made_by("1234abcd", random);
            assert_eq!((owner(&id), id.len()), ("1234abcd", 8 + 1 + RANDOM_CHARACTERS), "{id}");
            assert!(is_well_formed(&id) && encode_key(&id) == *id, "{id}");
        }
        assert_ne!(made_by("1234abcd", [0; RANDOM_BYTES]), made_by("1234abcd", [1; RANDOM_BYTES]));
    }

    #[test]
    fn other_texts_are_no_ids() {
        let long = format!("{}-{}", "a".repeat(65), "0".repeat(26));
        for text in ["", "-", "a-1", "1234abcd-17", "00000000000000000000000000", "-00000000000000000000000000", &long]
        {
            assert!(!is_well_formed(text), "{text}");
        }
        assert!(
            !is_well_formed("a-zzzzzzzzzzzzzzzzzzzzzzzzzz") && !is_well_formed("a-0000000000000000000000000\u{fc}")
        );
    }
}
