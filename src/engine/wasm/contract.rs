//! The types of `wit/balancer.wit`, as they cross the boundary between host and component.

use std::sync::Arc;

use wasmtime::component::{ComponentType, Lift, Lower};

/// The package with the interfaces that components implement.
pub(super) const PACKAGE: &str = "whither:balancer";
/// The version of the package in this build.
pub(super) const VERSION: &str = "1.0.0";

/// Returns the full name of the interface `name` in components.
pub(super) fn interface(name: &str) -> String {
    format!("{PACKAGE}/{name}@{VERSION}")
}

/// A request.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct ComponentRequest {
    pub(super) action: Arc<str>,
    pub(super) login: Arc<str>,
    pub(super) groups: String,
    #[component(name = "is-manager")]
    pub(super) is_manager: bool,
    #[component(name = "is-admin")]
    pub(super) is_admin: bool,
    #[component(name = "session-name")]
    pub(super) session_name: Arc<str>,
    #[component(name = "now-ms")]
    pub(super) now_ms: i64,
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) weekday: u8,
    pub(super) sequence: u64,
    pub(super) seed: u64,
}

/// The columns that a component wants beside the fixed columns.
#[derive(Clone, Debug, Default, ComponentType, Lift)]
#[component(record)]
pub(super) struct ColumnWishes {
    pub(super) metadata: Vec<String>,
    #[component(name = "static-data")]
    pub(super) static_data: Vec<String>,
}

/// The kind of value in a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ComponentType, Lower)]
#[component(enum)]
#[repr(u8)]
pub(super) enum CellKind {
    #[component(name = "absent")]
    Absent,
    #[component(name = "text")]
    Text,
    #[component(name = "number")]
    Number,
    #[component(name = "flag")]
    Flag,
    #[component(name = "json")]
    Json,
}

/// A column for a single key that a component asked for.
#[derive(Debug, Default, ComponentType, Lower)]
#[component(record)]
pub(super) struct Column {
    pub(super) kinds: Vec<CellKind>,
    pub(super) numbers: Vec<f64>,
    pub(super) text: Vec<u8>,
    pub(super) offsets: Vec<u32>,
}

/// Some rows of the table.
#[derive(Debug, Default, ComponentType, Lower)]
#[component(record)]
pub(super) struct Rows {
    pub(super) rows: Vec<u32>,
    pub(super) ids: Vec<u8>,
    #[component(name = "id-offsets")]
    pub(super) id_offsets: Vec<u32>,
    pub(super) sessions: Vec<f64>,
    #[component(name = "max-sessions")]
    pub(super) max_sessions: Vec<f64>,
    #[component(name = "free-memory")]
    pub(super) free_memory: Vec<f64>,
    pub(super) load: Vec<f64>,
    pub(super) cordoned: Vec<bool>,
    pub(super) columns: Vec<Column>,
}

/// The verdict of a whole-list policy.
#[derive(Clone, Debug, PartialEq, Eq, ComponentType, Lift)]
#[component(variant)]
pub(super) enum ComponentVerdict {
    #[component(name = "pass")]
    Pass,
    #[component(name = "select")]
    Select(u32),
    #[component(name = "narrow")]
    Narrow(Vec<u32>),
}

/// The severity of a logged line.
#[derive(Clone, Copy, Debug, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "components make them, by number")]
pub(super) enum ConsoleLevel {
    #[component(name = "debug")]
    Debug,
    #[component(name = "info")]
    Info,
    #[component(name = "warn")]
    Warn,
    #[component(name = "error")]
    Error,
}
