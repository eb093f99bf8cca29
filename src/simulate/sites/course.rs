//! What became of a day of many sites, in figures.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Cut, SITES_ASKED};

/// The outcome of a simulated day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SitesOutcome {
    /// The sites, in order.
    pub sites: Vec<SiteCourse>,
    /// Sessions that were placed at the user's home site.
    pub at_home: u64,
    /// Sessions that were placed at another site.
    pub elsewhere: u64,
    /// Requests that got no place, by the reason: `no-node` where the first tier knew no site with room, else how the last
    /// try ended.
    pub refused: BTreeMap<String, u64>,
    /// Refused requests for which a site that could be reached had room.
    pub avoidable: u64,
    /// Placed sessions by the number of sites that were asked, from 1 on.
    pub tries: [u64; SITES_ASKED],
    /// Tries at a site that had no node left, contrary to its summary.
    pub full: u64,
    /// Tries at a site that did not answer.
    pub unanswered: u64,
    /// The age of the summary by which a site was chosen.
    pub ages: Ages,
    /// Summaries that crossed gateways, once for each receiving site.
    pub summaries: GatewayTraffic,
    /// Requests to other sites with their replies.
    pub requests: GatewayTraffic,
    /// The most messages of that kind in one second, as the mean of a minute.
    pub busiest_requests: f64,
    /// Summaries that were lost, those of a cut not counted.
    pub lost: u64,
    /// Bytes of the summaries that one first tier keeps.
    pub kept_bytes: u64,
    /// The sites, once in five minutes.
    pub samples: Vec<SitesSample>,
    /// The cuts, in the order of the scenario.
    pub cuts: Vec<CutCourse>,
}

/// What became of one site.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SiteCourse {
    /// How many sessions the ready nodes take.
    pub capacity: u64,
    /// The users whose home site it is.
    pub users: u64,
    /// Of these, those who were placed there.
    pub at_home: u64,
    /// Of these, those who were placed elsewhere.
    pub sent: u64,
    /// Of these, those who were refused.
    pub refused: u64,
    /// Users of other sites who were placed here.
    pub taken: u64,
}

/// Messages over gateways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatewayTraffic {
    /// How many.
    pub messages: u64,
    /// Their bodies, in bytes.
    pub bytes: u64,
}

/// The ages of the summaries that decided, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ages {
    /// Half of them are at most so old.
    pub p50_ms: u32,
    /// Of a hundred, 99 are at most so old.
    pub p99_ms: u32,
    /// The oldest.
    pub max_ms: u32,
}

/// The sites at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct SitesSample {
    /// The time since the day's start.
    pub at: Duration,
    /// The sessions of all sites.
    pub sessions: u64,
    /// By site, the sessions over the capacity.
    pub fill: Vec<f64>,
}

/// What became of a cut while it lasted, and after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutCourse {
    /// The cut.
    pub cut: Cut,
    /// Requests of users of the site that was cut off.
    pub asked: u64,
    /// Of these, those who were placed, all of them at home.
    pub placed: u64,
    /// Of these, those who were refused.
    pub refused: u64,
    /// Refused requests of users of the other sites.
    pub refused_elsewhere: u64,
    /// Tries that crossed the cut and were never answered.
    pub unanswered: u64,
    /// The oldest summary of the site by which another one still chose it, in milliseconds.
    pub oldest_used_ms: u64,
    /// How long after the end of the cut every site had a new summary of the one that was cut off, and that one of every
    /// other, in milliseconds; absent where the day ended before.
    pub fresh_after_ms: Option<u64>,
}

impl SitesOutcome {
    /// Sessions that were placed.
    #[must_use]
    pub fn placed(&self) -> u64 {
        self.at_home + self.elsewhere
    }

    /// The moment with the most sessions.
    #[must_use]
    pub fn peak(&self) -> Option<&SitesSample> {
        self.samples.iter().reduce(|best, sample| if sample.sessions > best.sessions { sample } else { best })
    }
}

impl SitesSample {
    /// How full the fullest site is, the mean site and the emptiest one, and the standard deviation between them; a share
    /// of the capacity each.
    #[must_use]
    pub fn spread(&self) -> [f64; 4] {
        let count = self.fill.len().max(1) as f64;
        let mean = self.fill.iter().sum::<f64>() / count;
        let variance = self.fill.iter().map(|fill| (fill - mean).powi(2)).sum::<f64>() / count;
        let most = self.fill.iter().copied().fold(0.0, f64::max);
        [most, mean, self.fill.iter().copied().fold(most, f64::min), variance.sqrt()]
    }
}

impl GatewayTraffic {
    /// One more message, of so many bytes.
    pub(super) fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }
}

impl Ages {
    /// The figures of `ages`, in milliseconds.
    pub(super) fn of(mut ages: Vec<u32>) -> Self {
        ages.sort_unstable();
        let share = |percent: usize| {
            let place = (ages.len() * percent).div_ceil(100).saturating_sub(1);
            ages.get(place).copied().unwrap_or_default()
        };
        Self { p50_ms: share(50), p99_ms: share(99), max_ms: share(100) }
    }
}

impl CutCourse {
    pub(super) fn new(cut: Cut) -> Self {
        Self {
            cut,
            asked: 0,
            placed: 0,
            refused: 0,
            refused_elsewhere: 0,
            unanswered: 0,
            oldest_used_ms: 0,
            fresh_after_ms: None,
        }
    }

    /// Whether the cut is there at `now`.
    pub(super) fn is_there(&self, now: Duration) -> bool {
        (self.cut.at..self.cut.at + self.cut.lasts).contains(&now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_shares_of_all_that_were_used() {
        assert_eq!(Ages::of((1..=200).rev().collect()), Ages { p50_ms: 100, p99_ms: 198, max_ms: 200 });
        assert_eq!(Ages::of(Vec::new()), Ages::default());
    }

    #[test]
    fn a_sample_says_how_far_the_sites_are_apart() {
        let sample = SitesSample { at: Duration::ZERO, sessions: 3, fill: vec![0.25, 0.75] };
        assert_eq!(sample.spread(), [0.75, 0.5, 0.25, 0.25]);
    }
}
