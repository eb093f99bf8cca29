//! The warden: who is put in quarantine, and for how long. A policy on times that are handed in.
//!
//! A script that is convicted of killing its workers again and again costs everybody the CPU time of it, so after a few times its step
//! follows its `on_limit` without being run. Each further quarantine is longer; a while without a kill ends the record.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::chain::{ChainSet, Limited, StepSource, Subject};

/// The longest quarantine in milliseconds.
const LONGEST_MS: u64 = 600_000;
/// The first quarantine of a node at a script in milliseconds.
const NODE_MS: u64 = 60_000;
/// Records at most; past that the oldest node's is forgotten, which then costs one more worker.
const MAX_RECORDS: usize = 10_000;

/// When a script is put in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarantineSettings {
    /// After so many kills; 0 for never.
    pub kills: u32,
    /// In so many milliseconds.
    pub window_ms: u64,
    /// For so many milliseconds, the first time.
    pub pause_ms: u64,
}

/// What is known of everyone who killed a worker lately.
pub(super) struct Warden {
    settings: QuarantineSettings,
    records: BTreeMap<Subject, Record>,
}

struct Record {
    /// When it killed.
    kills: VecDeque<u64>,
    /// Where it is in quarantine: until when, and for what.
    confined: Option<(u64, Limited)>,
    /// How long the next quarantine will be.
    pause_ms: u64,
    /// Until when a single kill brings it back.
    probation_ms: u64,
    /// The source that did it: another one begins anew.
    source: Option<StepSource>,
}

impl Warden {
    pub(super) fn new(settings: QuarantineSettings) -> Self {
        Self { settings, records: BTreeMap::new() }
    }

    /// The script killed a worker. Returns why it is in quarantine from here on, where it is.
    pub(super) fn killed(
        &mut self,
        script: &Arc<str>,
        set: &ChainSet,
        limited: &Limited,
        now_ms: u64,
    ) -> Option<Limited> {
        let QuarantineSettings { kills: most, window_ms, pause_ms } = self.settings;
        let subject = Subject { script: Arc::clone(script), node: None };
        let source = source(set, script);
        let record = self.records.entry(subject).or_insert_with(|| Record::new(pause_ms, source));
        record.kills.push_back(now_ms);
        record.kills.retain(|kill| now_ms.saturating_sub(*kill) < window_ms);
        let again = now_ms < record.probation_ms;
        if most == 0 || record.confined.is_some() || (!again && record.kills.len() < most as usize) {
            return None;
        }
        let kills = record.kills.len();
        let pause_ms = record.confine_for();
        let message = format!(
            "{script} is in quarantine for {} s: it passed a limit {kills} times in {} s, at last because: {}",
            pause_ms.div_ceil(1000),
            window_ms / 1000,
            limited.message
        );
        let limited = Limited { kind: limited.kind, message: message.into() };
        record.confined = Some((now_ms + pause_ms, limited.clone()));
        Some(limited)
    }

    /// The node is not to be asked about at the script for a while. Returns whom that makes it forget, who is free.
    pub(super) fn shun(&mut self, subject: Subject, set: &ChainSet, limited: Limited, now_ms: u64) -> Option<Subject> {
        let full = self.records.len() >= MAX_RECORDS && !self.records.contains_key(&subject);
        let oldest = || {
            let nodes = self.records.iter().filter(|(known, _)| known.node.is_some());
            nodes.min_by_key(|(_, record)| record.ends_ms()).map(|(known, _)| known.clone())
        };
        let forgotten = full.then(oldest).flatten();
        forgotten.iter().for_each(|known| drop(self.records.remove(known)));
        let source = source(set, &subject.script);
        let record = self.records.entry(subject).or_insert_with(|| Record::new(NODE_MS, source));
        let until = now_ms + record.confine_for();
        record.confined = Some((until, limited));
        forgotten
    }

    /// Those whose time is over.
    pub(super) fn release(&mut self, now_ms: u64) -> Vec<Subject> {
        let window_ms = self.settings.window_ms;
        let mut released = Vec::new();
        self.records.retain(|subject, record| {
            if record.confined.as_ref().is_some_and(|(until, _)| *until <= now_ms) {
                record.confined = None;
                record.kills.clear();
                record.probation_ms = now_ms + window_ms.max(record.pause_ms);
                released.push(subject.clone());
            }
            let recent = record.kills.back().is_some_and(|kill| now_ms.saturating_sub(*kill) < window_ms);
            record.confined.is_some() || recent || now_ms < record.probation_ms
        });
        released
    }

    /// Other chains are in force, or another policy. Returns those who are free because they are not what they were.
    pub(super) fn reload(&mut self, settings: QuarantineSettings, set: &ChainSet) -> Vec<Subject> {
        self.settings = settings;
        let mut released = Vec::new();
        self.records.retain(|subject, record| {
            let same = record.source.is_some() && record.source == source(set, &subject.script);
            if !same && record.confined.is_some() {
                released.push(subject.clone());
            }
            same
        });
        released
    }

    /// Whether the subject is in quarantine.
    pub(super) fn is_confined(&self, subject: &Subject) -> bool {
        self.records.get(subject).is_some_and(|record| record.confined.is_some())
    }

    /// Everyone in quarantine, with why.
    pub(super) fn confined(&self) -> impl Iterator<Item = (&Subject, &Limited)> {
        self.records.iter().filter_map(|(subject, record)| Some((subject, &record.confined.as_ref()?.1)))
    }
}

impl Record {
    fn new(pause_ms: u64, source: Option<StepSource>) -> Self {
        Self { kills: VecDeque::new(), confined: None, pause_ms, probation_ms: 0, source }
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
mod tests {
    use super::*;
    use crate::chain::{ChainSpec, StepSpec};
    use crate::model::LimitKind;

    const SETTINGS: QuarantineSettings = QuarantineSettings { kills: 3, window_ms: 60_000, pause_ms: 10_000 };

    fn set(text: &str) -> ChainSet {
        let source = StepSource::script("js", text);
        ChainSet::new(vec![ChainSpec::new("a", vec![StepSpec::new("bad.js", source)])])
    }

    fn limited() -> Limited {
        Limited { kind: LimitKind::Time, message: "it hung".into() }
    }

    fn subject(node: Option<&str>) -> Subject {
        Subject { script: "bad.js".into(), node: node.map(Arc::from) }
    }

    fn kill(warden: &mut Warden, now_ms: u64) -> bool {
        warden.killed(&"bad.js".into(), &set("1"), &limited(), now_ms).is_some()
    }

    #[test]
    fn the_third_kill_in_a_minute_is_the_last_for_a_while() {
        let mut warden = Warden::new(SETTINGS);
        assert!(!kill(&mut warden, 0) && !kill(&mut warden, 59_000));
        assert!(!kill(&mut warden, 61_000), "the first one is a minute ago");
        assert!(kill(&mut warden, 62_000));
        let (confined, why) = warden.confined().next().unwrap();
        assert_eq!((confined, why.kind), (&subject(None), LimitKind::Time));
        assert!(why.message.contains("in quarantine for 10 s") && why.message.contains("it hung"), "{}", why.message);
        assert!(warden.release(71_999).is_empty());
        assert_eq!(warden.release(72_000), [subject(None)]);
    }

    #[test]
    fn each_quarantine_is_longer_until_it_behaves() {
        let mut warden = Warden::new(SETTINGS);
        assert_eq!((0..3).map(|now_ms| kill(&mut warden, now_ms)).collect::<Vec<_>>(), [false, false, true]);
        let mut now_ms = 10_002;
        for pause_ms in [20_000, 40_000] {
            assert_eq!(warden.release(now_ms), [subject(None)]);
            assert!(kill(&mut warden, now_ms + 5), "once is enough on probation");
            assert!(warden.release(now_ms + pause_ms).is_empty());
            now_ms += 5 + pause_ms;
        }
        assert_eq!(warden.release(now_ms), [subject(None)]);
        warden.release(now_ms + 200_000);
        assert!(!kill(&mut warden, now_ms + 200_000), "the record is closed");
    }

    #[test]
    fn without_kills_to_count_there_is_no_quarantine() {
        let mut warden = Warden::new(QuarantineSettings { kills: 0, ..SETTINGS });
        assert!((0..100).all(|now_ms| !kill(&mut warden, now_ms)));
    }

    #[test]
    fn a_node_is_shunned_at_once_and_longer_each_time() {
        let mut warden = Warden::new(SETTINGS);
        warden.shun(subject(Some("n")), &set("1"), limited(), 0);
        assert!(warden.is_confined(&subject(Some("n"))) && !warden.is_confined(&subject(None)));
        assert!(warden.release(59_999).is_empty());
        assert_eq!(warden.release(60_000), [subject(Some("n"))]);
        warden.shun(subject(Some("n")), &set("1"), limited(), 60_001);
        assert!(warden.release(180_000).is_empty());
        assert_eq!(warden.release(180_001), [subject(Some("n"))]);
    }

    #[test]
    fn another_source_begins_anew() {
        let mut warden = Warden::new(SETTINGS);
        assert_eq!((0..3).map(|now_ms| kill(&mut warden, now_ms)).collect::<Vec<_>>(), [false, false, true]);
        assert!(warden.reload(SETTINGS, &set("1")).is_empty(), "the same one does not");
        assert_eq!(warden.confined().count(), 1);
        assert_eq!(warden.reload(SETTINGS, &set("2")), [subject(None)]);
        assert_eq!(warden.confined().count(), 0);
    }
}
