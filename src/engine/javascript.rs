//! JavaScript in Boa.
use crate::engine::Settings;
use crate::script::{Engine, LoadError, Script, Source};

struct JavaScript;

/// The engine.
pub fn engine(_settings: &Settings) -> Box<dyn Engine> {
    Box::new(JavaScript)
}
impl Engine for JavaScript {
    fn load(&self, _source: &Source) -> Result<Box<dyn Script>, LoadError> {
        Err(LoadError::new("JavaScript is not built in yet"))
    }
}
