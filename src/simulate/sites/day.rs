//! The course of a simulated day of many sites: users come to their home sites, and first tiers send on users that
//! those refuse.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Dice;
use crate::simulate::plan::dice;
use crate::simulate::timeline::Timeline;
use crate::worker::BirthError;

use super::course::{Ages, CutCourse, SiteCourse, SitesOutcome, SitesSample};
use super::gateway::Gateways;
use super::site::Site;
use super::summary::SiteSummary;
use super::tier::{FirstTier, SiteChoice};
use super::users::{Visit, visits};
use super::{GROUPS, PATIENCE, SITES_ASKED, SitesScenario, name};

/// The step of [`Dice`] that sites and first tiers are drawn from.
const SITES: u64 = 8;
/// The time between two samples of the sites.
const SAMPLE: Duration = Duration::from_secs(300);
/// The time between two reports of the day's progress.
const PROGRESS: Duration = Duration::from_secs(60);
/// The number of messages of a confirmation at another site: the confirmation and the reply.
const MESSAGES_A_CONFIRMATION: u64 = 2;

/// An event of the day.
#[derive(Debug)]
enum SitesEvent {
    /// The visit of this number comes to the home site.
    Comes(usize),
    /// A request that a first tier sent on arrives at the site.
    Arrives(Try),
    /// The launcher receives the site's answer, or has waited long enough.
    Answered(Try, SiteAnswer),
    /// A session on this node of the site ends: site, group, node.
    Ends(u16, u8, u32),
    Publishes(usize),
    Cuts(usize),
    Heals(usize),
    Samples,
    Progresses,
}

/// A request on the way to the site that a first tier chose.
#[derive(Debug)]
struct Try {
    visit: usize,
    /// The number of sites that were asked, this site included.
    asked: usize,
    site: usize,
    reservation: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SiteAnswer {
    Placed,
    Full,
    Missing,
}

/// A day under way.
pub(super) struct SitesDay<'a> {
    scenario: &'a SitesScenario,
    timeline: Timeline<SitesEvent>,
    visits: Vec<Visit>,
    names: Vec<String>,
    sites: Vec<Site>,
    tiers: Vec<FirstTier>,
    gateways: Gateways,
    ages: Vec<u32>,
    /// The number of messages of requests, by the minute of the day.
    minutes: BTreeMap<u64, u64>,
    /// By cut that is over, the pairs of sites between which no summary has arrived since.
    awaited: BTreeMap<usize, BTreeSet<(usize, usize)>>,
    outcome: SitesOutcome,
}

impl<'a> SitesDay<'a> {
    /// Creates a day at the beginning.
    ///
    /// # Errors
    /// [`BirthError`] if a worker of a first tier does not start.
    pub(super) fn begin(scenario: &'a SitesScenario) -> Result<Self, BirthError> {
        let mut dice = dice(scenario.seed, SITES);
        let sites: Vec<_> = (0..scenario.sites).map(|_| Site::new(scenario, &mut dice)).collect();
        let tiers = (0..scenario.sites).map(|_| FirstTier::start(scenario, &mut dice));
        let outcome = SitesOutcome {
            sites: sites.iter().map(|site| SiteCourse { capacity: site.capacity(), ..SiteCourse::default() }).collect(),
            cuts: scenario.cuts.iter().copied().map(CutCourse::new).collect(),
            ..SitesOutcome::default()
        };
        let mut day = Self {
            scenario,
            timeline: Timeline::new(),
            visits: visits(scenario),
            names: (0..scenario.sites).map(name).collect(),
            tiers: tiers.collect::<Result<_, _>>()?,
            sites,
            gateways: Gateways::new(scenario),
            ages: Vec::new(),
            minutes: BTreeMap::new(),
            awaited: BTreeMap::new(),
            outcome,
        };
        day.plan(&mut dice);
        Ok(day)
    }

    fn plan(&mut self, dice: &mut Dice) {
        for site in 0..self.sites.len() {
            self.timeline.at(self.scenario.summary_every.mul_f64(dice.unit()), SitesEvent::Publishes(site));
        }
        for (number, cut) in self.scenario.cuts.iter().enumerate() {
            self.timeline.at(cut.at, SitesEvent::Cuts(number));
            self.timeline.at(cut.at + cut.lasts, SitesEvent::Heals(number));
        }
        self.timeline.after(Duration::ZERO, SitesEvent::Samples);
        self.timeline.after(Duration::ZERO, SitesEvent::Progresses);
        self.come(0);
    }

    /// Plans the arrival of the visit `number`.
    fn come(&mut self, number: usize) {
        if let Some(visit) = self.visits.get(number) {
            self.timeline.at(Duration::from_millis(u64::from(visit.at_ms)), SitesEvent::Comes(number));
        }
    }

    /// Handles the next event; returns false where the day is over.
    pub(super) fn go_on(&mut self, passed: &mut impl FnMut(Duration)) -> Result<bool, BirthError> {
        let Some(event) = self.timeline.next(self.scenario.day) else { return Ok(false) };
        if matches!(event, SitesEvent::Progresses) {
            passed(self.timeline.now());
            if let Some(error) = self.tiers.iter_mut().find_map(FirstTier::take_failure) {
                return Err(error);
            }
        }
        self.happen(event);
        Ok(true)
    }

    /// Returns the outcome of the day.
    pub(super) fn end(mut self) -> SitesOutcome {
        self.outcome.ages = Ages::of(self.ages);
        self.outcome.summaries = self.gateways.summaries;
        self.outcome.requests = self.gateways.requests;
        self.outcome.lost = self.gateways.lost;
        self.outcome.kept_bytes = self.tiers.first().map_or(0, |tier| tier.kept_bytes() as u64);
        self.outcome.busiest_requests = self.minutes.values().max().copied().unwrap_or_default() as f64 / 60.0;
        self.outcome
    }

    fn now_ms(&self) -> u64 {
        self.timeline.now().as_millis() as u64
    }

    fn happen(&mut self, event: SitesEvent) {
        match event {
            SitesEvent::Comes(number) => {
                self.come(number + 1);
                self.ask_home(number);
            }
            SitesEvent::Arrives(request) => self.arrive(request),
            SitesEvent::Answered(request, answer) => self.answered(request, answer),
            SitesEvent::Ends(site, group, node) => {
                self.sites.get_mut(usize::from(site)).into_iter().for_each(|site| site.end(group, node));
            }
            SitesEvent::Publishes(site) => {
                self.publish(site);
                self.timeline.after(self.scenario.summary_every, SitesEvent::Publishes(site));
            }
            SitesEvent::Cuts(number) => {
                self.scenario.cuts.get(number).into_iter().for_each(|cut| self.gateways.cut(cut.site));
            }
            SitesEvent::Heals(number) => self.heal(number),
            SitesEvent::Samples => self.sample(),
            SitesEvent::Progresses => self.timeline.after(PROGRESS, SitesEvent::Progresses),
        }
    }

    fn sample(&mut self) {
        let fill: Vec<_> = self.sites.iter().map(Site::fill).collect();
        let pools = self.sites.iter().flat_map(Site::pools);
        let sessions = pools.map(|pool| pool.sessions).sum();
        self.outcome.samples.push(SitesSample { at: self.timeline.now(), sessions, fill });
        self.timeline.after(SAMPLE, SitesEvent::Samples);
    }

    fn ask_home(&mut self, number: usize) {
        let Some(visit) = self.visits.get(number).copied() else { return };
        let home = usize::from(visit.home);
        self.site(home, |site| site.users += 1);
        self.cuts_of(home, |cut| cut.asked += 1);
        if self.place(number, home) {
            self.outcome.at_home += 1;
            self.site(home, |site| site.at_home += 1);
            return self.count_placed(home, 1);
        }
        self.ask_tier(number, 1, "no-node");
    }

    /// Places the visit `number` at `site`, if the site has a node for the visit.
    fn place(&mut self, number: usize, site: usize) -> bool {
        let Some(visit) = self.visits.get(number) else { return false };
        let node = self.sites.get_mut(site).and_then(|site| site.place(visit.group));
        let Some(node) = node else { return false };
        let lasts = Duration::from_millis(u64::from(visit.lasts_ms));
        self.timeline.after(lasts, SitesEvent::Ends(site as u16, visit.group, node));
        true
    }

    /// Lets the first tier of the home site choose another site, after `asked` sites were asked, the last with the
    /// outcome `last`.
    fn ask_tier(&mut self, number: usize, asked: usize, last: &str) {
        let (Some(visit), now_ms) = (self.visits.get(number).copied(), self.now_ms()) else { return };
        let home = usize::from(visit.home);
        let Some(tier) = self.tiers.get_mut(home).filter(|_| asked < SITES_ASKED) else {
            return self.refuse(visit, last);
        };
        let choice = match tier.choose(now_ms, &format!("user{number}"), visit.group) {
            Ok(choice) => choice,
            Err(name) => return self.refuse(visit, &name),
        };
        let SiteChoice { site, reservation, age_ms, bytes } = choice;
        self.ages.push(u32::try_from(age_ms).unwrap_or(u32::MAX));
        let request = Try { visit: number, asked: asked + 1, site, reservation };
        self.crosses(home, site, bytes.0);
        if self.gateways.is_cut(home, site) {
            let now = self.timeline.now();
            for cut in self.outcome.cuts.iter_mut().filter(|cut| cut.is_there(now)) {
                if cut.cut.site == site {
                    cut.oldest_used_ms = cut.oldest_used_ms.max(age_ms);
                }
                cut.unanswered += u64::from([home, site].contains(&cut.cut.site));
            }
            return self.timeline.after(PATIENCE, SitesEvent::Answered(request, SiteAnswer::Missing));
        }
        self.crosses(home, site, bytes.1);
        let delay = Duration::from_millis(self.gateways.delay_ms(home, site));
        self.timeline.after(delay, SitesEvent::Arrives(request));
    }

    fn arrive(&mut self, request: Try) {
        let Some(home) = self.visits.get(request.visit).map(|visit| usize::from(visit.home)) else { return };
        let answer = if self.place(request.visit, request.site) { SiteAnswer::Placed } else { SiteAnswer::Full };
        let delay = Duration::from_millis(self.gateways.delay_ms(request.site, home));
        self.timeline.after(delay, SitesEvent::Answered(request, answer));
    }

    fn answered(&mut self, request: Try, answer: SiteAnswer) {
        let Some(home) = self.visits.get(request.visit).map(|visit| usize::from(visit.home)) else { return };
        let (now_ms, Try { visit, asked, site, reservation }) = (self.now_ms(), request);
        let Some(tier) = self.tiers.get_mut(home) else { return };
        if answer == SiteAnswer::Placed {
            let bytes = tier.confirm(now_ms, &reservation);
            (0..MESSAGES_A_CONFIRMATION).for_each(|_| self.crosses(home, site, bytes));
            self.count_placed(home, asked);
            if site == home {
                // A place was freed at home meanwhile.
                self.outcome.at_home += 1;
                return self.site(home, |outcome| outcome.at_home += 1);
            }
            self.outcome.elsewhere += 1;
            self.site(home, |outcome| outcome.sent += 1);
            return self.site(site, |outcome| outcome.taken += 1);
        }
        tier.fail(now_ms, &reservation);
        let (count, last) = match answer {
            SiteAnswer::Missing => (&mut self.outcome.unanswered, "no answer"),
            SiteAnswer::Full | SiteAnswer::Placed => (&mut self.outcome.full, "full sites"),
        };
        *count += 1;
        self.ask_tier(visit, asked, last);
    }

    fn count_placed(&mut self, home: usize, asked: usize) {
        self.outcome.tries.get_mut(asked - 1).into_iter().for_each(|tries| *tries += 1);
        self.cuts_of(home, |cut| cut.placed += 1);
    }

    fn refuse(&mut self, visit: Visit, why: &str) {
        let home = usize::from(visit.home);
        *self.outcome.refused.entry(why.to_owned()).or_default() += 1;
        let reached = self.sites.iter().enumerate().filter(|(site, _)| !self.gateways.is_cut(home, *site));
        self.outcome.avoidable += u64::from(reached.into_iter().any(|(_, site)| site.has_room(visit.group)));
        self.site(home, |site| site.refused += 1);
        let now = self.timeline.now();
        for cut in self.outcome.cuts.iter_mut().filter(|cut| cut.is_there(now)) {
            *(if cut.cut.site == home { &mut cut.refused } else { &mut cut.refused_elsewhere }) += 1;
        }
    }

    fn publish(&mut self, from: usize) {
        let now_ms = self.now_ms();
        let (Some(site), Some(name)) = (self.sites.get(from), self.names.get(from)) else { return };
        for (group, (pool, of)) in site.pools().iter().zip(GROUPS).enumerate() {
            let summary = Rc::new(SiteSummary::of(name, of.name, pool, now_ms));
            for (to, tier) in self.tiers.iter_mut().enumerate() {
                let Some(delay_ms) = self.gateways.send_summary(from, to, summary.text.len()) else { continue };
                tier.deliver(from, group, now_ms + delay_ms, &summary);
                for (number, pairs) in &mut self.awaited {
                    if pairs.remove(&(from, to))
                        && pairs.is_empty()
                        && let Some(cut) = self.outcome.cuts.get_mut(*number)
                    {
                        let healed_ms = (cut.cut.at + cut.cut.lasts).as_millis() as u64;
                        cut.fresh_after_ms = Some((now_ms + delay_ms).saturating_sub(healed_ms));
                    }
                }
            }
        }
        self.awaited.retain(|_, pairs| !pairs.is_empty());
    }

    fn heal(&mut self, number: usize) {
        let Some(cut) = self.scenario.cuts.get(number) else { return };
        self.gateways.heal(cut.site);
        let others = (0..self.sites.len()).filter(|other| *other != cut.site);
        let pairs = others.flat_map(|other| [(cut.site, other), (other, cut.site)]);
        self.awaited.insert(number, pairs.collect());
    }

    /// Counts a message of `bytes` bytes over the gateways, where the two sites differ.
    fn crosses(&mut self, home: usize, site: usize, bytes: usize) {
        if home != site {
            self.gateways.requests.add(bytes);
            *self.minutes.entry(self.timeline.now().as_secs() / 60).or_default() += 1;
        }
    }

    fn site(&mut self, place: usize, change: impl FnOnce(&mut SiteCourse)) {
        if let Some(site) = self.outcome.sites.get_mut(place) {
            change(site);
        }
    }

    /// Applies `change` to the active cuts of the site `home`.
    fn cuts_of(&mut self, home: usize, change: impl Fn(&mut CutCourse)) {
        let now = self.timeline.now();
        self.outcome.cuts.iter_mut().filter(|cut| cut.cut.site == home && cut.is_there(now)).for_each(change);
    }
}
