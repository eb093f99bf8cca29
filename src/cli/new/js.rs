//! `whither new js NAME`: a balancer script whose header explains what it sees and what it may answer.

use std::path::Path;

use anyhow::ensure;
use clap::{Args, ValueEnum};

use super::save::{Existing, save, say};
use crate::config::problem::shell_word;

/// What `whither new js` is asked for.
#[derive(Debug, Args)]
pub(super) struct JsArgs {
    /// The script's name; its file is NAME.js
    name: String,
    /// What the script is a function of
    #[arg(long, value_enum, default_value_t = Shape::List)]
    shape: Shape,
    #[command(flatten)]
    existing: Existing,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shape {
    /// The whole list of nodes, as in FastX
    List,
    /// One node: kept until the node changes, hence fast on large clusters
    Node,
}

impl Shape {
    const fn template(self) -> &'static str {
        match self {
            Self::List => include_str!("list.js"),
            Self::Node => include_str!("node.js"),
        }
    }
}

/// Where the templates name their own file.
const OWN_NAME: &str = "SCRIPT.js";

pub(super) fn run(args: &JsArgs) -> anyhow::Result<()> {
    let file = file_name(&args.name)?;
    let text = args.shape.template().replace(OWN_NAME, &file);
    save(Path::new(&file), args.existing, |out| out.write_all(text.as_bytes()))?;
    let mut next = Vec::new();
    if !Path::new("nodes.json").exists() {
        next.push("whither new nodes --out nodes.json".to_owned());
    }
    next.push(format!("whither place --nodes nodes.json --script {} --explain", shell_word(&file)));
    say(&format!("wrote {}", shell_word(&file)), &next);
    Ok(())
}

fn file_name(name: &str) -> anyhow::Result<String> {
    let stem = name.strip_suffix(".js").unwrap_or(name);
    // The name stands in a comment, which ends at any of JavaScript's line ends.
    let ends_line = |character: char| character.is_control() || matches!(character, '\u{2028}' | '\u{2029}');
    ensure!(!stem.contains(ends_line), "a script's name has no line ends or control characters");
    let usable = Path::new(name).file_name().is_some_and(|_| !stem.is_empty() && !stem.ends_with('/'));
    ensure!(usable, "`{name}` is no name for a script, expected one such as `least-busy`");
    Ok(format!("{stem}.js"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_file() {
        for (name, file) in
            [("gpu", "gpu.js"), ("gpu.js", "gpu.js"), ("scripts/gpu", "scripts/gpu.js"), ("a b", "a b.js")]
        {
            assert_eq!(file_name(name).unwrap(), file);
        }
        for name in ["", ".js", "/", "x/", "..", "a\nb", "a\u{2028}b"] {
            assert!(file_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn the_templates_name_their_file() {
        for shape in [Shape::List, Shape::Node] {
            assert_eq!(shape.template().matches(OWN_NAME).count(), 3);
            assert!(shape.template().lines().all(|line| line.len() <= 120));
        }
    }
}
