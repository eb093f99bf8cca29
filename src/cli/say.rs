//! What a command says: its answer on standard output, everything else on standard error.
//!
//! An answer that cannot be written is the command's failure; an aside that cannot be written is nobody's.

use std::fmt::Display;
use std::io::{self, Write};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};

use crate::log;

use super::exit::{self, Exit};

/// Writes `answer` as a line of standard output.
///
/// # Errors
/// Where it cannot be written: a full disk, a closed pipe.
pub fn answer(answer: impl Display) -> Result<(), Exit> {
    let mut stdout = anstream::stdout().lock();
    let written = writeln!(stdout, "{answer}").and_then(|()| stdout.flush());
    written.map_err(|error| Exit::new(exit::OTHER, format!("the answer could not be written: {error}")))
}

/// Writes `aside` as a line of standard error, if anybody reads that.
pub fn aside(aside: impl Display) {
    let line = format!("{aside}\n");
    match AutoStream::choice(&io::stderr()) {
        ColorChoice::Never => log::say(&strip_str(&line).to_string()),
        _ => log::say(&line),
    }
}

/// Writes `line` of a story that goes on whether anybody reads it or not.
pub fn tell(line: impl Display) {
    let _unread = writeln!(anstream::stdout().lock(), "{line}");
}
