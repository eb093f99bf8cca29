//! A run: a chain decides over a cluster, again and again for a while.
//!
//! The timed part is the work of a worker for a request: building the request from its text, as far as a step reads the
//! request, and deciding. Around the timed part, and in the throughput alone, places are given back and nodes report.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::chain::{Ask, NoObserver, Progress, Purpose};
use crate::cli::exit::{self, CommandExit};
use crate::clock::{Dice, Silent, Stopped};
use crate::evaluator::{Evaluator, EvaluatorHost, Question};
use crate::model::{Change, Decision, Outcome};
use crate::system_clock::unix_ms;

use super::cluster::{Clusters, News};
use super::contender::BenchChain;
use super::holdings::Holdings;
use super::latencies::Latencies;
use super::machine;
use super::row::{BenchTier, FirstAnswer, Row};
use super::users::BenchUsers;

/// The seed of the requests' random bits.
const SEED: u64 = 1;
/// The longest warm-up; a shorter run is warmed up for the time of the run.
const WARM_UP: Duration = Duration::from_millis(300);

/// The plan of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct RunPlan {
    /// The time for which the chain is measured.
    pub(super) time: Duration,
    /// The number of decisions between two changes of a node; absent where no node changes.
    pub(super) changes: Option<u64>,
}

impl RunPlan {
    /// Returns the time of the warm-up, before the chain is measured.
    #[must_use]
    pub(super) fn warm_up(&self) -> Duration {
        WARM_UP.min(self.time)
    }

    /// Measures `contender` over the cluster with `size` nodes.
    ///
    /// # Errors
    /// A script that does not compile, and every other fault that a trial reports too.
    pub(super) fn run(
        &self,
        contender: &BenchChain,
        (clusters, size): (&Clusters, usize),
        users: &BenchUsers,
    ) -> Result<Row, CommandExit> {
        let before = machine::resident_bytes();
        let reports = clusters.reports(size)?;
        let news = self.changes.map(|_| News::of(&reports)).transpose()?;
        let mut runner = BenchEvaluator::new(contender, reports, users, news)?;
        runner.go(self.warm_up(), self.changes)?;
        let first = runner.tally.first.take().unwrap_or_default();
        runner.tally = DecisionTally::new()?;
        let elapsed = runner.go(self.time, self.changes)?;
        let DecisionTally { latencies, calls, failures, .. } = runner.tally;
        let tier = BenchTier::of(runner.evaluator.compiled_functions(), runner.evaluator.tiers().len());
        Ok(Row {
            label: contender.label.clone(),
            nodes: size,
            decisions: latencies.count(),
            p50_ns: latencies.p50_ns(),
            p99_ns: latencies.p99_ns(),
            elapsed_ns: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
            calls,
            tier,
            memory_bytes: machine::resident_bytes().saturating_sub(before),
            failures: failures.into_iter().map(|(name, count)| (name.to_owned(), count)).collect(),
            first,
            peers: Vec::new(),
        })
    }
}

/// An evaluator that is asked question after question.
struct BenchEvaluator<'a> {
    evaluator: Evaluator,
    users: &'a BenchUsers,
    holdings: Holdings,
    news: Option<News>,
    dice: Dice,
    now_ms: i64,
    asked: u64,
    tally: DecisionTally,
}

/// The counts and latencies of the decisions of a run.
struct DecisionTally {
    latencies: Latencies,
    calls: u64,
    failures: BTreeMap<&'static str, u64>,
    first: Option<FirstAnswer>,
}

impl DecisionTally {
    fn new() -> Result<Self, CommandExit> {
        Ok(Self { latencies: Latencies::new()?, calls: 0, failures: BTreeMap::new(), first: None })
    }

    fn count(&mut self, decision: &Decision, took: Duration) {
        self.latencies.record(took);
        self.calls += decision.diagnosis.steps.iter().map(|step| step.calls).sum::<u64>();
        if let Outcome::Failed(failure) = &decision.outcome {
            *self.failures.entry(failure.name.as_str()).or_default() += 1;
        }
        self.first.get_or_insert_with(|| match &decision.outcome {
            Outcome::Placed(node) => FirstAnswer { node: Some(node.to_string()), error: None },
            Outcome::Failed(failure) => FirstAnswer { node: None, error: Some(failure.to_string()) },
        });
    }
}

impl<'a> BenchEvaluator<'a> {
    fn new(
        contender: &BenchChain,
        reports: Vec<Change>,
        users: &'a BenchUsers,
        news: Option<News>,
    ) -> Result<Self, CommandExit> {
        let senses =
            EvaluatorHost { stopwatch: Box::new(Stopped), witness: Box::new(NoObserver), alarm: Rc::new(Silent) };
        let init = &contender.init;
        let mut evaluator = Evaluator::new(&init.set, init.arrangement, senses, &mut |_step| ()).map_err(|errors| {
            let message = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            CommandExit::new(exit::SCRIPT, message)
        })?;
        let holdings = Holdings::on(reports.len());
        reports.into_iter().for_each(|report| evaluator.apply(report));
        let (dice, now_ms) = (Dice::new(SEED, 0, ""), unix_ms());
        Ok(Self { evaluator, users, holdings, news, dice, now_ms, asked: 0, tally: DecisionTally::new()? })
    }

    /// Asks for `time`, and at least once; returns how long that took.
    fn go(&mut self, time: Duration, changes: Option<u64>) -> Result<Duration, CommandExit> {
        let start = Instant::now();
        loop {
            if changes.is_some_and(|every| self.asked.is_multiple_of(every))
                && let Some(change) = self.news.as_mut().and_then(News::next)
            {
                self.evaluator.apply(change);
            }
            self.ask()?;
            let elapsed = start.elapsed();
            if elapsed >= time {
                return Ok(elapsed);
            }
        }
    }

    fn ask(&mut self) -> Result<(), CommandExit> {
        let id: Arc<str> = format!("bench-{}", self.asked).into();
        let (seed, sequence) = (self.dice.bits(), self.asked);
        self.asked += 1;
        let start = Instant::now();
        let request = self.users.request(sequence).ok_or_else(|| CommandExit::new(exit::OTHER, "nobody asks"))?;
        let ask = Ask {
            request: Arc::new(request),
            purpose: Purpose::Place,
            about: None,
            anew: false,
            now_ms: self.now_ms,
            seed,
            sequence,
            limited: Vec::new(),
            assigned: None,
            cooling: Default::default(),
        };
        let progress = self.evaluator.decide(&Question { decision: Arc::clone(&id), ask });
        let took = start.elapsed();
        let Progress::Decided(decision) = progress else {
            return Err(CommandExit::new(exit::OTHER, "the chain waits for a program, which does not run here"));
        };
        self.tally.count(&decision, took);
        // Where the chain reserves, the evaluator has applied the reservation already; elsewhere this releases nothing.
        if matches!(decision.outcome, Outcome::Placed(_))
            && let Some(oldest) = self.holdings.hold(id)
        {
            self.evaluator.apply(Change::Release(oldest));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::chains::ChainArgs;
    use crate::cli::request::RequestArgs;

    /// Decides `times` requests by a built-in over ten nodes; returns the number of reservations left, and the tally.
    fn asked(times: usize) -> (usize, DecisionTally) {
        let args = ChainArgs { scripts: vec!["builtin:fewest-sessions".to_owned()], config: None };
        let contender = BenchChain::all(&args, false, &RequestArgs::default()).unwrap().remove(0);
        let users = BenchUsers::of(json!({}).as_object().unwrap(), &contender.action, 1 << 20).unwrap();
        let clusters = Clusters::Drawn(vec![10]);
        let mut runner = BenchEvaluator::new(&contender, clusters.reports(10).unwrap(), &users, None).unwrap();
        (0..times).for_each(|_| runner.ask().unwrap());
        (runner.evaluator.cluster().reservations().count(), runner.tally)
    }

    #[test]
    fn reservations_stand_in_bounded_numbers_and_nothing_fails_for_them() {
        assert_eq!(asked(3).0, 3);
        let (standing, tally) = asked(500);
        assert_eq!(standing, 5, "half as many as there are nodes");
        assert_eq!((tally.latencies.count(), tally.calls, tally.failures.len()), (500, 0, 0));
    }
}
