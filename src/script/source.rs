//! The source of a script, as handed to an engine.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::LoadError;

/// A source with file name and isolation.
#[derive(Clone, Debug)]
pub struct ScriptSource {
    /// The file as the config or the command line names the file; errors use the same name.
    pub file: Arc<str>,
    /// The content of the file.
    pub content: Content,
    /// Whether memory is kept between requests, in languages that have such memory.
    pub isolation: Isolation,
}

/// The content of a script's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Text, in most languages.
    Text(Arc<str>),
    /// Bytes that a compiler made.
    Binary(Bytes),
}

/// Whether the memory of a script outlives a request, in languages that have such memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// The memory outlives requests, until something goes wrong.
    #[default]
    Warm,
    /// Each request finds the memory as at the start.
    Fresh,
}

/// A source that is text.
#[derive(Clone, Debug)]
pub struct SourceText {
    /// The name of the file.
    pub file: Arc<str>,
    /// The text of the file.
    pub text: Arc<str>,
}

impl ScriptSource {
    /// Returns the source as text.
    ///
    /// # Errors
    /// The content is binary.
    pub fn text(&self) -> Result<SourceText, LoadError> {
        match &self.content {
            Content::Text(text) => Ok(SourceText { file: Arc::clone(&self.file), text: Arc::clone(text) }),
            Content::Binary(_) => Err(LoadError::new("this is no text")),
        }
    }

    /// Returns the content as bytes, be the content text or binary.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.content {
            Content::Text(text) => text.as_bytes(),
            Content::Binary(bytes) => bytes,
        }
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}
