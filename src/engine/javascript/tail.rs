//! The end of a long text.

use std::fmt::Write;

/// A text that keeps only its last bytes.
pub(super) struct Tail {
    text: String,
    /// The least number of last bytes that are kept.
    kept: usize,
}

impl Tail {
    /// Returns an empty text that keeps at least the last `kept` bytes.
    pub(super) fn new(kept: usize) -> Self {
        Self { text: String::new(), kept }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }
}

impl Write for Tail {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.text.push_str(text);
        if self.text.len() > 2 * self.kept {
            let start = self.text.ceil_char_boundary(self.text.len() - self.kept);
            self.text.drain(..start);
        }
        Ok(())
    }
}
