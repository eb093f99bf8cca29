//! Sorting that no comparator can break: a stable merge sort, which follows any comparator and always ends.
//!
//! Rust's own sort panics when the order is inconsistent: above 20 elements, with comparators as plausible as `(a, b)
//! => b.freemem - a.freemem` where a node lacks the figure. Engines that pass a script's comparator to Rust's sort
//! would crash the worker.

/// Sorts bottom up, without recursion; equal items keep their order.
///
/// # Errors
/// The first error of `is_after`, which says whether the left item belongs behind the right.
pub(super) fn merge_sort<T, E>(
    mut items: Vec<T>,
    mut is_after: impl FnMut(&T, &T) -> Result<bool, E>,
) -> Result<Vec<T>, E> {
    let mut width = 1;
    while width < items.len() {
        let mut merged = Vec::with_capacity(items.len());
        let mut rest = items.into_iter();
        loop {
            let left: Vec<T> = rest.by_ref().take(width).collect();
            if left.is_empty() {
                break;
            }
            let right: Vec<T> = rest.by_ref().take(width).collect();
            merge(left, right, &mut merged, &mut is_after)?;
        }
        items = merged;
        width *= 2;
    }
    Ok(items)
}

fn merge<T, E>(
    left: Vec<T>,
    right: Vec<T>,
    merged: &mut Vec<T>,
    is_after: &mut impl FnMut(&T, &T) -> Result<bool, E>,
) -> Result<(), E> {
    // Lists that are in order already, or all equal, cost a single call per merge.
    if let (Some(last), Some(first)) = (left.last(), right.first())
        && !is_after(last, first)?
    {
        merged.extend(left);
        merged.extend(right);
        return Ok(());
    }
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(first), Some(second)) = (left.peek(), right.peek()) {
        let next = if is_after(first, second)? { right.next() } else { left.next() };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_comparator_ends_and_a_sound_one_sorts_stably() {
        let mut state = 1_u64;
        let mut coin = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 63 == 0
        };
        for length in [0, 1, 2, 3, 31, 64, 1_000] {
            let items: Vec<usize> = (0..length).rev().collect();
            let mut shuffled = merge_sort(items, |_, _| Ok::<_, ()>(coin())).unwrap();
            shuffled.sort_unstable();
            assert_eq!(shuffled, (0..length).collect::<Vec<_>>());
        }
        let pairs = vec![(2, 'a'), (1, 'a'), (2, 'b'), (1, 'b'), (0, 'a')];
        let sorted = merge_sort(pairs, |left, right| Ok::<_, ()>(left.0 > right.0)).unwrap();
        assert_eq!(sorted, [(0, 'a'), (1, 'a'), (1, 'b'), (2, 'a'), (2, 'b')]);
        assert!(merge_sort(vec![1, 2], |_, _| Err(())).is_err());
    }
}
