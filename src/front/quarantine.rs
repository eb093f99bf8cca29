//! Quarantine: scripts that were convicted of passing a limit are not run for a while, by script, node or login. A
//! policy on times that are handed in.
//!
//! A conviction blames no more than is proven. A function of one node that sees no request passed the limit on that
//! node's document: the node is at fault until many are. A script that sees the request may have passed the limit
//! because of that user's request: the login is at fault until several are, and a node where several logins came to the
//! same end. The script itself is put in quarantine only when several logins and, where the script is asked about one
//! node at a time, several nodes convict the script. Each further quarantine is longer; a while without a conviction
//! ends the record.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::chain::{ChainSet, LimitRecord, StepSource, Subject};

/// The longest quarantine in milliseconds.
const LONGEST_MS: u64 = 600_000;
/// The first quarantine of a node at a script in milliseconds.
const NODE_MS: u64 = 60_000;
/// The number of logins that convict a script at one node from which on the node is at fault instead.
const LOGINS_A_NODE: usize = 2;
/// The share of the cluster's nodes, as a divisor, and the most nodes, on which a function that sees no request must be
/// convicted to be at fault itself.
const NODE_SHARE: usize = 4;
const MOST_NODES: usize = 16;
/// The most convictions of a script that are remembered; past that the oldest is forgotten.
const MAX_CONVICTIONS: usize = 256;
/// The most records; past that the oldest of a node or a login is forgotten, which then costs a further worker.
const MAX_RECORDS: usize = 10_000;

/// The rules for putting a script in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarantineSettings {
    /// The number of convictions; 0 for never.
    pub kills: u32,
    /// The time within which convictions count, in milliseconds.
    pub window_ms: u64,
    /// The length of the first quarantine in milliseconds.
    pub pause_ms: u64,
}

/// The party at fault for a limit that a script passed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Culprit {
    /// The script, for all requests and nodes.
    Script,
    /// A node: the script is not asked about that node.
    Node(Arc<str>),
    /// A login: the script is not run for that user's requests.
    Login(Arc<str>),
}

/// A script, by the name of the step, with the party at fault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Confined {
    pub(super) script: Arc<str>,
    pub(super) culprit: Culprit,
}

impl Confined {
    /// Returns the subject to send to workers; `None` for a login, whose requests carry the refusal themselves.
    pub(super) fn subject(&self) -> Option<Subject> {
        let node = match &self.culprit {
            Culprit::Script => None,
            Culprit::Node(node) => Some(Arc::clone(node)),
            Culprit::Login(_) => return None,
        };
        Some(Subject { script: Arc::clone(&self.script), node })
    }
}

/// A limit that a script was convicted of passing.
#[derive(Clone, Debug)]
pub(super) struct Conviction {
    pub(super) script: Arc<str>,
    /// The node that the script was asked about; absent where the script was given the whole list.
    pub(super) node: Option<Arc<str>>,
    /// The login of the request; absent where the function sees no request. Empty where the request names no user.
    pub(super) login: Option<Arc<str>>,
    pub(super) limited: LimitRecord,
    /// The time, in milliseconds of the front's clock.
    pub(super) at_ms: u64,
}

/// The convictions of late, and the scripts, nodes and logins in quarantine.
pub(super) struct Quarantine {
    settings: QuarantineSettings,
    /// The convictions of each script in the window, the newest last.
    convictions: BTreeMap<Arc<str>, VecDeque<Conviction>>,
    records: BTreeMap<Confined, ConvictionRecord>,
    /// The number of logins that are refused a script at the moment: mostly 0, and then requests need no further look.
    refused_logins: usize,
}

struct ConvictionRecord {
    /// While in quarantine: the end in milliseconds, and the limit that was passed.
    confined: Option<(u64, LimitRecord)>,
    /// The length of the next quarantine in milliseconds.
    pause_ms: u64,
    /// The time until which fewer convictions suffice, in milliseconds.
    probation_ms: u64,
    /// The source of the step when convicted: another source begins anew.
    source: Option<StepSource>,
}

impl Quarantine {
    pub(super) fn new(settings: QuarantineSettings) -> Self {
        Self { settings, convictions: BTreeMap::new(), records: BTreeMap::new(), refused_logins: 0 }
    }

    /// Adds `conviction`, of a script of `set`, in a cluster of `nodes` nodes. Returns the parties that are in
    /// quarantine from here on, with the limit; then the parties whose records were dropped to make room, which are
    /// free.
    pub(super) fn convict(
        &mut self,
        conviction: Conviction,
        set: &ChainSet,
        nodes: usize,
    ) -> (Vec<(Confined, LimitRecord)>, Vec<Confined>) {
        let (script, at_ms) = (Arc::clone(&conviction.script), conviction.at_ms);
        let window_ms = self.settings.window_ms;
        let past = self.convictions.entry(Arc::clone(&script)).or_default();
        past.push_back(conviction.clone());
        past.retain(|one| at_ms.saturating_sub(one.at_ms) < window_ms);
        if past.len() > MAX_CONVICTIONS {
            past.pop_front();
        }
        let source = source(set, &script);
        let evidence = Evidence::of(past.iter(), &conviction);
        let (mut confined, mut forgotten) = (Vec::new(), Vec::new());
        for culprit in self.convicted(&conviction, &evidence, nodes) {
            let key = Confined { script: Arc::clone(&script), culprit };
            forgotten.extend(self.make_room_for(&key));
            let first_ms = if matches!(key.culprit, Culprit::Node(_)) { NODE_MS } else { self.settings.pause_ms };
            let record =
                self.records.entry(key.clone()).or_insert_with(|| ConvictionRecord::new(first_ms, source.clone()));
            let pause_ms = record.confine_for();
            let message = evidence.words(&key, &conviction, pause_ms.div_ceil(1000), self.settings.window_ms / 1000);
            let limited = LimitRecord { kind: conviction.limited.kind, message: message.into() };
            record.confined = Some((at_ms + pause_ms, limited.clone()));
            confined.push((key, limited));
        }
        self.count_logins();
        (confined, forgotten)
    }

    /// Returns the parties that `conviction`, the newest, shows to be at fault.
    fn convicted(&self, conviction: &Conviction, evidence: &Evidence, nodes: usize) -> Vec<Culprit> {
        let Conviction { script, node, login, at_ms, .. } = conviction;
        let mut found = Vec::new();
        if let Some(node) = node
            && (login.is_none() || evidence.logins_at_node >= LOGINS_A_NODE)
        {
            found.push(Culprit::Node(Arc::clone(node)));
        }
        let most = self.settings.kills as usize;
        if most == 0 || self.is_confined(script, Culprit::Script) {
            return found;
        }
        let named = login.as_ref().filter(|login| !login.is_empty());
        if let Some(login) = named {
            let culprit = Culprit::Login(Arc::clone(login));
            if evidence.of_login >= self.enough(script, &culprit, 1, most, *at_ms) {
                found.push(culprit);
            }
        }
        let (witnesses, needed) = match (login, node) {
            (None, _) => (evidence.nodes, (nodes / NODE_SHARE).clamp(most, MOST_NODES.max(most))),
            (Some(_), None) => (evidence.logins, most),
            (Some(_), Some(_)) => (evidence.logins.min(evidence.nodes), most),
        };
        // On probation, a function that sees no request and requests without a login need no second witness.
        let least = if named.is_some() { LOGINS_A_NODE } else { 1 };
        if witnesses >= self.enough(script, &Culprit::Script, least, needed, *at_ms) {
            found.push(Culprit::Script);
        }
        found
    }

    /// Returns the number of witnesses that are needed: `least` on probation, else `most`.
    fn enough(&self, script: &Arc<str>, culprit: &Culprit, least: usize, most: usize, now_ms: u64) -> usize {
        let record = self.records.get(&Confined { script: Arc::clone(script), culprit: culprit.clone() });
        if record.is_some_and(|record| now_ms < record.probation_ms) { least.min(most) } else { most }
    }

    /// Removes the record that ends first, where there is no room for `key` otherwise. Returns the party of that
    /// record.
    fn make_room_for(&mut self, key: &Confined) -> Option<Confined> {
        if self.records.len() < MAX_RECORDS || self.records.contains_key(key) {
            return None;
        }
        let small = self.records.iter().filter(|(known, _)| known.culprit != Culprit::Script);
        let oldest = small.min_by_key(|(_, record)| record.ends_ms()).map(|(known, _)| known.clone())?;
        self.records.remove(&oldest);
        Some(oldest)
    }

    /// Releases and returns the parties whose time is over.
    pub(super) fn release(&mut self, now_ms: u64) -> Vec<Confined> {
        let window_ms = self.settings.window_ms;
        let mut released = Vec::new();
        self.convictions.retain(|_, past| {
            past.retain(|one| now_ms.saturating_sub(one.at_ms) < window_ms);
            !past.is_empty()
        });
        self.records.retain(|confined, record| {
            if record.confined.as_ref().is_some_and(|(until, _)| *until <= now_ms) {
                record.confined = None;
                record.probation_ms = now_ms + window_ms.max(record.pause_ms);
                released.push(confined.clone());
            }
            record.confined.is_some() || now_ms < record.probation_ms
        });
        for Confined { script, culprit } in &released {
            // The convictions behind the confinement are served.
            if let Some(past) = self.convictions.get_mut(script) {
                past.retain(|one| !culprit.answers_for(one));
            }
        }
        self.count_logins();
        released
    }

    /// Replaces policy and chains. Returns the parties that are free because their scripts changed.
    pub(super) fn reload(&mut self, settings: QuarantineSettings, set: &ChainSet) -> Vec<Confined> {
        self.settings = settings;
        let mut released = Vec::new();
        self.records.retain(|confined, record| {
            let same = record.source.is_some() && record.source == source(set, &confined.script);
            if !same && record.confined.is_some() {
                released.push(confined.clone());
            }
            same
        });
        self.convictions.retain(|script, _| source(set, script).is_some());
        self.count_logins();
        released
    }

    fn count_logins(&mut self) {
        let logins = self.confined().filter(|(confined, _)| matches!(confined.culprit, Culprit::Login(_)));
        self.refused_logins = logins.count();
    }

    /// Whether the script is in quarantine because of `culprit`.
    pub(super) fn is_confined(&self, script: &Arc<str>, culprit: Culprit) -> bool {
        let record = self.records.get(&Confined { script: Arc::clone(script), culprit });
        record.is_some_and(|record| record.confined.is_some())
    }

    /// Returns the scripts that are not run for `login`, with the limit that was passed.
    pub(super) fn refused_to(&self, login: &Arc<str>) -> Vec<(Arc<str>, LimitRecord)> {
        if self.refused_logins == 0 {
            return Vec::new();
        }
        let all = self.confined().filter(|(confined, _)| confined.culprit == Culprit::Login(Arc::clone(login)));
        all.map(|(confined, limited)| (Arc::clone(&confined.script), limited.clone())).collect()
    }

    /// Returns all parties in quarantine, with the limit that was passed.
    pub(super) fn confined(&self) -> impl Iterator<Item = (&Confined, &LimitRecord)> {
        self.records.iter().filter_map(|(confined, record)| Some((confined, &record.confined.as_ref()?.1)))
    }
}

impl Culprit {
    /// Whether `conviction` counts towards this culprit's confinement.
    fn answers_for(&self, conviction: &Conviction) -> bool {
        match self {
            Self::Script => true,
            Self::Node(node) => conviction.node.as_ref() == Some(node),
            Self::Login(login) => conviction.login.as_ref() == Some(login),
        }
    }
}

/// The sums over the convictions of a script that are like the newest.
struct Evidence {
    convictions: usize,
    /// The number of different logins; each request without a login counts for a login of its own.
    logins: usize,
    nodes: usize,
    /// The number of different logins at the node of the newest conviction.
    logins_at_node: usize,
    /// The number of convictions of the newest conviction's login.
    of_login: usize,
}

impl Evidence {
    fn of<'a>(past: impl Iterator<Item = &'a Conviction>, newest: &Conviction) -> Self {
        let is_alike = |one: &&Conviction| {
            one.node.is_some() == newest.node.is_some() && one.login.is_some() == newest.login.is_some()
        };
        let alike: Vec<_> = past.filter(is_alike).collect();
        Self {
            convictions: alike.len(),
            logins: logins(alike.iter().copied()),
            nodes: alike.iter().filter_map(|one| one.node.as_ref()).collect::<BTreeSet<_>>().len(),
            logins_at_node: logins(alike.iter().copied().filter(|one| one.node == newest.node)),
            of_login: alike.iter().filter(|one| one.login == newest.login).count(),
        }
    }

    /// Returns the message for refused requests: the quarantine lasts `pause_s` seconds, for convictions within
    /// `window_s`.
    fn words(&self, confined: &Confined, newest: &Conviction, pause_s: u64, window_s: u64) -> String {
        let (script, why) = (&confined.script, &newest.limited.message);
        match &confined.culprit {
            Culprit::Node(_) => why.to_string(),
            Culprit::Login(login) => format!(
                "{script} is not run for `{login}` for {pause_s} s: it passed a limit {} times in {window_s} s for this user, \
                 at last because: {why}",
                self.of_login
            ),
            Culprit::Script => format!(
                "{script} is in quarantine for {pause_s} s: it passed a limit {} times in {window_s} s{}, at last because: \
                 {why}",
                self.convictions,
                self.by(newest)
            ),
        }
    }

    /// Returns the numbers of users and nodes behind the conviction, as a phrase.
    fn by(&self, newest: &Conviction) -> String {
        match (&newest.login, &newest.node) {
            (None, _) => format!(" on {} nodes", self.nodes),
            (Some(login), _) if login.is_empty() => String::new(),
            (Some(_), None) => format!(" for {} users", self.logins),
            (Some(_), Some(_)) => format!(" for {} users on {} nodes", self.logins, self.nodes),
        }
    }
}

/// Returns the number of different logins; each request without a login counts for a login of its own.
fn logins<'a>(convictions: impl Iterator<Item = &'a Conviction>) -> usize {
    let all: Vec<_> = convictions.filter_map(|one| one.login.as_ref()).collect();
    let named: BTreeSet<_> = all.iter().filter(|login| !login.is_empty()).collect();
    named.len() + all.iter().filter(|login| login.is_empty()).count()
}

impl ConvictionRecord {
    fn new(pause_ms: u64, source: Option<StepSource>) -> Self {
        Self { confined: None, pause_ms, probation_ms: 0, source }
    }

    /// Returns the time from which on the record has no effect, in milliseconds.
    fn ends_ms(&self) -> u64 {
        self.confined.as_ref().map_or(self.probation_ms, |(until, _)| *until)
    }

    /// Returns the length of this quarantine in milliseconds, and makes the next longer.
    fn confine_for(&mut self) -> u64 {
        let pause_ms = self.pause_ms;
        self.pause_ms = (pause_ms * 2).min(LONGEST_MS);
        pause_ms
    }
}

fn source(set: &ChainSet, script: &str) -> Option<StepSource> {
    let mut steps = set.chains.iter().flat_map(|chain| &chain.steps);
    steps.find(|step| &*step.name == script).map(|step| step.source.clone())
}

#[cfg(test)]
mod tests;
