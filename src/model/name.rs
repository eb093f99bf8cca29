//! A name as a key of a large tree: a number that stands in the tree itself is compared first.
//!
//! A tree of a hundred thousand texts is twenty comparisons deep, and each comparison follows a pointer to memory that
//! is in no CPU cache: in a login storm that was a sixth of all CPU time. Rejected: hash tables, because their order
//! differs from run to run, or, with a hash that anybody can compute, because they can be made to collide; here a
//! collision costs a comparison of texts.

use std::sync::Arc;

/// A name, ordered by print and then by text: the same in each process, and without a meaning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Name {
    print: u64,
    pub(super) text: Arc<str>,
}

impl Name {
    /// Returns the name `text`.
    pub(super) fn of(text: &Arc<str>) -> Self {
        Self { print: print(text.as_bytes()), text: Arc::clone(text) }
    }
}

/// Returns a number that differs for nearly all texts: eight bytes at a time, each time the two halves of a product, as
/// in wyhash and rustc's own tables.
fn print(text: &[u8]) -> u64 {
    const FACTOR: u128 = 0x9e37_79b9_7f4a_7c15;
    let mut print = text.len() as u64;
    for chunk in text.chunks(8) {
        let mut bytes = [0; 8];
        bytes.iter_mut().zip(chunk).for_each(|(place, byte)| *place = *byte);
        let product = u128::from(print ^ u64::from_le_bytes(bytes)) * FACTOR;
        print = (product >> 64) as u64 ^ product as u64;
    }
    print
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn equal_texts_are_equal_names_and_prints_hardly_ever_meet() {
        let names: Vec<Arc<str>> = (0..100_000).map(|number| format!("user{number:05}").into()).collect();
        assert!(names.iter().all(|name| Name::of(name) == Name::of(&name.to_string().into())));
        let prints: BTreeSet<_> = names.iter().map(|name| print(name.as_bytes())).collect();
        assert_eq!(prints.len(), names.len());
        assert_ne!(print(b"a"), print(b"a\0"), "the length counts");
    }

    #[test]
    fn names_whose_prints_meet_are_told_apart_by_their_texts() {
        let name = |text: &str| Name { print: 7, text: text.into() };
        let names = BTreeSet::from([name("b"), name("a"), name("b")]);
        assert_eq!(names.iter().map(|name| &*name.text).collect::<Vec<_>>(), ["a", "b"]);
    }
}
