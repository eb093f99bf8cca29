//! A login storm in simulated time: 12,000 sessions in a minute on 100 equal nodes that report every 5 s.
//!
//! Load figures are seconds old. Who places by them alone sends everybody who comes between two reports to the same few
//! nodes (Citrix calls it the black hole); reservations are what keeps the storm even, with several replicas too. The
//! replicas here are evaluators with ledgers, and what they tell each other takes some milliseconds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::sync::Arc;

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};
use whither::chain::{Ask, ChainSet, ChainSpec, NoObserver, Progress, Purpose, StepSource, StepSpec};
use whither::clock::{Silent, Stopped};
use whither::evaluator::{Evaluator, EvaluatorHost, Question, reservation};
use whither::model::{Arrangement, Change, Outcome, Report, Request, Reservation, UserNames};
use whither::registry::ledger::{Ledger, LedgerEntry, LedgerRules};

const NODES: usize = 100;
const REPORT_EVERY_US: u64 = 5_000_000;
const REQUEST_EVERY_US: u64 = 5_000;
const STORM_US: u64 = 60_000_000;
/// Until a placed session runs, at least and at most.
const START_US: (u64, u64) = (1_000_000, 6_000_000);
/// What a message takes, at least and at most.
const WIRE_US: (u64, u64) = (500, 5_000);

/// One thing that happens.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A user asks.
    Request,
    /// A session runs from now on: on which node, whose, under which reservation.
    Start(usize, String, String),
    /// A node reports.
    Report(usize),
    /// A replica reads the report with this number.
    Read(usize, usize),
    /// A replica hears of a reservation: its id, node and user.
    Held(usize, String, String, String),
    /// A replica hears that a reservation is over.
    Over(usize, String),
}

struct Replica {
    evaluator: Evaluator,
    ledger: Ledger<()>,
}

struct Storm {
    replicas: Vec<Replica>,
    reserves: bool,
    dice: Pcg64Mcg,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    scheduled: u64,
    sessions: Vec<Vec<Value>>,
    reports: Vec<Arc<Report>>,
    placed: BTreeMap<Arc<str>, usize>,
    asked: u64,
}

impl Storm {
    fn new(replicas: usize, reserves: bool) -> Self {
        let rules = LedgerRules { lifetime_ms: 120_000, names: UserNames::default(), trusting: true };
        let replica = || Replica { evaluator: evaluator(reserves), ledger: Ledger::new(rules) };
        let mut storm = Self {
            replicas: (0..replicas).map(|_| replica()).collect(),
            reserves,
            dice: Pcg64Mcg::seed_from_u64(7),
            events: BinaryHeap::new(),
            scheduled: 0,
            sessions: vec![Vec::new(); NODES],
            reports: Vec::new(),
            placed: BTreeMap::new(),
            asked: 0,
        };
        for node in 0..NODES {
            let report = storm.report(node);
            storm.replicas.iter_mut().for_each(|one| one.evaluator.apply(Change::Report(Arc::clone(&report))));
            let phase = storm.between((0, REPORT_EVERY_US));
            storm.at(phase, Event::Report(node));
        }
        storm.at(0, Event::Request);
        storm
    }

    fn between(&mut self, (least, most): (u64, u64)) -> u64 {
        least + self.dice.next_u64() % (most - least)
    }

    fn at(&mut self, moment: u64, event: Event) {
        self.scheduled += 1;
        self.events.push(Reverse((moment, self.scheduled, event)));
    }

    /// Tells every replica but `from`, each after a time of its own.
    fn tell(&mut self, now: u64, from: Option<usize>, event: impl Fn(usize) -> Event) {
        for to in (0..self.replicas.len()).filter(|to| Some(*to) != from) {
            let wire = self.between(WIRE_US);
            self.at(now + wire, event(to));
        }
    }

    fn report(&self, node: usize) -> Arc<Report> {
        let document = json!({"id": name(node), "nodeData": {"sessions": self.sessions[node]}});
        Arc::new(Report::from_value(document).unwrap())
    }

    /// Runs the storm; the most sessions of a node over the mean of all.
    fn run(mut self) -> f64 {
        while let Some(Reverse((now, _, event))) = self.events.pop() {
            if now >= STORM_US {
                break;
            }
            self.happen(now, event);
        }
        let (most, all) = (self.placed.values().max().unwrap(), self.placed.values().sum::<usize>());
        assert_eq!(all as u64, self.asked, "everybody was placed");
        *most as f64 / (all as f64 / NODES as f64)
    }

    fn happen(&mut self, now: u64, event: Event) {
        match event {
            Event::Request => {
                self.place(now);
                self.at(now + REQUEST_EVERY_US, Event::Request);
            }
            Event::Start(node, user, reservation) => {
                let mut session = json!({"id": format!("s{reservation}"), "user": user});
                // Every other session does not know its reservation: then its user tells.
                if self.dice.next_u64().is_multiple_of(2) {
                    session["reservation"] = reservation.into();
                }
                self.sessions[node].push(session);
            }
            Event::Report(node) => {
                self.reports.push(self.report(node));
                let number = self.reports.len() - 1;
                self.tell(now, None, |to| Event::Read(to, number));
                self.at(now + REPORT_EVERY_US, Event::Report(node));
            }
            Event::Read(to, number) => {
                let report = Arc::clone(&self.reports[number]);
                let Replica { evaluator, ledger } = &mut self.replicas[to];
                let ended = ledger.reported(&report, evaluator.cluster().get(&report.id), now / 1000);
                for LedgerEntry { reservation: Reservation { id, .. }, own, .. } in ended {
                    self.replicas[to].evaluator.apply(Change::Release(Arc::clone(&id)));
                    if own {
                        self.tell(now, Some(to), |other| Event::Over(other, id.to_string()));
                    }
                }
                self.replicas[to].evaluator.apply(Change::Report(report));
            }
            Event::Held(to, id, node, user) => {
                let reservation = Reservation { id: id.into(), node: node.into(), user: user.into(), name: "".into() };
                let change = Change::Reserve(reservation.clone());
                let expires_ms = now / 1000 + 120_000;
                let entry =
                    LedgerEntry { reservation, expires_ms, confirmed: false, own: false, answer: (), request: None };
                if self.replicas[to].ledger.copy(entry) {
                    self.replicas[to].evaluator.apply(change);
                }
            }
            Event::Over(to, id) => {
                self.replicas[to].ledger.release(&id, now / 1000);
                self.replicas[to].evaluator.apply(Change::Release(id.into()));
            }
        }
    }

    fn place(&mut self, now: u64) {
        self.asked += 1;
        let to = self.between((0, self.replicas.len() as u64)) as usize;
        let user = format!("u{}", self.asked);
        let question = question(to, self.asked, &user);
        let Progress::Decided(decision) = self.replicas[to].evaluator.decide(&question) else { unreachable!() };
        let Outcome::Placed(node) = decision.outcome else { panic!("{decision:?}") };
        *self.placed.entry(Arc::clone(&node)).or_default() += 1;
        let held = reservation(&question, &node);
        let start = self.between(START_US);
        self.at(now + start, Event::Start(node[1..].parse().unwrap(), user, held.id.to_string()));
        if self.reserves {
            self.replicas[to].ledger.reserve(held.clone(), None, (), now / 1000 + 120_000);
            let Reservation { id, node, user, .. } = held;
            self.tell(now, Some(to), |other| Event::Held(other, id.to_string(), node.to_string(), user.to_string()));
        }
    }
}

fn name(node: usize) -> String {
    format!("n{node:03}")
}

fn evaluator(reserves: bool) -> Evaluator {
    let step = StepSpec::new("builtin:fewest-sessions", StepSource::Builtin("fewest-sessions".to_owned()));
    let chain = ChainSpec { reserve: reserves, ..ChainSpec::new("session/start", vec![step]) };
    let senses = EvaluatorHost { stopwatch: Box::new(Stopped), witness: Box::new(NoObserver), alarm: Rc::new(Silent) };
    Evaluator::new(&ChainSet::new(vec![chain]), Arrangement::ById, senses, &mut |_step| {}).unwrap()
}

fn question(replica: usize, number: u64, user: &str) -> Question {
    let request = Arc::new(Request::from_value(json!({"user": {"login": user}}), "").unwrap());
    let ask = Ask {
        request,
        purpose: Purpose::Place,
        about: None,
        anew: false,
        now_ms: 0,
        seed: number,
        sequence: number,
        limited: Vec::new(),
        assigned: None,
        cooling: Default::default(),
    };
    Question { decision: format!("{replica:08x}-{number}").into(), ask }
}

#[test]
fn a_storm_stays_even_with_one_replica_and_with_four() {
    let one = Storm::new(1, true).run();
    let four = Storm::new(4, true).run();
    println!("most sessions of a node over the mean, {} sessions on {NODES} nodes:", STORM_US / REQUEST_EVERY_US);
    println!("  with reservations:    one replica {one:.2}, four {four:.2}");
    println!(
        "  without reservations: one replica {:.2}, four {:.2}",
        Storm::new(1, false).run(),
        Storm::new(4, false).run()
    );
    assert!(one <= 1.2 && four <= 1.6, "{one} {four}");
}
