//! The users of a day: for each the time of arrival, the home site, the group, and the length of the session.

use std::time::Duration;

use crate::clock::Dice;
use crate::simulate::arrivals;
use crate::simulate::plan::dice;

use super::{GROUPS, SitesScenario};

/// The step of [`Dice`] that users are drawn from.
const COMING: u64 = 6;
/// The population of a site relative to the mean: the smallest, and how much larger the largest is.
const POPULATION: (f64, f64) = (0.5, 1.0);

/// A user's session, in few bytes: there are millions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Visit {
    /// The time when the user comes, in milliseconds of the day.
    pub(super) at_ms: u32,
    /// The length of the session, in milliseconds.
    pub(super) lasts_ms: u32,
    /// The user's home site.
    pub(super) home: u16,
    /// The group of nodes that the user needs.
    pub(super) group: u8,
}

/// Returns the visits of the day, in the order of time.
pub(super) fn visits(scenario: &SitesScenario) -> Vec<Visit> {
    let mut dice = dice(scenario.seed, COMING);
    let populations: Vec<_> = (0..scenario.sites).map(|_| POPULATION.0 + POPULATION.1 * dice.unit()).collect();
    let groups = GROUPS.map(|group| group.users);
    let mut visits: Vec<_> = (0..scenario.users)
        .map(|_| {
            let drawn = arrivals::draw(scenario.session, &mut dice);
            let (home, group) = (weighted(&populations, &mut dice), weighted(&groups, &mut dice));
            Visit { at_ms: ms(drawn.at), lasts_ms: ms(drawn.lasts), home: home as u16, group: group as u8 }
        })
        .collect();
    visits.sort_unstable();
    visits
}

/// Draws a place in `weights`, in proportion to the weights.
fn weighted(weights: &[f64], dice: &mut Dice) -> usize {
    let mut share = dice.unit() * weights.iter().sum::<f64>();
    let place = weights.iter().position(|weight| {
        share -= weight;
        share < 0.0
    });
    place.unwrap_or_default()
}

fn ms(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
