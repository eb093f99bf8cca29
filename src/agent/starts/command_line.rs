//! A command line as a list of words. No shell reads the words, so no value in a request is ever read as a command.

use std::fmt;

use crate::model::json::{self, JsonLimits};

/// The longest text of a command line, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// The path or the name of the program.
    pub program: String,
    /// The arguments.
    pub arguments: Vec<String>,
}

/// The reason why a text is no command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandLineError {
    /// The text has no word.
    #[error("the command is empty")]
    Empty,
    /// The text begins as a JSON list and is none of strings.
    #[error("expected words, or a JSON list of strings: {0}")]
    Json(String),
    /// The text has a character by which shells group words.
    #[error("no shell reads the command, so `{0}` groups no words; write a JSON list: [\"program\", \"an argument\"]")]
    Quote(char),
    /// The text has a control character.
    #[error("the command has a control character")]
    Control,
}

impl CommandLine {
    /// Reads words that are separated by spaces, or a JSON list of words.
    ///
    /// # Errors
    /// [`CommandLineError`] where `text` is neither.
    pub fn parse(text: &str) -> Result<Self, CommandLineError> {
        let words = if text.trim_start().starts_with('[') {
            let limits = JsonLimits::bytes(MAX_BYTES);
            json::parse_as::<Vec<String>>(text.as_bytes(), limits)
                .map_err(|error| CommandLineError::Json(error.to_string()))?
        } else if let Some(quote) = text.chars().find(|character| matches!(character, '"' | '\'' | '`')) {
            return Err(CommandLineError::Quote(quote));
        } else {
            text.split_whitespace().map(str::to_owned).collect()
        };
        if words.iter().any(|word| word.chars().any(char::is_control)) {
            return Err(CommandLineError::Control);
        }
        let mut words = words.into_iter();
        let program = words.next().filter(|program| !program.is_empty()).ok_or(CommandLineError::Empty)?;
        Ok(Self { program, arguments: words.collect() })
    }

    /// The words.
    pub fn words(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.program).chain(&self.arguments)
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.program)?;
        self.arguments.iter().try_for_each(|argument| write!(f, " {argument}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_words_and_nothing_is_read_by_a_shell() {
        let line = |text| CommandLine::parse(text).map(|line| line.words().cloned().collect::<Vec<_>>());
        assert_eq!(line("  /bin/start  --json $HOME "), Ok(vec!["/bin/start".into(), "--json".into(), "$HOME".into()]));
        assert_eq!(line(r#"["/bin/start", "a b", ""]"#), Ok(vec!["/bin/start".into(), "a b".into(), String::new()]));
        assert_eq!(line(" "), Err(CommandLineError::Empty));
        assert_eq!(line(r#"[""]"#), Err(CommandLineError::Empty));
        assert_eq!(line("start 'a b'"), Err(CommandLineError::Quote('\'')));
        assert_eq!(line("[\"a\\u0000b\"]"), Err(CommandLineError::Control));
        assert!(matches!(line("[1]"), Err(CommandLineError::Json(_))));
        assert!(matches!(line("[\"a\""), Err(CommandLineError::Json(_))));
    }
}
