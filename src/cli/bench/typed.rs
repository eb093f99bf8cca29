//! Whether `--nats` was typed. A service that the environment names is used by every other command; a bench takes
//! thousands of placements a second there, so a bench requires the explicit option.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

/// The field of `BusArgs` that holds the addresses.
const URLS: &str = "urls";

/// Whether `--nats` stands on the command line itself. To be flattened before the bus's own options, which take theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Typed(pub(super) bool);

impl FromArgMatches for Typed {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        Ok(Self(matches.value_source(URLS) == Some(ValueSource::CommandLine)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Typed {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}
