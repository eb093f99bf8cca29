//! The lines that scripts log, held until the decision is sent: bounded, and free of I/O.

use std::cell::RefCell;

use crate::model::diagnosis::{LogLevel, LogLine};

use super::ScriptLimits;

/// The lines that the steps of a single decision logged.
#[derive(Debug)]
pub struct LogBook {
    limits: ScriptLimits,
    lines: RefCell<(usize, Vec<LogLine>)>,
}

impl LogBook {
    /// Returns an empty book.
    #[must_use]
    pub fn new(limits: ScriptLimits) -> Self {
        Self::after(0, limits)
    }

    /// Returns the book of a resumed decision that has logged `written` lines already.
    #[must_use]
    pub fn after(written: usize, limits: ScriptLimits) -> Self {
        Self { limits, lines: RefCell::new((written, Vec::new())) }
    }

    /// Returns the number of lines written, dropped lines included.
    #[must_use]
    pub fn written(&self) -> usize {
        self.lines.borrow().0
    }

    /// Appends `text`; past the limit of lines, a last line says so and the rest is dropped.
    pub fn write(&self, level: LogLevel, text: &str) {
        let (written, lines) = &mut *self.lines.borrow_mut();
        *written += 1;
        if *written <= self.limits.log_lines {
            lines.push(LogLine { level, text: self.limits.cut(text) });
        } else if *written == self.limits.log_lines + 1 {
            let text = format!("log cut: a decision may log {} lines", self.limits.log_lines);
            lines.push(LogLine { level: LogLevel::Warn, text });
        }
    }

    /// Takes the lines since the last call; the count towards the limit goes on.
    #[must_use]
    pub fn take(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.lines.borrow_mut().1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_says_so() {
        let book = LogBook::new(ScriptLimits { log_lines: 2, text_bytes: 3, ..ScriptLimits::default() });
        for _ in 0..5 {
            book.write(LogLevel::Info, "äää");
        }
        let lines = book.take();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0].text, "ä…");
        assert!(lines[2].text.contains("2 lines"));
        book.write(LogLevel::Info, "x");
        assert!(book.take().is_empty());
    }
}
