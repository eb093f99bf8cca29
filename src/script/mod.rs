//! What a script language must provide, and what a script is given and may answer.
//!
//! Three lifetimes, three types: an [`Engine`] lives as long as its worker, a [`Script`] is compiled once, a [`Run`] is
//! one run of a script's top level and dies with its request, so that nothing of one request reaches another. A new
//! language is one file that implements the three and one line in `engine/mod.rs`.

mod asked;
mod coverage;
mod depends;
mod error;
mod limits;
mod log;
mod policy;
mod source;

use std::rc::Rc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use asked::Asked;
pub use coverage::{Coverage, CoverageKind, CoveragePoint, PointCounter, ScriptCounts};
pub use depends::{RequestPath, key, see_login_alone};
pub use error::{LoadError, ScriptError};
pub use limits::ScriptLimits;
pub use log::LogBook;
pub use policy::{Absent, Policy};
pub use source::{Content, Isolation, Source, SourceText};

use crate::model::{Candidate, Cluster, Parts};

/// A script language.
pub trait Engine {
    /// Compiles `source` and reads its shape. Everything that can be found wrong without running it, is found here.
    ///
    /// # Errors
    /// [`LoadError`] with the place in the source.
    fn load(&self, source: &Source) -> Result<Box<dyn Script>, LoadError>;

    /// Counts into `coverage` what runs of the scripts that are loaded from now on, where the engine can.
    fn cover(&self, _coverage: &Rc<Coverage>) {}
}

/// A compiled script.
pub trait Script {
    /// Which functions it has, and what they depend on.
    fn shape(&self) -> Shape;

    /// The parts of a node that `function`, of one parameter, can read: what it said of a node holds until one of them
    /// changes. All, where nothing better is known.
    fn reads(&self, _function: Function) -> Parts {
        Parts::ALL
    }

    /// The ways into the request on which the functions of two parameters look at it, where nothing else than what lies
    /// there, and the node, decides what they say. Absent where that is not known.
    fn depends(&self) -> Option<&[RequestPath]> {
        None
    }

    /// What is probably a mistake in the source though it compiles, each with its place.
    fn remarks(&self) -> &[LoadError] {
        &[]
    }

    /// Does what has to be done before many calls about single nodes, whose own time it must not cost.
    ///
    /// # Errors
    /// The limit that it passed, or what went wrong.
    fn prepare(&self, _scene: Scene<'_>) -> Result<(), ScriptError> {
        Ok(())
    }

    /// Runs the script's top level for one request, or for one pure call.
    ///
    /// # Errors
    /// What the top level threw, or the limit that it passed.
    fn open<'a>(&'a self, scene: Scene<'a>) -> Result<Box<dyn Run + 'a>, ScriptError>;
}

/// A script whose top level has run, for as long as one request lasts.
pub trait Run {
    /// Calls one of the script's functions.
    ///
    /// # Errors
    /// What it threw, or the limit that it passed.
    fn call(&mut self, call: Call<'_>) -> Result<Answer, ScriptError>;
}

/// The two shapes of a script (ARCHITECTURE.md, Chain semantics).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One function of the whole list.
    WholeList,
    /// Functions of one node.
    PerNode(PerNode),
}

/// The functions of a per-node script; at least one of `filter` and `score` is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerNode {
    /// `filter`, where the script has it.
    pub filter: Option<Arity>,
    /// `score`, where the script has it.
    pub score: Option<Arity>,
    /// Whether a `key(request)` says what the functions of two parameters depend on.
    pub key: bool,
}

/// One of the two functions that are asked about a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `filter`.
    Filter,
    /// `score`.
    Score,
}

/// The signature of a per-node function, which is its contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// One parameter: pure in the node, without request, clock and dice.
    Node,
    /// Two parameters: the node and the request, or the key where the script has `key`.
    NodeAndRequest,
}

/// What surrounds a run.
#[derive(Clone, Copy)]
pub struct Scene<'a> {
    /// The nodes that candidates refer to.
    pub cluster: &'a Cluster,
    /// The request; absent for pure calls, in which using it, the clock or dice is an error that says so.
    pub asked: Option<Asked<'a>>,
    /// Which step of its chain this is, from 0; random streams differ by it.
    pub step: u64,
    /// Where what the script logs goes.
    pub log: &'a LogBook,
}

/// One call of a script's function.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a> {
    /// The whole-list function, over these candidates.
    Balance(&'a [Candidate]),
    /// `key(request)`.
    Key,
    /// `filter` of one node.
    Filter(&'a Candidate, Argument<'a>),
    /// `score` of one node.
    Score(&'a Candidate, Argument<'a>),
}

/// The second argument of a per-node function.
#[derive(Clone, Copy, Debug)]
pub enum Argument<'a> {
    /// None: the function has one parameter.
    Nothing,
    /// The request: the whole input without the nodes.
    Request,
    /// What `key` returned.
    Key(&'a Value),
}

/// What a call came to; the variant follows the call's.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Of [`Call::Balance`].
    Returned(Returned),
    /// Of [`Call::Key`]; what JSON cannot say is `null`.
    Key(Value),
    /// Of [`Call::Filter`]: whether what it returned is truthy in the script's language.
    Keep(bool),
    /// Of [`Call::Score`].
    Score(Score),
}

/// What a whole-list function returned, before it is checked against the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Returned {
    /// A falsy value.
    Falsy,
    /// A string that is not empty.
    Id(String),
    /// A list; it may end with the first element that is no node and no id, because that refuses it.
    List(Vec<Element>),
    /// A node object, which is no verdict, with its id: the commonest slip.
    Node(String),
    /// Anything else that is truthy, in words (`true`, `the number 7`, `a promise that never settles`).
    Other(String),
}

/// One element of a returned list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Element {
    /// The candidate at this place of the list that was given, untouched.
    Given(usize),
    /// A string.
    Id(String),
    /// An object that names a node: its id, and its other top-level properties as far as they may differ from what was
    /// given.
    Node(String, #[serde(with = "as_text")] Map<String, Value>),
    /// Anything else, in words.
    Other(String),
}

/// JSON as text: wires of ours carry no self-describing values.
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

/// What a `score` returned.
#[derive(Clone, Debug, PartialEq)]
pub enum Score {
    /// The node's score.
    Number(f64),
    /// `undefined`, `null`, `false` or `NaN`: the node is left out.
    LeftOut,
    /// Anything else, in words.
    Other(String),
}
