//! The compiler of chains.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::CompileError;
use crate::chain::{Chain, ChainSpec, OnFailure, Step, StepKind, StepSource, StepSpec};
use crate::engine::builtin::Builtin;
use crate::engine::{LANGUAGES, Settings};
use crate::script::{Coverage, Engine, LoadError, Policy, ScriptSource, TierLedger};

/// The compiler of chains: loads each step in the engine of the step's language.
pub(super) struct Compiler {
    settings: Settings,
    /// An engine for each language that is used: starting an engine costs milliseconds.
    engines: BTreeMap<&'static str, Box<dyn Engine>>,
    /// The steps that could not be compiled.
    pub(super) errors: Vec<CompileError>,
    coverage: Option<Arc<Coverage>>,
    ledger: Rc<TierLedger>,
}

impl Compiler {
    /// Creates a compiler, without any engine yet.
    pub(super) fn new(settings: Settings, coverage: Option<Arc<Coverage>>, ledger: Rc<TierLedger>) -> Self {
        Self { settings, engines: BTreeMap::new(), errors: Vec::new(), coverage, ledger }
    }

    /// Compiles the steps of `spec`; `loading` is told the name of each step before the step is loaded.
    pub(super) fn chain(&mut self, spec: &ChainSpec, loading: &mut dyn FnMut(&Arc<str>)) -> Chain {
        let mut steps = Vec::with_capacity(spec.steps.len());
        for step in &spec.steps {
            loading(&step.name);
            match self.step(step) {
                Ok(step) => steps.push(step),
                Err(error) => {
                    let (action, step) = (Arc::clone(&spec.action), Arc::clone(&step.name));
                    self.errors.push(CompileError { action, step, error });
                }
            }
        }
        Chain { spec: Arc::new(spec.clone()), steps }
    }

    fn step(&mut self, spec: &StepSpec) -> Result<Step, LoadError> {
        let builtin = |name: &str| -> Result<Box<dyn Policy>, LoadError> {
            Builtin::parse(name).map(|builtin| -> Box<dyn Policy> { Box::new(builtin) }).map_err(LoadError::new)
        };
        let kind = match &spec.source {
            StepSource::Builtin(name) => StepKind::Policy(builtin(name)?),
            StepSource::Executable(_) => StepKind::External,
            StepSource::Script { extension, content, isolation } => {
                let (file, content) = (Arc::clone(&spec.name), content.clone());
                let source = ScriptSource { file, content, isolation: *isolation };
                StepKind::Script(self.engine(extension)?.load(&source)?)
            }
        };
        let fallback = |policy: &OnFailure| match policy {
            OnFailure::Fallback(name) => builtin(name).map(Some),
            OnFailure::Stop | OnFailure::Skip => Ok(None),
        };
        let (error_fallback, limit_fallback) = (fallback(&spec.on_error)?, fallback(&spec.on_limit)?);
        Ok(Step { spec: spec.clone(), kind, error_fallback, limit_fallback })
    }

    fn engine(&mut self, extension: &str) -> Result<&dyn Engine, LoadError> {
        let Some(language) = LANGUAGES.iter().find(|language| language.extension == extension) else {
            let known: Vec<_> = LANGUAGES.iter().map(|language| format!(".{}", language.extension)).collect();
            return Err(LoadError::new(format!(
                "no language has the extension `.{extension}`, there are: {}",
                known.join(", ")
            )));
        };
        let (settings, coverage, ledger) = (&self.settings, &self.coverage, &self.ledger);
        Ok(&**self.engines.entry(language.extension).or_insert_with(|| {
            let engine = (language.engine)(settings);
            coverage.iter().for_each(|coverage| engine.cover(coverage));
            engine.tell_tiers(ledger);
            engine
        }))
    }
}
