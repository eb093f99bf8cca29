//! The groups in which `whither --help` lists the commands: thirty in one list are searched and not read.
//!
//! clap has one heading for all commands together, so the list is a part of the template of the help. clap writes the
//! list all the same, for the colours and for the width of the terminal; here the headings are put between.

use clap::Command;

/// Commands that are listed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandGroup {
    /// The heading.
    pub heading: &'static str,
    /// The names of the commands, in the order of the list.
    pub commands: &'static [&'static str],
}

/// Every group; each command that is not hidden stands in one of them, in this order.
pub const GROUPS: [CommandGroup; 5] = [
    CommandGroup { heading: "Place", commands: &["place", "start", "explain", "waiting", "cancel"] },
    CommandGroup { heading: "Scripts", commands: &["new", "check", "test", "rules", "types", "import"] },
    CommandGroup {
        heading: "Cluster",
        commands: &["nodes", "cordon", "uncordon", "drain", "assign", "unassign", "assignments", "fact"],
    },
    CommandGroup { heading: "Service", commands: &["serve", "agent", "status", "reload", "logs", "log-level"] },
    CommandGroup { heading: "Tools", commands: &["demo", "bench", "simulate", "completions", "man", HELP] },
];

/// The most columns of a line of help, where the terminal has more.
pub(super) const MAX_HELP_WIDTH: usize = 110;
/// The command that clap adds by itself when the command line is parsed.
const HELP: &str = "help";
/// What clap says of that command.
const HELP_ABOUT: &str = "Print this message or the help of the given subcommand(s)";

/// Returns `command` with a help that lists the commands in groups.
pub(super) fn grouped(command: Command) -> Command {
    let header = command.get_styles().get_header();
    let template = format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}\n\n{header}Options:{header:#}\n\
         {{options}}{{after-help}}",
        list(&command)
    );
    command.help_template(template)
}

/// Returns the list of the commands of `command`, with the headings.
fn list(command: &Command) -> String {
    let header = command.get_styles().get_header();
    let named = |name: &&'static str| {
        let about = command.find_subcommand(name).and_then(Command::get_about).cloned();
        Command::new(*name).about(about.unwrap_or_else(|| HELP_ABOUT.into()))
    };
    let entries = GROUPS.iter().flat_map(|group| group.commands).map(named);
    let mut bare =
        Command::new("list").disable_help_subcommand(true).max_term_width(MAX_HELP_WIDTH).subcommands(entries);
    bare = bare.styles(command.get_styles().clone()).help_template("{subcommands}");
    let text = bare.render_help().ansi().to_string();
    let mut headings = GROUPS.iter().flat_map(|group| {
        let others = group.commands.iter().skip(1).map(|_| None);
        std::iter::once(Some(group.heading)).chain(others)
    });
    let mut lines = Vec::new();
    for line in text.trim_end().lines() {
        // The further lines of an entry are indented more.
        let begins_entry = line.strip_prefix("  ").is_some_and(|rest| !rest.starts_with(' '));
        if let Some(heading) = begins_entry.then(|| headings.next().flatten()).flatten() {
            let space = if lines.is_empty() { "" } else { "\n" };
            lines.push(format!("{space}{header}{heading}:{header:#}"));
        }
        lines.push(line.to_owned());
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::whither;

    #[test]
    fn each_visible_command_stands_in_one_group_in_the_order_of_the_groups() {
        let mut whole = whither::command();
        whole.build();
        let visible = whole.get_subcommands().filter(|command| !command.is_hide_set()).map(Command::get_name);
        let listed: Vec<_> = GROUPS.iter().flat_map(|group| group.commands).copied().collect();
        assert_eq!(visible.collect::<Vec<_>>(), listed);
        let help = whole.find_subcommand(HELP).and_then(Command::get_about).unwrap();
        assert_eq!(help.to_string(), HELP_ABOUT);
    }

    #[test]
    fn the_help_has_a_heading_for_each_group_and_what_clap_says_of_each_command() {
        let mut whole = whither::command().term_width(0);
        whole.build();
        let help = whole.render_help().to_string();
        for group in GROUPS {
            let names: Vec<_> = help
                .split_once(&format!("\n\n{}:\n", group.heading))
                .and_then(|(_, below)| below.split("\n\n").next())
                .into_iter()
                .flat_map(str::lines)
                .filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty()))
                .collect();
            assert_eq!(names, group.commands, "{help}");
        }
        let unwrapped = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for command in whole.get_subcommands() {
            let about = command.get_about().unwrap().to_string();
            assert!(!about.contains(['{', '}']), "the template of the help takes `{about}` for a part to be filled in");
            assert!(unwrapped.contains(&format!(" {} {about} ", command.get_name())), "{about}\n{help}");
        }
        assert!(
            help.starts_with("To which node?") && help.contains("\n\nUsage: whither <COMMAND>\n\nPlace:\n"),
            "{help}"
        );
        assert!(help.contains("\n\nOptions:\n  -h, --help "), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= MAX_HELP_WIDTH), "{help}");
    }
}
