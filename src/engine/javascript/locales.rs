//! What depends on a language and a place: orders of texts, numbers and dates as people write them.
//!
//! Options and languages are checked in JavaScript (`locales.js`), where an unknown one is an error by name; what is native
//! is the order of texts (ICU4X, whose root order is that of English and German) and the patterns of dates, which Node.js
//! wrote itself (`patterns.txt`). Boa's own `intl` feature was rejected: its dates and numbers know few options and drop
//! the others without a word.

mod collation;
mod dates;
mod patterns;

use boa_engine::native_function::NativeFunctionPointer;
use boa_engine::{Context, JsResult};

use super::host::install_body;
use collation::Collators;

/// The native helpers, with the number of their parameters.
const HELPERS: [(&str, usize, NativeFunctionPointer); 3] =
    [("collate", 3, collation::collate), ("dateParts", 5, dates::parts), ("zone", 1, dates::zone)];

/// Gives `context` what depends on a language.
pub(super) fn install(context: &mut Context) -> JsResult<()> {
    context.insert_data(Collators::default());
    install_body(include_str!("locales/locales.js"), &HELPERS, context)
}
