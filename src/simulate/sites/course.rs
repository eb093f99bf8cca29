//! The outcome of a day of many sites, in figures.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Cut, SITES_ASKED};

/// The outcome of a simulated day.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SitesOutcome {
    /// The sites, in order.
    pub sites: Vec<SiteCourse>,
    /// The number of sessions that were placed at the user's home site.
    pub at_home: u64,
    /// The number of sessions that were placed at another site.
    pub elsewhere: u64,
    /// The number of requests that got no place, by the reason: `no-node` where the first tier knew no site with room,
    /// else how the last try ended.
    pub refused: BTreeMap<String, u64>,
    /// The number of refused requests for which a reachable site had room.
    pub avoidable: u64,
    /// The number of placed sessions by the number of sites that were asked, from 1 on.
    pub tries: [u64; SITES_ASKED],
    /// The number of tries at a site that had no node left, contrary to the site's summary.
    pub full: u64,
    /// The number of tries at a site that did not answer.
    pub unanswered: u64,
    /// The ages of the summaries by which sites were chosen.
    pub ages: Ages,
    /// The summaries that crossed gateways, counted for each receiving site.
    pub summaries: GatewayTraffic,
    /// The requests to other sites, with their replies.
    pub requests: GatewayTraffic,
    /// The most messages of requests in a second, as the mean of a minute.
    pub busiest_requests: f64,
    /// The number of summaries that were lost, those of a cut not counted.
    pub lost: u64,
    /// The size in bytes of the summaries that a single first tier keeps.
    pub kept_bytes: u64,
    /// Samples of the sites, one every five minutes.
    pub samples: Vec<SitesSample>,
    /// The outcomes of the cuts, in the order of the scenario.
    pub cuts: Vec<CutCourse>,
}

/// The outcome of a site.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SiteCourse {
    /// The number of sessions that the ready nodes take.
    pub capacity: u64,
    /// The number of users with this home site.
    pub users: u64,
    /// The number of these users who were placed at home.
    pub at_home: u64,
    /// The number of these users who were placed elsewhere.
    pub sent: u64,
    /// The number of these users who were refused.
    pub refused: u64,
    /// The number of users of other sites who were placed here.
    pub taken: u64,
}

/// Messages over gateways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatewayTraffic {
    /// The number of messages.
    pub messages: u64,
    /// The size of their bodies in bytes.
    pub bytes: u64,
}

/// The ages of the summaries that decided, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ages {
    /// The median age.
    pub p50_ms: u32,
    /// The age that 99 percent of the summaries do not exceed.
    pub p99_ms: u32,
    /// The highest age.
    pub max_ms: u32,
}

/// The state of the sites at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct SitesSample {
    /// The time since the day's start.
    pub at: Duration,
    /// The number of sessions at all sites.
    pub sessions: u64,
    /// The sessions over the capacity, by site.
    pub fill: Vec<f64>,
}

/// The outcome of a cut, during the cut and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutCourse {
    /// The cut.
    pub cut: Cut,
    /// The number of requests of users of the site that was cut off.
    pub asked: u64,
    /// The number of these users who were placed, all of them at home.
    pub placed: u64,
    /// The number of these users who were refused.
    pub refused: u64,
    /// The number of refused requests of users of the other sites.
    pub refused_elsewhere: u64,
    /// The number of tries that crossed the cut and were never answered.
    pub unanswered: u64,
    /// The highest age of a summary of the site by which another site still chose the site, in milliseconds.
    pub oldest_used_ms: u64,
    /// The time from the end of the cut until every site had a new summary of the site that was cut off, and that site
    /// of every other, in milliseconds; absent where the day ended before.
    pub fresh_after_ms: Option<u64>,
}

impl SitesOutcome {
    /// Returns the number of sessions that were placed.
    #[must_use]
    pub fn placed(&self) -> u64 {
        self.at_home + self.elsewhere
    }

    /// Returns the sample with the most sessions.
    #[must_use]
    pub fn peak(&self) -> Option<&SitesSample> {
        self.samples.iter().reduce(|best, sample| if sample.sessions > best.sessions { sample } else { best })
    }
}

impl SitesSample {
    /// Returns the fill of the fullest site, the mean, the fill of the emptiest site, and the standard deviation; each
    /// as a share of the capacity.
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
    /// Counts a message of `bytes` bytes.
    pub(super) fn add(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }
}

impl Ages {
    /// Returns the percentiles of `ages`, in milliseconds.
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

    /// Whether the cut is active at `now`.
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
