//! The script languages: the only files that name an engine crate. A new language is a file and a line here.

use std::rc::Rc;

use jiff::tz::TimeZone;

use crate::clock::Alarm;
use crate::script::tree::SyntaxTree;
use crate::script::{Engine, ScriptLimits, SourceText};

pub mod builtin;
#[cfg(feature = "javascript")]
pub mod javascript;
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

/// What every engine is made with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The limits that engines keep themselves.
    pub limits: ScriptLimits,
    /// The site's time zone.
    pub zone: TimeZone,
    /// Rings when a script has used up its time, for engines that can stop one.
    pub alarm: Rc<dyn Alarm>,
}

/// A language that scripts can be written in.
pub struct Language {
    /// Its name in words.
    pub name: &'static str,
    /// How its files end, without the dot.
    pub extension: &'static str,
    /// What its files hold.
    pub form: Form,
    /// Makes its engine.
    pub engine: fn(&Settings) -> Box<dyn Engine>,
    /// Reads a source that the engine compiles as a tree, for those who look for mistakes in it; absent where the
    /// language is not written, or the source is not understood.
    pub tree: fn(&SourceText) -> Option<SyntaxTree>,
}

/// What a script's file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// What somebody wrote.
    Text,
    /// What a compiler made of it: a program with a memory of its own.
    Compiled,
}

/// Every language that this build has, one line each.
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
];
