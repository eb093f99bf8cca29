//! Comparisons of a text with a number: errors with their place.
//!
//! Rhai says `false` to `"9" > 3`, whatever stands there, and metadata are always text: a filter by them lets no node
//! through, without a word. Rejected: to compare by value as JavaScript does, which is another language's rule and hides
//! the same mistake in lists and maps.

use rhai::{Engine, EvalAltResult, ImmutableString, Position};

const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

pub(super) fn install(engine: &mut Engine) {
    // Rhai looks for functions of ours at all only where it does not take its own first.
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
