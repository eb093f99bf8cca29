//! The balancer scripts and chains that were found, in a store or as files, before a config is made of them.

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::cli::fastx::FASTX_NAMES;
use crate::engine::builtin::Builtin;

use super::words::is_same;

/// The extension of FastX's scripts.
pub(super) const JAVASCRIPT: &str = "js";

/// A balancer script that was found, in a store or as a file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FoundScript {
    pub(super) name: String,
    /// Every text by which something else may name the script, the name among them.
    pub(super) ids: Vec<String>,
    pub(super) body: ScriptBody,
    /// The file that the script stands in, and the place in that file.
    pub(super) source: String,
    pub(super) place: String,
    /// The built-in that FastX's predefined script of that name is here.
    pub(super) builtin: Option<Builtin>,
}

/// The script itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum ScriptBody {
    /// A text, with the extension of its language.
    Text(String, &'static str),
    /// A program at this path, from the root of the file system.
    Program(PathBuf),
}

/// A place of a chain.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ChainPlace {
    /// The chain; absent for a script of which nothing tells its chain.
    pub(super) action: Option<&'static str>,
    pub(super) target: ChainTarget,
    /// Whether the place is in a list of the chain, and not the label of a script.
    pub(super) is_listed: bool,
    pub(super) order: Option<f64>,
    pub(super) is_off: bool,
    pub(super) source: String,
    pub(super) place: String,
}

/// The script or built-in at a place of a chain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ChainTarget {
    /// The script of that number.
    Script(usize),
    /// A predefined script.
    Builtin(Builtin),
}

/// The static data of a server.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ServerData {
    pub(super) server: String,
    pub(super) data: Map<String, Value>,
    pub(super) source: String,
    pub(super) place: String,
}

/// Returns the built-in of FastX's predefined script called `name`.
pub(super) fn predefined(name: &str) -> Option<Builtin> {
    FASTX_NAMES.into_iter().find(|(known, _)| is_same(known, name)).map(|(_, builtin)| builtin)
}
