//! The host functions and the limits of a component: the data of the component's store.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use wasmtime::component::Linker;
use wasmtime::{ResourceLimiter, StoreContextMut};

use crate::model::diagnosis::LogLevel;
use crate::model::{Node, Overlay};
use crate::script::{LogBook, ScriptLimits};

use super::contract::{ConsoleLevel, interface};

/// The memory of an instance in bytes. Not more, because filling the whole memory is a single operation that nothing
/// can stop.
pub(super) const MEMORY_BYTES: usize = 32 << 20;
/// The number of elements of an instance's tables together.
const TABLE_ELEMENTS: usize = 100_000;
/// The number of modules, memories and tables that a component may consist of.
const PARTS: usize = 64;

/// The host state of an instance.
pub(super) struct InstanceHost {
    limits: ScriptLimits,
    memory_bytes: usize,
    table_elements: usize,
    /// Whether the instance was refused memory.
    pub(super) starved: bool,
    lines: Vec<(LogLevel, String)>,
    /// The last error that the component logged since the last flush: before a trap, often the cause.
    last_error: Option<String>,
    /// The nodes by row, for a component that asks for documents.
    nodes: Vec<Option<Node>>,
    overlays: BTreeMap<u32, Overlay>,
    request: Option<Arc<str>>,
    /// The only node that a function without a request may see.
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
            last_error: None,
            nodes: Vec::new(),
            overlays: BTreeMap::new(),
            request: None,
            only: None,
        }
    }

    /// Keeps the node and the overlay from which the document of `row` is made.
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

    /// Sets the documents that the next call may see: the request, or a single node alone.
    pub(super) fn show(&mut self, request: Option<Arc<str>>, only: Option<u32>) {
        (self.request, self.only) = (request, only);
    }

    /// Records a line; past the limit of lines only as many as make the log book report the cut.
    fn log(&mut self, level: LogLevel, text: &str) {
        if level == LogLevel::Error {
            self.last_error = Some(self.limits.cut(text));
        }
        if self.lines.len() <= self.limits.log_lines {
            self.lines.push((level, self.limits.cut(text)));
        }
    }

    /// Prepares for a call: a refusal during an earlier call does not concern the new call.
    pub(super) fn enter(&mut self) {
        self.starved = false;
    }

    /// Drops the lines of the start, before any call.
    pub(super) fn forget(&mut self) {
        self.last_error = None;
        self.lines.clear();
    }

    /// Passes the lines to `book`.
    pub(super) fn flush(&mut self, book: &LogBook) {
        self.last_error = None;
        self.lines.drain(..).for_each(|(level, text)| book.write(level, &text));
    }

    /// Returns the last error that the component logged in this call.
    pub(super) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    fn node(&self, row: u32) -> Option<String> {
        let node = self.nodes.get(row as usize)?.as_ref().filter(|_| self.only.is_none_or(|only| only == row))?;
        let overlay: Option<&Map<String, Value>> = self.overlays.get(&row).map(|overlay| &**overlay);
        String::from_utf8(node.to_text(overlay)).ok()
    }
}

/// Adds the host functions for components to `linker`.
///
/// # Errors
/// The error of wasmtime.
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
