//! `whither new rules NAME`: a table of home rules that explains itself, and users to try the table with.

use std::path::Path;

use clap::Args;

use super::name::file_name;
use super::save::{Existing, print_next_steps, save};
use crate::config::problem::shell_word;

const TABLE: &str = include_str!("home.toml");

/// The arguments of `whither new rules`.
#[derive(Debug, Args)]
pub(super) struct NewRulesArgs {
    /// The table's name; its file ends in `.toml`
    #[arg(default_value = "home")]
    name: String,
    #[command(flatten)]
    existing: Existing,
}

pub(super) fn run(args: &NewRulesArgs) -> anyhow::Result<()> {
    let file = file_name(&args.name, "toml")?;
    let own_name = Path::new(&file).file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let text = TABLE.replace("home.toml", &own_name);
    save(Path::new(&file), args.existing, |out| out.write_all(text.as_bytes()))?;
    let table = shell_word(&file);
    let next = [
        format!("whither check {table}"),
        format!(r#"whither rules test '{{"login": "ann", "groups": ["cad"]}}' --rules {table}"#),
        format!(
            "whither place --nodes nodes.json --script {table} --script builtin:fewest-sessions --user ann --group cad --explain"
        ),
    ];
    print_next_steps(&format!("wrote {table}"), &next);
    Ok(())
}
