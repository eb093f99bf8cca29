//! The marks of nodes as the mirror keeps them, and what follows from them for placements.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Now;
use crate::model::{Change, Marks};

use super::super::RegistryEvent;
use super::super::mark::{CoolDown, Mark};
use super::{ClusterMirror, Incarnation, MirrorRound, Output};

impl ClusterMirror {
    /// Settles the marks that a round did not see. Where the bucket held them, somebody purged them; with a new bucket
    /// they were lost, and a cordon must outlive that: the mark is written again, and again where that did not succeed
    /// before the next round.
    pub(super) fn settle_marks(&mut self, round: &MirrorRound, before: Option<&Incarnation>, now: Now) {
        let Some(before) = before else { return };
        let unseen: Vec<(Arc<str>, Mark)> =
            self.shared_marks(|marks| marks.iter().filter(|(id, _)| !round.marks.contains(*id)).map(owned).collect());
        let is_other = before.marks != round.incarnation.marks;
        for (id, mark) in unseen {
            if !is_other && !self.lost_marks.contains(&id) {
                self.set_mark(&id, Mark::default(), now);
            } else {
                self.lost_marks.insert(Arc::clone(&id));
                self.outputs.push(Output::Restore(id, Box::new(mark)));
            }
        }
    }

    /// Takes in the mark of `id`. A cool-down counts once: the same mark read again begins no new pause.
    pub(super) fn set_mark(&mut self, id: &Arc<str>, mark: Mark, now: Now) {
        let before = self.mark_of(id);
        if before == mark {
            return;
        }
        if before.cooling_down != mark.cooling_down {
            let end = mark.cooling_down.as_ref().and_then(|cool_down| self.end_of(cool_down, now));
            self.cooling.set(id, end);
        }
        let (in_force, is_forgotten) = (self.in_force(id, &mark), mark.forgotten.is_some());
        self.shared_marks(|marks| {
            marks.remove(id);
            if mark != Mark::default() {
                marks.insert(Arc::clone(id), mark);
            }
        });
        self.event(RegistryEvent::Change(Change::Mark(Arc::clone(id), in_force)));
        if is_forgotten && self.liveness.is_stale(id) {
            self.forget(id);
        }
    }

    /// The end of `cool_down`; `None` where the cool-down is over. Never later than this replica's own longest pause,
    /// whichever clock wrote the mark. A mark read between rounds has just been written; a mark read during a round
    /// may have been stored for long.
    fn end_of(&self, cool_down: &CoolDown, now: Now) -> Option<Instant> {
        let left_ms = match self.round {
            None => cool_down.from_now_ms(now.unix_ms),
            Some(_) => cool_down.left_ms(now.unix_ms),
        };
        let left_ms = left_ms.min(self.longest_pause.load(Ordering::Relaxed));
        now.instant.checked_add(Duration::from_millis(left_ms)).filter(|end| *end > now.instant)
    }

    /// The consequences of `mark`, the mark of `id`, for placements now.
    pub(super) fn in_force(&self, id: &str, mark: &Mark) -> Marks {
        Marks { cordoned: mark.keeps_out(self.holds), cooling_down: self.cooling.is_on(id) }
    }

    pub(super) fn mark_of(&self, id: &str) -> Mark {
        self.shared_marks(|marks| marks.get(id).cloned().unwrap_or_default())
    }

    fn shared_marks<T>(&self, read: impl FnOnce(&mut BTreeMap<Arc<str>, Mark>) -> T) -> T {
        read(&mut self.marks.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn owned((id, mark): (&Arc<str>, &Mark)) -> (Arc<str>, Mark) {
    (Arc::clone(id), mark.clone())
}
