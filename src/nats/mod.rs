//! The bus: the names on it, the connection to it, and the agent that reports a machine over it.
//!
//! Only this floor and `registry` name the NATS client. It does not know chains, scripts or workers.

mod address;
pub mod admission;
pub mod connect;
pub mod frozen;
pub mod jetstream;
mod link;
mod login;
pub mod message;
pub mod micro;
pub mod peers;
pub mod service;
pub mod subjects;
mod trust;
pub mod wire;

pub use address::Address;
pub use connect::{Bus, ConnectError, Connection, Link, LinkState, Reread, login_kind, read_secret};
pub use subjects::KeyError;
