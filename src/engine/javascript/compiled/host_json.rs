//! `JSON.parse` and `JSON.stringify` for compiled code.

use serde_json::Value;

use super::dictionary::DictionaryKind;
use super::host::Surroundings;
use super::host_texts::Answer;
use super::ir::BailCause;
use super::lower::is_inherited;
use super::value::{self, Kind, kind};

/// The most digits of a number that is read exactly; a longer number may have been read as a neighbouring number.
const CERTAIN_DIGITS: usize = 15;

impl Surroundings {
    /// `JSON.stringify` of a value that is no list and no object.
    pub(super) fn json(&mut self, bits: i64) -> Answer<i64> {
        match kind(bits as u64) {
            Kind::Undefined => Ok(value::UNDEFINED as i64),
            Kind::Number(number) if !number.is_finite() => self.intern("null"),
            Kind::Text(_) => {
                let text = serde_json::to_string(&*self.text(bits)?).unwrap_or_default();
                self.intern(&text)
            }
            Kind::Null | Kind::Flag(_) | Kind::Number(_) => {
                let text = self.text_of_value(bits)?;
                self.intern(&text)
            }
            Kind::List(_) | Kind::Object(..) | Kind::Dictionary(_) | Kind::Unknown => self.give_up(BailCause::Logs),
        }
    }

    /// Returns the value of a JSON text. Lists, and texts that are no JSON, are left to Boa.
    pub(super) fn parse_json(&mut self, text: i64) -> Answer<i64> {
        let text = self.text(text)?;
        match serde_json::from_str(&text) {
            Ok(parsed) => self.of_json(&parsed),
            Err(_) => self.give_up(BailCause::Throws),
        }
    }

    fn of_json(&mut self, parsed: &Value) -> Answer<i64> {
        Ok(match parsed {
            Value::Null => value::NULL as i64,
            Value::Bool(flag) => value::flag(*flag) as i64,
            Value::Number(number) => {
                let number = number.as_f64().unwrap_or(f64::NAN);
                let digits = number.to_string().bytes().filter(u8::is_ascii_digit).count();
                if number.is_nan() || digits > CERTAIN_DIGITS {
                    return self.give_up(BailCause::Conversion);
                }
                value::number(number) as i64
            }
            Value::String(text) => self.intern(text)?,
            Value::Array(_) => return self.give_up(BailCause::Kind),
            Value::Object(members) => {
                let made = self.make(DictionaryKind::Object);
                for (name, member) in members {
                    if is_inherited(name) || name == "__proto__" || name == "length" {
                        return self.give_up(BailCause::Kind);
                    }
                    let (name, member) = (self.intern(name)?, self.of_json(member)?);
                    self.put(made, DictionaryKind::Object, (name as u64, member))?;
                }
                made
            }
        })
    }
}
