//! The traits that a script language implements, and the values that a script receives and returns.
//!
//! Three lifetimes, three types: an [`Engine`] lives as long as the worker, a [`Script`] is compiled once, a [`Run`] is
//! a single run of a script's top level and is dropped with the request, so that nothing of a request reaches another
//! request. A new language is a file that implements the three traits and a line in `engine/mod.rs`.

mod asked;
mod coverage;
mod depends;
mod error;
mod limits;
mod log;
mod policy;
mod source;
mod tiers;
pub mod tree;

use std::rc::Rc;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use asked::ScriptRequest;
pub use coverage::{Coverage, CoverageKind, CoveragePoint, PointCounter, ScriptCounts};
pub use depends::{RequestPath, key, see_login_alone};
pub use error::{LoadError, ScriptError};
pub use limits::{ScriptLimits, time_message};
pub use log::LogBook;
pub use policy::{Absent, Policy};
pub use source::{Content, Isolation, ScriptSource, SourceText};
pub use tiers::{FunctionTier, TierChange, TierLedger, TierNews, TierReport};

use crate::model::{Candidate, Cluster, NodeParts, SlotIndex};

/// A script language.
pub trait Engine {
    /// Compiles `source` and reads the shape of the script. Every fault that can be found without running the script is
    /// found here.
    ///
    /// # Errors
    /// [`LoadError`] with the place in the source.
    fn load(&self, source: &ScriptSource) -> Result<Box<dyn Script>, LoadError>;

    /// Counts into `coverage` what runs of the scripts that are loaded from now on, where the engine can.
    fn cover(&self, _coverage: &Arc<Coverage>) {}

    /// Writes into `ledger` what becomes of the compiled functions of the scripts that are loaded from now on, where the
    /// engine compiles.
    fn tell_tiers(&self, _ledger: &Rc<TierLedger>) {}
}

/// A compiled script.
pub trait Script {
    /// Returns the script's functions and their arities.
    fn shape(&self) -> ScriptShape;

    /// Returns the parts of a node that `function`, of a single parameter, can read: an answer about a node holds until
    /// one of these parts changes. All parts, where nothing better is known.
    fn reads(&self, _function: NodeFunction) -> NodeParts {
        NodeParts::ALL
    }

    /// Returns the paths on which the functions of two parameters look into the request, where the values on these
    /// paths and the node alone decide the answers. `None` where that is not known.
    fn depends(&self) -> Option<&[RequestPath]> {
        None
    }

    /// Returns the probable mistakes in a source that compiles, with their places.
    fn remarks(&self) -> &[LoadError] {
        &[]
    }

    /// Returns the tier that runs each function, in languages that have more than one.
    fn tiers(&self) -> Vec<FunctionTier> {
        Vec::new()
    }

    /// Returns the answer of the script where the request alone decides it, so that no function need be called for a
    /// node; `None` where the functions are called.
    ///
    /// # Errors
    /// The failure of the step.
    fn decide(&self, _asked: ScriptRequest<'_>) -> Result<Option<ReturnedValue>, ScriptError> {
        Ok(None)
    }

    /// Returns the reason for the script's answer to the request, for explanations, in languages that know reasons.
    fn reason(&self, _asked: ScriptRequest<'_>) -> Option<String> {
        None
    }

    /// Does work in advance of many calls about single nodes, so that the work does not count towards the time of a
    /// call.
    ///
    /// # Errors
    /// The limit that the script passed, or the fault of the machine.
    fn prepare(&self, _scene: CallContext<'_>) -> Result<(), ScriptError> {
        Ok(())
    }

    /// Runs the script's top level for a request, or for a pure call.
    ///
    /// # Errors
    /// The error that the top level threw, or the limit that the top level passed.
    fn open<'a>(&'a self, scene: CallContext<'a>) -> Result<Box<dyn Run + 'a>, ScriptError>;
}

/// A script after the run of its top level, for the duration of a single request.
pub trait Run {
    /// Calls a function of the script.
    ///
    /// # Errors
    /// The error that the function threw, or the limit that the function passed.
    fn call(&mut self, call: Call<'_>) -> Result<CallAnswer, ScriptError>;

    /// Returns how many of the first `slots` `filter` leaves out, as far as the engine can tell that for many nodes at
    /// once and with nothing else to report: no error, no log line, nothing to compare. The answer about the next node
    /// is not known. The nodes have no overlays.
    ///
    /// # Errors
    /// The limit of the step, where that was passed; no other error is the script's until a call returns it.
    fn leading_rejections(&mut self, _slots: &[SlotIndex], _argument: Argument<'_>) -> Result<usize, ScriptError> {
        Ok(0)
    }
}

/// The two shapes of a script (ARCHITECTURE.md, Chain semantics).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptShape {
    /// A function of the whole list of candidates.
    WholeList,
    /// Functions of a single node.
    PerNode(PerNode),
}

/// The functions of a per-node script; at least `filter` or `score` is present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerNode {
    /// The arity of `filter`, where the script has that function.
    pub filter: Option<Arity>,
    /// The arity of `score`, where the script has that function.
    pub score: Option<Arity>,
    /// Whether the script has `key(request)`, on which the functions of two parameters depend instead of the request.
    pub key: bool,
}

/// A function that is called for a single node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeFunction {
    /// `filter`.
    Filter,
    /// `score`.
    Score,
}

/// The signature of a per-node function: the contract of the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// A single parameter: pure in the node, without request, clock and random numbers.
    Node,
    /// Two parameters: the node and the request, or the key where the script has `key`.
    NodeAndRequest,
}

/// The cluster, the request and the log that surround a run.
#[derive(Clone, Copy)]
pub struct CallContext<'a> {
    /// The nodes that candidates refer to.
    pub cluster: &'a Cluster,
    /// The request; absent for pure calls, in which using the request, the clock or random numbers is an error that
    /// says so.
    pub asked: Option<ScriptRequest<'a>>,
    /// The number of the step in the chain, from 0; random streams differ by step.
    pub step: u64,
    /// The book that receives the lines that the script logs.
    pub log: &'a LogBook,
}

/// A call of a script's function.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// The whole-list function, with these candidates.
    Balance(&'a Arc<[Candidate]>),
    /// `key(request)`.
    Key,
    /// `filter` of this node.
    Filter(&'a Candidate, Argument<'a>),
    /// `score` of this node.
    Score(&'a Candidate, Argument<'a>),
}

/// The second argument of a per-node function.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    /// No second argument: the function has a single parameter.
    Nothing,
    /// The request: the whole input without the nodes.
    Request,
    /// The value that `key` returned.
    Key(&'a Value),
}

/// The result of a call; the variant follows the variant of the [`Call`].
#[derive(Clone, Debug, PartialEq)]
pub enum CallAnswer {
    /// The result of [`Call::Balance`].
    Returned(ReturnedValue),
    /// The result of [`Call::Key`]; values that JSON cannot express are `null`.
    Key(Value),
    /// The result of [`Call::Filter`]: whether the returned value is truthy in the script's language.
    Keep(bool),
    /// The result of [`Call::Score`].
    Score(Score),
}

/// The value that a whole-list function returned, before the value is checked against the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ReturnedValue {
    /// A falsy value.
    Falsy,
    /// A string that is not empty.
    Id(String),
    /// A list; the list may end with the first element that is neither node nor id, because that element refuses the
    /// list. A list of untouched candidates alone is [`ReturnedValue::Given`].
    List(Vec<Element>),
    /// A node object, which is no verdict, with the node's id: the most common mistake.
    Node(String),
    /// Any other truthy value, described in words (`true`, `the number 7`, `a promise that never settles`).
    Other(String),
    /// A list of untouched candidates alone, as most lists are: their places in the list that the script received.
    Given(Vec<u32>),
}

impl ReturnedValue {
    /// Returns the list of `elements`: [`ReturnedValue::Given`] where all of them are untouched candidates.
    #[must_use]
    pub fn list(elements: Vec<Element>) -> Self {
        let place = |element: &Element| match element {
            Element::Given(place) => u32::try_from(*place).ok(),
            _ => None,
        };
        match elements.iter().map(place).collect() {
            Some(places) => Self::Given(places),
            None => Self::List(elements),
        }
    }
}

/// An element of a returned list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Element {
    /// The untouched candidate at this place of the list that the script received.
    Given(usize),
    /// A string.
    Id(String),
    /// An object that names a node: the id, and those other top-level properties that may differ from the received
    /// node.
    Node(String, #[serde(with = "as_text")] Map<String, Value>),
    /// Any other value, described in words.
    Other(String),
}

/// Serializes JSON as text: the frames between our processes carry no self-describing values.
mod as_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};
    use serde_json::{Map, Value};

    pub(super) fn serialize<S: Serializer>(map: &Map<String, Value>, serializer: S) -> Result<S::Ok, S::Error> {
        let text = serde_json::to_string(map).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
        serde_json::from_str(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// The value that a `score` returned.
#[derive(Clone, Debug, PartialEq)]
pub enum Score {
    /// The node's score.
    Number(f64),
    /// `undefined`, `null`, `false` or `NaN`: the node is left out.
    LeftOut,
    /// Any other value, described in words.
    Other(String),
}
