//! The functions that depend on a language and a place: the order of texts, and the formats of numbers and dates.
//!
//! Options and languages are checked in JavaScript (`locales.js`), where an unknown option or language is an error by
//! name; native are the order of texts (ICU4X, with the root order, which is that of English and German) and the
//! patterns of dates, which Node.js itself produced (`patterns.txt`). Boa's own `intl` feature was rejected: dates and
//! numbers there know few options and silently drop the others.

pub(super) mod collation;
mod dates;
mod patterns;

use boa_engine::native_function::NativeFunctionPointer;
use boa_engine::{Context, JsResult};

use super::host::install_body;
use collation::Collators;

/// The native helpers, with the number of their parameters.
const HELPERS: [(&str, usize, NativeFunctionPointer); 3] =
    [("collate", 3, collation::collate), ("dateParts", 5, dates::parts), ("zone", 1, dates::zone)];

/// Defines the locale functions on the global object of `context`.
pub(super) fn install(context: &mut Context) -> JsResult<()> {
    context.insert_data(Collators::default());
    install_body(include_str!("locales/locales.js"), &HELPERS, context)
}
