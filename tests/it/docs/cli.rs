//! The command line's reference, from the command line as clap knows it.

use clap::{Arg, Command};
use whither::cli::groups::GROUPS;

use super::markdown::{filled, table};

/// The heading under which options stand that say where NATS is; they are the same everywhere.
const BUS: &str = "Bus";

/// Every command, and the options that several share.
pub(crate) fn commands() -> String {
    let mut whole = whither::cli::whither::command();
    whole.build();
    let mut parts = vec![groups()];
    whole.get_subcommands_mut().filter(|command| command.get_name() != "help").for_each(|command| {
        section(command, "whither", &mut parts);
    });
    let bus: Vec<_> = whole.get_subcommands().map(bus_options).filter(|rows| !rows.is_empty()).collect();
    assert!(bus.windows(2).all(|two| two[0] == two[1]), "commands have different options of the bus");
    let bus = table(["option", "default or variable", "meaning"], bus.into_iter().next().unwrap());
    parts.push(format!(
        "## The options of the bus\n\nCommands that speak to NATS have these beside their own.\n\n{bus}"
    ));
    parts.join("\n\n")
}

/// The groups in which the help lists the commands.
fn groups() -> String {
    let rows = GROUPS.iter().map(|group| {
        let own = group.commands.iter().filter(|name| **name != "help");
        let links: Vec<_> = own.map(|name| format!("[{name}](#whither-{name})")).collect();
        [group.heading.to_owned(), links.join(", ")]
    });
    table(["group", "commands"], rows)
}

fn section(command: &mut Command, parent: &str, parts: &mut Vec<String>) {
    let name = format!("{parent} {}", command.get_name());
    let level = if parent == "whither" { "##" } else { "###" };
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    let about = about.trim_end_matches('.');
    let usage = command.render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").lines().map(str::trim).collect::<Vec<_>>().join("\n");
    parts.push(format!("{level} {name}\n\n{}.\n\n```text\n{usage}\n```", filled(about)));
    let rows: Vec<_> = command.get_arguments().filter(|option| is_own(option)).map(row).collect();
    let rows_are_there = !rows.is_empty();
    if rows_are_there {
        parts.push(table(["option", "default or variable", "meaning"], rows));
    }
    if !bus_options(command).is_empty() {
        let beside = if rows_are_there { "Beside these there are" } else { "There are" };
        parts.push(format!("{beside} [the options of the bus](#the-options-of-the-bus)."));
    }
    if let Some(after) = command.get_after_long_help().or(command.get_after_help()) {
        let after = after.to_string();
        let lines: Vec<_> =
            after.lines().map(|line| if line.starts_with("  ") { line.to_owned() } else { filled(line) }).collect();
        parts.push(format!("```text\n{}\n```", lines.join("\n").trim()));
    }
    for inner in command.get_subcommands_mut().filter(|inner| inner.get_name() != "help") {
        section(inner, &name, parts);
    }
}

fn bus_options(command: &Command) -> Vec<[String; 3]> {
    command
        .get_arguments()
        .filter(|option| option.get_help_heading() == Some(BUS) && !option.is_hide_set())
        .filter(|option| is_of_bus(option))
        .map(row)
        .collect()
}

/// Whether clap put the option under the heading because it says where NATS is; one that was declared after those stands
/// there too.
fn is_of_bus(option: &Arg) -> bool {
    ["urls", "namespace", "credentials", "inbox_prefix", "tls_ca", "token"].contains(&option.get_id().as_str())
}

fn is_own(option: &Arg) -> bool {
    !option.is_hide_set() && !is_of_bus(option) && !["help", "version"].contains(&option.get_id().as_str())
}

/// An option, what it is where it is not given, and what it means.
fn row(option: &Arg) -> [String; 3] {
    let takes = option.get_action().takes_values();
    let names: Vec<_> = option.get_value_names().unwrap_or_default().iter().map(|name| format!("<{name}>")).collect();
    let value = if takes { names.join(" ") } else { String::new() };
    let written = match option.get_long() {
        Some(long) => format!("--{long} {value}"),
        None => value,
    };
    let defaults: Vec<_> =
        option.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    let defaults = if takes { defaults } else { Vec::new() };
    let environment = option.get_env().map(|name| format!("`{}`", name.to_string_lossy()));
    let default = defaults.into_iter().chain(environment).collect::<Vec<_>>().join(", ");
    let help = option.get_long_help().or(option.get_help()).map(ToString::to_string).unwrap_or_default();
    let possible: Vec<_> = match takes {
        true => option.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect(),
        false => Vec::new(),
    };
    let possible = if possible.is_empty() { String::new() } else { format!(": {}", possible.join(", ")) };
    let help = help.replace("\n\n", ". ").replace('|', "\\|").replace('<', "&lt;");
    [format!("`{}`", written.trim().replace('|', "\\|")), default, format!("{}{possible}", help.trim_end_matches('.'))]
}
