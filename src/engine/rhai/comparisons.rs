//! Comparisons of a text with a number: errors with their place.
//!
//! Rhai answers `false` to `"9" > 3`, for any text and number, and metadata are always text: a filter by metadata would
//! silently let no node through. Rejected: comparing by value as JavaScript does, because that is another language's
//! rule and hides the same mistake in lists and maps.

use rhai::{Engine, EvalAltResult, ImmutableString, Position};

const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

pub(super) fn install(engine: &mut Engine) {
    // Rhai calls registered functions only where Rhai does not use its own operators first.
    engine.set_fast_operators(false);
    for name in COMPARISONS {
        engine.register_fn(name, |text: ImmutableString, number: i64| differ(&text, &number.to_string()));
        engine.register_fn(name, |text: ImmutableString, number: f64| differ(&text, &number.to_string()));
        engine.register_fn(name, |number: i64, text: ImmutableString| differ(&text, &number.to_string()));
        engine.register_fn(name, |number: f64, text: ImmutableString| differ(&text, &number.to_string()));
    }
}

fn differ(text: &str, number: &str) -> Result<bool, Box<EvalAltResult>> {
    const SHOWN: usize = 40;
    let text: String = text.chars().take(SHOWN).collect();
    let message = format!(
        "the text `{text}` is compared with the number {number}: make one like the other, with `parse_float(text)` or `number.to_string()`"
    );
    Err(EvalAltResult::ErrorRuntime(message.into(), Position::NONE).into())
}
