//! The limits that engines enforce themselves. The worker around an engine enforces time and memory.

use serde::{Deserialize, Serialize};

/// The largest sizes of a script and of the values that a script returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptLimits {
    /// The size of a source in bytes.
    pub source_bytes: usize,
    /// The size of a compiled program in bytes.
    pub component_bytes: usize,
    /// The depth of nesting in a source; parsers recurse, and a deep source ends the process.
    pub source_depth: usize,
    /// The number of elements of a returned list.
    pub returned_elements: usize,
    /// The length of a returned string, a thrown message or a logged line in bytes; longer texts are cut.
    pub text_bytes: usize,
    /// The number of lines that all steps of a decision may log together.
    pub log_lines: usize,
    /// The size of the overlay of a single node, as JSON, in bytes.
    pub overlay_node_bytes: usize,
    /// The size of the overlays of a single request together, as JSON, in bytes.
    pub overlay_request_bytes: usize,
    /// One answer of compiled JavaScript in so many is compared with the interpreter's; 0 where nothing is compiled.
    pub verify_every: u32,
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
            verify_every: 1000,
        }
    }
}

/// Returns the message about a step that used more than `allowed_ms` of CPU time, on `node` where the limit is that of
/// one call about a node.
#[must_use]
pub fn time_message(step: &str, allowed_ms: u64, node: Option<&str>) -> String {
    let used = format!("step {step} used more than {allowed_ms} ms of CPU time");
    match node {
        Some(node) => format!("{used} on node `{node}`"),
        None => used,
    }
}

impl ScriptLimits {
    /// Returns `text` cut to [`ScriptLimits::text_bytes`] at a character boundary; a cut text ends with `…`.
    #[must_use]
    pub fn cut(&self, text: &str) -> String {
        if text.len() <= self.text_bytes {
            return text.to_owned();
        }
        format!("{}…", text.get(..text.floor_char_boundary(self.text_bytes)).unwrap_or_default())
    }
}
