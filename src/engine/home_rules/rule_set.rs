//! A set of rules, a bit for each rule of the table: which rules a user meets is found for all rules at once.

/// A set of rules, by their places in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RuleSet(Vec<u64>);

const BITS: usize = u64::BITS as usize;

impl RuleSet {
    /// Returns the empty set for a table of `rules` rules.
    pub(super) fn none(rules: usize) -> Self {
        Self(vec![0; rules.div_ceil(BITS)])
    }

    /// Returns the set of those of `rules` rules whose places `holds` accepts.
    pub(super) fn of(rules: usize, holds: impl Fn(usize) -> bool) -> Self {
        let mut set = Self::none(rules);
        (0..rules).filter(|rule| holds(*rule)).for_each(|rule| set.insert(rule));
        set
    }

    /// Adds the rule at this place.
    pub(super) fn insert(&mut self, rule: usize) {
        if let Some(word) = self.0.get_mut(rule / BITS) {
            *word |= 1 << (rule % BITS);
        }
    }

    /// Whether the set has the rule at this place.
    pub(super) fn has(&self, rule: usize) -> bool {
        self.0.get(rule / BITS).is_some_and(|word| word & (1 << (rule % BITS)) != 0)
    }

    /// Removes the rules that `other` does not have.
    pub(super) fn keep(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(own, other)| *own &= other);
    }

    /// Returns the first rule of the set, in the order of the table.
    pub(super) fn first(&self) -> Option<usize> {
        let (place, word) = self.0.iter().enumerate().find(|(_, word)| **word != 0)?;
        Some(place * BITS + word.trailing_zeros() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_is_found_across_words() {
        let mut set = RuleSet::of(200, |rule| rule % 70 == 69);
        assert_eq!((set.first(), set.has(139), set.has(140)), (Some(69), true, false));
        set.keep(&RuleSet::of(200, |rule| rule > 100));
        assert_eq!(set.first(), Some(139));
        set.keep(&RuleSet::none(200));
        assert_eq!((set.first(), set.has(1000)), (None, false));
    }
}
