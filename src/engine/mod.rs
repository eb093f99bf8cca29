//! The script languages: the only files that name an engine crate. A new language is a file and a line here.

use std::rc::Rc;

use jiff::tz::TimeZone;

use crate::clock::Alarm;
use crate::script::{Engine, ScriptLimits};

pub mod builtin;
pub mod javascript;
mod merge;
mod reads;
mod residents;
pub mod rhai;
mod timsort;
pub mod wasm;
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
}

/// What a script's file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// What somebody wrote.
    Text,
    /// What a compiler made of it: a program with a memory of its own.
    Compiled,
}

/// Every language, one line each.
pub const LANGUAGES: &[Language] = &[
    Language { name: "JavaScript", extension: "js", form: Form::Text, engine: javascript::engine },
    Language { name: "Rhai", extension: "rhai", form: Form::Text, engine: rhai::engine },
    Language { name: "WebAssembly", extension: "wasm", form: Form::Compiled, engine: wasm::engine },
];
