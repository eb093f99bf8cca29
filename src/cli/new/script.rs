//! `whither new js NAME` and `whither new rhai NAME`: a balancer script with a header that explains the script's input
//! and possible answers, and tests beside the script.

use std::path::Path;

use clap::{Args, ValueEnum};

use super::name::file_name;
use super::save::{Existing, print_next_steps, save};
use crate::cli::types::folder::write_missing;
use crate::config::problem::shell_word;
use crate::config::suite::SUITE_SUFFIX;

/// The arguments of `whither new js` and `whither new rhai`.
#[derive(Debug, Args)]
pub(super) struct ScriptArgs {
    /// The script's name; its file has the language's extension
    name: String,
    /// The parameter of the script's function
    #[arg(long, value_enum, default_value_t = ScriptForm::List)]
    shape: ScriptForm,
    #[command(flatten)]
    existing: Existing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ScriptForm {
    /// The whole list of nodes, as in FastX
    List,
    /// One node: kept until the node changes, hence fast on large clusters
    Node,
}

impl ScriptForm {
    /// Returns the tests of a template of this form, whatever the language.
    const fn tests(self) -> &'static str {
        match self {
            Self::List => include_str!("list.test.toml"),
            Self::Node => include_str!("node.test.toml"),
        }
    }
}

/// The language of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ScriptLanguage {
    JavaScript,
    Rhai,
}

impl ScriptLanguage {
    const fn extension(self) -> &'static str {
        match self {
            Self::JavaScript => "js",
            Self::Rhai => "rhai",
        }
    }

    const fn template(self, shape: ScriptForm) -> &'static str {
        match (self, shape) {
            (Self::JavaScript, ScriptForm::List) => include_str!("list.js"),
            (Self::JavaScript, ScriptForm::Node) => include_str!("node.js"),
            (Self::Rhai, ScriptForm::List) => include_str!("list.rhai"),
            (Self::Rhai, ScriptForm::Node) => include_str!("node.rhai"),
        }
    }

    /// Returns the placeholder of the templates for the name of the file.
    fn own_name(self) -> String {
        format!("SCRIPT.{}", self.extension())
    }
}

pub(super) fn run(args: &ScriptArgs, language: ScriptLanguage) -> anyhow::Result<()> {
    let file = file_name(&args.name, language.extension())?;
    let text = language.template(args.shape).replace(&language.own_name(), &file);
    let own_name = Path::new(&file).file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let (tests, cases) = (format!("{file}{SUITE_SUFFIX}"), args.shape.tests().replace("SCRIPT", &own_name));
    // Both or none: a script without its tests would be half of what was asked for.
    [&file, &tests].into_iter().try_for_each(|path| args.existing.check(Path::new(path)))?;
    save(Path::new(&file), args.existing, |out| out.write_all(text.as_bytes()))?;
    if language == ScriptLanguage::JavaScript {
        describe(Path::new(&file))?;
    }
    save(Path::new(&tests), args.existing, |out| out.write_all(cases.as_bytes()))?;
    let mut next = vec![format!("whither test {}", shell_word(&tests))];
    if !Path::new("nodes.json").exists() {
        next.push("whither new nodes --out nodes.json".to_owned());
    }
    next.push(format!("whither place --nodes nodes.json --script {} --explain", shell_word(&file)));
    print_next_steps(&format!("wrote {} and {}", shell_word(&file), shell_word(&tests)), &next);
    Ok(())
}

/// Writes the files that the first lines of the script `file` refer to beside the script, where they are missing: an
/// author may have written them with the names of a cluster.
fn describe(file: &Path) -> anyhow::Result<()> {
    let folder = file.parent().unwrap_or(Path::new(""));
    for name in write_missing(folder)? {
        print_next_steps(&format!("wrote {}, for editors", shell_word(&folder.join(name).to_string_lossy())), &[]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_name_their_file() {
        for language in [ScriptLanguage::JavaScript, ScriptLanguage::Rhai] {
            for shape in [ScriptForm::List, ScriptForm::Node] {
                let template = language.template(shape);
                assert_eq!(template.matches(&language.own_name()).count(), 3, "{language:?} {shape:?}");
                assert!(template.lines().all(|line| line.len() <= 120), "{language:?} {shape:?}");
            }
        }
    }
}
