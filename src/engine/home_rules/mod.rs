//! Home rules: a table of ordered rules, in TOML, that says on which node or pool of nodes a user's sessions live.
//!
//! A table is what Faspex calls Home Server Rules: rules from top to bottom, the first rule whose patterns all match
//! wins, else the default. A table is a step like any script, so that later steps choose within the pool. `read` turns
//! text into a `table`, `patterns` matches a value against all patterns of a field at once, `user` finds the values in a
//! request, `pool` says which nodes belong to a pool, and `program` answers as a script does. Rejected: globs in place
//! of regular expressions, with which `cad|design` and `.*@(north|south)\.example` are several rules each.

mod patterns;
mod pool;
mod program;
mod read;
mod rule_set;
mod table;
mod user;

use std::rc::Rc;

use crate::engine::Settings;
use crate::script::{Engine, LoadError, Script, ScriptSource};

pub use read::is_table;
pub use table::{Home, HomeRule, HomeVerdict, NoMatch, RuleMiss, RuleTable, RuleTrial};
pub use user::RuleUser;

use program::RuleScript;

/// Returns the engine.
#[must_use]
pub fn engine(_settings: &Settings) -> Box<dyn Engine> {
    Box::new(RuleEngine)
}

/// The engine: tables need nothing that outlives them.
struct RuleEngine;

impl Engine for RuleEngine {
    fn load(&self, source: &ScriptSource) -> Result<Box<dyn Script>, LoadError> {
        let table = RuleTable::read(&source.text()?)?;
        Ok(Box::new(RuleScript::new(Rc::new(table))))
    }
}
