//! The log of a script, and the errors that a script throws, from compiled code.

use crate::model::diagnosis::LogLevel;

use super::host::Surroundings;
use super::host_texts::Answer;
use super::ir::BailCause;
use super::thrown::ThrownText;
use super::value::{self, Kind, kind};

impl Surroundings {
    /// The first value of a log line as a text. Gives up over a text with a directive, as `%s`, which other values fill.
    pub(super) fn log_start(&mut self, bits: i64) -> Answer<i64> {
        let text = self.text_of_value(bits)?;
        // Before any other letter, `%` stands for itself.
        let fills = |after: &str| after.starts_with(['s', 'd', 'i', 'f', 'j', 'o', 'O', 'c', '%']);
        if text.split('%').skip(1).any(fills) || text.contains("%%") {
            return self.give_up(BailCause::Logs);
        }
        self.intern(&text)
    }

    /// Writes a line to the log at a level: 1 is a warning, 2 an error.
    pub(super) fn write_line(&mut self, level: i64, line: i64) -> Answer<i64> {
        let line = self.text(line)?;
        let level = match kind(level as u64) {
            Kind::Number(1.0) => LogLevel::Warn,
            Kind::Number(2.0) => LogLevel::Error,
            _ => LogLevel::Info,
        };
        if self.lines.len() <= self.most_lines {
            self.lines.push((level, line));
        }
        Ok(value::UNDEFINED as i64)
    }

    /// Ends the code with an error at the script's place with a number.
    pub(super) fn throw(&mut self, place: i64, message: i64) -> Answer<i64> {
        let message = self.text(message)?;
        let Kind::Number(place) = kind(place as u64) else { return self.give_up(BailCause::Throws) };
        self.thrown = Some(ThrownText { place: place as usize, message });
        self.give_up(BailCause::Throws)
    }
}
