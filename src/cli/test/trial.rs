//! One case: its cluster is set up, its requests are asked, its answers are judged; a random cluster on which it fails is
//! made small.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use crate::clock::Dice;
use crate::config::suite::{Case, CaseRequest, DEFAULT_NOW_MS, DEFAULT_SEED, NodeSource};
use crate::model::{Decision, Failure, FailureName, Outcome, Request};
use crate::nats::wire;
use crate::suite::judge::ended;
use crate::suite::{CaseFailure, CaseResult, CaseVerdict, Complaint, Judge, Shrinker, SmallCluster, judge_order};
use crate::worker::PlacementQuestion;

use super::super::exit::CommandExit;
use super::super::one_shot;
use super::super::request;
use super::super::token::{OwnClaims, with_token};
use super::cluster::{ClusterShelf, TestCluster, drawn};
use super::lab::TestWorker;

/// How long a failing cluster is made smaller at most: a test run should end.
const SHRINK_TIME: Duration = Duration::from_secs(20);

/// The most nodes of a cluster over which each decision is explained; over more a case is asked again where it fails.
const MAX_EXPLAINED: usize = 2_000;

/// Runs the cases of one file, one after the other.
pub(super) struct CaseTrials<'a, 'b> {
    pub(super) lab: &'a mut TestWorker<'b>,
    pub(super) shelf: &'a mut ClusterShelf,
}

/// How much is told of each decision of a case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum CaseDetail {
    /// Everything, so that a decision which is not as expected can be explained.
    #[default]
    Explained,
    /// The outcome alone, so that what is kept of a large cluster can answer.
    Outcome,
}

/// What asking a case over one cluster came to.
#[derive(Default)]
struct Trial {
    detail: CaseDetail,
    complaints: Vec<Complaint>,
    /// The decision that the first complaint is about, with its id.
    decision: Option<(Arc<str>, Decision)>,
    questions: u64,
}

impl CaseTrials<'_, '_> {
    /// Runs `case`.
    pub(super) async fn run(&mut self, case: &Case) -> CaseResult {
        let start = Instant::now();
        let (verdict, questions) = match self.verdict(case).await {
            Ok(known) => known,
            Err(exit) => (CaseVerdict::Broken(exit.words().to_owned()), 0),
        };
        CaseResult { name: Arc::clone(&case.name), line: case.line, verdict, took: start.elapsed(), questions }
    }

    async fn verdict(&mut self, case: &Case) -> Result<(CaseVerdict, u64), CommandExit> {
        if let NodeSource::ForAll { clusters, sizes, seed } = case.nodes {
            return self.for_all(case, clusters, sizes, seed).await;
        }
        let cluster = match self.shelf.get(&case.nodes) {
            Ok(cluster) => cluster,
            Err(why) => return Ok((CaseVerdict::Broken(why), 0)),
        };
        let trial = self.over(case, &cluster).await?;
        let questions = trial.questions;
        Ok((trial.verdict(None), questions))
    }

    /// Asks `case` over one random cluster after the other, until it fails on one.
    async fn for_all(
        &mut self,
        case: &Case,
        clusters: u32,
        sizes: (u32, u32),
        seed: u64,
    ) -> Result<(CaseVerdict, u64), CommandExit> {
        let mut questions = 0;
        for number in 0..clusters {
            let documents = drawn(seed, number, sizes);
            let cluster = TestCluster::of_documents(documents.iter().cloned());
            let Ok(cluster) = cluster.map(Rc::new) else { continue };
            let trial = self.over(case, &cluster).await?;
            questions += trial.questions;
            let Some(key) = trial.complaints.first().map(|complaint| complaint.key) else { continue };
            let size = documents.len();
            let nodes = self.shrink(case, documents, key).await?;
            let small = TestCluster::of_documents(nodes.iter().cloned()).map(Rc::new).unwrap_or(cluster);
            let trial = self.over(case, &small).await?;
            let cluster = SmallCluster { number: number + 1, drawn: size, nodes };
            return Ok((trial.verdict(Some(cluster)), questions));
        }
        Ok((CaseVerdict::Passed, questions))
    }

    /// The smallest cluster that is found below `documents` on which `case` still fails by `key`.
    async fn shrink(&mut self, case: &Case, documents: Vec<Value>, key: &str) -> Result<Vec<Value>, CommandExit> {
        let (mut shrinker, start) = (Shrinker::new(documents), Instant::now());
        while start.elapsed() < SHRINK_TIME {
            let Some(proposed) = shrinker.propose() else { break };
            let still_fails = match TestCluster::of_documents(proposed.iter().cloned()) {
                Ok(cluster) => {
                    let trial = self.over(case, &Rc::new(cluster)).await?;
                    trial.complaints.iter().any(|complaint| complaint.key == key)
                }
                Err(_no_node) => false,
            };
            shrinker.tell(still_fails);
        }
        Ok(shrinker.into_nodes())
    }

    /// Asks the requests of `case` over `cluster`.
    async fn over(&mut self, case: &Case, cluster: &Rc<TestCluster>) -> Result<Trial, CommandExit> {
        let expected = || std::iter::once(&case.expected).chain(case.requests.iter().map(|request| &request.expected));
        let is_large = cluster.len() > MAX_EXPLAINED && expected().all(|expected| expected.calls.is_none());
        if is_large {
            let trial = self.ask_all(case, cluster, CaseDetail::Outcome).await?;
            if trial.complaints.is_empty() {
                return Ok(trial);
            }
        }
        self.ask_all(case, cluster, CaseDetail::Explained).await
    }

    async fn ask_all(
        &mut self,
        case: &Case,
        cluster: &Rc<TestCluster>,
        detail: CaseDetail,
    ) -> Result<Trial, CommandExit> {
        self.lab.stage(cluster).await;
        let mut judge = Judge::over(&cluster.nodes);
        let mut trial = Trial { detail, ..Trial::default() };
        for _round in 0..case.repeat {
            for request in &case.requests {
                let (id, decision) = self.ask(case, request, cluster, (trial.questions, trial.detail)).await?;
                trial.questions += 1;
                let is_right = judge.hear(&decision, &case.expected, &request.expected);
                if !is_right && trial.decision.is_none() {
                    trial.decision = Some((id, decision));
                }
            }
        }
        trial.complaints = judge.finish(&case.expected);
        if let (Some(order), Some(request)) = (&case.expected.order, case.requests.first()) {
            let complaint = self.order(case, request, cluster, order, &mut trial).await?;
            trial.complaints.extend(complaint);
        }
        Ok(trial)
    }

    /// Takes away each node that is chosen, until as many were as `order` has.
    async fn order(
        &mut self,
        case: &Case,
        request: &CaseRequest,
        cluster: &Rc<TestCluster>,
        order: &[String],
        trial: &mut Trial,
    ) -> Result<Option<Complaint>, CommandExit> {
        self.lab.stage(cluster).await;
        let mut chosen = Vec::new();
        for expected in order {
            let (id, decision) = self.ask(case, request, cluster, (trial.questions, trial.detail)).await?;
            trial.questions += 1;
            let node = match &decision.outcome {
                Outcome::Placed(node) => Arc::clone(node),
                failed @ Outcome::Failed(_) => {
                    chosen.push(ended(failed));
                    trial.decision.get_or_insert((id, decision));
                    break;
                }
            };
            chosen.push(node.to_string());
            if *node != **expected && trial.decision.is_none() {
                trial.decision = Some((id, decision));
            }
            self.lab.remove(&node).await;
        }
        let complaint = judge_order(order, &chosen);
        Ok(complaint)
    }

    /// Asks one request, the number `sequence` of its case; returns the decision with its id.
    async fn ask(
        &mut self,
        case: &Case,
        request: &CaseRequest,
        cluster: &TestCluster,
        (sequence, detail): (u64, CaseDetail),
    ) -> Result<(Arc<str>, Decision), CommandExit> {
        let mut fields = cluster.request.clone();
        fields.extend(request.fields.clone());
        let id: Arc<str> = format!("test-{sequence}").into();
        let question = match self.question(case, fields, cluster, (sequence, detail), &id) {
            Ok(question) => question,
            Err(refused) => return Ok((id, *refused)),
        };
        let decision = self.lab.ask(question).await?;
        Ok((id, decision))
    }

    fn question(
        &self,
        case: &Case,
        mut fields: Map<String, Value>,
        cluster: &TestCluster,
        (sequence, detail): (u64, CaseDetail),
        id: &Arc<str>,
    ) -> Result<PlacementQuestion, Box<Decision>> {
        if let Some(action) = &case.action {
            fields.entry("action").or_insert_with(|| Value::from(&**action));
        }
        let first = case.seed.or(cluster.seed).unwrap_or(DEFAULT_SEED);
        let seed = match sequence {
            0 => first,
            later => Dice::new(first, later, "request").bits(),
        };
        let now_ms = case.now_ms.or(cluster.now_ms).unwrap_or(DEFAULT_NOW_MS);
        let empty = PlacementQuestion { decision: Arc::clone(id), ..request::blank(now_ms, seed) };
        let refused = |failure| Box::new(one_shot::failed(&empty, cluster.len() as u64, failure));
        // The claims of a test stand for those of a verified token: its author has no keys to sign one.
        let fields = with_token(fields, self.lab.token_rules(), OwnClaims::Trusted, now_ms).map_err(refused)?;
        let text = Value::Object(fields).to_string();
        match Request::parse(text.as_bytes(), self.lab.request_bytes(), "") {
            Ok(parsed) => {
                let mut head = parsed.head().clone();
                head.explain = detail == CaseDetail::Explained;
                Ok(PlacementQuestion { head, request: text.into(), sequence, ..empty })
            }
            Err(error) => Err(refused(Failure::new(FailureName::BadRequest, error.to_string()))),
        }
    }
}

impl Trial {
    fn verdict(self, cluster: Option<SmallCluster>) -> CaseVerdict {
        if self.complaints.is_empty() {
            return CaseVerdict::Passed;
        }
        let explanation = self.decision.map(|(id, decision)| wire::explained(&id, &decision));
        CaseVerdict::Failed(Box::new(CaseFailure { complaints: self.complaints, explanation, cluster }))
    }
}
