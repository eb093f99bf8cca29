//! `whither completions`: what a shell needs to complete the command line, from the command line's own definitions.

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;

use super::exit::{self, CommandExit};
use super::{agent, output, whither};

/// Print the completions of a shell.
///
/// Debian's packages install them. Elsewhere a shell loads them from a file, or at each start.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  whither completions bash > ~/.local/share/bash-completion/completions/whither
  whither completions zsh > ~/.zfunc/_whither          # with `fpath+=~/.zfunc` before `compinit` in ~/.zshrc
  whither completions fish > ~/.config/fish/completions/whither.fish
  source <(whither completions bash)                   # this shell alone")]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
    /// The program that is completed
    #[arg(long, value_enum, default_value_t = Program::Whither)]
    program: Program,
}

/// The programs of this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Program {
    Whither,
    WhitherAgent,
}

impl Program {
    fn command(self) -> Command {
        match self {
            Self::Whither => whither::command(),
            Self::WhitherAgent => agent::command(),
        }
    }
}

/// Runs the command.
///
/// # Errors
/// Standard output that cannot be written.
pub fn run(args: &CompletionsArgs) -> Result<(), CommandExit> {
    let mut command = args.program.command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    let script = String::from_utf8(script).map_err(|error| CommandExit::new(exit::OTHER, error))?;
    output::data(script.trim_end())
}
