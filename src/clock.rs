//! Time and chance as values: both come with the request, so that a decision can be run again.
//!
//! Nothing here reads a clock or draws random numbers by itself. Rejected: asking the host inside scripts, because that
//! makes a decision unrepeatable (Nomad seeds the shuffle from the evaluation for the same reason).

use std::fmt;
use std::time::Instant;

use jiff::Timestamp;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};

/// The time of an event, passed in by the driver of a part that reads no clock itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The time by the monotonic clock, for durations.
    pub instant: Instant,
    /// The time by the wall clock in Unix milliseconds, for timestamps that are exchanged with others.
    pub unix_ms: i64,
}

/// Measures the cost of steps. Passed in, because the core reads no clock.
pub trait Stopwatch {
    /// Returns the microseconds since some fixed moment, never less than before.
    fn micros(&self) -> u64;
}

/// A stopwatch that stands still: for tests, and where no cost is measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stopped;

impl Stopwatch for Stopped {
    fn micros(&self) -> u64 {
        0
    }
}

/// Reports when the running script has used up the time allowed, so that an engine which can stop a script does so.
/// Passed in, as all time is.
pub trait Alarm: fmt::Debug {
    /// Returns the scope that ran out of time, or `None`.
    fn overtime(&self) -> Option<Overtime>;

    /// Returns the CPU time that `scope` may take, in milliseconds, where the alarm has gone off for `scope`.
    fn allowed_ms(&self, _scope: Overtime) -> Option<u64> {
        None
    }

    /// Registers `wake`, which is called when time is used up, and repeatedly while the script runs on, from another
    /// thread: for an engine that does not poll during a call. `wake` may be called once more after the overdue call
    /// has ended.
    fn on_overtime(&self, wake: Wake);

    /// Acknowledges that the engine has stopped the script and now frees the script's memory, which takes time as well.
    fn acknowledge(&self);

    /// Suspends the script's time: from here on the engine works on the engine's own account, building a script's input
    /// or collecting garbage, until [`Alarm::resume`]. Pauses may be nested.
    fn pause(&self) {}

    /// Resumes the script's own time. Returns the length of the pause, in microseconds of CPU time; 0 for a pause
    /// inside another pause.
    fn resume(&self) -> u64 {
        0
    }

    /// Begins the running call anew: what the call has used so far was an attempt of the engine's own, and counts
    /// towards no limit.
    fn begin_anew(&self) {}

    /// Returns the CPU time of the process in microseconds; 0 where no time is measured.
    fn cpu_us(&self) -> u64 {
        0
    }

    /// Excludes the next `_us` microseconds of CPU time, in which garbage is collected, from the script's time: for up to
    /// the time that the step may take, because garbage is made by somebody.
    fn excuse_garbage(&self, _us: u64) {}
}

impl dyn Alarm + '_ {
    /// Runs `work` of the engine's own, which does not count as time of the script.
    pub fn own_work<T>(&self, work: impl FnOnce() -> T) -> T {
        self.pause();
        let result = work();
        self.resume();
        result
    }
}

/// The callback of an alarm.
pub type Wake = Box<dyn Fn() + Send>;

/// The scope of a used-up time limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overtime {
    /// The step as a whole: no more of the step is run.
    Step,
    /// A single per-node call.
    Call,
}

/// An alarm that never goes off: for tests, and where no time is measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Alarm for Silent {
    fn overtime(&self) -> Option<Overtime> {
        None
    }

    fn on_overtime(&self, _wake: Wake) {}

    fn acknowledge(&self) {}
}

/// The moment of a request, as scripts see the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The Unix time in milliseconds, UTC.
    pub ms: i64,
    /// The hour of the day in the site's time zone, 0 to 23.
    pub hour: u8,
    /// The minute of the hour, 0 to 59.
    pub minute: u8,
    /// The day of the week as JavaScript counts: 0 is Sunday.
    pub weekday: u8,
    /// The zone's offset from UTC at that moment, in minutes, east positive.
    pub offset_min: i32,
}

impl Moment {
    /// Returns the moment `ms` in `zone`; a time outside of jiff's range (year -9999 to 9999) counts as the epoch.
    #[must_use]
    pub fn at(ms: i64, zone: &TimeZone) -> Self {
        let instant = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let local = instant.to_zoned(zone.clone());
        Self {
            ms,
            hour: local.hour().unsigned_abs(),
            minute: local.minute().unsigned_abs(),
            weekday: local.weekday().to_sunday_zero_offset().unsigned_abs(),
            offset_min: offset_s(ms.div_euclid(1000), zone) / 60,
        }
    }
}

/// Returns the time zone of this name: an IANA name such as `Europe/Berlin`, or a POSIX TZ string. Names come from the
/// built-in database, so that no file is read.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).or_else(|_unknown| TimeZone::posix(name)).ok()
}

/// Returns the offset of `zone` from UTC at Unix time `unix_s`, in seconds, east positive.
#[must_use]
pub fn offset_s(unix_s: i64, zone: &TimeZone) -> i32 {
    zone.to_offset(within_years(unix_s)).seconds()
}

/// Returns the offset of `zone` from UTC at the local time that a wall clock shows `wall_s` seconds after the start of
/// 1970, in seconds, east positive. Where the clocks are changed, the offset before the change counts, as in ECMA-262:
/// of a time that comes twice the first is meant, and a skipped time is later by as much as the clocks are put forward.
#[must_use]
pub fn wall_offset_s(wall_s: i64, zone: &TimeZone) -> i32 {
    match zone.to_ambiguous_timestamp(Offset::UTC.to_datetime(within_years(wall_s))).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.seconds(),
        AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. } => before.seconds(),
    }
}

/// Returns the time `unix_s`, or a time in a year with the same calendar, where `unix_s` is outside of jiff's range.
fn within_years(unix_s: i64) -> Timestamp {
    /// The number of seconds, 400 years, after which the calendar repeats.
    const CYCLE_S: i64 = 146_097 * 86_400;
    /// A century at either end is left out, so that offsets fit.
    const MARGIN_S: i64 = 100 * 366 * 86_400;
    let (least, most) = (Timestamp::MIN.as_second() + MARGIN_S, Timestamp::MAX.as_second() - MARGIN_S);
    let within = match unix_s {
        late if late > most => most - CYCLE_S + (late - most).rem_euclid(CYCLE_S),
        early if early < least => least + CYCLE_S - (least - early).rem_euclid(CYCLE_S),
        within => within,
    };
    Timestamp::from_second(within).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A stream of random numbers that is the same for the same request, step and node.
#[derive(Clone, Debug)]
pub struct Dice(Pcg64Mcg);

impl Dice {
    /// Returns the stream of step number `step` of the request that drew `seed`; per-node functions add the node's id,
    /// so that lazy and eager evaluation see the same numbers.
    #[must_use]
    pub fn new(seed: u64, step: u64, node: &str) -> Self {
        let mut material = [0; 16];
        let words = [seed, fnv1a(node) ^ step.wrapping_mul(0x9e37_79b9_7f4a_7c15)];
        for (place, byte) in material.iter_mut().zip(words.into_iter().flat_map(u64::to_le_bytes)) {
            *place = byte;
        }
        Self(Pcg64Mcg::from_seed(material))
    }

    /// Returns the next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Returns the next number, at least 0 and below 1.
    pub fn unit(&mut self) -> f64 {
        // A double holds exactly 53 bits.
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Returns the FNV-1a hash: stable over releases and machines, unlike the standard library's hashers.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_is_the_sites() {
        let chicago = TimeZone::get("America/Chicago").unwrap();
        let moment = Moment::at(1_795_195_800_000, &chicago); // 2026-11-20T17:30:00Z, a Friday
        assert_eq!((moment.hour, moment.minute, moment.weekday, moment.offset_min), (11, 30, 5, -360));
        assert_eq!(Moment::at(i64::MAX, &TimeZone::UTC).hour, 0);
    }

    #[test]
    fn equal_seeds_give_equal_streams() {
        let draw = |seed, step, node| {
            let mut dice = Dice::new(seed, step, node);
            [dice.unit(), dice.unit()]
        };
        assert_eq!(draw(1, 0, ""), draw(1, 0, ""));
        assert_ne!(draw(1, 0, ""), draw(2, 0, ""));
        assert_ne!(draw(1, 0, "a"), draw(1, 0, "b"));
        assert_ne!(draw(1, 0, "a"), draw(1, 1, "a"));
        assert!(draw(7, 3, "x").iter().all(|number| (0.0..1.0).contains(number)));
    }
}
