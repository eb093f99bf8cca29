//! Addresses and their queries, by the WHATWG's parser.

use boa_engine::object::JsObject;
use boa_engine::object::builtins::JsArray;
use boa_engine::{Context, JsArgs, JsNativeError, JsResult, JsString, JsValue};
use url::{Url, form_urlencoded, quirks};

use super::super::tools::length_of;
use super::kinds::text;

/// Returns the parts of an address, in the prelude's order, or `undefined` where the text is no address; the second
/// argument is the base.
pub(super) fn parse(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let base = match args.get_or_undefined(1).is_undefined() {
        true => None,
        false => match Url::parse(&text(args, 1)) {
            Ok(base) => Some(base),
            Err(_) => return Ok(JsValue::undefined()),
        },
    };
    match Url::options().base_url(base.as_ref()).parse(&text(args, 0)) {
        Ok(url) => Ok(parts(&url, context)),
        Err(_) => Ok(JsValue::undefined()),
    }
}

/// Returns the parts of an address after a named part was set; `undefined` where the result is no address.
pub(super) fn change(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let Ok(mut url) = Url::parse(&text(args, 0)) else { return Ok(JsValue::undefined()) };
    let value = text(args, 2);
    // A part that cannot be set stays unchanged, in silence, as in the standard.
    let refused = match text(args, 1).as_str() {
        "href" => return Ok(Url::parse(&value).map_or(JsValue::undefined(), |url| parts(&url, context))),
        "protocol" => quirks::set_protocol(&mut url, &value),
        "username" => quirks::set_username(&mut url, &value),
        "password" => quirks::set_password(&mut url, &value),
        "host" => quirks::set_host(&mut url, &value),
        "hostname" => quirks::set_hostname(&mut url, &value),
        "port" => quirks::set_port(&mut url, &value),
        name => {
            match name {
                "pathname" => quirks::set_pathname(&mut url, &value),
                "search" => quirks::set_search(&mut url, &value),
                _ => quirks::set_hash(&mut url, &value),
            }
            Ok(())
        }
    };
    let _ = refused;
    Ok(parts(&url, context))
}

fn parts(url: &Url, context: &mut Context) -> JsValue {
    let origin = quirks::origin(url);
    let parts = [
        quirks::href(url),
        &origin,
        quirks::protocol(url),
        quirks::username(url),
        quirks::password(url),
        quirks::host(url),
        quirks::hostname(url),
        quirks::port(url),
        quirks::pathname(url),
        quirks::search(url),
        quirks::hash(url),
    ];
    JsArray::from_iter(parts.map(|part| JsString::from(part).into()), context).into()
}

/// Returns the pairs of a query without the `?`.
pub(super) fn parse_query(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let query = text(args, 0);
    let mut pairs = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let pair = [name, value].map(|part| JsValue::from(JsString::from(part.as_ref())));
        pairs.push(JsArray::from_iter(pair, context).into());
    }
    Ok(JsArray::from_iter(pairs, context).into())
}

/// Returns the query made of a list of pairs.
pub(super) fn write_query(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let pairs = object(args.get_or_undefined(0))?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    for place in 0..length_of(&pairs, context)? {
        let pair = object(&pairs.get(place, context)?)?;
        let (name, value) = (pair.get(0, context)?, pair.get(1, context)?);
        query.append_pair(&text(&[name], 0), &text(&[value], 0));
    }
    Ok(JsString::from(query.finish()).into())
}

fn object(value: &JsValue) -> JsResult<JsObject> {
    value.as_object().ok_or_else(|| JsNativeError::typ().with_message("no list of pairs").into())
}
