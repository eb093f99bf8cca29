//! Joining lists to texts, for compiled code.

use wasmtime::{Caller, Extern, Linker};

use super::emit::HOST;
use super::host::{MAX_TEXT_BYTES, Surroundings, elements};
use super::host_calls::HostCall;
use super::ir::BailCause;
use super::value::{Kind, kind};

/// Defines the call in `linker`.
///
/// # Errors
/// The error of wasmtime.
pub(super) fn offer(linker: &mut Linker<Surroundings>) -> wasmtime::Result<()> {
    type Ask<'a> = Caller<'a, Surroundings>;
    linker.func_wrap(HOST, HostCall::Join.name(), |mut ask: Ask<'_>, list: i64, between: i64| {
        let items = match (kind(list as u64), ask.get_export("memory")) {
            (Kind::List(list), Some(Extern::Memory(memory))) => {
                elements(memory.data(&ask), list).map(Iterator::collect::<Vec<_>>)
            }
            _ => None,
        };
        match items {
            Some(items) => ask.data_mut().join(&items, between),
            None => ask.data_mut().give_up(BailCause::Kind),
        }
    })?;
    Ok(())
}

impl Surroundings {
    /// Joins `items`, with `between` between them; `undefined` and `null` count as empty texts.
    fn join(&mut self, items: &[u64], between: i64) -> wasmtime::Result<i64> {
        let (between, mut whole) = (self.text(between)?, String::new());
        for (place, item) in items.iter().enumerate() {
            if place > 0 {
                whole.push_str(&between);
            }
            if !matches!(kind(*item), Kind::Undefined | Kind::Null) {
                whole.push_str(&self.text_of_value(*item as i64)?);
            }
            if whole.len() > MAX_TEXT_BYTES {
                return self.give_up(BailCause::Memory);
            }
        }
        self.intern(&whole)
    }
}
