//! `whither new`: starting points that work as they are, to be changed afterwards.

mod config;
mod exec;
mod name;
pub(super) mod nodes;
mod rules;
mod save;
mod script;
mod wasm;

use clap::{Args, Subcommand};
use script::{ScriptArgs, ScriptLanguage};

/// The arguments of `whither new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    #[command(subcommand)]
    what: NewCommand,
}

#[derive(Debug, Subcommand)]
enum NewCommand {
    /// A balancer script in JavaScript
    Js(ScriptArgs),
    /// A balancer script in Rhai
    Rhai(ScriptArgs),
    /// A policy in Rust that becomes a WebAssembly component
    Wasm(wasm::WasmArgs),
    /// A table of home rules: who lives on which nodes
    Rules(rules::NewRulesArgs),
    /// A program as a step: started for each request, or kept running
    Exec(exec::ExecArgs),
    /// A list of plausible nodes to try scripts on
    Nodes(nodes::NewNodesArgs),
    /// A config with every setting explained
    Config(config::ConfigArgs),
}

/// Writes the starting point that `args` name.
///
/// # Errors
/// A file that could not be written, and the reason.
pub fn run(args: NewArgs) -> anyhow::Result<()> {
    match args.what {
        NewCommand::Js(args) => script::run(&args, ScriptLanguage::JavaScript),
        NewCommand::Rhai(args) => script::run(&args, ScriptLanguage::Rhai),
        NewCommand::Wasm(args) => wasm::run(&args),
        NewCommand::Rules(args) => rules::run(&args),
        NewCommand::Exec(args) => exec::run(&args),
        NewCommand::Nodes(args) => nodes::run(&args),
        NewCommand::Config(args) => config::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::config::{ConfigNeeds, Loading, load, load_step};
    use crate::host::Disk;
    use crate::model::Report;
    use crate::script::ScriptLimits;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: NewArgs,
    }

    /// Runs `whither new` with `arguments`, in which `@` stands for `folder`.
    fn new(folder: &Path, arguments: &str) -> anyhow::Result<()> {
        let folder = folder.to_string_lossy();
        let arguments = arguments.split(' ').map(|argument| argument.replace('@', &folder));
        run(Line::try_parse_from(std::iter::once("new".to_owned()).chain(arguments))?.args)
    }

    #[test]
    fn what_is_written_can_be_used_together() {
        let folder = tempfile::tempdir().unwrap();
        for arguments in [
            "js @/list",
            "js @/node.js --shape node",
            "rhai @/list",
            "rhai @/node.rhai --shape node",
            "rules @/home",
            "exec @/once",
            "exec @/kept --in node --resident",
            "nodes --count 30 --out @/nodes.json",
            "config --out @/whither.toml --script @/list.js --script builtin:weighted",
        ] {
            new(folder.path(), arguments).unwrap();
        }
        for script in ["list.js", "node.js", "list.rhai", "node.rhai", "home.toml", "once.py", "kept.js"] {
            let step = load_step(script, folder.path(), &Disk, &ScriptLimits::default()).unwrap();
            assert_eq!(&*step.name, script);
        }
        let loading = Loading { files: &Disk, host_zone: "UTC", needs: ConfigNeeds::Both };
        let config = load(&folder.path().join("whither.toml"), loading).unwrap();
        assert_eq!(config.chains.get("session/start").unwrap().steps.len(), 2);
        let nodes = std::fs::read(folder.path().join("nodes.json")).unwrap();
        let nodes: Vec<serde_json::Value> = serde_json::from_slice(&nodes).unwrap();
        assert_eq!(nodes.into_iter().map(Report::from_value).filter(Result::is_ok).count(), 30);
    }

    #[test]
    fn what_is_there_stays_unless_forced() {
        let folder = tempfile::tempdir().unwrap();
        for arguments in
            ["js @/a", "rhai @/a", "wasm @/a", "rules @/a", "exec @/a", "nodes --out @/n.json", "config --out @/w.toml"]
        {
            new(folder.path(), arguments).unwrap();
            let error = new(folder.path(), arguments).unwrap_err().to_string();
            assert!(error.contains("is there already (--force replaces it)"), "{error}");
            new(folder.path(), &format!("{arguments} --force")).unwrap();
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_is_written() {
        let folder = tempfile::tempdir().unwrap();
        for arguments in [
            "js @/",
            "js @/x --shape tree",
            "wasm @/1st",
            "wasm @/x --shape tree",
            "exec @/",
            "exec @/x --in ruby",
            "exec @/x --in sh --resident",
            "nodes --count 0 --out @/n.json",
            "nodes --count 1000000",
            "config --out @/w.toml --script @/gone.js",
            "config --out @/w.toml --script builtin:gone",
            "rhai @/x --shape tree",
        ] {
            assert!(new(folder.path(), arguments).is_err(), "{arguments}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
