//! The parts of the request's time as a date, beyond the hour, the minute and the day of the week.

use crate::clock::Moment;

const DAY_MS: i64 = 86_400_000;

/// Returns the part with this number, in the order of the methods in `lower/dates.rs`; `None` where the part is not
/// known.
pub(super) fn part(moment: &Moment, number: usize) -> Option<i64> {
    let local = moment.ms + i64::from(moment.offset_min) * 60_000;
    // A zone whose offset has seconds would tell another time.
    let is_sure = local.rem_euclid(DAY_MS) / 60_000 == i64::from(moment.hour) * 60 + i64::from(moment.minute);
    let (day, utc_day) = (local.div_euclid(DAY_MS), moment.ms.div_euclid(DAY_MS));
    let part = match number {
        0 => civil(day).2,
        1 => civil(day).1 - 1,
        2 => civil(day).0,
        3 => moment.ms.rem_euclid(60_000) / 1000,
        4 => moment.ms.rem_euclid(1000),
        5 => -i64::from(moment.offset_min),
        6 => moment.ms.rem_euclid(DAY_MS) / 3_600_000,
        7 => moment.ms.rem_euclid(3_600_000) / 60_000,
        8 => (utc_day + 4).rem_euclid(7),
        9 => civil(utc_day).2,
        10 => civil(utc_day).1 - 1,
        11 => civil(utc_day).0,
        _ => return None,
    };
    is_sure.then_some(part)
}

/// Returns the year, the month from 1 and the day of the month of `day`, in days since the start of 1970, by the
/// Gregorian calendar.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let own = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, own)
}

/// Returns the Unix time of `text` in milliseconds. `text` has the form `2026-12-01` (midnight in UTC) or
/// `2026-12-01T08:30:00.000Z`, with or without seconds and with `Z` or an offset; `None` for any other text.
pub(super) fn time_of(text: &str) -> Option<f64> {
    let is_form = |form: &str| {
        text.len() == form.len()
            && form
                .bytes()
                .zip(text.bytes())
                .all(|(form, own)| if form == b'0' { own.is_ascii_digit() } else { form == own })
    };
    let whole = match text.len() {
        10 if is_form("0000-00-00") => format!("{text}T00:00:00Z"),
        17 if is_form("0000-00-00T00:00Z") => format!("{}:00Z", text.get(..16)?),
        20 if is_form("0000-00-00T00:00:00Z") => text.to_owned(),
        24 if is_form("0000-00-00T00:00:00.000Z") => text.to_owned(),
        25 if is_form("0000-00-00T00:00:00+00:00") || is_form("0000-00-00T00:00:00-00:00") => text.to_owned(),
        _ => return None,
    };
    // A leap second is no time in JavaScript, and midnight may be written as 24 there.
    if whole.get(17..19)? >= "60" || whole.get(11..13)? >= "24" {
        return None;
    }
    whole.parse::<jiff::Timestamp>().ok().map(|time| time.as_millisecond() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    #[test]
    fn dates_say_what_calendars_say() {
        for (ms, expected) in [
            (0, [1, 0, 1970, 0, 0]),
            (951_782_400_000, [29, 1, 2000, 0, 0]),
            (1_790_000_012_345, [21, 8, 2026, 32, 345]),
            (-1, [31, 11, 1969, 59, 999]),
        ] {
            let moment = Moment::at(ms, &TimeZone::UTC);
            let parts: Vec<_> = (0..5).map(|number| part(&moment, number).unwrap()).collect();
            assert_eq!(parts, expected, "{ms}");
            assert_eq!(part(&moment, 8), Some(i64::from(moment.weekday)), "{ms}");
        }
    }

    #[test]
    fn texts_of_dates_are_times() {
        for (text, time) in [
            ("1970-01-02", Some(86_400_000.0)),
            ("2026-12-01T00:00Z", Some(1_796_083_200_000.0)),
            ("2026-12-01T00:00:00.250Z", Some(1_796_083_200_250.0)),
            ("2026-12-01T01:00:00+01:00", Some(1_796_083_200_000.0)),
            ("2026-12-01T00:00:00", None),
            ("2026-12-01T24:00:00Z", None),
            ("2026-13-01", None),
            ("2026-12-01T00:00:60Z", None),
            ("Dec 1, 2026", None),
        ] {
            assert_eq!(time_of(text), time, "{text}");
        }
    }
}
