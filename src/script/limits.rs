//! The limits that engines keep themselves. Time and memory are kept around them, by their worker.

use serde::{Deserialize, Serialize};

/// What a script may be and return at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptLimits {
    /// Size of a source in bytes.
    pub source_bytes: usize,
    /// Size of a compiled program in bytes.
    pub component_bytes: usize,
    /// Nesting of a source; parsers recurse, and a deep one ends the process.
    pub source_depth: usize,
    /// Elements of a returned list.
    pub returned_elements: usize,
    /// Length of a returned string, a thrown message or a logged line in bytes; longer ones are cut.
    pub text_bytes: usize,
    /// Lines that all steps of one decision may log together.
    pub log_lines: usize,
    /// Overlay of one node, as JSON, in bytes.
    pub overlay_node_bytes: usize,
    /// Overlays of one request together, as JSON, in bytes.
    pub overlay_request_bytes: usize,
}

impl Default for ScriptLimits {
    fn default() -> Self {
        Self {
            source_bytes: 256 * 1024,
            component_bytes: 4 * 1024 * 1024,
            source_depth: 64,
            returned_elements: 1_000_000,
            text_bytes: 4 * 1024,
            log_lines: 100,
            overlay_node_bytes: 64 * 1024,
            overlay_request_bytes: 1024 * 1024,
        }
    }
}

impl ScriptLimits {
    /// `text` within the length that is passed on, cut at a character with a mark where it was longer.
    #[must_use]
    pub fn cut(&self, text: &str) -> String {
        if text.len() <= self.text_bytes {
            return text.to_owned();
        }
        format!("{}…", text.get(..text.floor_char_boundary(self.text_bytes)).unwrap_or_default())
    }
}
