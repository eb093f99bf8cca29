//! The gateways between sites: the delays and losses of messages, the cuts, and the counts of messages.

use crate::clock::Dice;
use crate::simulate::plan::{below, dice};

use super::{GatewayTraffic, SitesScenario};

/// The step of [`Dice`] that delays and losses are drawn from.
const CROSSING: u64 = 7;
/// The delay between two sites, in milliseconds: the least and the most.
const DELAY_MS: (u64, u64) = (5, 80);
/// How much longer a single message may take, in milliseconds.
const JITTER_MS: u64 = 20;
/// The number of summaries of which one is lost.
const LOST_ONE_IN: u64 = 1_000;

/// The gateways between all sites.
#[derive(Debug)]
pub(super) struct Gateways {
    dice: Dice,
    sites: usize,
    /// The delay from each site to each other, in milliseconds.
    delays: Vec<u64>,
    /// The number of active cuts, by site.
    cuts: Vec<u32>,
    /// The summaries that crossed, counted for each receiving site.
    pub(super) summaries: GatewayTraffic,
    /// The requests to other sites and their replies.
    pub(super) requests: GatewayTraffic,
    /// The number of summaries that were lost, those of a cut not counted.
    pub(super) lost: u64,
}

impl Gateways {
    /// Returns the gateways of `scenario`.
    pub(super) fn new(scenario: &SitesScenario) -> Self {
        let (mut dice, sites) = (dice(scenario.seed, CROSSING), scenario.sites);
        let delays = (0..sites * sites).map(|_| DELAY_MS.0 + below(&mut dice, DELAY_MS.1 - DELAY_MS.0)).collect();
        let (summaries, requests) = (GatewayTraffic::default(), GatewayTraffic::default());
        Self { dice, sites, delays, cuts: vec![0; sites], summaries, requests, lost: 0 }
    }

    /// Whether no message crosses between the two sites.
    pub(super) fn is_cut(&self, one: usize, other: usize) -> bool {
        let is_off = |site: usize| self.cuts.get(site).is_some_and(|cuts| *cuts > 0);
        one != other && (is_off(one) || is_off(other))
    }

    /// Begins a cut of `site`.
    pub(super) fn cut(&mut self, site: usize) {
        self.cuts.get_mut(site).into_iter().for_each(|cuts| *cuts += 1);
    }

    /// Ends a cut of `site`.
    pub(super) fn heal(&mut self, site: usize) {
        self.cuts.get_mut(site).into_iter().for_each(|cuts| *cuts = cuts.saturating_sub(1));
    }

    /// Returns the delay of a message, in milliseconds; 0 within a site.
    pub(super) fn delay_ms(&mut self, from: usize, to: usize) -> u64 {
        let delay = self.delays.get(from * self.sites + to).copied().unwrap_or_default();
        if from == to { 0 } else { delay + below(&mut self.dice, JITTER_MS) }
    }

    /// Sends a summary of `bytes` bytes from `from` to `to`; returns the delay, or `None` where the summary does not
    /// arrive.
    pub(super) fn send_summary(&mut self, from: usize, to: usize, bytes: usize) -> Option<u64> {
        if self.is_cut(from, to) {
            return None;
        }
        if from != to {
            self.summaries.add(bytes);
            if below(&mut self.dice, LOST_ONE_IN) == 0 {
                self.lost += 1;
                return None;
            }
        }
        Some(self.delay_ms(from, to))
    }
}
