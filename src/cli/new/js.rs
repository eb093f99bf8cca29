//! `whither new js NAME`: a balancer script whose header explains what it sees and what it may answer.

use std::path::Path;

use clap::{Args, ValueEnum};

use super::name::file_name;
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
    let file = file_name(&args.name, "js")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_name_their_file() {
        for shape in [Shape::List, Shape::Node] {
            assert_eq!(shape.template().matches(OWN_NAME).count(), 3);
            assert!(shape.template().lines().all(|line| line.len() <= 120));
        }
    }
}
