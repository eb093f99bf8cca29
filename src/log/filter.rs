//! The filter of log events: as the environment says, until somebody asks for another for a while.

use std::sync::{Mutex, PoisonError};

use tracing_subscriber::reload::Handle;
use tracing_subscriber::{EnvFilter, Registry};

/// The filter of log events where `WHITHER_LOG` is not set.
const DEFAULT_FILTER: &str = "info,async_nats=off";
/// The parts of a program that are silent where only a level is asked for: they tell of each frame on the wire.
const SILENT: &str = "async_nats=off,hyper=off,hyper_util=off,mio=off,polling=off";
/// The longest filter, in bytes.
const MAX_FILTER_BYTES: usize = 1024;

/// The reason why a filter was not set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogFilterError {
    /// The text is no filter.
    #[error(
        "`{text}` is no filter of log lines: {reason}; expected a level (`debug`), or `info,whither::registry=debug`"
    )]
    Unreadable {
        /// The given text, cut.
        text: String,
        /// The fault in the text.
        reason: String,
    },
    /// This process writes no log.
    #[error("this process writes no log")]
    NoLog,
}

/// The filter of this process, and the way to change it.
pub(super) struct LogFilter {
    handle: Handle<EnvFilter, Registry>,
    usual: String,
    present: Mutex<String>,
}

/// Returns the filter of the environment, as text.
pub(super) fn of_environment() -> String {
    let set = std::env::var("WHITHER_LOG").ok().filter(|text| EnvFilter::builder().parse(text).is_ok());
    set.unwrap_or_else(|| DEFAULT_FILTER.to_owned())
}

/// Parses `text`. A level alone leaves the parts that tell of each frame on the wire silent.
fn parse(text: &str) -> Result<(String, EnvFilter), LogFilterError> {
    let cut = || text.get(..text.floor_char_boundary(80)).unwrap_or_default().to_owned();
    let unreadable = |reason: String| LogFilterError::Unreadable { text: cut(), reason };
    if text.trim().is_empty() || text.len() > MAX_FILTER_BYTES {
        return Err(unreadable(format!("it has {} bytes, and may have 1 to {MAX_FILTER_BYTES}", text.len())));
    }
    let is_level = ["error", "warn", "info", "debug", "trace", "off"].contains(&text);
    let whole = if is_level { format!("{text},{SILENT}") } else { text.to_owned() };
    // A pattern in a filter is run over values of the log.
    let filter = EnvFilter::builder().with_regex(false).parse(&whole).map_err(|error| unreadable(error.to_string()))?;
    Ok((whole, filter))
}

impl LogFilter {
    pub(super) fn new(handle: Handle<EnvFilter, Registry>, usual: String) -> Self {
        Self { handle, present: Mutex::new(usual.clone()), usual }
    }

    /// Sets the filter `text`; returns the filter in force from here on.
    pub(super) fn set(&self, text: &str) -> Result<String, LogFilterError> {
        let (whole, filter) = parse(text)?;
        self.put(whole.clone(), filter)?;
        Ok(whole)
    }

    /// Sets the filter of the environment again; returns that filter.
    pub(super) fn restore(&self) -> Result<String, LogFilterError> {
        let filter = EnvFilter::builder().parse(&self.usual).unwrap_or_else(|_unset| EnvFilter::new(DEFAULT_FILTER));
        self.put(self.usual.clone(), filter)?;
        Ok(self.usual.clone())
    }

    /// Returns the filter in force.
    pub(super) fn present(&self) -> String {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, text: String, filter: EnvFilter) -> Result<(), LogFilterError> {
        self.handle.reload(filter).map_err(|_gone| LogFilterError::NoLog)?;
        *self.present.lock().unwrap_or_else(PoisonError::into_inner) = text;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_filters_are_read_and_other_texts_refused() {
        assert_eq!(parse("debug").unwrap().0, format!("debug,{SILENT}"));
        assert_eq!(parse("info,whither::registry=debug").unwrap().0, "info,whither::registry=debug");
        for text in ["", "  ", "=,=", "whither=loud", &"x".repeat(MAX_FILTER_BYTES + 1)] {
            let error = parse(text).unwrap_err();
            assert!(error.to_string().contains("is no filter of log lines"), "{text}: {error}");
            assert!(error.to_string().len() < 300, "{error}");
        }
    }
}
