//! What a component may ask of us, and what it may have at most: the data of its store.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use wasmtime::component::Linker;
use wasmtime::{ResourceLimiter, StoreContextMut};

use crate::model::diagnosis::LogLevel;
use crate::model::{Node, Overlay};
use crate::script::{LogBook, ScriptLimits};

use super::contract::{ConsoleLevel, interface};

/// Memory of one instance in bytes. No more, because filling all of it is one operation that nothing can stop.
pub(super) const MEMORY_BYTES: usize = 32 << 20;
/// Elements of its tables together.
const TABLE_ELEMENTS: usize = 100_000;
/// Modules, memories and tables that a component may be made of.
const PARTS: usize = 64;

/// The surroundings of an instance.
pub(super) struct InstanceHost {
    limits: ScriptLimits,
    memory_bytes: usize,
    table_elements: usize,
    /// Whether it was refused memory.
    pub(super) starved: bool,
    lines: Vec<(LogLevel, String)>,
    /// The last error that it logged since somebody listened: before a trap, often what it is about.
    last_words: Option<String>,
    /// By row, for a component that asks for documents.
    nodes: Vec<Option<Node>>,
    overlays: BTreeMap<u32, Overlay>,
    request: Option<Arc<str>>,
    /// The one node that a function may see which has no request.
    only: Option<u32>,
}

impl InstanceHost {
    pub(super) fn new(limits: ScriptLimits) -> Self {
        Self {
            limits,
            memory_bytes: 0,
            table_elements: 0,
            starved: false,
            lines: Vec::new(),
            last_words: None,
            nodes: Vec::new(),
            overlays: BTreeMap::new(),
            request: None,
            only: None,
        }
    }

    /// Holds what documents are made of.
    pub(super) fn keep(&mut self, row: u32, node: Option<&Node>, overlay: Option<&Overlay>) {
        let place = row as usize;
        if self.nodes.len() <= place {
            self.nodes.resize(place + 1, None);
        }
        if let Some(kept) = self.nodes.get_mut(place) {
            *kept = node.cloned();
        }
        match overlay {
            Some(overlay) => drop(self.overlays.insert(row, Arc::clone(overlay))),
            None => drop(self.overlays.remove(&row)),
        }
    }

    /// Sets what the next call may see: the request, or one node alone.
    pub(super) fn show(&mut self, request: Option<Arc<str>>, only: Option<u32>) {
        (self.request, self.only) = (request, only);
    }

    /// Notes a line; past the limit of lines only as many as make the log book say so.
    fn log(&mut self, level: LogLevel, text: &str) {
        if level == LogLevel::Error {
            self.last_words = Some(self.limits.cut(text));
        }
        if self.lines.len() <= self.limits.log_lines {
            self.lines.push((level, self.limits.cut(text)));
        }
    }

    /// A call begins: what was refused before is not its affair.
    pub(super) fn enter(&mut self) {
        self.starved = false;
    }

    /// Forgets what was logged before anybody asked.
    pub(super) fn forget(&mut self) {
        self.last_words = None;
        self.lines.clear();
    }

    /// Hands the lines to `book`.
    pub(super) fn flush(&mut self, book: &LogBook) {
        self.last_words = None;
        self.lines.drain(..).for_each(|(level, text)| book.write(level, &text));
    }

    /// The error that it logged last in this call.
    pub(super) fn last_words(&self) -> Option<&str> {
        self.last_words.as_deref()
    }

    fn node(&self, row: u32) -> Option<String> {
        let node = self.nodes.get(row as usize)?.as_ref().filter(|_| self.only.is_none_or(|only| only == row))?;
        let overlay: Option<&Map<String, Value>> = self.overlays.get(&row).map(|overlay| &**overlay);
        String::from_utf8(node.to_text(overlay)).ok()
    }
}

/// Lets components call what we offer.
///
/// # Errors
/// What wasmtime says.
pub(super) fn offer(linker: &mut Linker<InstanceHost>) -> wasmtime::Result<()> {
    let log = |mut store: StoreContextMut<'_, InstanceHost>, (level, message): (ConsoleLevel, String)| {
        let level = match level {
            ConsoleLevel::Debug | ConsoleLevel::Info => LogLevel::Info,
            ConsoleLevel::Warn => LogLevel::Warn,
            ConsoleLevel::Error => LogLevel::Error,
        };
        store.data_mut().log(level, &message);
        Ok(())
    };
    linker.instance(&interface("log"))?.func_wrap("log", log)?;
    let mut documents = linker.instance(&interface("documents"))?;
    documents
        .func_wrap("node", |store: StoreContextMut<'_, InstanceHost>, (row,): (u32,)| Ok((store.data().node(row),)))?;
    documents.func_wrap("request", |store: StoreContextMut<'_, InstanceHost>, ()| Ok((store.data().request.clone(),)))
}

impl ResourceLimiter for InstanceHost {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        self.starved |= bytes > MEMORY_BYTES;
        if bytes <= MEMORY_BYTES {
            self.memory_bytes = bytes;
        }
        Ok(bytes <= MEMORY_BYTES)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let elements = self.table_elements.saturating_add(desired.saturating_sub(current));
        if elements <= TABLE_ELEMENTS {
            self.table_elements = elements;
        }
        Ok(elements <= TABLE_ELEMENTS)
    }

    fn instances(&self) -> usize {
        PARTS
    }

    fn tables(&self) -> usize {
        PARTS
    }

    fn memories(&self) -> usize {
        PARTS
    }
}
