//! What texts and numbers say of each other, as far as that is beyond doubt; the rest is left to Boa.

use std::cmp::Ordering;

/// Numbers from here on are written with an exponent.
const LARGEST_PLAIN: f64 = 1e21;
/// Numbers below are.
const SMALLEST_PLAIN: f64 = 1e-6;
/// Up to here a whole number is exactly one.
const MAX_WHOLE: f64 = 9e15;

/// The number that `text` says in JavaScript; absent where that is a matter for Boa.
pub(super) fn number_of(text: &str) -> Option<f64> {
    if !text.is_ascii() {
        return None;
    }
    let text = text.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    if text.is_empty() {
        return Some(0.0);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (plain, rest) = unsigned.split_at(digits);
    let is_plain = plain.bytes().any(|byte| byte.is_ascii_digit()) && plain.matches('.').count() <= 1;
    if is_plain && rest.is_empty() {
        return text.parse().ok();
    }
    // `0x1f`, `1e3` and `Infinity` are numbers too; words and dates are none.
    let is_odd =
        unsigned.starts_with("Inf") || (is_plain && rest.starts_with(['e', 'E', 'x', 'X', 'o', 'O', 'b', 'B']));
    (!is_odd).then_some(f64::NAN)
}

/// What `parseInt` reads of `text` in tens.
pub(super) fn leading_whole(text: &str) -> Option<f64> {
    let (is_negative, unsigned) = signed(text)?;
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = unsigned.split_at(digits);
    match (digits, rest.as_bytes().first()) {
        ("", _) => Some(f64::NAN),
        // Other bases, zeros with a sign, and more digits than numbers have.
        ("0", Some(b'x' | b'X')) => None,
        _ if digits.len() > 15 => None,
        _ => digits
            .parse()
            .ok()
            .filter(|number| *number != 0.0 || !is_negative)
            .map(|number: f64| negated(number, is_negative)),
    }
}

/// What `parseFloat` reads of `text`.
pub(super) fn leading_number(text: &str) -> Option<f64> {
    let (is_negative, unsigned) = signed(text)?;
    let whole = unsigned.bytes().take_while(u8::is_ascii_digit).count();
    let behind = unsigned.get(whole..)?;
    let fraction = match behind.strip_prefix('.') {
        Some(rest) => 1 + rest.bytes().take_while(u8::is_ascii_digit).count(),
        None => 0,
    };
    let (plain, rest) = unsigned.split_at(whole + fraction);
    if whole == 0 && fraction < 2 {
        return if unsigned.starts_with("Inf") { None } else { Some(f64::NAN) };
    }
    if rest.starts_with(['e', 'E']) {
        return None;
    }
    plain.parse().ok().filter(|number| *number != 0.0 || !is_negative).map(|number: f64| negated(number, is_negative))
}

/// Whether a text of ASCII begins with a minus, and what follows the sign.
fn signed(text: &str) -> Option<(bool, &str)> {
    if !text.is_ascii() {
        return None;
    }
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let is_negative = text.starts_with('-');
    Some((is_negative, text.strip_prefix(['+', '-']).unwrap_or(text)))
}

fn negated(number: f64, is_negative: bool) -> f64 {
    if is_negative { -number } else { number }
}

/// `number` with so many digits behind the point; absent where it lies between two of them, or is too large.
pub(super) fn fixed(number: f64, digits: f64) -> Option<String> {
    if !(0.0..=20.0).contains(&digits) || !number.is_finite() || number.abs() >= LARGEST_PLAIN {
        return None;
    }
    let digits = digits as usize;
    let number = if number == 0.0 { 0.0 } else { number };
    // What is a tie has a five and nothing else within so many digits.
    let exact = format!("{number:.*}", digits + 30);
    let behind = exact.get(exact.len() - 30..)?;
    let is_tie = behind.starts_with('5') && behind.bytes().skip(1).all(|digit| digit == b'0');
    (!is_tie).then(|| format!("{number:.digits$}"))
}

/// Returns a whole `number` in a radix from 2 to 36; `None` for any other number or radix.
pub(super) fn in_radix(number: f64, radix: f64) -> Option<String> {
    if !(2.0..=36.0).contains(&radix) || number.fract() != 0.0 || number.abs() >= MAX_WHOLE {
        return None;
    }
    let (mut rest, radix, mut digits) = (number.abs() as u64, radix as u64, Vec::new());
    loop {
        digits.push(char::from_digit((rest % radix) as u32, radix as u32)?);
        rest /= radix;
        if rest == 0 {
            break;
        }
    }
    digits.extend((number < 0.0).then_some('-'));
    Some(digits.iter().rev().collect())
}

/// `number` as JavaScript writes it; absent where that needs an exponent.
pub(super) fn text_of(number: f64) -> Option<String> {
    let size = number.abs();
    match number {
        _ if number.is_nan() => Some("NaN".to_owned()),
        _ if number.is_infinite() => Some(if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()),
        _ if number == 0.0 => Some("0".to_owned()),
        _ if number.fract() == 0.0 && size < MAX_WHOLE => Some((number as i64).to_string()),
        _ if (SMALLEST_PLAIN..LARGEST_PLAIN).contains(&size) => Some(number.to_string()),
        _ => None,
    }
}

/// The length of `text` in units of sixteen bits.
pub(super) fn length(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.encode_utf16().count() }
}

/// The order of two texts by their units of sixteen bits.
pub(super) fn order(left: &str, right: &str) -> Ordering {
    if left.is_ascii() && right.is_ascii() { left.cmp(right) } else { left.encode_utf16().cmp(right.encode_utf16()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_say_each_other() {
        for (text, expected) in [
            ("", Some(0.0)),
            (" 12 ", Some(12.0)),
            ("-1.5", Some(-1.5)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1e3", None),
            ("0x1f", None),
            ("Infinity", None),
            ("ä", None),
        ] {
            assert_eq!(number_of(text), expected, "{text}");
        }
        for text in ["abc", "1 2", "1.2.3", ".", "-", "12px", "true"] {
            assert!(number_of(text).is_some_and(f64::is_nan), "{text}");
        }
        for (number, expected) in
            [(0.1, Some("0.1")), (-0.0, Some("0")), (1e20, Some("100000000000000000000")), (1e21, None), (1e-7, None)]
        {
            assert_eq!(text_of(number).as_deref(), expected, "{number}");
        }
        assert_eq!((length("a😀"), order("\u{ffff}", "😀")), (3, Ordering::Greater));
    }
}
