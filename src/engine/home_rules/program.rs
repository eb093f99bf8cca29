//! A table as a script: a filter of nodes whose key is the user's pool, so that later requests of the pool find what
//! was found before.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::model::{Cluster, NodeParts, Thrown};
use crate::script::{
    self, Argument, Arity, Call, CallAnswer, CallContext, LoadError, NodeFunction, PerNode, RequestPath, ReturnedValue,
    Run, Score, Script, ScriptError, ScriptRequest, ScriptShape,
};

use super::table::{Home, HomeVerdict, NoMatch, RuleTable};
use super::user::{self, EXTERNAL, RuleUser};

/// The number of users whose homes are kept.
const MAX_KEPT: usize = 10_000;
/// The longest text of the fields that decide, by which a home is kept, in bytes.
const MAX_KEPT_BYTES: usize = 4096;

/// The home of users, as the chain is told.
#[derive(Clone, Debug, PartialEq)]
enum Answer {
    /// The step chooses the node of this id.
    Node(String),
    /// The step leaves the nodes of the pool at this place.
    Pool(usize),
    /// The step passes.
    Pass,
    /// The step fails.
    Refusal,
}

/// A table that answers requests.
pub(super) struct RuleScript {
    table: Rc<RuleTable>,
    /// The paths of a request that decide.
    paths: Vec<RequestPath>,
    /// The answers, by what lies on these paths.
    kept: RefCell<BTreeMap<String, Answer>>,
}

impl RuleScript {
    pub(super) fn new(table: Rc<RuleTable>) -> Self {
        let fields = table.fields.iter().map(|field| field.field.as_str()).chain([EXTERNAL]);
        let mut paths: Vec<_> = fields.flat_map(user::paths).chain([user::sender_path()]).collect();
        paths.sort();
        paths.dedup();
        Self { table, paths, kept: RefCell::default() }
    }

    /// Returns the answer to `asked`, which users with the same fields have in common.
    fn answer(&self, asked: ScriptRequest<'_>) -> Answer {
        let key = script::key(&self.paths, asked.request).to_string();
        if let Some(known) = self.kept.borrow().get(&key) {
            return known.clone();
        }
        let found = self.table.home_of(RuleUser::Requester(asked.request));
        let answer = match (found.home, self.table.no_match()) {
            (Some(Home::Node(node)), _) => Answer::Node(node.to_string()),
            (Some(Home::Pool(pool)), _) => Answer::Pool(*pool),
            (None, NoMatch::Error) => Answer::Refusal,
            (None, _) => Answer::Pass,
        };
        if key.len() <= MAX_KEPT_BYTES {
            let mut kept = self.kept.borrow_mut();
            if kept.len() >= MAX_KEPT {
                // Looking through the table again is cheaper than finding the entry that was used least.
                kept.clear();
            }
            kept.insert(key, answer.clone());
        }
        answer
    }
}

fn refusal(asked: ScriptRequest<'_>) -> ScriptError {
    let login = asked.request.login();
    let message = if login.is_empty() {
        "no home rule matches a user without a name".to_owned()
    } else {
        format!("no home rule matches the user `{login}`")
    };
    ScriptError::Thrown(Thrown { name: "Error".to_owned(), message }, None)
}

impl Script for RuleScript {
    fn shape(&self) -> ScriptShape {
        ScriptShape::PerNode(PerNode { filter: Some(Arity::NodeAndRequest), score: None, key: true })
    }

    fn reads(&self, _function: NodeFunction) -> NodeParts {
        // The id is of this part too: another node may come to stand where a node stood.
        NodeParts::REST
    }

    fn depends(&self) -> Option<&[RequestPath]> {
        Some(&self.paths)
    }

    fn remarks(&self) -> &[LoadError] {
        self.table.remarks()
    }

    fn decide(&self, asked: ScriptRequest<'_>) -> Result<Option<ReturnedValue>, ScriptError> {
        match self.answer(asked) {
            Answer::Node(node) => Ok(Some(ReturnedValue::Id(node))),
            Answer::Pool(_) => Ok(None),
            Answer::Pass => Ok(Some(ReturnedValue::Falsy)),
            Answer::Refusal => Err(refusal(asked)),
        }
    }

    fn reason(&self, asked: ScriptRequest<'_>) -> Option<String> {
        let HomeVerdict { rule, sender, home } = self.table.home_of(RuleUser::Requester(asked.request));
        let by = rule.map_or("no rule matches".to_owned(), |rule| format!("{rule}, line {}", rule.line));
        let sender = sender.map(|sender| format!("the home of the sender `{sender}`: ")).unwrap_or_default();
        Some(format!("{sender}{by}: {}", self.table.words(home)))
    }

    fn open<'a>(&'a self, context: CallContext<'a>) -> Result<Box<dyn Run + 'a>, ScriptError> {
        Ok(Box::new(RuleRun { script: self, cluster: context.cluster, asked: context.asked }))
    }
}

/// The calls of a single request.
struct RuleRun<'a> {
    script: &'a RuleScript,
    cluster: &'a Cluster,
    asked: Option<ScriptRequest<'a>>,
}

impl Run for RuleRun<'_> {
    fn call(&mut self, call: Call<'_>) -> Result<CallAnswer, ScriptError> {
        match call {
            Call::Key => match self.asked.map(|asked| (asked, self.script.answer(asked))) {
                Some((_, Answer::Pool(pool))) => Ok(CallAnswer::Key(json!(pool))),
                Some((_, Answer::Pass)) | None => Ok(CallAnswer::Key(Value::Null)),
                Some((asked, Answer::Refusal)) => Err(refusal(asked)),
                // An index of nodes is of no use for a choice that is made already: see `Script::decide`.
                Some((_, Answer::Node(node))) => Err(ScriptError::Machine(format!("the home is the node `{node}`"))),
            },
            Call::Filter(candidate, Argument::Key(key)) => {
                let pool = key.as_u64().and_then(|pool| self.script.table.pools().get(usize::try_from(pool).ok()?));
                let node = self.cluster.node(candidate.slot);
                Ok(CallAnswer::Keep(pool.zip(node).is_none_or(|(pool, node)| pool.has(node))))
            }
            Call::Filter(..) | Call::Score(..) | Call::Balance(_) => Ok(CallAnswer::Score(Score::LeftOut)),
        }
    }
}
