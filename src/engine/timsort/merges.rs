//! Merges of two adjacent runs, with galloping: a run that wins often is searched in growing steps.

/// The number of times that a run must win in a row before galloping starts.
const MIN_GALLOP: usize = 7;

/// The list, and the comparison that orders the list.
pub(super) struct Merger<T, F> {
    pub(super) work: Vec<T>,
    is_less: F,
    /// The number of times that a run must win in a row at present.
    min_gallop: usize,
}

/// The list that is searched: the sorted list, or the copy of a run.
enum In<'a, T> {
    Work,
    Copy(&'a [T]),
}

impl<T> Clone for In<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for In<'_, T> {}

/// The end of a merge: the rest of the copy is moved as a whole, or the last item of the copy goes to the other end.
enum MergeEnd {
    Copy,
    LastOfCopy,
}

/// Two runs during a merge: the number of items left, and the positions of the next items and of the next result.
struct Cursors {
    a: usize,
    b: usize,
    copy: usize,
    work: usize,
    target: usize,
}

impl<T: Clone, E, F: FnMut(&T, &T) -> Result<bool, E>> Merger<T, F> {
    pub(super) fn new(work: Vec<T>, is_less: F) -> Self {
        Self { work, is_less, min_gallop: MIN_GALLOP }
    }

    pub(super) fn is_less_at(&mut self, left: usize, right: usize) -> Result<bool, E> {
        match (self.work.get(left), self.work.get(right)) {
            (Some(left), Some(right)) => (self.is_less)(left, right),
            _ => Ok(false),
        }
    }

    /// Merges two runs, each given by start and length; the second run follows the first.
    pub(super) fn merge(&mut self, a: (usize, usize), b: (usize, usize)) -> Result<(), E> {
        let ((mut start_a, mut length_a), (start_b, length_b)) = (a, b);
        let Some(first_of_b) = self.work.get(start_b).cloned() else { return Ok(()) };
        let in_place = self.gallop_right(In::Work, &first_of_b, start_a, length_a, 0)?;
        start_a += in_place;
        length_a -= in_place;
        if length_a == 0 {
            return Ok(());
        }
        let Some(last_of_a) = self.work.get(start_a + length_a - 1).cloned() else { return Ok(()) };
        let length_b = self.gallop_left(In::Work, &last_of_a, start_b, length_b, length_b - 1)?;
        if length_b == 0 {
            return Ok(());
        }
        if length_a <= length_b {
            self.merge_low((start_a, length_a), (start_b, length_b))
        } else {
            self.merge_high((start_a, length_a), (start_b, length_b))
        }
    }

    /// Merges from the left, with a copy of the first run.
    fn merge_low(&mut self, a: (usize, usize), b: (usize, usize)) -> Result<(), E> {
        let copy: Vec<T> = self.work.get(a.0..a.0 + a.1).unwrap_or_default().to_vec();
        let mut at = Cursors { a: a.1, b: b.1, copy: 0, work: b.0, target: a.0 };
        self.low_takes_work(&mut at, 1);
        let end = match () {
            () if at.b == 0 => MergeEnd::Copy,
            () if at.a == 1 => MergeEnd::LastOfCopy,
            () => self.merge_low_rest(&mut at, &copy)?,
        };
        match end {
            MergeEnd::Copy => self.low_takes_copy(&mut at, &copy, usize::MAX),
            MergeEnd::LastOfCopy => {
                let left = at.b;
                self.low_takes_work(&mut at, left);
                self.low_takes_copy(&mut at, &copy, 1);
            }
        }
        Ok(())
    }

    fn merge_low_rest(&mut self, at: &mut Cursors, copy: &[T]) -> Result<MergeEnd, E> {
        let mut min_gallop = self.min_gallop;
        loop {
            let (mut wins_a, mut wins_b) = (0, 0);
            while wins_a < min_gallop && wins_b < min_gallop {
                if self.work_is_less(at.work, copy.get(at.copy))? {
                    self.low_takes_work(at, 1);
                    (wins_a, wins_b) = (0, wins_b + 1);
                    if at.b == 0 {
                        return Ok(MergeEnd::Copy);
                    }
                } else {
                    self.low_takes_copy(at, copy, 1);
                    (wins_a, wins_b) = (wins_a + 1, 0);
                    if at.a == 1 {
                        return Ok(MergeEnd::LastOfCopy);
                    }
                }
            }
            min_gallop += 1;
            loop {
                min_gallop = min_gallop.saturating_sub(1).max(1);
                self.min_gallop = min_gallop;
                let Some(key) = self.work.get(at.work).cloned() else { return Ok(MergeEnd::Copy) };
                wins_a = self.gallop_right(In::Copy(copy), &key, at.copy, at.a, 0)?;
                if wins_a > 0 {
                    self.low_takes_copy(at, copy, wins_a);
                    match at.a {
                        0 => return Ok(MergeEnd::Copy),
                        1 => return Ok(MergeEnd::LastOfCopy),
                        _ => {}
                    }
                }
                self.low_takes_work(at, 1);
                if at.b == 0 {
                    return Ok(MergeEnd::Copy);
                }
                let Some(key) = copy.get(at.copy) else { return Ok(MergeEnd::Copy) };
                wins_b = self.gallop_left(In::Work, key, at.work, at.b, 0)?;
                if wins_b > 0 {
                    self.low_takes_work(at, wins_b);
                    if at.b == 0 {
                        return Ok(MergeEnd::Copy);
                    }
                }
                self.low_takes_copy(at, copy, 1);
                if at.a == 1 {
                    return Ok(MergeEnd::LastOfCopy);
                }
                if wins_a < MIN_GALLOP && wins_b < MIN_GALLOP {
                    break;
                }
            }
            min_gallop += 1;
            self.min_gallop = min_gallop;
        }
    }

    /// Moves the next `count` items of the second run to the result.
    fn low_takes_work(&mut self, at: &mut Cursors, count: usize) {
        for _ in 0..count {
            if let Some(item) = self.work.get(at.work).cloned()
                && let Some(target) = self.work.get_mut(at.target)
            {
                *target = item;
            }
            (at.work, at.target) = (at.work + 1, at.target + 1);
        }
        at.b -= count;
    }

    /// Moves up to `count` items of the copy to the result.
    fn low_takes_copy(&mut self, at: &mut Cursors, copy: &[T], count: usize) {
        let count = count.min(at.a);
        let items = copy.get(at.copy..).unwrap_or_default().iter().take(count);
        let targets = self.work.get_mut(at.target..).unwrap_or_default();
        items.zip(targets).for_each(|(item, target)| target.clone_from(item));
        (at.copy, at.target, at.a) = (at.copy + count, at.target + count, at.a - count);
    }

    /// Merges from the right, with a copy of the second run. Positions are stored plus 1, so that none is below zero.
    fn merge_high(&mut self, a: (usize, usize), b: (usize, usize)) -> Result<(), E> {
        let copy: Vec<T> = self.work.get(b.0..b.0 + b.1).unwrap_or_default().to_vec();
        let mut at = Cursors { a: a.1, b: b.1, copy: b.1, work: a.0 + a.1, target: b.0 + b.1 };
        self.high_takes_work(&mut at, 1);
        let end = match () {
            () if at.a == 0 => MergeEnd::Copy,
            () if at.b == 1 => MergeEnd::LastOfCopy,
            () => self.merge_high_rest(&mut at, &copy, a.0)?,
        };
        match end {
            MergeEnd::Copy => self.high_takes_copy(&mut at, &copy, usize::MAX),
            MergeEnd::LastOfCopy => {
                let left = at.a;
                self.high_takes_work(&mut at, left);
                self.high_takes_copy(&mut at, &copy, 1);
            }
        }
        Ok(())
    }

    fn merge_high_rest(&mut self, at: &mut Cursors, copy: &[T], start_a: usize) -> Result<MergeEnd, E> {
        let mut min_gallop = self.min_gallop;
        loop {
            let (mut wins_a, mut wins_b) = (0, 0);
            while wins_a < min_gallop && wins_b < min_gallop {
                if self.copy_is_less(copy.get(at.copy.wrapping_sub(1)), at.work.wrapping_sub(1))? {
                    self.high_takes_work(at, 1);
                    (wins_a, wins_b) = (wins_a + 1, 0);
                    if at.a == 0 {
                        return Ok(MergeEnd::Copy);
                    }
                } else {
                    self.high_takes_copy(at, copy, 1);
                    (wins_a, wins_b) = (0, wins_b + 1);
                    if at.b == 1 {
                        return Ok(MergeEnd::LastOfCopy);
                    }
                }
            }
            min_gallop += 1;
            loop {
                min_gallop = min_gallop.saturating_sub(1).max(1);
                self.min_gallop = min_gallop;
                let Some(key) = copy.get(at.copy.wrapping_sub(1)) else { return Ok(MergeEnd::Copy) };
                wins_a = at.a - self.gallop_right(In::Work, key, start_a, at.a, at.a - 1)?;
                if wins_a > 0 {
                    self.high_takes_work(at, wins_a);
                    if at.a == 0 {
                        return Ok(MergeEnd::Copy);
                    }
                }
                self.high_takes_copy(at, copy, 1);
                if at.b == 1 {
                    return Ok(MergeEnd::LastOfCopy);
                }
                let Some(key) = self.work.get(at.work.wrapping_sub(1)).cloned() else { return Ok(MergeEnd::Copy) };
                wins_b = at.b - self.gallop_left(In::Copy(copy), &key, 0, at.b, at.b - 1)?;
                if wins_b > 0 {
                    self.high_takes_copy(at, copy, wins_b);
                    match at.b {
                        0 => return Ok(MergeEnd::Copy),
                        1 => return Ok(MergeEnd::LastOfCopy),
                        _ => {}
                    }
                }
                self.high_takes_work(at, 1);
                if at.a == 0 {
                    return Ok(MergeEnd::Copy);
                }
                if wins_a < MIN_GALLOP && wins_b < MIN_GALLOP {
                    break;
                }
            }
            min_gallop += 1;
            self.min_gallop = min_gallop;
        }
    }

    /// Moves the last `count` items of the first run to the result.
    fn high_takes_work(&mut self, at: &mut Cursors, count: usize) {
        for _ in 0..count {
            (at.work, at.target) = (at.work.saturating_sub(1), at.target.saturating_sub(1));
            if let Some(item) = self.work.get(at.work).cloned()
                && let Some(target) = self.work.get_mut(at.target)
            {
                *target = item;
            }
        }
        at.a -= count;
    }

    /// Moves up to `count` items from the end of the copy to the result.
    fn high_takes_copy(&mut self, at: &mut Cursors, copy: &[T], count: usize) {
        let count = count.min(at.b);
        (at.copy, at.target, at.b) = (at.copy - count, at.target.saturating_sub(count), at.b - count);
        let items = copy.get(at.copy..).unwrap_or_default().iter().take(count);
        let targets = self.work.get_mut(at.target..).unwrap_or_default();
        items.zip(targets).for_each(|(item, target)| target.clone_from(item));
    }

    fn work_is_less(&mut self, place: usize, other: Option<&T>) -> Result<bool, E> {
        match (self.work.get(place), other) {
            (Some(item), Some(other)) => (self.is_less)(item, other),
            _ => Ok(false),
        }
    }

    fn copy_is_less(&mut self, item: Option<&T>, place: usize) -> Result<bool, E> {
        match (item, self.work.get(place)) {
            (Some(item), Some(other)) => (self.is_less)(item, other),
            _ => Ok(false),
        }
    }

    fn item_is_less(&mut self, list: In<'_, T>, place: usize, key: &T) -> Result<bool, E> {
        let item = match list {
            In::Work => self.work.get(place),
            In::Copy(copy) => copy.get(place),
        };
        item.map_or(Ok(false), |item| (self.is_less)(item, key))
    }

    fn key_is_less(&mut self, key: &T, list: In<'_, T>, place: usize) -> Result<bool, E> {
        let item = match list {
            In::Work => self.work.get(place),
            In::Copy(copy) => copy.get(place),
        };
        item.map_or(Ok(false), |item| (self.is_less)(key, item))
    }

    /// Returns the number of items of the run that `key` belongs behind, in front of equal items; the search starts at
    /// `hint`.
    fn gallop_left(&mut self, list: In<'_, T>, key: &T, base: usize, length: usize, hint: usize) -> Result<usize, E> {
        let (mut last, mut offset) = (0, 1);
        let (mut low, mut high) = if self.item_is_less(list, base + hint, key)? {
            let max = length - hint;
            while offset < max && self.item_is_less(list, base + hint + offset, key)? {
                (last, offset) = (offset, leap(offset));
            }
            (last + hint + 1, offset.min(max) + hint)
        } else {
            let max = hint + 1;
            while offset < max && !self.item_is_less(list, base + hint - offset, key)? {
                (last, offset) = (offset, leap(offset));
            }
            (hint + 1 - offset.min(max), hint - last)
        };
        while low < high {
            let middle = low + (high - low) / 2;
            if self.item_is_less(list, base + middle, key)? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(high)
    }

    /// Returns the number of items of the run that `key` belongs behind, after equal items; the search starts at
    /// `hint`.
    fn gallop_right(&mut self, list: In<'_, T>, key: &T, base: usize, length: usize, hint: usize) -> Result<usize, E> {
        let (mut last, mut offset) = (0, 1);
        let (mut low, mut high) = if self.key_is_less(key, list, base + hint)? {
            let max = hint + 1;
            while offset < max && self.key_is_less(key, list, base + hint - offset)? {
                (last, offset) = (offset, leap(offset));
            }
            (hint + 1 - offset.min(max), hint - last)
        } else {
            let max = length - hint;
            while offset < max && !self.key_is_less(key, list, base + hint + offset)? {
                (last, offset) = (offset, leap(offset));
            }
            (last + hint + 1, offset.min(max) + hint)
        };
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key_is_less(key, list, base + middle)? {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(high)
    }
}

/// Returns the next longer step.
fn leap(offset: usize) -> usize {
    offset.saturating_mul(2).saturating_add(1)
}
