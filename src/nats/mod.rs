//! The bus: its names, its message types, the connection and the service's endpoints.
//!
//! Beside this folder, only `registry`, `agent` and `cli` name the NATS client. Neither chains nor scripts nor workers
//! are known here.

mod address;
pub mod admission;
pub mod call;
pub mod connect;
pub mod frozen;
pub mod jetstream;
mod link;
mod login;
pub mod logs;
pub mod message;
pub mod micro;
pub mod node_page;
pub mod peers;
pub mod service;
pub mod starts;
pub mod subjects;
mod trace_headers;
mod trust;
pub mod wire;

pub use address::Address;
pub use connect::{Bus, ConnectError, Connection, Link, LinkState, Reread, login_kind, read_secret};
pub use subjects::KeyError;
