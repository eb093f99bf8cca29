//! One manual page: clap_mangen's sections of a command, and those that clap knows nothing of.
//!
//! What stands below a command's help is split by its first words: examples, exit codes, and notes. clap_mangen's own
//! section of it fills the lines of an example like prose.

use std::io;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::exit;

/// A name in bold with its meaning below it.
type PageEntry<'a> = (&'a str, &'a str);

/// The day of the release, as packaging/debian/changelog has it.
const DATE: &str = "2026-11-30";

/// The variables of every command that prints log lines, beside those that stand for options.
const LOG_VARIABLES: [PageEntry; 1] = [(
    "WHITHER_LOG",
    "The filter of the log: a level, or levels by module, as in `info,whither::registry=debug` or `script=warn`.",
)];

/// The files of commands that read a config.
const CONFIG_FILES: [PageEntry; 2] = [
    ("whither.toml", "The config in the current folder, which is read where no other one is named."),
    (
        "/etc/whither/whither.toml",
        "The config of the service as Debian's package installs it, and of commands elsewhere.",
    ),
];

/// The files of the agent as Debian's package installs it.
const AGENT_FILES: [PageEntry; 1] = [("/etc/whither/agent.env", "The options and variables of the agent's unit.")];

/// Returns the name of the page about `command`, such as `whither-nodes-show`.
pub(super) fn name(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}

/// Returns the page about `command`, which is built.
///
/// # Errors
/// None in practice: the page is written into memory.
pub(super) fn render(command: &Command) -> io::Result<Vec<u8>> {
    let about = command.get_about().map(|about| about.to_string().trim_end_matches('.').to_owned());
    let mut shown = command.clone();
    if let Some(about) = about {
        let description = command.get_long_about().or(command.get_about()).cloned().unwrap_or_default();
        shown = shown.long_about(description).about(about);
    }
    // What stands below options with a heading of their own names the usual heading, and would get a section besides.
    let is_usual = |arg: &Arg| arg.get_help_heading() == Some("Options");
    let shown = shown.mut_args(|arg| if is_usual(&arg) { arg.help_heading(None::<&str>) } else { arg });
    let source = concat!("whither ", env!("CARGO_PKG_VERSION"));
    let man = Man::new(shown).date(DATE).source(source).manual("The manual of whither");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let below = Below::of(command);
    let mut rest = Roff::new();
    rest.extend([below.notes(), below.exit_status(), environment(command), files(command), below.examples()]);
    rest.extend([see_also(command)]);
    rest.to_writer(&mut page)?;
    Ok(page)
}

/// The paragraphs below a command's help, by what they are.
#[derive(Default)]
struct Below {
    notes: Vec<String>,
    examples: Option<String>,
    exit_codes: Option<String>,
}

impl Below {
    fn of(command: &Command) -> Self {
        let text = command.get_after_long_help().or(command.get_after_help()).map(ToString::to_string);
        let mut below = Self::default();
        for paragraph in text.unwrap_or_default().split("\n\n") {
            if let Some(examples) = paragraph.strip_prefix("Examples:\n") {
                below.examples = Some(examples.to_owned());
            } else if let Some(codes) = paragraph.strip_prefix("Exit codes: ") {
                below.exit_codes = Some(codes.to_owned());
            } else if !paragraph.trim().is_empty() {
                below.notes.push(paragraph.to_owned());
            }
        }
        below
    }

    fn notes(&self) -> Roff {
        let mut roff = Roff::new();
        if !self.notes.is_empty() {
            roff.control("SH", ["NOTES"]);
        }
        for (place, note) in self.notes.iter().enumerate() {
            if place > 0 {
                roff.control("PP", []);
            }
            note.lines().for_each(|line| {
                roff.text([roman(line.trim())]);
            });
        }
        roff
    }

    /// The exit codes: those that stand below the help, else those of all commands.
    fn exit_status(&self) -> Roff {
        let mut roff = Roff::new();
        roff.control("SH", ["EXIT STATUS"]);
        let Some(codes) = &self.exit_codes else {
            exit::CODES.iter().for_each(|(code, meaning)| entry(&mut roff, &code.to_string(), meaning));
            return roff;
        };
        let codes: Vec<_> = codes.split(['·', '\n']).map(str::trim).collect();
        let parted: Option<Vec<_>> = codes.iter().map(|code| code.split_once(' ').filter(is_code)).collect();
        match parted {
            Some(parted) => parted.iter().for_each(|(code, meaning)| entry(&mut roff, code, meaning)),
            None => {
                roff.text([roman(codes.join(" "))]);
            }
        }
        roff
    }

    fn examples(&self) -> Roff {
        let mut roff = Roff::new();
        if let Some(examples) = &self.examples {
            roff.control("SH", ["EXAMPLES"]).control("EX", []);
            examples.lines().for_each(|line| {
                roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
            });
            roff.control("EE", []);
        }
        roff
    }
}

fn is_code((code, _meaning): &(&str, &str)) -> bool {
    code.parse::<u8>().is_ok()
}

/// The environment variables that stand for options, and those of the log.
fn environment(command: &Command) -> Roff {
    let shown = command.get_arguments().filter(|option| !option.is_hide_set());
    let variables: Vec<_> = shown
        .filter_map(|option| {
            let variable = option.get_env()?.to_string_lossy().into_owned();
            Some((variable, format!("Stands for --{} where the option is not given.", option.get_long()?)))
        })
        .collect();
    let mut entries: Vec<_> = variables.iter().map(|(name, meaning)| (name.as_str(), meaning.as_str())).collect();
    if has_option(command, "log-format") {
        entries.extend(LOG_VARIABLES);
    }
    section("ENVIRONMENT", &entries)
}

/// The files that are read without being named.
fn files(command: &Command) -> Roff {
    let config = if has_option(command, "config") { &CONFIG_FILES[..] } else { &[] };
    let agent = if name(command) == "whither-agent" { &AGENT_FILES[..] } else { &[] };
    section("FILES", &[config, agent].concat())
}

fn has_option(command: &Command, long: &str) -> bool {
    command.get_arguments().any(|option| option.get_long() == Some(long))
}

/// The pages above and below this page, and the documentation.
fn see_also(command: &Command) -> Roff {
    let name = name(command);
    let above = name.rsplit_once('-').map(|(above, _)| format!("{above}(1)"));
    let below = command.get_subcommands().filter(|inner| !inner.is_hide_set());
    let below = below.map(|inner| format!("{name}-{}(1)", inner.get_name()));
    let daemons = ["whither-serve", "whither-agent"].into_iter().filter(|daemon| *daemon != name);
    let mut pages: Vec<_> = above.into_iter().chain(below).collect();
    pages.extend(daemons.map(|daemon| format!("{daemon}(1)")).filter(|_| name != "whither"));
    pages.dedup();
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    roff.text([roman(pages.join(", "))]);
    let book = "The book of whither, which Debian's package installs below /usr/share/doc/whither/book.";
    roff.control("PP", []).text([roman(book)]);
    roff
}

fn section(title: &str, entries: &[PageEntry]) -> Roff {
    let mut roff = Roff::new();
    if !entries.is_empty() {
        roff.control("SH", [title]);
    }
    entries.iter().for_each(|(name, meaning)| entry(&mut roff, name, meaning));
    roff
}

fn entry(roff: &mut Roff, name: &str, meaning: &str) {
    roff.control("TP", []).text([bold(name)]).text([roman(meaning)]);
}
