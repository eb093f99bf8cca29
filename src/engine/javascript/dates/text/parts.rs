//! The parts of a parsed date text: the day, the time of day and the zone.

use super::Offset;

pub(super) fn is_month(number: i64) -> bool {
    (1..=12).contains(&number)
}

pub(super) fn is_day(number: i64) -> bool {
    (1..=31).contains(&number)
}

pub(super) fn is_hour(number: i64) -> bool {
    (0..24).contains(&number)
}

pub(super) fn is_minute(number: i64) -> bool {
    (0..60).contains(&number)
}

pub(super) fn is_second(number: i64) -> bool {
    (0..60).contains(&number)
}

fn is_millisecond(number: i64) -> bool {
    (0..1_000).contains(&number)
}

/// Up to three numbers of a date, in the order of the text.
#[derive(Default)]
pub(super) struct DateNumbers {
    numbers: [Option<i64>; 3],
    /// The month, where the text names the month.
    pub(super) month: Option<i64>,
    /// Whether the text has the standard's form, so that the order is known.
    pub(super) is_standard: bool,
}

impl DateNumbers {
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.iter().all(Option::is_none)
    }

    /// Adds a number; returns whether there was room.
    pub(super) fn add(&mut self, number: i64) -> bool {
        let room = self.numbers.iter_mut().find(|known| known.is_none());
        room.map(|room| *room = Some(number)).is_some()
    }

    /// Returns the day in milliseconds from 1970.
    pub(super) fn ms(&self) -> Option<f64> {
        self.numbers.first().copied().flatten()?;
        let [first, second, third] = self.numbers.map(|number| number.unwrap_or(1));
        let (year, month, day) = match self.month {
            None if self.is_standard || !is_day(first) => (first, second, third),
            None => (third, first, second),
            Some(month) if !is_day(first) => (first, month, second),
            Some(month) => (second, month, first),
        };
        let year = match year {
            _ if self.is_standard => year,
            0..=49 => year + 2_000,
            50..=99 => year + 1_900,
            _ => year,
        };
        (is_month(month) && is_day(day)).then(|| days_from_1970(year, month, day) as f64 * 86_400_000.0)
    }
}

/// Returns the number of days from 1970 to a day of a month, which may be past the month's end.
fn days_from_1970(year: i64, month: i64, day: i64) -> i64 {
    // Years begin with March, so that leap days come last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Up to four numbers of a time of day.
#[derive(Default)]
pub(super) struct Time {
    numbers: [Option<i64>; 4],
    /// The hours that `am` or `pm` adds, where the text has either.
    pub(super) hour_offset: Option<i64>,
}

impl Time {
    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    fn count(&self) -> usize {
        self.numbers.iter().flatten().count()
    }

    /// Whether `number` fits behind the present numbers.
    pub(super) fn expects(&self, number: i64) -> bool {
        match self.count() {
            1 => is_minute(number),
            2 => is_second(number),
            3 => is_millisecond(number),
            _ => false,
        }
    }

    /// Adds a number; returns whether there was room.
    pub(super) fn add(&mut self, number: i64) -> bool {
        let room = self.numbers.iter_mut().find(|known| known.is_none());
        room.map(|room| *room = Some(number)).is_some()
    }

    /// Adds the last number.
    pub(super) fn finish(&mut self, number: i64) {
        self.add(number);
        self.numbers.iter_mut().for_each(|known| *known = known.or(Some(0)));
    }

    /// Returns the time of day in milliseconds.
    pub(super) fn ms(&self) -> Option<f64> {
        let [mut hour, minute, second, millisecond] = self.numbers.map(Option::unwrap_or_default);
        if let Some(offset) = self.hour_offset {
            (0..=12).contains(&hour).then_some(())?;
            hour = hour % 12 + offset;
        }
        let is_right = is_hour(hour) && is_minute(minute) && is_second(second) && is_millisecond(millisecond);
        let is_end_of_day = (hour, minute, second, millisecond) == (24, 0, 0, 0);
        let ms = ((hour * 60 + minute) * 60 + second) * 1_000 + millisecond;
        (is_right || is_end_of_day).then_some(ms as f64)
    }
}

/// The time zone of the text.
#[derive(Default)]
pub(super) struct Zone {
    pub(super) sign: Option<i64>,
    pub(super) hour: Option<i64>,
    pub(super) minute: Option<i64>,
}

impl Zone {
    pub(super) fn is_empty(&self) -> bool {
        self.hour.is_none()
    }

    /// Whether the zone is Greenwich.
    pub(super) fn is_utc(&self) -> bool {
        (self.hour, self.minute) == (Some(0), Some(0))
    }

    /// Whether `number` is the zone's missing minute.
    pub(super) fn expects(&self, number: i64) -> bool {
        self.hour.is_some() && self.minute.is_none() && is_minute(number)
    }

    pub(super) fn set_hours(&mut self, hours: i64) {
        self.sign = Some(if hours < 0 { -1 } else { 1 });
        (self.hour, self.minute) = (Some(hours.abs()), Some(0));
    }

    pub(super) fn offset(&self) -> Offset {
        match self.sign {
            Some(sign) => {
                let (hour, minute) = (self.hour.unwrap_or_default(), self.minute.unwrap_or_default());
                Offset::Seconds(sign * (hour * 3_600 + minute * 60))
            }
            None => Offset::Local,
        }
    }
}
