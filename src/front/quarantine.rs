//! Quarantine: what is not run for a while because it was convicted of passing a limit, and against whom that is held. A policy
//! on times that are handed in.
//!
//! A conviction blames no more than it proves. A function of one node that sees no request passed its limit on that node's
//! document: the node is at fault until many are. A script that sees the request may have passed it because of that user's
//! request: the login is at fault until several are, and a node where several logins came to the same end. The script itself
//! is put in quarantine only when several logins and, where it is asked about one node at a time, several nodes convict it.
//! Each further quarantine is longer; a while without a conviction ends the record.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::chain::{ChainSet, LimitRecord, StepSource, Subject};

/// The longest quarantine in milliseconds.
const LONGEST_MS: u64 = 600_000;
/// The first quarantine of a node at a script in milliseconds.
const NODE_MS: u64 = 60_000;
/// Logins that convict a script at one node; then the node is at fault and not they.
const LOGINS_A_NODE: usize = 2;
/// A function that sees no request is at fault itself where it is convicted on one node in so many of the cluster, and on so
/// many nodes at most.
const NODE_SHARE: usize = 4;
const MOST_NODES: usize = 16;
/// Convictions of a script that are remembered; past that the oldest is forgotten.
const MAX_CONVICTIONS: usize = 256;
/// Records at most; past that the oldest of a node or a login is forgotten, which then costs one more worker.
const MAX_RECORDS: usize = 10_000;

/// When a script is put in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarantineSettings {
    /// After so many convictions; 0 for never.
    pub kills: u32,
    /// In so many milliseconds.
    pub window_ms: u64,
    /// For so many milliseconds, the first time.
    pub pause_ms: u64,
}

/// Against whom a limit is held at a script.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Culprit {
    /// The script, whoever asks it about whatever.
    Script,
    /// One node: the script is not asked about that node.
    Node(Arc<str>),
    /// One login: the script is not run for that user's requests.
    Login(Arc<str>),
}

/// A script, by its step's name, with the one whom a limit of it is held against.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Confined {
    pub(super) script: Arc<str>,
    pub(super) culprit: Culprit,
}

impl Confined {
    /// What workers are told of this; nothing of a login, whose requests say so themselves.
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
    /// The node that the script was asked about; absent where it was given the whole list.
    pub(super) node: Option<Arc<str>>,
    /// Whose request it was; absent where the function sees no request. Empty where the request names nobody.
    pub(super) login: Option<Arc<str>>,
    pub(super) limited: LimitRecord,
    /// When, in milliseconds of the front's clock.
    pub(super) at_ms: u64,
}

/// Everyone who passed a limit lately.
pub(super) struct Quarantine {
    settings: QuarantineSettings,
    /// The convictions of each script in the window, the newest last.
    convictions: BTreeMap<Arc<str>, VecDeque<Conviction>>,
    records: BTreeMap<Confined, ConvictionRecord>,
    /// How many logins are refused a script at the moment: mostly none, and then no request asks further.
    refused_logins: usize,
}

struct ConvictionRecord {
    /// Where it is in quarantine: until when, and for what.
    confined: Option<(u64, LimitRecord)>,
    /// How long the next quarantine will be.
    pause_ms: u64,
    /// Until when less is enough to bring it back.
    probation_ms: u64,
    /// The source that did it: another one begins anew.
    source: Option<StepSource>,
}

impl Quarantine {
    pub(super) fn new(settings: QuarantineSettings) -> Self {
        Self { settings, convictions: BTreeMap::new(), records: BTreeMap::new(), refused_logins: 0 }
    }

    /// Takes `conviction` in, of a script of `set`, in a cluster of `nodes` nodes. Returns who is in quarantine from here on,
    /// and why; then whom that makes the quarantine forget, who is free.
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

    /// Whom `conviction`, the newest one, shows to be at fault.
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
        // On probation, a function that sees no request and requests of nobody need no second witness.
        let least = if named.is_some() { LOGINS_A_NODE } else { 1 };
        if witnesses >= self.enough(script, &Culprit::Script, least, needed, *at_ms) {
            found.push(Culprit::Script);
        }
        found
    }

    /// How many witnesses it takes: `least` on probation, else `most`.
    fn enough(&self, script: &Arc<str>, culprit: &Culprit, least: usize, most: usize, now_ms: u64) -> usize {
        let record = self.records.get(&Confined { script: Arc::clone(script), culprit: culprit.clone() });
        if record.is_some_and(|record| now_ms < record.probation_ms) { least.min(most) } else { most }
    }

    /// Forgets the record that ends first, where there is no room for `key` otherwise. Returns whose it was.
    fn make_room_for(&mut self, key: &Confined) -> Option<Confined> {
        if self.records.len() < MAX_RECORDS || self.records.contains_key(key) {
            return None;
        }
        let small = self.records.iter().filter(|(known, _)| known.culprit != Culprit::Script);
        let oldest = small.min_by_key(|(_, record)| record.ends_ms()).map(|(known, _)| known.clone())?;
        self.records.remove(&oldest);
        Some(oldest)
    }

    /// Those whose time is over.
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
            // What they were confined for is paid.
            if let Some(past) = self.convictions.get_mut(script) {
                past.retain(|one| !culprit.answers_for(one));
            }
        }
        self.count_logins();
        released
    }

    /// Other chains are in force, or another policy. Returns those who are free because they are not what they were.
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

    /// The scripts that are not run for `login`, and why.
    pub(super) fn refused_to(&self, login: &Arc<str>) -> Vec<(Arc<str>, LimitRecord)> {
        if self.refused_logins == 0 {
            return Vec::new();
        }
        let all = self.confined().filter(|(confined, _)| confined.culprit == Culprit::Login(Arc::clone(login)));
        all.map(|(confined, limited)| (Arc::clone(&confined.script), limited.clone())).collect()
    }

    /// Everyone in quarantine, with why.
    pub(super) fn confined(&self) -> impl Iterator<Item = (&Confined, &LimitRecord)> {
        self.records.iter().filter_map(|(confined, record)| Some((confined, &record.confined.as_ref()?.1)))
    }
}

impl Culprit {
    /// Whether `conviction` is one of those for which this is confined.
    fn answers_for(&self, conviction: &Conviction) -> bool {
        match self {
            Self::Script => true,
            Self::Node(node) => conviction.node.as_ref() == Some(node),
            Self::Login(login) => conviction.login.as_ref() == Some(login),
        }
    }
}

/// What the convictions of a script that are like the newest one say together.
struct Evidence {
    convictions: usize,
    /// Different logins; a request of nobody counts for one of its own.
    logins: usize,
    nodes: usize,
    /// Different logins at the node of the newest one.
    logins_at_node: usize,
    /// Convictions of the newest one's login.
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

    /// What whoever meets the quarantine is told: it lasts `pause_s` seconds, for convictions within `window_s`.
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

    /// By how many it was convicted.
    fn by(&self, newest: &Conviction) -> String {
        match (&newest.login, &newest.node) {
            (None, _) => format!(" on {} nodes", self.nodes),
            (Some(login), _) if login.is_empty() => String::new(),
            (Some(_), None) => format!(" for {} users", self.logins),
            (Some(_), Some(_)) => format!(" for {} users on {} nodes", self.logins, self.nodes),
        }
    }
}

/// How many different logins there are; a request of nobody counts for one of its own.
fn logins<'a>(convictions: impl Iterator<Item = &'a Conviction>) -> usize {
    let all: Vec<_> = convictions.filter_map(|one| one.login.as_ref()).collect();
    let named: BTreeSet<_> = all.iter().filter(|login| !login.is_empty()).collect();
    named.len() + all.iter().filter(|login| login.is_empty()).count()
}

impl ConvictionRecord {
    fn new(pause_ms: u64, source: Option<StepSource>) -> Self {
        Self { confined: None, pause_ms, probation_ms: 0, source }
    }

    /// When nothing is held against it any more.
    fn ends_ms(&self) -> u64 {
        self.confined.as_ref().map_or(self.probation_ms, |(until, _)| *until)
    }

    /// How long this quarantine is; the next one will be longer.
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
