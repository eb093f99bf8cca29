//! A service with hostile and good chains side by side, and questions to both of which the right answer is known.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::Client;
use futures_util::StreamExt;
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::case::{Case, Step};
use crate::support::nats::Nats;
use crate::support::serve::{Reply, Serve, ask, read, report};
use crate::support::{PATIENCE, eventually};

/// Nodes of the cluster: more than the 20 above which an ordinary sort stops bearing with comparators that lie.
const NODES: usize = 24;
/// Questions without an answer at one time.
const IN_FLIGHT: usize = 16;
/// How often each hostile script is asked, unless WHITHER_ROUNDS says.
const ROUNDS: usize = 3;
/// The seed of the order of questions, unless WHITHER_SEED says.
const SEED: u64 = 20_251_120;
/// Small limits, so that what hangs is soon told so; and nodes that report once are there to the end.
const LIMITS: &str = "[limits]\nscript_ms = 150\nnode_call_ms = 40\nworker_memory_mb = 128\n\
                      [service]\nliveness_s = 3600\n";

/// Most questions are to place.
const SUBJECTS: [&str; 4] = ["whither.place", "whither.place", "whither.place", "whither.explain"];

/// Chains that choose the node that the question names, each in another way.
const GOOD: [(&str, &str, &str); 6] = [
    ("good/builtin", "\"builtin:sticky-user\"", ""),
    ("session/start", "\"builtin:sticky-user\"", ""),
    (
        "good/list",
        "{ script = \"good-list.js\", cpu_ms = 5000 }, \"builtin:fewest-sessions\"",
        "function(input) { return input.nodes.filter(node => node.id === input.data.pick) }",
    ),
    (
        "good/score",
        "{ script = \"good-score.js\", cpu_ms = 5000 }",
        "function score(node, request) { return node.id === request.data.pick ? 1 : 0 }",
    ),
    (
        "good/key",
        "{ script = \"good-key.js\", cpu_ms = 5000 }",
        "function key(request) { return request.data.pick }\nfunction score(node, key) { return Number(node.id === key) }",
    ),
    (
        "good/pure",
        "{ script = \"good-pure.js\", cpu_ms = 5000 }, \"builtin:sticky-user\"",
        "function filter(node) { return node.nodeData.sessions.length > 0 }",
    ),
];

/// A running service, and what it is asked.
pub(crate) struct Site {
    _nats: Nats,
    serve: Serve,
    client: Client,
    cases: Vec<Case>,
}

/// A question under way.
struct Asked {
    /// Which of the cases; absent for good chains.
    case: Option<usize>,
    /// `place`, or `explain`: who asks what would happen must be told the same.
    subject: &'static str,
    body: Value,
    pick: String,
}

impl Site {
    /// A service with a chain for each of `cases` and the good ones.
    pub(crate) async fn start(cases: Vec<Case>) -> Self {
        Self::start_within(LIMITS, cases).await
    }

    /// The same, where a worker may be silent for long: on a busy machine loops of 150 ms each take seconds.
    pub(crate) async fn start_patient(cases: Vec<Case>) -> Self {
        Self::start_within(&LIMITS.replace("[limits]\n", "[limits]\nwall_factor = 100\n"), cases).await
    }

    /// The same, where time stops nobody: how fast the machine is must not decide about another limit.
    pub(crate) async fn start_untimed(cases: Vec<Case>) -> Self {
        let timed = "script_ms = 150\nnode_call_ms = 40\n";
        let untimed = "script_ms = 60000\nnode_call_ms = 10000\nwall_factor = 100\n";
        Self::start_within(&LIMITS.replace(timed, untimed), cases).await
    }

    async fn start_within(limits: &str, cases: Vec<Case>) -> Self {
        let (mut config, mut files) = (limits.to_owned(), Vec::new());
        for (action, steps, script) in GOOD {
            config += &format!("[chain.\"{action}\"]\nsteps = [{steps}]\n");
            files.push((format!("{}.js", action.replace('/', "-")), script.to_owned()));
        }
        for case in &cases {
            let steps = case.steps();
            let configs: Vec<_> = steps.iter().map(|step| step.config.as_str()).collect();
            config += &format!("[chain.\"{}\"]\nsteps = [{}]\n", case.action(), configs.join(", "));
            files.extend(steps.into_iter().filter_map(|Step { file, .. }| file));
        }
        let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let nats = Nats::start();
        let serve = Serve::start(&nats, &config, &files).await;
        let client = nats.client().await;
        report(&client, &nodes()).await;
        Self { _nats: nats, serve, client, cases }
    }

    /// Asks everything, in an order by chance, and stops the service.
    pub(crate) async fn storm(mut self) {
        self.ask_everything().await;
        self.stop().await;
    }

    /// What the service logged so far.
    pub(crate) fn log(&self) -> String {
        self.serve.log()
    }

    /// How many workers have died.
    pub(crate) fn worker_deaths(&self) -> u64 {
        let metrics = self.serve.get("/metrics").1;
        let deaths = metrics.lines().find_map(|line| line.strip_prefix("whither_worker_deaths_total "));
        deaths.unwrap_or_else(|| panic!("no count of deaths: {metrics}")).parse().unwrap()
    }

    /// Asks every hostile chain a few times among good ones; fails with all that went wrong.
    pub(crate) async fn ask_everything(&mut self) {
        let seed = variable("WHITHER_SEED").unwrap_or(SEED);
        println!("WHITHER_SEED={seed} runs the same questions in the same order");
        let questions = self.questions(&mut Pcg64Mcg::seed_from_u64(seed));
        let answered = self.ask_all(&questions).await;
        let mut wrongs: Vec<String> = Vec::new();
        for (question, replies) in questions.iter().zip(&answered) {
            match (replies.as_slice(), question.case.map(|case| &self.cases[case])) {
                ([reply], Some(case)) => wrongs.extend(case.check(reply, &question.pick).err()),
                ([reply], None) if reply.body["node"] == *question.pick => {}
                ([reply], None) => wrongs.push(format!("{} was told {}", question.body, reply.body)),
                (_, _) => wrongs.push(format!("{} replies to {}", replies.len(), question.body)),
            }
        }
        wrongs.sort();
        wrongs.dedup_by_key(|wrong| wrong.split(" (asked for").next().unwrap_or_default().to_owned());
        assert!(wrongs.is_empty(), "{} wrong answers\n  {}", wrongs.len(), wrongs.join("\n  "));
    }

    fn questions(&self, dice: &mut Pcg64Mcg) -> Vec<Asked> {
        let mut roll = |sides: usize| dice.next_u64() as usize % sides;
        let mut questions = Vec::new();
        for _ in 0..variable("WHITHER_ROUNDS").map_or(ROUNDS, |rounds| rounds as usize) {
            for (number, case) in self.cases.iter().enumerate() {
                let picks: Vec<_> = (0..NODES).map(id).filter(|pick| case.may_pick(pick)).collect();
                let pick = picks[roll(picks.len())].clone();
                let (subject, body) = (SUBJECTS[roll(SUBJECTS.len())], case.question(&pick));
                questions.push(Asked { case: Some(number), subject, body, pick });
                let (pick, (action, ..)) = (id(roll(NODES)), GOOD[roll(GOOD.len())]);
                let login = pick.replace('n', "u");
                let body = json!({"action": action, "user": {"login": login}, "data": {"pick": pick}});
                questions.push(Asked { case: None, subject: SUBJECTS[roll(SUBJECTS.len())], body, pick });
            }
        }
        for place in (1..questions.len()).rev() {
            questions.swap(place, roll(place + 1));
        }
        questions
    }

    /// Asks all of `questions`, a few at a time; the replies to each.
    async fn ask_all(&mut self, questions: &[Asked]) -> Vec<Vec<Reply>> {
        let inbox = self.client.new_inbox();
        let mut replies = self.client.subscribe(format!("{inbox}.*")).await.unwrap();
        let mut answered: Vec<Vec<Reply>> = questions.iter().map(|_| Vec::new()).collect();
        let (mut next, mut open) = (0, BTreeMap::new());
        while next < questions.len() || !open.is_empty() {
            while next < questions.len() && open.len() < IN_FLIGHT {
                let (question, inbox) = (&questions[next], format!("{inbox}.{next}"));
                let body = question.body.to_string().into();
                self.client.publish_with_reply(question.subject, inbox, body).await.unwrap();
                open.insert(next, questions[next].body["action"].clone());
                next += 1;
            }
            let Ok(Some(message)) = tokio::time::timeout(PATIENCE, replies.next()).await else {
                panic!("no word about {open:?}; {next} of {} were asked", questions.len());
            };
            self.serve.must_run();
            let number: usize = message.subject.rsplit('.').next().unwrap().parse().unwrap();
            open.remove(&number);
            answered[number].push(read(&message));
        }
        // Whatever came twice has come by the time that a later question is answered.
        ask(&self.client, "whither.nodes", &json!({"limit": 1})).await;
        while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(500), replies.next()).await {
            let number: usize = message.subject.rsplit('.').next().unwrap().parse().unwrap();
            answered[number].push(read(&message));
        }
        answered
    }

    /// The service is well, every good chain is answered, and it ends when it is told to, with all that it started.
    pub(crate) async fn stop(mut self) {
        assert_eq!(self.serve.get("/healthz"), (200, "ok\n".to_owned()));
        for (action, ..) in GOOD {
            let body = json!({"action": action, "user": {"login": "u17"}, "data": {"pick": "n17"}});
            assert_eq!(ask(&self.client, "whither.place", &body).await.body["node"], "n17", "{action}");
        }
        let workers = self.serve.children();
        assert!(!workers.is_empty(), "somebody decided");
        self.serve.signal(Signal::TERM);
        assert_eq!(self.serve.ended().await, Some(0));
        let is_there = |worker: &rustix::process::Pid| {
            std::fs::read(format!("/proc/{}/cmdline", worker.as_raw_nonzero()))
                .is_ok_and(|line| line.split(|byte| *byte == 0).any(|word| word == b"__worker"))
        };
        eventually("no worker is left", async || (!workers.iter().any(is_there)).then_some(())).await;
    }
}

/// The number that an environment variable holds.
pub(crate) fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn id(number: usize) -> String {
    format!("n{number:02}")
}

/// Nodes of which each has a rank, a user of its own with as many sessions and one more, and something odd.
fn nodes() -> Vec<Value> {
    (0..NODES)
        .map(|rank| {
            let user = format!("u{rank:02}");
            let sessions: Vec<_> = (0..=rank).map(|s| json!({"id": format!("{user}-{s}"), "user": user})).collect();
            let mut node = json!({
                "id": id(rank),
                "nodeData": {"sessions": sessions, "services": ["launcher"]},
                "staticData": {"rank": rank},
                "metadata": {},
                "metrics": if rank % 2 == 0 { json!({"load": rank}) } else { json!({}) },
            });
            match rank {
                5 => node["metadata"]["__proto__"] = json!({"leak": "leaked"}),
                6 => node["__proto__"] = json!({"leak": "leaked", "id": "n00"}),
                8 => node["staticData"]["__proto__"] = json!({"leak": "leaked"}),
                9 => node["staticData"]["toJSON"] = json!("n00"),
                10 => node["then"] = json!("n00"),
                11 => node["metadata"]["note"] = json!(format!("{}b", "a".repeat(60))),
                12 => node["staticData"]["constructor"] = json!({"prototype": {"leak": "leaked"}}),
                _ => {}
            }
            node
        })
        .collect()
}
