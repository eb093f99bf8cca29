//! The standing of a node: how good the node is, by the marks that the probe returns.

use std::cmp::Ordering;

use super::super::value::{Kind, kind};
use super::program::MAX_KEYS;
use super::{KeyOrder, NodeOrder};

/// How good a node is, compared with other nodes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Standing {
    /// The probe has not run, gave up, or returned a figure that is no number: the function has to run over all nodes.
    Odd,
    /// The number of filters that the node passes; the function does not keep the node.
    Lost(u8),
    /// The figures of a node that the function may keep; the least figures are best.
    Kept([f64; MAX_KEYS]),
}

impl NodeOrder {
    /// Returns the standing of a node with these marks.
    pub(super) fn standing(&self, marks: &[u64]) -> Standing {
        let Some((_, figures)) = marks.split_at_checked(self.filters) else {
            return u8::try_from(marks.len()).map_or(Standing::Odd, Standing::Lost);
        };
        if figures.is_empty() {
            return u8::try_from(self.filters).map_or(Standing::Odd, Standing::Lost);
        }
        let mut keys = [0.0; MAX_KEYS];
        if figures.len() != self.keys.len() {
            return Standing::Odd;
        }
        for ((key, order), bits) in keys.iter_mut().zip(&self.keys).zip(figures) {
            *key = match (kind(*bits), order) {
                (Kind::Number(number), _) if number.is_nan() => return Standing::Odd,
                (Kind::Number(number), KeyOrder::LeastFirst) => number,
                (Kind::Number(number), KeyOrder::MostFirst) => -number,
                _ => return Standing::Odd,
            };
        }
        Standing::Kept(keys)
    }
}

/// Compares two standings; the better standing comes first. [`Standing::Odd`] comes before all others, because an odd
/// node may spoil the order.
pub(super) fn compare(own: &Standing, other: &Standing) -> Ordering {
    use Standing::{Kept, Lost, Odd};
    match (own, other) {
        (Odd, Odd) => Ordering::Equal,
        (Odd, _) => Ordering::Less,
        (_, Odd) => Ordering::Greater,
        (Kept(own), Kept(other)) => {
            let each = own.iter().zip(other).map(|(own, other)| own.partial_cmp(other).unwrap_or(Ordering::Equal));
            each.fold(Ordering::Equal, Ordering::then)
        }
        (Kept(_), Lost(_)) => Ordering::Less,
        (Lost(_), Kept(_)) => Ordering::Greater,
        (Lost(own), Lost(other)) => other.cmp(own),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::value;
    use super::*;

    #[test]
    fn marks_are_filters_and_then_figures() {
        let number = value::number;
        let keys = vec![KeyOrder::MostFirst, KeyOrder::LeastFirst];
        let order = NodeOrder { filters: 1, keys, last_wins: false };
        let standing = |marks: &[u64]| order.standing(marks);
        assert_eq!(standing(&[]), Standing::Lost(0));
        assert_eq!(standing(&[number(0.0)]), Standing::Lost(1));
        assert_eq!(standing(&[number(0.0), number(2.0), number(3.0)]), Standing::Kept([-2.0, 3.0, 0.0, 0.0]));
        for odd in [value::NULL, value::UNDEFINED, value::text(3), number(f64::NAN)] {
            assert_eq!(standing(&[number(0.0), number(2.0), odd]), Standing::Odd);
        }
        assert_eq!(standing(&[number(0.0), number(2.0)]), Standing::Odd);
    }
}
