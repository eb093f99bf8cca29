//! Dates as people write them, by patterns that Node.js produced.

use boa_engine::object::builtins::JsArray;
use boa_engine::{Context, JsArgs, JsResult, JsString, JsValue};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::super::tools::ContextTools;
use super::patterns::{PatternPart, TimeField, patterns};

/// Returns the IANA name of the time zone that the first argument names, or of the site's zone; `undefined` where there
/// is no such zone.
pub(super) fn zone(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let name = match args.get_or_undefined(0).as_string() {
        Some(name) => named(&name.to_std_string_lossy()).and_then(|zone| zone.iana_name().map(str::to_owned)),
        None => ContextTools::of(context).and_then(|kit| kit.stage.zone().iana_name().map(str::to_owned)),
    };
    Ok(name.map_or(JsValue::undefined(), |name| JsString::from(name).into()))
}

fn named(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// Returns the parts of a time, each with type and text: the arguments are milliseconds, the number of the language,
/// the keys of the date and of the time (see `patterns.txt`), and the zone's name. `undefined` where there is no such
/// pattern.
pub(super) fn parts(_this: &JsValue, args: &[JsValue], context: &mut Context) -> JsResult<JsValue> {
    let text = |place: usize| args.get_or_undefined(place).as_string().map(|text| text.to_std_string_lossy());
    let language = args.get_or_undefined(1).to_u32(context)?;
    let (date, time) = (text(2).unwrap_or_default(), text(3).unwrap_or_default());
    let zone = match text(4) {
        Some(name) => named(&name),
        None => ContextTools::of(context).map(|kit| kit.stage.zone().clone()),
    };
    #[expect(clippy::cast_possible_truncation, reason = "a date's time is a whole number below 2^53")]
    let ms = args.get_or_undefined(0).to_number(context)? as i64;
    let local = zone.zip(Timestamp::from_millisecond(ms).ok()).map(|(zone, time)| zone.to_datetime(time));
    let Some((local, pattern)) = local.zip(patterns().find(language, &date, &time)) else {
        return Ok(JsValue::undefined());
    };
    let mut parts = Vec::new();
    for part in pattern {
        let (kind, text) = match part {
            PatternPart::Literal(text) => ("literal", text),
            PatternPart::Field(field) => (field.name(), shown(&field, &local)),
        };
        let pair = [JsString::from(kind), JsString::from(text)].map(JsValue::from);
        parts.push(JsArray::from_iter(pair, context).into());
    }
    Ok(JsArray::from_iter(parts, context).into())
}

/// Returns the text of `field` for `time`.
fn shown(field: &TimeField, time: &DateTime) -> String {
    let listed = |list: &u32, place: i8| patterns().name(*list, usize::from(place.unsigned_abs())).to_owned();
    match field {
        TimeField::Year => time.year().to_string(),
        TimeField::ShortYear => format!("{:02}", time.year().rem_euclid(100)),
        TimeField::Month(list) => listed(list, time.month() - 1),
        TimeField::Weekday(list) => listed(list, time.weekday().to_sunday_zero_offset()),
        TimeField::Day => time.day().to_string(),
        TimeField::LongDay => format!("{:02}", time.day()),
        TimeField::Hour(list) => listed(list, time.hour()),
        TimeField::Minute => time.minute().to_string(),
        TimeField::LongMinute => format!("{:02}", time.minute()),
        TimeField::Second => time.second().to_string(),
        TimeField::LongSecond => format!("{:02}", time.second()),
        TimeField::HalfOfDay(list) => listed(list, i8::from(time.hour() >= 12)),
    }
}
