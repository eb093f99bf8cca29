//! Type definitions and JSON Schemas of scripts and documents, as text, for editors and checkers.
//!
//! Everything is made from the data dictionary of the model and from the lists of the config, which the readers use
//! too. This module renders and writes no file; `whither types` does.

mod config;
mod observed;
pub mod reply;
mod rhai;
mod schema;
mod typescript;

use serde_json::Value;

use crate::config::suite;
use crate::model::dictionary::FieldDoc;

pub use observed::Observed;

/// A file that `whither types` writes.
pub struct TypeFile {
    /// The file's name.
    pub name: &'static str,
    /// The purpose of the file, for a person.
    pub about: &'static str,
    render: fn(&Observed) -> String,
}

impl TypeFile {
    /// Returns the file's text; `observed` has the names that a cluster's administrators made up.
    #[must_use]
    pub fn render(&self, observed: &Observed) -> String {
        (self.render)(observed)
    }
}

/// The type definitions of JavaScript.
pub const DEFINITIONS: TypeFile = TypeFile {
    name: "whither.d.ts",
    about: "types of JavaScript steps, for editors and `tsc --checkJs`",
    render: typescript::definitions,
};

/// The settings with which an editor checks a folder of scripts.
pub const PROJECT: TypeFile = TypeFile {
    name: "jsconfig.json",
    about: "how an editor checks the scripts of the folder: each by itself, without a browser's names",
    render: |_| include_str!("jsconfig.json").to_owned(),
};

/// Every file, a line each.
pub const FILES: [TypeFile; 8] = [
    DEFINITIONS,
    PROJECT,
    TypeFile { name: "whither.d.rhai", about: "types of Rhai steps", render: |_| rhai::definitions() },
    TypeFile { name: "node.schema.json", about: "a node's document", render: |_| pretty(&schema::node()) },
    TypeFile { name: "request.schema.json", about: "a request", render: |_| pretty(&schema::request()) },
    TypeFile { name: "reply.schema.json", about: "a reply", render: |_| pretty(&reply::reply()) },
    TypeFile { name: "config.schema.json", about: "the config", render: |_| pretty(&config::config()) },
    TypeFile { name: "suite.schema.json", about: "a file of tests", render: |_| pretty(&suite::schema::schema()) },
];

fn pretty(schema: &Value) -> String {
    format!("{schema:#}\n")
}

/// Returns the sentence of `field` for a person, with the unit where the sentence does not name the unit.
fn of_field(field: &FieldDoc) -> String {
    let is_named = field.unit.is_empty() || field.about.to_lowercase().contains(field.unit);
    if is_named { sentence(field.about) } else { sentence(&format!("{}, in {}", field.about, field.unit)) }
}

/// `about`, which is written without a full stop and with a small letter, as a sentence that stands by itself.
fn sentence(about: &str) -> String {
    let mut letters = about.chars();
    let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_lines_that_fit_and_schemas_are_json() {
        for file in FILES {
            let text = file.render(&Observed::default());
            assert!(text.ends_with('\n') && !text.contains("\n\n\n"), "{}", file.name);
            if let Some(name) = file.name.strip_suffix(".schema.json") {
                let schema: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(schema["$schema"], schema::DRAFT, "{name}");
                continue;
            }
            let long: Vec<_> = text.lines().filter(|line| line.chars().count() > 120).collect();
            assert!(long.is_empty(), "{}: {long:#?}", file.name);
        }
    }
}
