//! The script languages: the only files that name an engine crate. A new language is a file and a line here.

use std::rc::Rc;

use jiff::tz::TimeZone;

use crate::clock::Alarm;
use crate::script::tree::SyntaxTree;
use crate::script::{Engine, ScriptLimits, SourceText};

pub mod builtin;
#[cfg(feature = "rules")]
pub mod home_rules;
#[cfg(feature = "javascript")]
pub mod javascript;
#[cfg(any(feature = "javascript", feature = "rhai"))]
mod known;
#[cfg(any(feature = "javascript", feature = "rhai"))]
mod merge;
#[cfg(any(feature = "javascript", feature = "rhai"))]
mod reads;
#[cfg(any(feature = "javascript", feature = "rhai"))]
mod residents;
#[cfg(feature = "rhai")]
pub mod rhai;
#[cfg(feature = "javascript")]
mod timsort;
#[cfg(feature = "wasm")]
pub mod wasm;
#[cfg(any(feature = "javascript", feature = "rhai"))]
mod words;

/// The settings of every engine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The limits that engines enforce themselves.
    pub limits: ScriptLimits,
    /// The site's time zone.
    pub zone: TimeZone,
    /// The alarm that goes off when a script has used up the time allowed, for engines that can stop a script.
    pub alarm: Rc<dyn Alarm>,
}

/// A language that scripts can be written in.
pub struct Language {
    /// The name of the language, for people.
    pub name: &'static str,
    /// The extension of the language's files, without the dot.
    pub extension: &'static str,
    /// The form of the language's files.
    pub form: Form,
    /// The constructor of the language's engine.
    pub engine: fn(&Settings) -> Box<dyn Engine>,
    /// Reads a source that the engine compiles as a tree, for those who look for mistakes in it; absent where the
    /// language is not written, or the source is not understood.
    pub tree: fn(&SourceText) -> Option<SyntaxTree>,
}

/// The form of a script's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Source text.
    Text,
    /// The output of a compiler: a program with a separate memory.
    Compiled,
    /// A table, which may be longer than a script: a line for each user or group of a site.
    Table,
}

/// The largest table in bytes.
pub const MAX_TABLE_BYTES: usize = 2 << 20;

impl Form {
    /// Returns the largest file of this form in bytes.
    #[must_use]
    pub fn max_bytes(self, limits: &ScriptLimits) -> usize {
        match self {
            Self::Text => limits.source_bytes,
            Self::Compiled => limits.component_bytes,
            Self::Table => MAX_TABLE_BYTES,
        }
    }
}

/// Returns the largest file of any form in bytes.
#[must_use]
pub fn max_file_bytes(limits: &ScriptLimits) -> usize {
    limits.source_bytes.max(limits.component_bytes).max(MAX_TABLE_BYTES)
}

/// Every language of this build, a line each.
pub const LANGUAGES: &[Language] = &[
    #[cfg(feature = "javascript")]
    Language {
        name: "JavaScript",
        extension: "js",
        form: Form::Text,
        engine: javascript::engine,
        tree: javascript::tree,
    },
    #[cfg(feature = "rhai")]
    Language { name: "Rhai", extension: "rhai", form: Form::Text, engine: rhai::engine, tree: rhai::tree },
    #[cfg(feature = "wasm")]
    Language {
        name: "WebAssembly",
        extension: "wasm",
        form: Form::Compiled,
        engine: wasm::engine,
        tree: |_compiled| None,
    },
    #[cfg(feature = "rules")]
    Language {
        name: "home rules",
        extension: "toml",
        form: Form::Table,
        engine: home_rules::engine,
        tree: |_table| None,
    },
];
