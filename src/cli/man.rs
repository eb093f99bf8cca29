//! `whither man`: the manual pages, from the command line's own definitions.

mod page;

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::{Args, Command};

use crate::plain::Plain;

use super::exit::{self, CommandExit};
use super::{agent, output, whither};

/// Print a manual page, or write all of them.
///
/// Debian's packages install the pages; elsewhere `man` reads them from a folder `man1`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  whither man serve | man -l -                         # read the page of `whither serve`
  whither man nodes show | man -l -
  whither man --out ~/.local/share/man/man1            # and then: man whither-serve")]
pub struct ManArgs {
    /// The command that the page is about; `whither` itself where none is named
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    words: Vec<String>,
    /// Write every page into this folder, which is made where it is missing
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// A command that does not exist, or pages that cannot be written.
pub fn run(args: &ManArgs) -> Result<(), CommandExit> {
    match &args.out {
        Some(folder) => write_all(folder),
        None => {
            let name = std::iter::once("whither").chain(args.words.iter().map(String::as_str));
            let name = name.collect::<Vec<_>>().join("-");
            let commands = commands();
            let command = commands.iter().find(|command| page::name(command) == name);
            let unknown = || CommandExit::usage(format!("there is no command `{}`", name.replace('-', " ")));
            output::data(text(command.ok_or_else(unknown)?)?.trim_end())
        }
    }
}

fn write_all(out: &Path) -> Result<(), CommandExit> {
    let commands = commands();
    let unwritten = |path: &Path, error: &io::Error| {
        CommandExit::new(exit::OTHER, format!("cannot write `{}`: {error}", Plain(path.display())))
    };
    fs::create_dir_all(out).map_err(|error| unwritten(out, &error))?;
    for command in &commands {
        let path = out.join(format!("{}.1", page::name(command)));
        fs::write(&path, text(command)?).map_err(|error| unwritten(&path, &error))?;
    }
    output::answer(format_args!("{} pages in {}", commands.len(), Plain(out.display())))
}

/// Returns every command that has a page: `whither`, its commands and theirs, and the program `whither-agent` in the
/// place of `whither agent`, which has the same options.
fn commands() -> Vec<Command> {
    let mut all = Vec::new();
    let mut whole = whither::command().disable_help_subcommand(true);
    whole.build();
    collect(&whole, &mut all);
    let mut program = agent::command();
    program.build();
    all.retain(|command| page::name(command) != page::name(&program));
    all.push(program);
    all
}

fn collect(command: &Command, all: &mut Vec<Command>) {
    all.push(command.clone());
    command.get_subcommands().filter(|inner| !inner.is_hide_set()).for_each(|inner| collect(inner, all));
}

fn text(command: &Command) -> Result<String, CommandExit> {
    let page = page::render(command).map_err(|error| CommandExit::new(exit::OTHER, error))?;
    String::from_utf8(page).map_err(|error| CommandExit::new(exit::OTHER, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_one_page_with_its_sections() {
        let commands = commands();
        let mut names: Vec<_> = commands.iter().map(page::name).collect();
        for name in ["whither", "whither-serve", "whither-nodes-show", "whither-new-config", "whither-agent"] {
            assert!(names.contains(&name), "{names:?}");
        }
        assert!(!names.iter().any(|name| name.contains("help")), "{names:?}");
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for command in &commands {
            let page = text(command).unwrap();
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "SEE ALSO"] {
                let heading = format!(".SH {section}\n").replace("EXIT STATUS", "\"EXIT STATUS\"");
                let heading = heading.replace("SEE ALSO", "\"SEE ALSO\"");
                assert_eq!(page.matches(&heading).count(), 1, "{}: {section}\n{page}", page::name(command));
            }
        }
    }

    #[test]
    fn what_stands_below_the_help_has_sections_of_its_own() {
        let commands = commands();
        let page = |name| text(commands.iter().find(|command| page::name(command) == name).unwrap()).unwrap();
        let place = page("whither-place");
        assert!(place.contains(".SH EXAMPLES\n.EX\nwhither new nodes > nodes.json\n"), "{place}");
        assert!(place.contains(".TP\n\\fB3\\fR\nno node\n"), "{place}");
        let serve = page("whither-serve");
        assert!(serve.contains(".SH NOTES\nSignals: SIGHUP"), "{serve}");
        assert!(serve.contains("/etc/whither/whither.toml"), "{serve}");
        assert!(serve.contains("WHITHER_LOG"), "{serve}");
    }
}
