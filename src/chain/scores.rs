//! The scores of a step, kept while a decision is to be explained: the best, and that of the node asked about.

use std::sync::Arc;

use crate::model::diagnosis::{MAX_BEST, MAX_SCORED, Scored};

use super::{Ask, Purpose};

/// The best scores so far.
#[derive(Debug, Default)]
pub(super) struct Scores {
    about: Option<Arc<str>>,
    /// At most `most`, best first.
    best: Vec<Ranked>,
    most: usize,
    asked: Option<Scored>,
}

#[derive(Debug)]
struct Ranked {
    /// The number of the choice in which the node was last chosen.
    since: u64,
    scored: Scored,
}

impl Scores {
    /// Returns an empty collection, if `ask` wants the decision explained.
    pub(super) fn wanted_by(ask: &Ask) -> Option<Self> {
        let most = if ask.purpose == Purpose::Explain { MAX_SCORED } else { MAX_BEST };
        ask.is_explained().then(|| Self { about: ask.about.clone(), most, ..Self::default() })
    }

    /// Adds the `score` of `node`, which counts `unit`. The lowest `rank` is the best; between equal ranks the node with the
    /// lower `since`, which was chosen longer ago.
    pub(super) fn add(&mut self, node: &Arc<str>, (rank, since): (f64, u64), (score, unit): (f64, &str)) {
        let scored = || Scored { node: Arc::clone(node), score, rank, unit: unit.into() };
        if self.about.as_ref() == Some(node) {
            self.asked = Some(scored());
        }
        let is_before = |kept: &Ranked| kept.scored.rank < rank || (kept.scored.rank == rank && kept.since <= since);
        let place = self.best.partition_point(is_before);
        if place < self.most {
            self.best.insert(place, Ranked { since, scored: scored() });
            self.best.truncate(self.most);
        }
    }

    /// Returns the best nodes, best first, and after them the node that the question names.
    pub(super) fn into_scored(self) -> Vec<Scored> {
        let mut scores: Vec<_> = self.best.into_iter().map(|ranked| ranked.scored).collect();
        let asked = self.asked.filter(|asked| scores.iter().all(|scored| scored.node != asked.node));
        scores.extend(asked);
        scores
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_five_are_told_and_the_node_asked_about() {
        let mut scores = Scores { about: Some("n3".into()), most: MAX_BEST, ..Scores::default() };
        for (number, score) in [(0, 5.0), (1, 9.0), (2, 9.0), (3, 1.0), (4, 7.0), (5, 6.0), (6, 8.0)] {
            // n1 was chosen after n2.
            let since = u64::from(number == 1);
            scores.add(&format!("n{number}").into(), (-score, since), (score, ""));
        }
        let scores: Vec<_> =
            scores.into_scored().into_iter().map(|scored| format!("{} {scored}", scored.node)).collect();
        assert_eq!(scores, ["n2 9", "n1 9", "n6 8", "n4 7", "n5 6", "n3 1"]);
    }
}
