//! `whither new`: starting points that work as they are, to be changed afterwards.

mod config;
mod js;
mod nodes;
mod save;

use clap::{Args, Subcommand};

/// What `whither new` is asked for.
#[derive(Debug, Args)]
pub struct NewArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A balancer script in JavaScript
    Js(js::JsArgs),
    /// A list of plausible nodes to try scripts on
    Nodes(nodes::NodesArgs),
    /// A config with every setting explained
    Config(config::ConfigArgs),
}

/// Writes the starting point that `args` ask for.
///
/// # Errors
/// What could not be written, and why.
pub fn run(args: NewArgs) -> anyhow::Result<()> {
    match args.what {
        What::Js(args) => js::run(&args),
        What::Nodes(args) => nodes::run(&args),
        What::Config(args) => config::run(&args),
    }
}
