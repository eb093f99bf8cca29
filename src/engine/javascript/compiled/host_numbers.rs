//! Numbers for compiled code: arithmetic that machines do not have, numbers as texts, and texts as numbers.

use super::host::Surroundings;
use super::host_calls::HostCall;
use super::host_texts::Answer;
use super::ir::BailCause;
use super::texts;
use super::value::{Kind, kind};

/// Up to here whole numbers are exact, and so are powers that stay below.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

impl Surroundings {
    /// Computes `**`. Gives up over whole numbers with an inexact power, which depends on how Boa holds numbers.
    pub(super) fn power(&mut self, base: f64, exponent: f64) -> Answer<f64> {
        let power = figure_of(HostCall::MathPow, base, exponent);
        let is_doubtful = base.fract() == 0.0 && exponent.fract() == 0.0;
        let is_exact = exponent >= 0.0 && power.abs() <= MAX_EXACT;
        if is_doubtful && !is_exact { self.give_up(BailCause::Conversion) } else { self.sure(Some(power)) }
    }

    /// `parseInt` of a value.
    pub(super) fn parse_int(&mut self, text: i64, radix: i64) -> Answer<f64> {
        let radix = self.whole(radix, 0.0)?;
        let text = self.text_of_value(text)?;
        let found = if radix == 0.0 || radix == 10.0 { texts::leading_whole(&text) } else { None };
        self.sure(found)
    }

    /// `toFixed` of a number.
    pub(super) fn fixed(&mut self, number: i64, digits: i64) -> Answer<i64> {
        let (Kind::Number(number), digits) = (kind(number as u64), self.whole(digits, 0.0)?) else {
            return self.give_up(BailCause::Kind);
        };
        match texts::fixed(number, digits) {
            Some(text) => self.intern(&text),
            None => self.give_up(BailCause::Conversion),
        }
    }

    /// Computes `toString(radix)` of a number; a text stays as the text is.
    pub(super) fn in_radix(&mut self, of: i64, radix: i64) -> Answer<i64> {
        let radix = self.whole(radix, 10.0)?;
        match kind(of as u64) {
            Kind::Text(_) => Ok(of),
            Kind::Number(number) => match texts::in_radix(number, radix) {
                Some(text) => self.intern(&text),
                None => self.give_up(BailCause::Conversion),
            },
            _ => self.give_up(BailCause::Kind),
        }
    }
}

/// Arithmetic that machines do not have.
pub(super) fn figure_of(call: HostCall, left: f64, right: f64) -> f64 {
    match call {
        HostCall::MathPow if right.is_nan() || (left.abs() == 1.0 && right.is_infinite()) => f64::NAN,
        HostCall::MathPow => left.powf(right),
        HostCall::Log => left.ln(),
        HostCall::Log2 => left.log2(),
        HostCall::Log10 => left.log10(),
        HostCall::Exp => left.exp(),
        HostCall::Cbrt => left.cbrt(),
        HostCall::Hypot => left.hypot(right),
        HostCall::Sign if left == 0.0 => left,
        HostCall::Sign => left.signum(),
        HostCall::Imul => f64::from(bits_of(left).wrapping_mul(bits_of(right))),
        HostCall::BitAnd => f64::from(bits_of(left) & bits_of(right)),
        HostCall::BitOr => f64::from(bits_of(left) | bits_of(right)),
        HostCall::BitXor => f64::from(bits_of(left) ^ bits_of(right)),
        HostCall::ShiftLeft => f64::from(bits_of(left).wrapping_shl(bits_of(right) as u32)),
        HostCall::ShiftRight => f64::from(bits_of(left).wrapping_shr(bits_of(right) as u32)),
        HostCall::ShiftRightUnsigned => f64::from((bits_of(left) as u32).wrapping_shr(bits_of(right) as u32)),
        _ => f64::NAN,
    }
}

/// Returns the whole part of `number` modulo 2 to the 32nd.
fn bits_of(number: f64) -> i32 {
    if !number.is_finite() {
        return 0;
    }
    number.trunc().rem_euclid(4_294_967_296.0) as u32 as i32
}
