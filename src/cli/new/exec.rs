//! `whither new exec NAME`: a program as a step, with a header that explains the program's input and possible answers.
//!
//! A resident program is a single file: the helper of `scripts/` is copied into the file word for word, so that there
//! is a single source of the helper and nothing to be copied beside the program.

use std::path::Path;

use anyhow::bail;
use clap::{Args, ValueEnum};

use super::name::file_name;
use super::save::{Existing, print_next_steps, save_program};
use crate::cli::output::aside;
use crate::config::problem::shell_word;

/// The arguments of `whither new exec`.
#[derive(Debug, Args)]
pub(super) struct ExecArgs {
    /// The program's name; its file is NAME.py, NAME.js or NAME.sh
    name: String,
    /// The language of the program
    #[arg(long = "in", value_name = "LANGUAGE", value_enum, default_value_t = ProgramLanguage::Python)]
    language: ProgramLanguage,
    /// A program that stays running, and is told of changes alone
    #[arg(long)]
    resident: bool,
    #[command(flatten)]
    existing: Existing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProgramLanguage {
    /// Python 3
    Python,
    /// JavaScript, run by Node.js
    Node,
    /// The shell, with jq
    Sh,
}

impl ProgramLanguage {
    const fn extension(self) -> &'static str {
        match self {
            Self::Python => "py",
            Self::Node => "js",
            Self::Sh => "sh",
        }
    }

    /// Returns the program that is started for each request.
    const fn once(self) -> &'static str {
        match self {
            Self::Python => include_str!("exec/once.py"),
            Self::Node => include_str!("exec/once.js"),
            Self::Sh => include_str!("exec/once.sh"),
        }
    }

    /// Returns the resident program and the helper for the language; `None` for a language that would be slow as a
    /// resident.
    const fn resident(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Python => Some((include_str!("exec/resident.py"), include_str!("../../../scripts/resident.py"))),
            Self::Node => Some((include_str!("exec/resident.js"), include_str!("../../../scripts/resident.js"))),
            Self::Sh => None,
        }
    }
}

/// The placeholder of the templates for the name of the file, without the extension.
const OWN_NAME: &str = "SCRIPT";
/// The placeholder of a resident template for the helper.
const HELPER: &str = "HELPER\n";
/// A question for a program that a person tries by hand.
const BY_HAND: &str = r#"printf '%s\n' '{"node": {"id": "a", "nodeData": {"sessions": []}}}' '{"request": 1, "input": {"user": {"login": "ann"}}}'"#;

pub(super) fn run(args: &ExecArgs) -> anyhow::Result<()> {
    let file = file_name(&args.name, args.language.extension())?;
    let template = if args.resident { resident(args.language)? } else { args.language.once().to_owned() };
    let text = template.replace(&format!("{OWN_NAME}.{}", args.language.extension()), &file);
    save_program(Path::new(&file), args.existing, |out| out.write_all(text.as_bytes()))?;
    print_next_steps(&format!("wrote {}", shell_word(&file)), &next(&file, args.resident));
    aside(format_args!("config: {}", steps(&file, args.resident)));
    Ok(())
}

fn resident(language: ProgramLanguage) -> anyhow::Result<String> {
    let Some((template, helper)) = language.resident() else {
        bail!(
            "a program that stays running is in `python` or `node`: a shell would start jq for each line that it reads"
        );
    };
    // The helper's header, for authors who import the helper, ends at the first empty line.
    let helper = helper.split_once("\n\n").map_or(helper, |(_header, code)| code);
    Ok(template.replacen(HELPER, helper, 1))
}

/// Returns the commands that try the program.
fn next(file: &str, is_resident: bool) -> Vec<String> {
    let word = shell_word(file);
    if is_resident {
        let path = if file.contains('/') { word } else { format!("./{}", word.trim_start_matches("./")) };
        return vec![format!("{BY_HAND} | {path}")];
    }
    let place = format!("whither place --nodes nodes.json --script {word} --user ann --explain");
    match Path::new("nodes.json").exists() {
        true => vec![place],
        false => vec!["whither new nodes --out nodes.json".to_owned(), place],
    }
}

/// Returns the steps of a config with the program.
fn steps(file: &str, is_resident: bool) -> String {
    let script = toml::Value::from(file);
    let mode = if is_resident { "mode = \"resident\"" } else { "wall_ms = 2000" };
    format!("steps = [{{ script = {script}, {mode}, on_limit = \"skip\" }}, \"builtin:fewest-sessions\"]")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [ProgramLanguage; 3] = [ProgramLanguage::Python, ProgramLanguage::Node, ProgramLanguage::Sh];

    #[test]
    fn the_templates_name_their_file_and_fit_a_line() {
        for language in ALL {
            let (once, name) = (language.once(), format!("{OWN_NAME}.{}", language.extension()));
            assert_eq!(once.matches(&name).count(), 3, "{once}");
            assert!(once.starts_with("#!/usr/bin/env ") && once.lines().all(|line| line.chars().count() <= 120));
        }
        for language in [ProgramLanguage::Python, ProgramLanguage::Node] {
            let whole = resident(language).unwrap();
            let name = format!("{OWN_NAME}.{}", language.extension());
            assert_eq!(whole.matches(&name).count(), 3, "{whole}");
            assert!(whole.lines().all(|line| line.chars().count() <= 120));
        }
    }

    #[test]
    fn a_resident_program_has_the_helper_in_it_and_imports_none() {
        for (language, serve, import) in [
            (ProgramLanguage::Python, "def serve(decide):", "from resident"),
            (ProgramLanguage::Node, "function serve(", "./resident"),
        ] {
            let whole = resident(language).unwrap();
            assert!(whole.contains(serve) && !whole.contains(import) && !whole.contains(HELPER), "{whole}");
        }
        assert!(resident(ProgramLanguage::Sh).unwrap_err().to_string().contains("`python` or `node`"));
    }

    #[test]
    fn what_to_try_is_one_command_each() {
        assert_eq!(next("gpu.py", true)[0], format!("{BY_HAND} | ./gpu.py"));
        assert_eq!(next("-gpu.py", true)[0], format!("{BY_HAND} | ./-gpu.py"));
        assert_eq!(next("/s/gpu.py", true)[0], format!("{BY_HAND} | /s/gpu.py"));
        let plain = next("a b.sh", false).pop().unwrap();
        assert!(plain.ends_with("--script 'a b.sh' --user ann --explain"), "{plain}");
        assert!(steps("a b.sh", false).starts_with("steps = [{ script = \"a b.sh\", wall_ms"));
        assert!(steps("a.py", true).contains("mode = \"resident\""));
    }
}
