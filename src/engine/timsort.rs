//! V8's sort, step for step: for any comparator, even for a contradictory comparator, the order is the same as on the
//! script's old host.
//!
//! `(a, b) => b.freemem - a.freemem` returns NaN where a node reports no memory, and then defines no order; the result
//! depends on the pairs that are compared. So this is TimSort as in V8 (`third_party/v8/builtins/array-sort.tq`), with
//! V8's runs, binary insertion, galloping and merges, and compares the same pairs in the same order. Rust's own sort
//! was rejected, since that sort panics at such comparators, and a plain merge sort, since that order differs.

mod merges;

use merges::Merger;

/// The limit below which a list is a single run; longer lists get runs of at least half this length, by binary
/// insertion.
const MIN_MERGE: usize = 64;

/// Returns `items` in the order of `is_less`, which says whether the first argument belongs before the second.
///
/// # Errors
/// The first error of `is_less`.
pub(super) fn timsort<T: Clone, E>(items: Vec<T>, is_less: impl FnMut(&T, &T) -> Result<bool, E>) -> Result<Vec<T>, E> {
    let (mut low, mut left) = (0, items.len());
    if left < 2 {
        return Ok(items);
    }
    let min_run = min_run(left);
    let mut sort = Sort { merger: Merger::new(items, is_less), runs: Vec::new() };
    while left > 0 {
        let mut length = sort.natural_run(low, low + left)?;
        if length < min_run {
            let forced = min_run.min(left);
            sort.insert(low, low + length, low + forced)?;
            length = forced;
        }
        sort.runs.push(SortedRun { start: low, length });
        sort.collapse()?;
        low += length;
        left -= length;
    }
    sort.collapse_all()?;
    Ok(sort.merger.work)
}

/// Returns the least length of a run, such that the number of runs is a power of two or a little less.
fn min_run(mut length: usize) -> usize {
    let mut odd = 0;
    while length >= MIN_MERGE {
        odd |= length & 1;
        length >>= 1;
    }
    length + odd
}

/// A stretch that is in order.
#[derive(Clone, Copy, Default)]
struct SortedRun {
    start: usize,
    length: usize,
}

/// A sort under way.
struct Sort<T, F> {
    merger: Merger<T, F>,
    /// The runs that wait to be merged.
    runs: Vec<SortedRun>,
}

impl<T: Clone, E, F: FnMut(&T, &T) -> Result<bool, E>> Sort<T, F> {
    /// Returns the length of the run that starts at `low`; a descending run is reversed.
    fn natural_run(&mut self, low: usize, high: usize) -> Result<usize, E> {
        if low + 1 == high {
            return Ok(1);
        }
        let descends = self.merger.is_less_at(low + 1, low)?;
        let mut end = low + 2;
        while end < high && self.merger.is_less_at(end, end - 1)? == descends {
            end += 1;
        }
        if descends && let Some(run) = self.merger.work.get_mut(low..end) {
            run.reverse();
        }
        Ok(end - low)
    }

    /// Inserts the items from `start` to `high` into the run that begins at `low`.
    fn insert(&mut self, low: usize, start: usize, high: usize) -> Result<(), E> {
        for place in start.max(low + 1)..high {
            let (mut left, mut right) = (low, place);
            while left < right {
                let middle = left + (right - left) / 2;
                if self.merger.is_less_at(place, middle)? {
                    right = middle;
                } else {
                    left = middle + 1;
                }
            }
            if let Some(shifted) = self.merger.work.get_mut(left..=place) {
                shifted.rotate_right(1);
            }
        }
        Ok(())
    }

    fn length(&self, run: usize) -> usize {
        self.runs.get(run).map_or(0, |run| run.length)
    }

    /// Whether the run in this place is short enough compared with the two runs below.
    fn is_balanced(&self, run: usize) -> bool {
        run < 2 || self.length(run - 2) > self.length(run - 1) + self.length(run)
    }

    /// Merges until the lengths of the waiting runs fall quickly enough.
    fn collapse(&mut self) -> Result<(), E> {
        while let Some(mut run) = self.runs.len().checked_sub(2) {
            if !self.is_balanced(run + 1) || !self.is_balanced(run) {
                if run > 0 && self.length(run - 1) < self.length(run + 1) {
                    run -= 1;
                }
            } else if self.length(run) > self.length(run + 1) {
                break;
            }
            self.merge_at(run)?;
        }
        Ok(())
    }

    fn collapse_all(&mut self) -> Result<(), E> {
        while let Some(mut run) = self.runs.len().checked_sub(2) {
            if run > 0 && self.length(run - 1) < self.length(run + 1) {
                run -= 1;
            }
            self.merge_at(run)?;
        }
        Ok(())
    }

    /// Merges the run in this place with the next run.
    fn merge_at(&mut self, run: usize) -> Result<(), E> {
        let (Some(a), Some(b)) = (self.runs.get(run).copied(), self.runs.get(run + 1).copied()) else { return Ok(()) };
        self.runs.remove(run + 1);
        if let Some(merged) = self.runs.get_mut(run) {
            merged.length = a.length + b.length;
        }
        self.merger.merge((a.start, a.length), (b.start, b.length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_comparator_says_every_item_is_there_once() {
        let mut state = 1_u32;
        let mut coin = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 31 == 1
        };
        for length in [0_u32, 1, 2, 3, 20, 63, 64, 65, 200, 1_000, 5_000] {
            let items: Vec<u32> = (0..length).collect();
            let mut shuffled = timsort(items.clone(), |_, _| Ok::<_, ()>(coin())).unwrap();
            shuffled.sort_unstable();
            assert_eq!(shuffled, items);
        }
    }

    /// Checks 10,000 lists that Node.js sorted (`tests/javascript/node/tables.mjs`), most of them with a contradictory
    /// comparator; for each list there is a hash of the resulting order.
    #[test]
    fn v8_comes_to_the_same_order() {
        let path = format!("{}/tests/data/javascript/sorts.jsonl", env!("CARGO_MANIFEST_DIR"));
        let table = std::fs::read_to_string(path).unwrap();
        for row in table.lines() {
            let (seed, length, kind, print): (u32, u32, String, u32) = serde_json::from_str(row).unwrap();
            let state = std::cell::Cell::new(seed);
            let next = || {
                state.set(state.get().wrapping_mul(1_103_515_245).wrapping_add(12_345) & 0x7fff_ffff);
                i64::from(state.get() >> 8)
            };
            let spread = 1 + next() % 50;
            let item = |number: u32| {
                let key = next() % spread;
                let value = (next() % 4 != 0).then(|| next() % 100);
                (i64::from(number), key, value)
            };
            let mut list: Vec<_> = (0..length).map(item).collect();
            if next() % 4 == 0 {
                list = timsort(list, |a, b| Ok::<_, ()>(a.1 < b.1)).unwrap();
            }
            let told = |a: &(i64, i64, Option<i64>), b: &(i64, i64, Option<i64>)| match kind.as_str() {
                // Where an item reports nothing, the comparator returns NaN.
                "nan" => a.2.zip(b.2).map_or(0, |(a, b)| b - a),
                "sane" => a.1 - b.1,
                "truth" => i64::from(a.1 > b.1),
                "coin" => (a.0 * 7 + b.0 * 13) % 5 - 2,
                "cycle" => (a.1 - b.1 + 10) % 3 - 1,
                _ => next() % 3 - 1,
            };
            let sorted = timsort(list, |a, b| Ok::<_, ()>(told(a, b) < 0)).unwrap();
            let fold = |print: u32, item: &(i64, i64, Option<i64>)| (print ^ item.0 as u32).wrapping_mul(0x0100_0193);
            assert_eq!(sorted.iter().fold(0x811c_9dc5, fold), print, "{row}");
        }
    }

    #[test]
    fn equal_ones_keep_their_order_and_errors_end_it() {
        for period in [2, 7, 64, 999] {
            let pairs: Vec<(u32, u32)> = (0..3_000).map(|number| (number * 7_919 % period, number)).collect();
            let mut expected = pairs.clone();
            expected.sort_by_key(|pair| pair.0);
            let sorted = timsort(pairs, |left, right| Ok::<_, ()>(left.0 < right.0)).unwrap();
            assert_eq!(sorted, expected);
        }
        assert!(timsort(vec![1, 2], |_, _| Err(())).is_err());
    }
}
