//! Text and bytes: base64 by the WHATWG's forgiving rules, UTF-8, UTF-16 and Windows-1252.

use boa_engine::object::JsObject;
use boa_engine::object::builtins::{JsArrayBuffer, JsTypedArray, JsUint8Array};
use boa_engine::{Context, JsArgs, JsNativeError, JsResult, JsString, JsValue};
use data_encoding::{BASE64, Specification};

use super::kinds::text;

/// The characters of Windows-1252 in the places 0x80 to 0x9f, where Latin-1 has control characters.
const WINDOWS_1252: [u16; 32] = [
    0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d,
    0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d,
    0x17e, 0x178,
];

/// Returns the bytes of a base64 text, a character for each byte; `undefined` where the text is no base64.
pub(super) fn from_base64(_this: &JsValue, args: &[JsValue], _context: &mut Context) -> JsResult<JsValue> {
    let mut data: Vec<u16> = units(args.get_or_undefined(0));
    data.retain(|unit| ![0x20, 0x09, 0x0a, 0x0c, 0x0d].contains(unit));
    if data.len().is_multiple_of(4) {
        let padding = data.iter().rev().take(2).take_while(|unit| **unit == u16::from(b'=')).count();
        data.truncate(data.len() - padding);
    }
    let bytes: Option<Vec<u8>> = data.into_iter().map(|unit| u8::try_from(unit).ok()).collect();
    let decoded = bytes.and_then(|bytes| forgiving()?.decode(&bytes).ok());
    Ok(decoded.map_or(JsValue::undefined(), |bytes| latin1(&bytes)))
}

/// Returns the encoding of base64 without padding, with bits in the last character that belong to no byte allowed.
fn forgiving() -> Option<data_encoding::Encoding> {
    let mut rules = Specification::new();
    rules.symbols.push_str("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    rules.check_trailing_bits = false;
    rules.encoding().ok()
}

/// Returns the base64 text of characters below 256; `undefined` where there are others.
pub(super) fn to_base64(_this: &JsValue, args: &[JsValue], _context: &mut Context) -> JsResult<JsValue> {
    let bytes: Option<Vec<u8>> =
        units(args.get_or_undefined(0)).into_iter().map(|unit| u8::try_from(unit).ok()).collect();
    Ok(bytes.map_or(JsValue::undefined(), |bytes| JsString::from(BASE64.encode(&bytes)).into()))
}

/// Returns the UTF-8 bytes of a text.
pub(super) fn encode(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    JsUint8Array::from_iter(text(args, 0).into_bytes(), context).map(Into::into)
}

/// Returns the text of bytes in an encoding; `undefined` where the bytes are invalid and the third argument asks for a
/// check.
pub(super) fn decode(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let list = args.get_or_undefined(0).as_object().ok_or_else(|| JsNativeError::typ().with_message("no bytes"))?;
    let bytes = bytes_of(list, context)?;
    let is_strict = args.get_or_undefined(2).to_boolean();
    let decoded = match text(args, 1).as_str() {
        "utf-16le" => utf16(&bytes, u16::from_le_bytes, is_strict),
        "utf-16be" => utf16(&bytes, u16::from_be_bytes, is_strict),
        "windows-1252" => Some(windows_1252(&bytes)),
        _ if is_strict => std::str::from_utf8(&bytes).ok().map(|text| JsString::from(text).into()),
        _ => Some(JsString::from(String::from_utf8_lossy(&bytes).as_ref()).into()),
    };
    Ok(decoded.unwrap_or_default())
}

fn bytes_of(list: JsObject, context: &mut Context) -> JsResult<Vec<u8>> {
    let list = JsTypedArray::from_object(list)?;
    let (start, length) = (list.byte_offset(context)?, list.byte_length(context)?);
    let buffer = list.buffer(context)?;
    let buffer = buffer.as_object().ok_or_else(|| JsNativeError::typ().with_message("no bytes"))?;
    let buffer = JsArrayBuffer::from_object(buffer)?;
    let bytes = buffer.data().and_then(|data| data.get(start..)?.get(..length).map(<[u8]>::to_vec));
    Ok(bytes.unwrap_or_default())
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16, is_strict: bool) -> Option<JsValue> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(bytes.len());
    for character in char::decode_utf16(pairs.iter().copied().map(unit)) {
        match character {
            Err(_) if is_strict => return None,
            character => text.push(character.unwrap_or(char::REPLACEMENT_CHARACTER)),
        }
    }
    if !rest.is_empty() {
        if is_strict {
            return None;
        }
        text.push(char::REPLACEMENT_CHARACTER);
    }
    Some(JsString::from(text).into())
}

fn windows_1252(bytes: &[u8]) -> JsValue {
    let unit = |byte: &u8| match byte.checked_sub(0x80).and_then(|place| WINDOWS_1252.get(usize::from(place))) {
        Some(unit) => *unit,
        None => u16::from(*byte),
    };
    let units: Vec<u16> = bytes.iter().map(unit).collect();
    JsString::from(units.as_slice()).into()
}

fn units(value: &JsValue) -> Vec<u16> {
    value.as_string().map(|text| text.iter().collect()).unwrap_or_default()
}

fn latin1(bytes: &[u8]) -> JsValue {
    let units: Vec<u16> = bytes.iter().copied().map(u16::from).collect();
    JsString::from(units.as_slice()).into()
}
