//! The output of a command: the answer on standard output, everything else on standard error.
//!
//! All output is escaped: [`plain::lines`] lets line ends and colours through, so values from elsewhere are made plain
//! where they are put into a line. An answer that cannot be written is the command's failure; an aside that cannot be
//! written is ignored.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use anstream::adapter::strip_str;
use anstream::{AutoStream, ColorChoice};

use super::exit::{self, CommandExit};
use crate::{log, plain};

/// Writes `answer` as lines of standard output.
///
/// # Errors
/// An answer that cannot be written: a full disk, a closed pipe.
pub fn answer(answer: impl Display) -> Result<(), CommandExit> {
    write(&plain::lines(&answer.to_string()))
}

/// Writes the JSON text `answer` as lines of standard output: the same data, with escapes.
///
/// # Errors
/// As [`answer`].
pub fn json(answer: impl Display) -> Result<(), CommandExit> {
    write(&plain::json(&answer.to_string()))
}

/// Writes `answer`, which a program may read, as a line of standard output: escaped on a terminal, unchanged elsewhere.
///
/// # Errors
/// As [`answer`].
pub fn data(answer: &str) -> Result<(), CommandExit> {
    if io::stdout().is_terminal() { write(&plain::plain(answer)) } else { write(answer) }
}

fn write(answer: &str) -> Result<(), CommandExit> {
    let mut stdout = anstream::stdout().lock();
    let written = writeln!(stdout, "{answer}").and_then(|()| stdout.flush());
    written.map_err(|error| CommandExit::new(exit::OTHER, format!("the answer could not be written: {error}")))
}

/// Writes `aside` as lines of standard error; a failing write is ignored.
pub fn aside(aside: impl Display) {
    let lines = format!("{}\n", plain::lines(&aside.to_string()));
    match AutoStream::choice(&io::stderr()) {
        ColorChoice::Never => log::print_line(&strip_str(&lines).to_string()),
        _ => log::print_line(&lines),
    }
}

/// Writes `line` of a story that continues also where the line cannot be written.
pub fn print_line(line: impl Display) {
    let _unread = writeln!(anstream::stdout().lock(), "{}", plain::lines(&line.to_string()));
}
