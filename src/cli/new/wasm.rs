//! `whither new wasm NAME`: a Rust crate that becomes a component, with the interfaces and the table of nodes.
//!
//! The policies of `scripts/wasm` are the templates, so that the shipped, the tested and the written text are the same.

use std::path::Path;

use anyhow::{Context, ensure};
use clap::Args;

use super::save::{Existing, print_next_steps, save};
use super::script::ScriptForm;
use crate::config::problem::shell_word;

/// The arguments of `whither new wasm`.
#[derive(Debug, Args)]
pub(super) struct WasmArgs {
    /// The folder of the crate, whose last part is the crate's name
    name: String,
    /// The parameter of the policy's function
    #[arg(long, value_enum, default_value_t = ScriptForm::List)]
    shape: ScriptForm,
    #[command(flatten)]
    existing: Existing,
}

const MANIFEST: &str = include_str!("../../../scripts/wasm/fewest-sessions/Cargo.toml");
const LIST: &str = include_str!("../../../scripts/wasm/fewest-sessions/src/lib.rs");
const NODE: &str = include_str!("../../../scripts/wasm/gpu-weight/src/lib.rs");
const TABLE: &str = include_str!("../../../scripts/wasm/table.rs");
const INTERFACES: &str = include_str!("../../../wit/balancer.wit");
/// The additional manifest of a crate outside of a workspace.
const ALONE: &str =
    "\n[profile.release]\nlto = true\ncodegen-units = 1\nstrip = true\npanic = \"abort\"\n\n[workspace]\n";
/// So that `cargo build` makes a component.
const TARGET: &str = "[build]\ntarget = \"wasm32-wasip2\"\n";

pub(super) fn run(args: &WasmArgs) -> anyhow::Result<()> {
    let folder = Path::new(&args.name);
    let name = crate_name(folder)?;
    let files = files(&name, args.shape);
    // All files or none: half a crate would be neither the person's nor ours.
    files.iter().try_for_each(|(file, _)| args.existing.check(&folder.join(file)))?;
    for (file, text) in files {
        let path = folder.join(file);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("cannot make the folder `{}`", parent.display()))?;
        }
        save(&path, args.existing, |out| out.write_all(text.as_bytes()))?;
    }
    let component = folder.join(format!("target/wasm32-wasip2/release/{}.wasm", name.replace('-', "_")));
    let mut next = vec![
        "rustup target add wasm32-wasip2".to_owned(),
        format!("(cd {} && cargo build --release)", shell_word(&args.name)),
    ];
    if !Path::new("nodes.json").exists() {
        next.push("whither new nodes --out nodes.json".to_owned());
    }
    let component = component.to_string_lossy();
    next.push(format!("whither place --nodes nodes.json --script {} --explain", shell_word(&component)));
    print_next_steps(&format!("wrote {}", shell_word(&args.name)), &next);
    Ok(())
}

/// Returns the name of the crate in `folder`, if Cargo accepts the name.
fn crate_name(folder: &Path) -> anyhow::Result<String> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_usable = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'));
    ensure!(is_usable, "`{}` is no name for a crate, expected one such as `least-busy`", folder.display());
    Ok(name.to_owned())
}

/// Returns the files of the crate `name`, each with the file's text.
fn files(name: &str, shape: ScriptForm) -> [(&'static str, String); 5] {
    let policy = match shape {
        ScriptForm::List => LIST,
        ScriptForm::Node => NODE,
    };
    // The shipped policies share files; a crate of its own has copies.
    let policy = policy.replace("../../../wit", "wit").replace("#[path = \"../../table.rs\"]\n", "");
    let manifest = MANIFEST.replace("\"fewest-sessions\"", &format!("\"{name}\"")) + ALONE;
    [
        ("Cargo.toml", manifest),
        (".cargo/config.toml", TARGET.to_owned()),
        ("src/lib.rs", policy),
        ("src/table.rs", TABLE.to_owned()),
        ("wit/balancer.wit", INTERFACES.to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_of_its_own_shares_nothing() {
        for shape in [ScriptForm::List, ScriptForm::Node] {
            for (file, text) in files("my-policy", shape) {
                assert!(!text.contains("../"), "{file}: {text}");
            }
        }
        let (_, manifest) = files("my-policy", ScriptForm::List)[0].clone();
        assert!(manifest.contains("name = \"my-policy\"") && manifest.contains("[workspace]"), "{manifest}");
    }

    #[test]
    fn where_one_file_is_there_none_is_written() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("mine/src")).unwrap();
        std::fs::write(folder.path().join("mine/src/table.rs"), "somebody's work").unwrap();
        let name = folder.path().join("mine").to_string_lossy().into_owned();
        let args = |force| WasmArgs { name: name.clone(), shape: ScriptForm::List, existing: Existing::forced(force) };
        let error = run(&args(false)).unwrap_err().to_string();
        assert!(error.contains("src/table.rs` is there already"), "{error}");
        assert!(!folder.path().join("mine/Cargo.toml").exists());
        run(&args(true)).unwrap();
        assert!(folder.path().join("mine/Cargo.toml").exists());
    }

    #[test]
    fn a_folder_names_its_crate() {
        assert_eq!(crate_name(Path::new("policies/least-busy")).unwrap(), "least-busy");
        for name in ["", "/", "1st", "a b", "x/..", "ä"] {
            assert!(crate_name(Path::new(name)).is_err(), "{name}");
        }
    }
}
