//! Tests of the quarantine: which culprit is blamed, and for how long.

use super::*;
use crate::chain::{ChainSpec, StepSpec};
use crate::model::LimitKind;

const SETTINGS: QuarantineSettings = QuarantineSettings { kills: 3, window_ms: 60_000, pause_ms: 10_000 };
const NODES: usize = 200;

fn set(text: &str) -> ChainSet {
    let source = StepSource::script("js", text);
    ChainSet::new(vec![ChainSpec::new("a", vec![StepSpec::new("bad.js", source)])])
}

/// Convicts `bad.js` at `at_ms`, asked about `node` for `login`; returns the culprits that are confined for that.
fn convict(quarantine: &mut Quarantine, node: Option<&str>, login: Option<&str>, at_ms: u64) -> Vec<Culprit> {
    let limited = LimitRecord { kind: LimitKind::Time, message: "it hung".into() };
    let conviction =
        Conviction { script: "bad.js".into(), node: node.map(Arc::from), login: login.map(Arc::from), limited, at_ms };
    let (confined, forgotten) = quarantine.convict(conviction, &set("1"), NODES);
    assert_eq!(forgotten, []);
    confined.into_iter().map(|(confined, _)| confined.culprit).collect()
}

fn node(name: &str) -> Culprit {
    Culprit::Node(name.into())
}

fn login(name: &str) -> Culprit {
    Culprit::Login(name.into())
}

fn released(quarantine: &mut Quarantine, now_ms: u64) -> Vec<Culprit> {
    quarantine.release(now_ms).into_iter().map(|confined| confined.culprit).collect()
}

#[test]
fn the_third_conviction_by_requests_of_nobody_is_the_last_for_a_while() {
    let mut quarantine = Quarantine::new(SETTINGS);
    let mut convict = |at_ms| convict(&mut quarantine, None, Some(""), at_ms);
    assert_eq!([convict(0), convict(59_000)], [[], []]);
    assert_eq!(convict(61_000), [], "the first one is a minute ago");
    assert_eq!(convict(62_000), [Culprit::Script]);
    let (confined, why) = quarantine.confined().next().unwrap();
    assert_eq!((&confined.culprit, why.kind), (&Culprit::Script, LimitKind::Time));
    assert!(why.message.contains("in quarantine for 10 s") && why.message.contains("it hung"), "{}", why.message);
    assert_eq!(released(&mut quarantine, 71_999), []);
    assert_eq!(released(&mut quarantine, 72_000), [Culprit::Script]);
}

#[test]
fn one_user_is_refused_and_nobody_else() {
    let mut quarantine = Quarantine::new(SETTINGS);
    let confined: Vec<_> = (0..11).flat_map(|at_ms| convict(&mut quarantine, None, Some("eve"), at_ms)).collect();
    assert!(!confined.is_empty() && confined.iter().all(|culprit| *culprit == login("eve")), "{confined:?}");
    let refused = quarantine.refused_to(&"eve".into());
    assert_eq!(refused.len(), 1);
    assert!(refused[0].1.message.starts_with("bad.js is not run for `eve` for "), "{}", refused[0].1.message);
    assert!(quarantine.refused_to(&"ann".into()).is_empty());
    assert!(!quarantine.is_confined(&"bad.js".into(), Culprit::Script));
}

#[test]
fn several_users_convict_the_script() {
    let mut quarantine = Quarantine::new(SETTINGS);
    assert_eq!(convict(&mut quarantine, None, Some("ann"), 0), []);
    assert_eq!(convict(&mut quarantine, None, Some("bob"), 1), []);
    assert_eq!(convict(&mut quarantine, None, Some("eve"), 2), [Culprit::Script]);
    assert_eq!(released(&mut quarantine, 10_002), [Culprit::Script]);
    assert_eq!(convict(&mut quarantine, None, Some("eve"), 10_003), [], "on probation one user is not enough");
    assert_eq!(convict(&mut quarantine, None, Some("bob"), 10_004), [Culprit::Script]);
}

#[test]
fn a_function_that_sees_no_request_is_innocent_of_a_few_nodes() {
    let mut quarantine = Quarantine::new(SETTINGS);
    for number in 0..MOST_NODES - 1 {
        let name = format!("n{number}");
        assert_eq!(convict(&mut quarantine, Some(&name), None, 0), [node(&name)]);
    }
    assert_eq!(convict(&mut quarantine, Some("last"), None, 0), [node("last"), Culprit::Script]);
}

#[test]
fn a_node_is_at_fault_where_several_users_come_to_the_same_end() {
    let mut quarantine = Quarantine::new(SETTINGS);
    assert_eq!(convict(&mut quarantine, Some("n"), Some("ann"), 0), []);
    assert_eq!(convict(&mut quarantine, Some("n"), Some("bob"), 0), [node("n")]);
    let mut quarantine = Quarantine::new(SETTINGS);
    for name in ["a", "b"] {
        assert_eq!(convict(&mut quarantine, Some(name), Some("eve"), 0), [], "{name}");
    }
    assert_eq!(convict(&mut quarantine, Some("c"), Some("eve"), 0), [login("eve")], "three nodes, one user");
}

#[test]
fn several_users_on_several_nodes_convict_the_script() {
    let mut quarantine = Quarantine::new(SETTINGS);
    for (name, user) in [("a", "ann"), ("b", "bob")] {
        assert_eq!(convict(&mut quarantine, Some(name), Some(user), 0), []);
    }
    assert_eq!(convict(&mut quarantine, Some("c"), Some("eve"), 0), [Culprit::Script]);
}

#[test]
fn each_quarantine_is_longer_until_it_behaves() {
    let mut quarantine = Quarantine::new(SETTINGS);
    let confined: Vec<_> = (0..3).flat_map(|at_ms| convict(&mut quarantine, None, Some(""), at_ms)).collect();
    assert_eq!(confined, [Culprit::Script]);
    let mut now_ms = 10_002;
    for pause_ms in [20_000, 40_000] {
        assert_eq!(released(&mut quarantine, now_ms), [Culprit::Script]);
        assert_eq!(
            convict(&mut quarantine, None, Some(""), now_ms + 5),
            [Culprit::Script],
            "once is enough on probation"
        );
        assert_eq!(released(&mut quarantine, now_ms + pause_ms), []);
        now_ms += 5 + pause_ms;
    }
    assert_eq!(released(&mut quarantine, now_ms), [Culprit::Script]);
    released(&mut quarantine, now_ms + 200_000);
    assert_eq!(convict(&mut quarantine, None, Some(""), now_ms + 200_000), [], "the record is closed");
}

#[test]
fn without_convictions_to_count_only_nodes_are_left_out() {
    let mut quarantine = Quarantine::new(QuarantineSettings { kills: 0, ..SETTINGS });
    assert!((0..100).all(|at_ms| convict(&mut quarantine, None, Some("eve"), at_ms).is_empty()));
    assert_eq!(convict(&mut quarantine, Some("n"), None, 0), [node("n")]);
}

#[test]
fn a_node_is_left_out_at_once_and_longer_each_time() {
    let mut quarantine = Quarantine::new(SETTINGS);
    convict(&mut quarantine, Some("n"), None, 0);
    assert!(quarantine.is_confined(&"bad.js".into(), node("n")));
    assert_eq!(released(&mut quarantine, 59_999), []);
    assert_eq!(released(&mut quarantine, 60_000), [node("n")]);
    convict(&mut quarantine, Some("n"), None, 60_001);
    assert_eq!(released(&mut quarantine, 180_000), []);
    assert_eq!(released(&mut quarantine, 180_001), [node("n")]);
}

#[test]
fn another_source_begins_anew() {
    let mut quarantine = Quarantine::new(SETTINGS);
    (0..3).for_each(|at_ms| drop(convict(&mut quarantine, None, Some(""), at_ms)));
    assert!(quarantine.reload(SETTINGS, &set("1")).is_empty(), "the same one does not");
    assert_eq!(quarantine.confined().count(), 1);
    assert_eq!(quarantine.reload(SETTINGS, &set("2")).len(), 1);
    assert_eq!(quarantine.confined().count(), 0);
}
