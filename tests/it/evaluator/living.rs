//! A cluster that lives: what a placement costs, in calls, while reservations pile up and sessions come and go.

use serde_json::{Value, json};
use whither::chain::{ChainSpec, StepSource, StepSpec};
use whither::model::{Change, Outcome};

use super::stand::Stand;

const NODES: usize = 30;

fn document(node: usize, sessions: usize, load: f64) -> Value {
    let listed: Vec<_> = (0..sessions).map(|k| json!({"id": format!("s{k}"), "user": format!("u{k}")})).collect();
    json!({"id": format!("n{node:02}"), "metadata": {"pool": "a"},
           "nodeData": {"health": {"cpu": {"load1": load}}, "sessions": listed}})
}

fn stand(extension: &str, source: &str) -> Stand {
    let step = StepSpec::new(&format!("s.{extension}"), StepSource::script(extension, source));
    let nodes: Vec<_> = (0..NODES).map(|node| document(node, node % 5, 0.0)).collect();
    Stand::new(vec![ChainSpec::new("session/start", vec![step])], &nodes)
}

/// Places a session of a user of its own; the calls that it took.
fn calls(stand: &mut Stand, number: usize) -> u64 {
    let decision = stand.decide(json!({"user": {"login": format!("user{number}")}}));
    assert!(matches!(decision.outcome, Outcome::Placed(_)), "{decision:?}");
    decision.diagnosis.calls()
}

const PURE: [(&str, &str); 2] =
    [("js", "function score(n) { return -n.sessions }"), ("rhai", "fn score(n) { -n.sessions }")];
const ASKED: [(&str, &str); 2] = [
    ("js", "const filter = (n, r) => n.id !== r.user.login\nconst score = n => -n.sessions"),
    ("rhai", "fn filter(n, r) { n.id != r.user.login }\nfn score(n) { -n.sessions }"),
];

#[test]
fn a_placement_asks_about_the_node_that_changed_and_no_other() {
    for (extension, source) in PURE {
        let mut stand = stand(extension, source);
        assert_eq!(calls(&mut stand, 0), NODES as u64, "{extension}: each node once");
        // One node has a reservation more since the last one, however many there are by now.
        let later: Vec<u64> = (1..600).map(|number| calls(&mut stand, number)).collect();
        assert!(later.iter().all(|calls| *calls == 1), "{extension}: {later:?}");
    }
    for (extension, source) in ASKED {
        let mut stand = stand(extension, source);
        calls(&mut stand, 0);
        let later: Vec<u64> = (1..600).map(|number| calls(&mut stand, number)).collect();
        assert!(later.iter().all(|calls| *calls == 2), "{extension}: the best one is asked too: {later:?}");
    }
}

#[test]
fn a_report_of_health_alone_asks_nothing_of_a_function_of_sessions() {
    for (extension, source) in PURE {
        let mut stand = stand(extension, source);
        for number in 0..10 {
            calls(&mut stand, number);
        }
        (0..NODES).for_each(|node| stand.report(document(node, node % 5, 1.5)));
        assert_eq!(calls(&mut stand, 10), 1, "{extension}: the node that was chosen last");
        (0..NODES).for_each(|node| stand.report(document(node, node % 5 + 1, 1.5)));
        assert_eq!(calls(&mut stand, 11), NODES as u64, "{extension}: other lists of sessions");
    }
}

#[test]
fn what_is_brought_up_to_date_at_rest_costs_the_next_placement_nothing() {
    for (extension, source) in PURE {
        let mut stand = stand(extension, source);
        assert_eq!(stand.evaluator.behind(|_| 1).len(), 1, "{extension}");
        let mut left = NODES;
        while left > 0 {
            let now = stand.evaluator.refresh("session/start", 7);
            assert!(now < left, "{extension}: seven nodes less each time");
            left = now;
        }
        assert!(stand.evaluator.behind(|_| 1).is_empty(), "{extension}");
        assert_eq!(calls(&mut stand, 0), 0, "{extension}: all is known");
        assert_eq!(calls(&mut stand, 1), 1, "{extension}");
    }
}

/// A script of the whole list sees the cluster as it is after each change, though its objects are the same ones.
#[test]
fn objects_that_are_kept_follow_their_nodes() {
    let sources = [
        (
            "js",
            "function (input) { return input.servers.map(function (s) { var l = s.nodeData.sessions;
             return { id: s.id, own: [s.sessions, s.loggedInUsers, l.length, l.map(x => x.user).join()].join('/') } }) }",
        ),
        (
            "rhai",
            "fn balance(input) { let all = [];
             for s in input.servers { let l = s.nodeData.sessions; let names = \"\";
               for x in l { if names != \"\" { names += \",\"; } names += x.user; }
               let own = `${s.sessions}/${s.loggedInUsers}/${l.len()}/${names}`;
               all.push(#{id: s.id, own: own}); } all }",
        ),
    ];
    for (extension, source) in sources {
        let all = StepSpec::new(&format!("all.{extension}"), StepSource::script(extension, source));
        let told = "function (input) { throw input.servers.map(s => s.own).join(' ') }";
        let told = StepSpec::new("told.js", StepSource::script("js", told));
        let chain = ChainSpec::new("session/start", vec![all, told]);
        let mut stand = Stand::new(vec![chain], &[document(0, 1, 0.0), document(1, 0, 0.0)]);
        let seen = |stand: &mut Stand| match stand.decide(json!({})).outcome {
            Outcome::Failed(failure) => failure.message,
            Outcome::Placed(node) => panic!("{node}"),
        };
        let reserve = |id: &str, node: &str, user: &str| {
            let (name, node, user) = ("".into(), node.into(), user.into());
            Change::Reserve(whither::model::Reservation { id: id.into(), node, user, name })
        };
        let expect = |stand: &mut Stand, expected: &str| {
            let message = seen(stand);
            assert!(message.contains(expected), "{extension}: {message}, expected {expected}");
        };
        expect(&mut stand, "1/1/1/u0 0/0/0/");
        stand.apply(reserve("a", "n00", "u0"));
        stand.apply(reserve("b", "n00", "zoe"));
        expect(&mut stand, "3/2/3/u0,u0,zoe 0/0/0/");
        stand.apply(Change::Release("a".into()));
        stand.apply(reserve("c", "n01", "bob"));
        expect(&mut stand, "2/2/2/u0,zoe 1/1/1/bob");
        stand.report(document(0, 2, 0.5));
        expect(&mut stand, "3/3/3/u0,u1,zoe 1/1/1/bob");
        stand.apply(Change::Release("b".into()));
        stand.apply(Change::Release("c".into()));
        expect(&mut stand, "2/2/2/u0,u1 0/0/0/");
    }
}
