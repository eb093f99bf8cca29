//! From TOML to the values of JSON, which nodes and requests are made of.

use serde_json::{Map, Number, Value};
use toml::de::DeValue;

/// `value` as JSON, or what of it JSON has no word for.
pub(in crate::config) fn of(value: &DeValue<'_>) -> Result<Value, String> {
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Integer(number) => {
            let read = i64::from_str_radix(number.as_str(), number.radix());
            read.map(Value::from).map_err(|_large| format!("the number {} is too large", number.as_str()))?
        }
        DeValue::Float(number) => {
            let read = number.as_str().parse().ok().and_then(Number::from_f64);
            Value::Number(read.ok_or_else(|| format!("{} is no number that JSON knows", number.as_str()))?)
        }
        DeValue::Datetime(_) => return Err("it is a date, expected text in quotes".to_owned()),
        DeValue::Array(list) => list.iter().map(|item| of(item.get_ref())).collect::<Result<_, _>>()?,
        DeValue::Table(table) => {
            // The parser keeps no order of its own: that of the file is the one that people see.
            let mut entries: Vec<_> = table.iter().collect();
            entries.sort_by_key(|(key, _)| key.span().start);
            let read = |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, &toml::Spanned<DeValue<'_>>)| {
                Ok((key.get_ref().to_string(), of(value.get_ref())?))
            };
            Value::Object(entries.into_iter().map(read).collect::<Result<Map<_, _>, String>>()?)
        }
    })
}
