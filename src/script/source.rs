//! An administrator's source, as it is handed to an engine.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::LoadError;

/// A source.
#[derive(Clone, Debug)]
pub struct ScriptSource {
    /// The file as the config or the command line names it; errors name it the same way.
    pub file: Arc<str>,
    /// Its content.
    pub content: Content,
    /// What is kept between requests, in languages that keep something.
    pub isolation: Isolation,
}

/// What stands in a script's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Text, in most languages.
    Text(Arc<str>),
    /// What a compiler made.
    Binary(Bytes),
}

/// Whether the memory of a script that has one outlives a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// It does, until something goes wrong.
    #[default]
    Warm,
    /// Each request finds it as it was at the start.
    Fresh,
}

/// A source that is text.
#[derive(Clone, Debug)]
pub struct SourceText {
    /// The file.
    pub file: Arc<str>,
    /// Its content.
    pub text: Arc<str>,
}

impl ScriptSource {
    /// The source of a language that is written.
    ///
    /// # Errors
    /// Where it is no text.
    pub fn text(&self) -> Result<SourceText, LoadError> {
        match &self.content {
            Content::Text(text) => Ok(SourceText { file: Arc::clone(&self.file), text: Arc::clone(text) }),
            Content::Binary(_) => Err(LoadError::new("this is no text")),
        }
    }

    /// The content, whatever it is.
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
